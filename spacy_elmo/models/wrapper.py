"""Elmo as a Thinc model: Docs in, layer outputs out. The weights may come later than the model."""

from typing import Any, Callable, Dict, List, Sequence, Tuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.tokens import Doc
from thinc.api import Model

from ..bilm.layers import MIXED, LayerOutputs, layer_names, n_lstm_layers
from ..elmo import Elmo, Settings
from ..engine.trainable import TrainableEngine
from .holder import ElmoHolder
from .output import Backprop, ElmoOutput, FlatLayers, flatten, to_numpy
from .placement import Placement, place
from .scalar_mix import mix
from .shim import ElmoShim
from .spans import SpanGetter

ElmoModelT = Model[List[Doc], ElmoOutput]


def elmo_model(*, settings: Settings, get_spans: SpanGetter) -> ElmoModelT:
    """A Thinc model without weights. Its node tree is always the same: one node with one shim."""
    return Model("elmo", forward, shims=[ElmoShim(ElmoHolder(settings=settings, get_spans=get_spans))])


def shim_of(model: ElmoModelT) -> ElmoShim:
    """The model's shim. Found by position: copies of a Thinc model lose named references."""
    return cast(ElmoShim, model.shims[0])


def holder_of(model: ElmoModelT) -> ElmoHolder:
    return shim_of(model).holder


def device_of(model: ElmoModelT) -> torch.device:
    """Where the model's modules belong: the GPU if Thinc uses one, else the CPU."""
    return cast(torch.device, shim_of(model).device)


def ready(model: ElmoModelT) -> Elmo:
    """The model's Elmo, to ask what it is; see `ElmoHolder.ready`."""
    return holder_of(model).ready(device_of(model))


def learnt(model: ElmoModelT) -> Elmo:
    """The model's Elmo, to embed with, or to save; RAISES: as `ready`."""
    ready(model)
    return cast(Elmo, holder_of(model).elmo)


def forward(
    model: ElmoModelT, docs: List[Doc], is_train: bool
) -> Tuple[ElmoOutput, Callable[[ElmoOutput], List[Doc]]]:
    """Embed the spans of the Docs. In training, gradients of the outputs come back as outputs.

    RAISES: ValueError as `ElmoHolder.ready` and `place`.
    """
    names = holder_of(model).layers
    if not is_train:
        return embed_docs(learnt(model), docs, holder_of(model).get_spans, names), lambda d_output: []
    layers = begin_update(model, docs, names)

    def backprop(d_output: ElmoOutput) -> List[Doc]:
        if layers.backprop is not None and names and d_output.docs:
            layers.backprop(flatten(d_output.docs, names).arrays)
        return []

    return ElmoOutput(layers.docs(names)), backprop


def embed_docs(elmo: Elmo, docs: Sequence[Doc], get_spans: SpanGetter, layers: Sequence[str]) -> ElmoOutput:
    """Layer outputs of the Docs' tokens. RAISES: ValueError as `place`."""
    placement = place(docs, get_spans)
    outputs = iter(elmo.embed(placement.sentences, layers=layers))
    return ElmoOutput([
        _of_doc(elmo, length, rows, [next(outputs) for _ in rows], layers)
        for length, rows in zip(placement.lengths, placement.rows)
    ])  # fmt: skip


def begin_update(model: ElmoModelT, docs: Sequence[Doc], names: Sequence[str]) -> FlatLayers:
    """Layers of a training batch. What flows back teaches the embedder's mix if "elmo" is among the names, and
    the biLM if it is not frozen.

    RAISES: ValueError as `ElmoHolder.ready`, `ElmoHolder.trainable` and `place`.
    """
    holder, elmo = holder_of(model), ready(model)
    placement = place(docs, holder.get_spans)
    lower = lower_layers(names, elmo.n_layers)
    if holder.training_settings.frozen:
        arrays, backprop = _frozen_layers(holder, elmo, placement, lower), None
    else:
        arrays, backprop = _trained_layers(holder.trainable(elmo), placement, lower)
    layers = FlatLayers(arrays, placement.lengths, elmo.n_layers, backprop)
    return with_mix(elmo, layers, lower) if MIXED in names else layers


