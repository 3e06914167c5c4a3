"""What the catalogue says of a published model."""

from dataclasses import dataclass

from ..releases import Release


@dataclass(frozen=True, kw_only=True)
class Entry(Release):
    """A published model.

    language (str): The code of its language.
    licence (str | None): Its licence; None if the authors name none for the model.
    n_layers (int): The number of LSTM layers, as in options.json.
    dim (int): The width of the LSTM cells.
    projection_dim (int): The width of the projection.
    """

    language: str
    licence: str | None = None
    n_layers: int
    dim: int
    projection_dim: int
