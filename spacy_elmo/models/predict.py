"""Layers of Docs without gradients: submitted to the device, and delivered Doc by Doc."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import torch
from thinc.api import Ops
from thinc.types import Floats2d
from torch import Tensor

from ..bilm.layers import LayerOutputs, Layers
from ..elmo import Elmo
from ..runtime.isolation import computation
from ..runtime.workers import Pending
from .ops_arrays import split_docs, stays_on_device, to_array
from .output import ElmoOutput, FlatLayers, LayerArrays
from .tokens import MappedTokens

# So many batches of sentences run before the first is delivered, if the budget allows it; with more batches, each
# goes to the CPU separately.
_MOST_BATCHES = 2


@dataclass(frozen=True, kw_only=True)
class Request:
    """The layers to compute for each Doc.

    layers (Sequence[str]): The layers to return.
    tensor (str | None): The layer to return for doc.tensor; None: doc.tensor is not set.
    on_gpu (bool): Leave the layers on the GPU, if Thinc computes there; else they are arrays of numpy.
    """

    layers: Sequence[str]
    tensor: str | None = None
    on_gpu: bool = False


def submit_docs(elmo: Elmo, mapped: MappedTokens, request: Request, ops: Ops) -> Pending[ElmoOutput]:
    """Start to embed Docs. On some devices the work continues while the caller does something else.

    elmo (Elmo): The model.
    mapped (MappedTokens): The Docs' tokens.
    request (Request): The layers to compute.
    ops (Ops): Makes the arrays.
    RETURNS (Pending[ElmoOutput]): The layers; call `result` once.
    """
    if not mapped.lengths:
        return Pending(lambda: ElmoOutput([]))
    n_batches = min(_MOST_BATCHES, 1 + elmo.budget.ahead)
    if elmo.settings.initial_state == "carry" or mapped.sentences.n_rows > n_batches * elmo.budget.tokens:
        return _run_in_parts(elmo, mapped, request)
    try:
        return _submit_at_once(elmo, mapped, request, ops)
    except torch.cuda.OutOfMemoryError:
        pass
    # Outside of the handler, whose error keeps the tensors computed so far alive.
    elmo.engine.release()
    return _run_in_parts(elmo, mapped, request)


def embed_flat(elmo: Elmo, mapped: MappedTokens, names: Sequence[str], ops: Ops) -> FlatLayers:
    """Compute layers of all Docs' tokens.

    elmo (Elmo): The model.
    mapped (MappedTokens): The Docs' tokens.
    names (Sequence[str]): The layers.
    ops (Ops): Makes the arrays, if the model is on a GPU of these Ops; else they are arrays of numpy.
    RETURNS (FlatLayers): The layers, without a backward pass.
    """
    if elmo.settings.initial_state == "carry" or not stays_on_device(ops, elmo.device):
        arrays = _embed_on_cpu(elmo, mapped, names)
    else:
        scatter = partial(_scatter, elmo, mapped, names)
        tensors = elmo.submit(mapped.sentences, layers=list(names), then=scatter).result()
        arrays = {name: to_array(tensor, ops) for name, tensor in tensors.items()}
    return FlatLayers(arrays, mapped.lengths, elmo.n_layers)


def _scatter(
    elmo: Elmo, mapped: MappedTokens, names: Sequence[str], computed: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Put layers into the rows of all Docs' tokens, (n_tokens, width), float32, on the model's device."""
    with computation(), torch.inference_mode():
        there, scattered = mapped.to(elmo.device), {}
        for name in names:
            tensor = computed.get(name)
            if tensor is None:
                tensor = torch.empty(0, elmo.width(name), device=elmo.device)
            scattered[name] = there.scatter(tensor.float())
        return scattered


