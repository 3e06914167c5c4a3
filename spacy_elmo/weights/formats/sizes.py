"""Options of a published model without an options file, from the shapes of its arrays."""

from collections.abc import Mapping, Sequence

from ...bilm.options import Options
from ..arrays import ArrayInfo, Shape

# What shapes do not determine. It is the same in all published models: Peters et al. 2018, and the options.json
# of AllenNLP's models.
_LSTM = {"use_skip_connections": True, "cell_clip": 3, "proj_clip": 3}
_CNN = {"activation": "relu", "n_characters": 262, "max_characters_per_token": 50}


def published_options(
    *,
    dim: int,
    projection_dim: int,
    n_layers: int,
    embedding_dim: int,
    filters: Sequence[Sequence[int]],
    n_highway: int,
    path: str,
) -> Options:
    """Make the options of a published model from its sizes; see `Options`.

    dim (int): The width of the LSTM cells.
    projection_dim (int): The width of the projection.
    n_layers (int): The number of layers in each direction.
    embedding_dim (int): The width of the character embedding.
    filters (Sequence[Sequence[int]]): The span and the number of each width of filters.
    n_highway (int): The number of highway layers.
    path (str): The weights file, for messages.
    RETURNS (Options): The options.
    RAISES (ElmoError): If no biLM has such sizes.
    """
    lstm = {"dim": dim, "projection_dim": projection_dim, "n_layers": n_layers}
    pairs = [list(pair) for pair in filters]
    cnn = {"filters": pairs, "n_highway": n_highway, "embedding": {"dim": embedding_dim}}
    return Options.from_dict({"lstm": {**_LSTM, **lstm}, "char_cnn": {**_CNN, **cnn}}, where=path)


def infer_options(arrays: Mapping[str, ArrayInfo], *, path: str) -> Options:
    """Infer the options of a published model from its arrays.

    Arrays that are missing or have too few axes count as small ones; `check_arrays` reports them later.

    arrays (Mapping[str, ArrayInfo]): The arrays under the names of `encoder_shapes`.
    path (str): The weights file, for messages.
    RETURNS (Options): The options.
    RAISES (ElmoError): If no biLM has such sizes.
    """

    def shape(name: str, default: Shape) -> Shape:
        array = arrays.get(name)
        return default if array is None or len(array.shape) != len(default) else array.shape

    def count(start: str) -> int:
        return len({name[len(start) :].split(".")[0] for name in arrays if name.startswith(start)})

    filters: list[list[int]] = []
    for i in range(count("char_encoder.convolutions.") or 1):
        number, _, span = shape(f"char_encoder.convolutions.{i}.weight", (1, 1, 1))
        filters.append([span, number])
    gates, width = shape("forward_stack.layers.0.input_linear.weight", (4, 1))
    return published_options(
        dim=gates // 4,
        projection_dim=width,
        n_layers=count("forward_stack.layers.") or 1,
        embedding_dim=shape("char_encoder.embedding.weight", (1, 1))[1],
        filters=filters,
        n_highway=count("char_encoder.highways."),
        path=path,
    )
