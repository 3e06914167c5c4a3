"""Elmo as a Thinc model: Docs in, layer outputs out. The weights may come later than the model."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from spacy.tokens import Doc
from thinc.api import Model, Ops, get_array_module

from ..bilm.layers import MIXED, layer_names, n_lstm_layers
from ..elmo import Elmo, Settings
from ..gradients.trainable import TrainableEngine
from ..runtime.isolation import computation
from .holder import ElmoHolder
from .ops_arrays import as_like, to_array, to_tensor
from .output import ElmoOutput, FlatLayers, flatten
from .pooling import mix
from .predict import Finish, Request, begin_docs, embed_flat
from .shim import ElmoShim
from .tokens import Placement, SpanGetter

ElmoModelT = Model[list[Doc], ElmoOutput]


def elmo_model(*, settings: Settings, get_spans: SpanGetter, device: str | None = None) -> ElmoModelT:
    """A Thinc model without weights. Its node tree is always the same: one node with one shim.

    device: where torch runs it; None: where Thinc is.
    RAISES (ElmoError): If that is the name of no device.
    """
    holder = ElmoHolder(settings=settings, get_spans=get_spans, device=device)
    return Model("elmo", forward, shims=[ElmoShim(holder)])


def shim_of(model: ElmoModelT) -> ElmoShim:
    """The model's shim. Found by position: copies of a Thinc model lose named references."""
    return cast(ElmoShim, model.shims[0])


def holder_of(model: ElmoModelT) -> ElmoHolder:
    return shim_of(model).holder


def device_of(model: ElmoModelT) -> torch.device:
    """Where the model's modules belong: on the device of the config, if it names one; else where they are, or will
    be: on the GPU if Thinc uses one, or on the CPU."""
    return shim_of(model).device


def ready(model: ElmoModelT) -> Elmo:
    """The model's Elmo, to ask what it is; see `ElmoHolder.ready`."""
    return holder_of(model).ready(device_of(model))


def learnt(model: ElmoModelT) -> Elmo:
    """The model's Elmo, to embed with, or to save; RAISES: as `ready`."""
    ready(model)
    return cast(Elmo, holder_of(model).elmo)


def forward(
    model: ElmoModelT, docs: list[Doc], is_train: bool
) -> tuple[ElmoOutput, Callable[[ElmoOutput], list[Doc]]]:
    """Embed the spans of the Docs. In training, gradients of the outputs come back as outputs.

    RAISES (ElmoError): As `ElmoHolder.ready` and `Placer`.
    """
    names = holder_of(model).layers
    if not is_train:
        return begin_predict(model, docs, Request(layers=names))(), lambda d_output: []
    layers = begin_update(model, docs, names)

    def backprop(d_output: ElmoOutput) -> list[Doc]:
        if layers.backprop is not None and names and d_output.docs:
            layers.backprop(flatten(d_output.docs, names).arrays)
        return []

    return ElmoOutput(layers.docs(names)), backprop


def begin_predict(model: ElmoModelT, docs: Sequence[Doc], request: Request) -> Finish:
    """Start to embed Docs; see `begin_docs`.

    RAISES (ElmoError): As `ElmoHolder.ready` and `Placer`.
    """
    elmo = learnt(model)
    return begin_docs(elmo, holder_of(model).place(docs), request, model.ops)


def predict_flat(model: ElmoModelT, docs: Sequence[Doc], names: Sequence[str]) -> FlatLayers:
    """Layers of the Docs as a batch from which nothing below learns. RAISES: as `begin_predict`."""
    return embed_flat(learnt(model), holder_of(model).place(docs), names, model.ops)


def begin_update(model: ElmoModelT, docs: Sequence[Doc], names: Sequence[str]) -> FlatLayers:
    """Layers of a training batch. What flows back teaches the embedder's mix if "elmo" is among the names, and
    the biLM if it is not frozen.

    RAISES (ElmoError): As `ElmoHolder.ready`, `ElmoHolder.trainable` and `Placer`.
    """
    holder, elmo = holder_of(model), ready(model)
    placement = holder.place(docs)
    lower = lower_layers(names, elmo.n_layers)
    with computation():
        if holder.training_settings.frozen:
            layers = _frozen_layers(holder, elmo, placement, lower, model.ops)
        else:
            layers = _trained_layers(holder.trainable(elmo), placement, lower, model.ops)
        return with_mix(elmo, layers, lower) if MIXED in names else layers


def lower_layers(names: Sequence[str], n_layers: int) -> list[str]:
    """The layers that are computed for these: the mix is of all."""
    wanted = layer_names(n_layers)[:-1] if MIXED in names else names
    return [name for name in layer_names(n_layers) if name in wanted]


def _frozen_layers(
    holder: ElmoHolder, elmo: Elmo, placement: Placement, names: Sequence[str], ops: Ops
) -> FlatLayers:
    cache = holder.cache(elmo)
    if cache is None:
        return embed_flat(elmo, placement, names, ops)
    cached = cache.embed_flat(placement.sentences)
    arrays = {name: placement.spread(cached[name]) for name in names}
    return FlatLayers(arrays, placement.lengths, elmo.n_layers)


def _trained_layers(engine: TrainableEngine, placement: Placement, names: Sequence[str], ops: Ops) -> FlatLayers:
    n_layers = engine.bilm.options.lstm.n_layers
    top = n_lstm_layers(names, n_layers=n_layers)
    tensors, backprop_engine = engine.begin_update(placement.sentences, n_layers=top)
    computed = dict(zip(layer_names(n_layers)[:-1], tensors))
    there = placement.on(tensors[0].device)
    arrays = {name: to_array(there.spread(computed[name]), ops) for name in names}

    @computation()
    def backprop(gradients: dict[str, Any]) -> None:
        backprop_engine([
            there.gather(to_tensor(gradients[name], tensor)) if name in gradients else None
            for name, tensor in computed.items()
        ])  # fmt: skip

    return FlatLayers(arrays, placement.lengths, n_layers, backprop)


def with_mix(elmo: Elmo, layers: FlatLayers, names: Sequence[str]) -> FlatLayers:
    """Add the embedder's own mix, which learns from whoever reads it."""
    weights, gamma = elmo.mix.weights, elmo.mix.gamma
    below = layers.backprop
    inputs = [layers.arrays[name] for name in names]
    xp = get_array_module(inputs[0])
    values: Any = xp.asarray(weights.detach().cpu().numpy())
    mixed, backprop_mix = mix(xp, inputs, values, float(gamma.detach()))

    @computation()
    def backprop(gradients: dict[str, Any]) -> None:
        gradients = {name: as_like(gradient, mixed) for name, gradient in gradients.items()}
        if MIXED in gradients:
            found = backprop_mix(gradients.pop(MIXED))
            _add_gradient(weights, to_tensor(found.weights, weights))
            _add_gradient(gamma, gamma.new_tensor(found.gamma))
            if below is not None:
                for name, gradient in zip(names, found.layers(), strict=True):
                    gradients[name] = gradients[name] + gradient if name in gradients else gradient
        if below is not None and gradients:
            below(gradients)

    return FlatLayers({**layers.arrays, MIXED: mixed}, layers.lengths, layers.n_layers, backprop)


def _add_gradient(parameter: torch.nn.Parameter, gradient: torch.Tensor) -> None:
    gradient = gradient.to(parameter).reshape(parameter.shape)
    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
