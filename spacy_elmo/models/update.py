"""Layers of Docs in training, whose gradients reach the embedder's mix and the biLM."""

from collections.abc import Sequence
from typing import cast

import torch
from spacy.tokens import Doc
from thinc.api import Ops, get_array_module
from thinc.types import ArrayXd, Floats1d

from ..bilm.layers import MIXED, count_lstm_layers, layer_names
from ..elmo import Elmo
from ..gradients.trainable import TrainableEngine
from ..runtime.isolation import computation
from .module import EmbedderModule
from .ops_arrays import move_like, to_array, to_tensor
from .output import FlatLayers, LayerArrays
from .pooling import mix
from .predict import embed_flat
from .tokens import MappedTokens


def begin_update(module: EmbedderModule, docs: Sequence[Doc], names: Sequence[str], ops: Ops) -> FlatLayers:
    """Compute layers of a training batch. Their gradients train the embedder's mix if "elmo" is among the
    names, and the biLM if it is not frozen.

    module (EmbedderModule): The embedder's module.
    docs (Sequence[Doc]): The batch.
    names (Sequence[str]): The layers.
    ops (Ops): Makes the arrays.
    RETURNS (FlatLayers): The layers of all Docs.
    RAISES (ElmoError): As `EmbedderModule.load`, `EmbedderModule.get_trainable` and `TokenMapper`.
    """
    elmo = module.load()
    mapped = module.map_tokens(docs)
    lower = get_lower_layers(names, elmo.n_layers)
    with computation():
        if module.training_settings.frozen:
            layers = _run_frozen(module, mapped, lower, ops)
        else:
            layers = _run_trained(module.get_trainable(), mapped, lower, ops)
        return add_mix(elmo, layers, lower) if MIXED in names else layers


def get_lower_layers(names: Sequence[str], n_layers: int) -> list[str]:
    """List the layers of the biLM that layers need: the mix needs all of them.

    names (Sequence[str]): Layers of a model.
    n_layers (int): LSTM layers of the model.
    RETURNS (list[str]): The layers without the mix, lowest first.
    """
    wanted = layer_names(n_layers)[:-1] if MIXED in names else names
    return [name for name in layer_names(n_layers) if name in wanted]


def _run_frozen(module: EmbedderModule, mapped: MappedTokens, names: Sequence[str], ops: Ops) -> FlatLayers:
    elmo, cache = module.load(), module.get_cache()
    if cache is None:
        return embed_flat(elmo, mapped, names, ops)
    cached = cache.embed_flat(mapped.sentences)
    arrays = {name: mapped.scatter(cached[name]) for name in names}
    return FlatLayers(arrays, mapped.lengths, elmo.n_layers)


def _run_trained(engine: TrainableEngine, mapped: MappedTokens, names: Sequence[str], ops: Ops) -> FlatLayers:
    n_layers = engine.bilm.options.lstm.n_layers
    top = count_lstm_layers(names, n_layers=n_layers)
    tensors, _, backprop_engine = engine.begin_update(mapped.sentences, n_layers=top)
    computed = dict(zip(layer_names(n_layers)[:-1], tensors))
    there = mapped.to(tensors[0].device)
    arrays = {name: to_array(there.scatter(computed[name]), ops) for name in names}

    @computation()
    def backprop(gradients: LayerArrays) -> None:
        found = backprop_engine([
            there.gather(to_tensor(gradients[name], tensor)) if name in gradients else None
            for name, tensor in computed.items()
        ])  # fmt: skip
        for parameter, gradient in found.items():
            _add_gradient(parameter, gradient)

    return FlatLayers(arrays, mapped.lengths, n_layers, backprop)


def add_mix(elmo: Elmo, layers: FlatLayers, names: Sequence[str]) -> FlatLayers:
    """Add the embedder's mix to a batch. All components that read it train it together.

    elmo (Elmo): The model with the mix.
    layers (FlatLayers): The batch.
    names (Sequence[str]): The layers to mix, lowest first.
    RETURNS (FlatLayers): The batch with the layer "elmo".
    """
    weights, gamma = elmo.mix.weights, elmo.mix.gamma
    below = layers.backprop
    inputs = [layers.arrays[name] for name in names]
    xp = get_array_module(inputs[0])
    values: Floats1d = xp.asarray(weights.detach().cpu().numpy())
    mixed, backprop_mix = mix(xp, inputs, values, float(gamma.detach()))

    @computation()
    def backprop(gradients: LayerArrays) -> None:
        gradients = {name: move_like(gradient, mixed) for name, gradient in gradients.items()}
        if MIXED in gradients:
            found = backprop_mix(gradients.pop(MIXED))
            _add_gradient(weights, to_tensor(cast(ArrayXd, found.weights), weights))
            _add_gradient(gamma, gamma.new_tensor(found.gamma))
            if below is not None:
                for name, gradient in zip(names, found.layers(), strict=True):
                    gradients[name] = gradients[name] + gradient if name in gradients else gradient
        if below is not None and gradients:
            below(gradients)

    return FlatLayers({**layers.arrays, MIXED: mixed}, layers.lengths, layers.n_layers, backprop)


def _add_gradient(parameter: torch.Tensor, gradient: torch.Tensor) -> None:
    gradient = gradient.to(parameter).reshape(parameter.shape)
    if parameter.grad is None:
        parameter.grad = gradient
    else:
        parameter.grad += gradient