def lower_layers(names: Sequence[str], n_layers: int) -> List[str]:
    """The layers that are computed for these: the mix is of all."""
    wanted = layer_names(n_layers)[:-1] if MIXED in names else names
    return [name for name in layer_names(n_layers) if name in wanted]


def _frozen_layers(
    holder: ElmoHolder, elmo: Elmo, placement: Placement, names: Sequence[str]
) -> Dict[str, NDArray[Any]]:
    cache = holder.cache(elmo)
    if cache is not None:
        cached = cache.embed_flat(placement.sentences)
        return {name: placement.spread(cached[name]) for name in names}
    outputs = elmo.embed(placement.sentences, layers=names)
    found = {}
    for name in names:
        parts = [getattr(output, name) for output in outputs]
        array = np.concatenate(parts) if parts else np.zeros((0, elmo.width(name)))
        found[name] = placement.spread(array.astype(np.float32, copy=False))
    return found


def _trained_layers(
    engine: TrainableEngine, placement: Placement, names: Sequence[str]
) -> Tuple[Dict[str, NDArray[Any]], Backprop]:
    n_layers = engine.bilm.options.lstm.n_layers
    top = n_lstm_layers(names, n_layers=n_layers)
    tensors, backprop_engine = engine.begin_update(placement.sentences, n_layers=top)
    computed = dict(zip(layer_names(n_layers)[:-1], tensors))
    arrays = {name: placement.spread(computed[name].cpu().numpy()) for name in names}

    def backprop(gradients: Dict[str, Any]) -> None:
        backprop_engine([
            torch.from_numpy(placement.gather(to_numpy(gradients[name]))).to(tensor) if name in gradients else None
            for name, tensor in computed.items()
        ])  # fmt: skip

    return arrays, backprop


def with_mix(elmo: Elmo, layers: FlatLayers, names: Sequence[str]) -> FlatLayers:
    """Add the embedder's own mix, which learns from whoever reads it."""
    weights, gamma = elmo.mix.weights, elmo.mix.gamma
    below = layers.backprop
    values: Any = weights.detach().cpu().numpy()
    mixed, backprop_mix = mix(np, [layers.arrays[name] for name in names], values, float(gamma.detach()))

    def backprop(gradients: Dict[str, Any]) -> None:
        gradients = {name: to_numpy(gradient) for name, gradient in gradients.items()}
        if MIXED in gradients:
            found = backprop_mix(gradients.pop(MIXED))
            _add_gradient(weights, torch.as_tensor(found.weights))
            _add_gradient(gamma, torch.as_tensor(found.gamma))
            if below is not None:
                for name, gradient in zip(names, found.layers()):
                    gradients[name] = gradients[name] + gradient if name in gradients else gradient
        if below is not None and gradients:
            below(gradients)

    return FlatLayers({**layers.arrays, MIXED: mixed}, layers.lengths, layers.n_layers, backprop)


def _add_gradient(parameter: torch.nn.Parameter, gradient: torch.Tensor) -> None:
    gradient = gradient.to(parameter).reshape(parameter.shape)
    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def _of_doc(
    elmo: Elmo,
    n_tokens: int,
    rows: Sequence[NDArray[np.int64]],
    outputs: List[LayerOutputs],
    layers: Sequence[str],
) -> LayerOutputs:
    """The outputs of a Doc's spans as one array a layer, a row for each token."""
    if len(rows) == 1 and len(rows[0]) == n_tokens:
        arrays = {name: array.astype(np.float32, copy=False) for name, array in outputs[0].items()}
        return LayerOutputs(arrays, n_layers=elmo.n_layers)
    arrays = {name: np.zeros((n_tokens, elmo.width(name)), dtype=np.float32) for name in layers}
    for span_rows, output in zip(rows, outputs):
        for name, array in output.items():
            arrays[name][span_rows] = array
    return LayerOutputs(arrays, n_layers=elmo.n_layers)
