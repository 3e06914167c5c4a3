"""Which layers an embedder computes for Docs, and keeps on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..bilm.layers import ALL, LayerChoice, expand_layers, resolve_layers
from .annotations import TensorWriter


@dataclass(frozen=True)
class LayerPlan:
    """Layer names, resolved once: until listeners, weights, settings or the pipeline change.

    keep (list[str]): Layers for doc._.elmo.
    keep_beside (list[str]): The same where a Doc's tensor is of another component.
    tensor (str | None): The layer that becomes doc.tensor; None: it is not set.
    key (tuple): What the plan was made from.
    """

    keep: list[str]
    keep_beside: list[str]
    tensor: str | None
    key: tuple[Any, ...] = ()

    @property
    def compute(self) -> list[str]:
        """All layers that are needed."""
        return [*self.keep, *([] if self.tensor is None or self.tensor in self.keep else [self.tensor])]


def make_layer_plan(
    layers: LayerChoice,
    *,
    pooling_layer: str,
    listened_to: Sequence[str],
    tensor: TensorWriter,
    vectors: bool,
    n_layers: int,
) -> LayerPlan:
    """Resolve the layers of an embedder.

    layers (LayerChoice): Those that the config keeps.
    pooling_layer (str): The layer for doc.tensor.
    listened_to (Sequence[str]): Those that listeners read.
    tensor (TensorWriter): Says whether doc.tensor is set.
    vectors (bool): Whether .vector reads the pooling layer.
    n_layers (int): LSTM layers of the model.
    RETURNS (LayerPlan): The plan.
    RAISES (ElmoError): If the model does not have a layer.
    """
    # Also where it is not computed: a name that the model does not have must not pass.
    resolve_layers([pooling_layer], n_layers=n_layers)
    keep = expand_layers([pooling_layer], n_layers=n_layers) if layers == ALL else list(layers)
    beside = keep
    if layers != ALL and tensor.may_leave:
        # What would have been in doc.tensor alone.
        beside = [*keep, pooling_layer]
        keep = beside if vectors else keep
    return LayerPlan(
        keep=resolve_layers([*keep, *listened_to], n_layers=n_layers),
        keep_beside=resolve_layers([*beside, *listened_to], n_layers=n_layers),
        tensor=pooling_layer if tensor.writes else None,
    )