def _submit_at_once(elmo: Elmo, mapped: MappedTokens, request: Request, ops: Ops) -> Pending[ElmoOutput]:
    names = list(dict.fromkeys([*request.layers, *([] if request.tensor is None else [request.tensor])]))
    lengths = mapped.lengths

    def deliver(computed: Mapping[str, Tensor]) -> Callable[[], ElmoOutput]:
        scattered = _scatter(elmo, mapped, names, computed)
        # Sent separately: other components may write to doc.tensor, and must not change the layers.
        tensors = None if request.tensor is None else _send_tensors(elmo, scattered, request.tensor, lengths, ops)
        layers = _send_layers(elmo, scattered, request, lengths, ops)
        hashes = mapped.split_hashes()
        return lambda: ElmoOutput(layers(), None if tensors is None else tensors(), hashes)

    pending = elmo.submit(mapped.sentences, layers=names, then=deliver)
    return Pending(lambda: pending.result()(), pending.cancel)


def _send_tensors(
    elmo: Elmo, computed: dict[str, Tensor], name: str, lengths: list[int], ops: Ops
) -> Callable[[], list[Floats2d]]:
    """Send a layer to where doc.tensor is; the function that is returned waits for the array of each Doc."""
    if stays_on_device(ops, elmo.device):
        arrays = split_docs(computed[name], lengths, ops)
        return lambda: arrays
    arrive = elmo.engine.delivery.send({name: computed[name]}, lengths, n_layers=elmo.n_layers)

    def tensors() -> list[Floats2d]:
        arrived = [one.select([name])[name] for one in arrive()]
        # If Thinc is on the GPU and the model is not, the arrays are copied there from the CPU.
        return arrived if ops.xp is np else [ops.asarray2f(array) for array in arrived]

    return tensors


def _send_layers(
    elmo: Elmo, computed: dict[str, Tensor], request: Request, lengths: list[int], ops: Ops
) -> Callable[[], list[LayerOutputs]]:
    n_layers, names = elmo.n_layers, request.layers
    if not names:
        return lambda: [LayerOutputs({}, n_layers=n_layers)] * len(lengths)
    if request.on_gpu and stays_on_device(ops, elmo.device):
        owned = [split_docs(computed[name], lengths, ops) for name in names]
        return lambda: [LayerOutputs(dict(zip(names, own, strict=True)), n_layers=n_layers) for own in zip(*owned)]
    arrive = elmo.engine.delivery.send({name: computed[name] for name in names}, lengths, n_layers=n_layers)
    return (
        (lambda: [_move_layers(one, ops) for one in arrive()]) if request.on_gpu and ops.xp is not np else arrive
    )


def _move_layers(outputs: LayerOutputs, ops: Ops) -> LayerOutputs:
    arrays = {name: ops.asarray2f(array) for name, array in outputs.items()}
    return LayerOutputs(arrays, n_layers=outputs.n_layers)


def _run_in_parts(elmo: Elmo, mapped: MappedTokens, request: Request) -> Pending[ElmoOutput]:
    """Deliver each batch to the CPU separately: with carried state, or for more than fits on the device."""
    names = [name for name in elmo.layer_names if name in (*request.layers, request.tensor)]
    flat = _embed_on_cpu(elmo, mapped, names)
    if len(mapped.lengths) == 1:
        layers = [LayerOutputs(flat, n_layers=elmo.n_layers)]
    else:
        layers = FlatLayers(flat, mapped.lengths, elmo.n_layers).docs(names)
    output = ElmoOutput(layers, hashes=mapped.split_hashes())
    return Pending(lambda: output)


def _embed_on_cpu(elmo: Elmo, mapped: MappedTokens, names: Sequence[str]) -> LayerArrays:
    """Compute layers of all Docs' tokens, (n_tokens, width), float32, of numpy."""
    outputs = elmo.embed(mapped.sentences, layers=cast(Layers, names))
    arrays: LayerArrays = {}
    for name in names:
        parts = [getattr(output, name) for output in outputs]
        array = np.concatenate(parts) if parts else np.zeros((0, elmo.width(name)))
        arrays[name] = mapped.scatter(array.astype(np.float32, copy=False))
    return arrays
