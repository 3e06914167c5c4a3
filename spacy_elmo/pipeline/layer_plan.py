"""Which layers an embedder computes for Docs, and keeps on them."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..bilm.layers import ALL, LayerChoice, check_layer_choice, expand_layers, resolve_layers
from .annotations import TensorWriter


@dataclass(frozen=True)
class LayerPlan:
    """Layer names of an embedder, resolved until listeners, weights, settings or the pipeline change.

    keep (list[str]): Layers for doc._.elmo.
    keep_beside (list[str]): The same for a Doc whose tensor belongs to another component.
    tensor (str | None): The layer that becomes doc.tensor; None: it is not set.
    key (tuple[object, ...]): What the plan was made from.
    """

    keep: list[str]
    keep_beside: list[str]
    tensor: str | None
    key: tuple[object, ...] = ()

    @property
    def compute(self) -> list[str]:
        """All layers to compute."""
        return [*self.keep, *([] if self.tensor is None or self.tensor in self.keep else [self.tensor])]


def make_layer_plan(
    layers: LayerChoice,
    *,
    pooling_layer: str,
    read: Sequence[str],
    tensor: TensorWriter,
    vectors: bool,
    n_layers: int,
) -> LayerPlan:
    """Resolve the layers of an embedder.

    layers (LayerChoice): The layers to keep, by the config.
    pooling_layer (str): The layer for doc.tensor.
    read (Sequence[str]): The layers that listeners read.
    tensor (TensorWriter): Decides whether doc.tensor is set.
    vectors (bool): Whether .vector reads the pooling layer.
    n_layers (int): LSTM layers of the model.
    RETURNS (LayerPlan): The plan.
    RAISES (ElmoError): If the model does not have a layer.
    """
    layers = check_layer_choice(layers)
    # Checked even if it is not computed: an unknown name is an error.
    resolve_layers([pooling_layer], n_layers=n_layers)
    keep = expand_layers([pooling_layer], n_layers=n_layers) if layers == ALL else list(layers)
    beside = keep
    if layers != ALL and tensor.may_leave:
        # The pooling layer, which would have been in doc.tensor only.
        beside = [*keep, pooling_layer]
        keep = beside if vectors else keep
    return LayerPlan(
        keep=resolve_layers([*keep, *read], n_layers=n_layers),
        keep_beside=resolve_layers([*beside, *read], n_layers=n_layers),
        tensor=pooling_layer if tensor.writes else None,
    )
