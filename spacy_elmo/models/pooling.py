"""The vectors that a task gets from the layers: a trained mix of them, or one layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple, cast

import numpy as np
import torch
from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ints1d

from ..bilm.layers import MIXED, check_layer_name, layer_names
from ..bilm.scalar_mix import check_layers, differentiate_mix, mix_layers
from ..elmo import Elmo
from ..errors import ElmoError, Errors, check_number
from ..runtime.isolation import computation
from .ops_arrays import share_array, share_tensor
from .output import FlatLayers

# Added to the variance of a token's numbers.
_TINY = 1e-12
OWN_MIX = "elmo_mix"
ONE_LAYER = "elmo_layer"


class MixGradients(NamedTuple):
    """The gradients of a scalar mix, as arrays; see `bilm.scalar_mix.MixGradients`.

    weights (Floats1d): (n_layers,), of the weights before the softmax.
    gamma (float): Of gamma.
    layers (Callable[[], list[Floats2d]]): Computes those of the layers, in the shapes of the layers.
    """

    weights: Floats1d
    gamma: float
    layers: Callable[[], list[Floats2d]]


@computation()
def mix(
    xp: ModuleType, layers: Sequence[Floats2d], weights: Floats1d, gamma: float
) -> tuple[Floats2d, Callable[[Floats2d], MixGradients]]:
    """Compute a scalar mix of layers, by the code of `bilm.scalar_mix`.

    xp (ModuleType): numpy or cupy.
    layers (Sequence[Floats2d]): (n_tokens, 2P) each; a layer of width P is used twice, side by side.
    weights (Floats1d): (n_layers,), before the softmax.
    gamma (float): The factor of the mix.
    RETURNS (tuple[Floats2d, Callable]): The mix, (n_tokens, 2P), and its backward pass.
    RAISES (ElmoError): If there are more or fewer layers than weights.
    """
    inputs = [share_tensor(layer) for layer in layers]
    own = share_tensor(weights)
    factor = torch.tensor(gamma, dtype=own.dtype, device=own.device)
    check_layers(inputs, n_weights=len(own))
    mixed = cast(Floats2d, share_array(mix_layers(own, factor, inputs), xp))

    @computation()
    def backprop(d_mixed: Floats2d) -> MixGradients:
        found = differentiate_mix(share_tensor(d_mixed), own, factor, inputs)
        return MixGradients(
            cast(Floats1d, share_array(found.weights, xp)),
            float(found.gamma),
            lambda: [cast(Floats2d, share_array(d, xp)) for d in found.layers()],
        )

    return mixed, backprop


PoolingT = Model[FlatLayers, list[Floats2d]]


@dataclass(frozen=True, kw_only=True)
class PoolingSettings:
    """How a task reads the layers.

    pooling_layer (str | None): The layer to read, where "elmo" is the embedder's mix; None: a mix that the task
        learns.
    layer_norm (bool): Normalise each token's vector in each layer to mean 0 and variance 1 first.
    dropout (float | None): Share of the output that is set to zero in training; None: as in the training config.
    l2 (float): The penalty on the mix's weights is l2 * sum(w ** 2) a step (Peters et al. 2018, section 3.3).
    grad_factor (float): Factor of the gradients that the embedder gets; 0: it learns nothing from the task.
    RAISES (ElmoError): If a value is not allowed.
    """

    pooling_layer: str | None
    layer_norm: bool
    dropout: float | None
    l2: float
    grad_factor: float

    def __post_init__(self) -> None:
        if self.pooling_layer is not None:
            check_layer_name(self.pooling_layer, what="pooling_layer")
        if self.dropout is not None:
            check_number("dropout", self.dropout, low=0, high=1, below=True)
        check_number("l2", self.l2, low=0)

    def names(self, n_layers: int) -> list[str]:
        """List the layers to read.

        n_layers (int): LSTM layers of the model.
        RETURNS (list[str]): The names, lowest first.
        RAISES (ElmoError): If the model does not have the pooling layer.
        """
        names = layer_names(n_layers)
        if self.pooling_layer is None:
            return [name for name in names if name != MIXED]
        if self.pooling_layer not in names:
            allowed = ", ".join(names)
            raise ElmoError(Errors.EL031.format(got=self.pooling_layer, n_layers=n_layers, allowed=allowed))
        return [self.pooling_layer]


def pooling(settings: PoolingSettings, *, width: int | None) -> PoolingT:
    """Make a node that computes a vector for each token from the layers, (len(doc), width) for each Doc.

    A mix has the parameters `weights`, (L + 1,), before the softmax, and `gamma`, (1,).

    settings (PoolingSettings): How the layers are read.
    width (int | None): Columns of the output; None: set by `fit` or by the first batch.
    RETURNS (PoolingT): The node.
    """
    own = settings.pooling_layer is None
    return Model(
        OWN_MIX if own else ONE_LAYER,
        forward,
        init=init,
        dims={"nO": width, **({"nL": None} if own else {})},
        params={"weights": None, "gamma": None} if own else {},
        # Thinc's own name for what components set from the training config.
        attrs={"pooling": settings, "dropout_rate": 0.0},
    )


def get_pooling_settings(model: PoolingT) -> PoolingSettings:
    """Get the settings of a node.

    model (PoolingT): Made by `pooling`.
    RETURNS (PoolingSettings): How it reads the layers.
    """
    settings: PoolingSettings = model.attrs["pooling"]
    return settings


def fit(model: PoolingT, *, n_layers: int, width: int, where: str) -> None:
    """Set the sizes of a node.

    model (PoolingT): Made by `pooling`.
    n_layers (int): LSTM layers of the biLM.
    width (int): Columns of the layers that it reads.
    where (str): What has these columns, for messages.
    RAISES (ElmoError): If the node has another width.
    """
    if model.has_dim("nO") and model.get_dim("nO") != width:
        raise ElmoError(Errors.EL101.format(got=model.get_dim("nO"), expected=width, where=where))
    model.set_dim("nO", width)
    if model.has_dim("nL") is not False and not model.has_param("weights"):
        model.set_dim("nL", n_layers + 1)
        init(model)


def fit_to(model: PoolingT, elmo: Elmo, *, where: str) -> None:
    """Set the sizes of a node to those of a model; see `fit`.

    model (PoolingT): Made by `pooling`.
    elmo (Elmo): The model.
    where (str): Its name, for messages.
    RAISES (ElmoError): If the node has another width, or the model does not have the layer.
    """
    names = get_pooling_settings(model).names(elmo.n_layers)
    fit(model, n_layers=elmo.n_layers, width=max(map(elmo.width, names)), where=where)


def init(model: PoolingT, **_samples: object) -> None:
    """Give all layers the same weight.

    model (PoolingT): Made by `pooling`.
    """
    if model.has_dim("nL"):
        model.set_param("weights", model.ops.alloc1f(model.get_dim("nL")))
        model.set_param("gamma", model.ops.asarray1f([1.0]))


@computation()
def forward(
    model: PoolingT, layers: FlatLayers, is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], None]]:
    """Compute the vectors of a batch. Gradients of the layers are passed to the layers' `backprop`, if any.

    model (PoolingT): Made by `pooling`.
    layers (FlatLayers): The layers of the Docs.
    is_train (bool): Apply dropout.
    RETURNS (tuple[list[Floats2d], Callable]): (len(doc), width) for each Doc, and the backward pass.
    RAISES (ElmoError): If the layers have another width than the node, or lack one.
    """
    settings, ops = get_pooling_settings(model), model.ops
    names = settings.names(layers.n_layers)
    inputs = [ops.asarray2f(layers.arrays[name]) for name in names]
    fit(model, n_layers=layers.n_layers, width=max(array.shape[1] for array in inputs), where="the layers")
    undo_norms: list[Callable[[Floats2d], Floats2d]] = []
    if settings.layer_norm:
        normed = [_normalise(ops.xp, array) for array in inputs]
        inputs, undo_norms = [array for array, _ in normed], [undo for _, undo in normed]
    backprop_mix: Callable[[Floats2d], MixGradients] | None = None
    if settings.pooling_layer is None:
        weights = cast(Floats1d, model.get_param("weights"))
        outputs, backprop_mix = mix(ops.xp, inputs, weights, float(model.get_param("gamma")[0]))
    else:
        outputs = inputs[0]
    rate = model.attrs["dropout_rate"] if settings.dropout is None else settings.dropout
    mask = ops.get_dropout_mask(outputs.shape, rate) if is_train and rate else None
    if mask is not None:
        outputs = outputs * mask

    @computation()
    def backprop(d_outputs: list[Floats2d]) -> None:
        d = ops.flatten(d_outputs) if d_outputs else ops.alloc2f(0, model.get_dim("nO"))
        if mask is not None:
            d = d * mask
        gradients = None if backprop_mix is None else backprop_mix(d)
        if gradients is not None:
            _add_penalty(model, settings.l2)
            model.inc_grad("weights", gradients.weights)
            model.inc_grad("gamma", ops.asarray1f([gradients.gamma]))
        if layers.backprop is not None and settings.grad_factor:
            found = [d] if gradients is None else gradients.layers()
            found = [d_layer * settings.grad_factor for d_layer in found]
            if undo_norms:
                found = [undo(d_layer) for undo, d_layer in zip(undo_norms, found, strict=True)]
            layers.backprop(dict(zip(names, found, strict=True)))

    # Thinc needs the lengths on the CPU.
    sizes = cast(Ints1d, np.asarray(layers.lengths, dtype=np.int64))
    return ops.unflatten(outputs, sizes), backprop


def _add_penalty(model: PoolingT, l2: float) -> None:
    # Once a step, even if its batch is computed in parts: only the first part finds no gradient.
    if l2 and not (model.has_grad("weights") and model.get_grad("weights").any()):
        model.inc_grad("weights", 2 * l2 * model.get_param("weights"))


def _normalise(xp: ModuleType, layer: Floats2d) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Bring every row to mean 0 and variance 1; also return the backward pass."""
    centred = layer - layer.mean(axis=1, keepdims=True)
    variance = (centred * centred).mean(axis=1, keepdims=True)
    # Rows of zeros, which stand for whitespace, stay zeros and get no gradient.
    scale = (variance > 0) / xp.sqrt(variance + _TINY)
    normed = centred * scale

    def backprop(d: Floats2d) -> Floats2d:
        d_mean = d.mean(axis=1, keepdims=True)
        return cast(Floats2d, scale * (d - d_mean - normed * (d * normed).mean(axis=1, keepdims=True)))

    return normed, backprop
