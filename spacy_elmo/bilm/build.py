"""The one place where named arrays become modules, and modules become named arrays."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode

from .bilm import BiLM
from .char_encoder import CharEncoder
from .lstm import LSTMState
from .options import STATE_PREFIX, Options, mix_prefix
from .scalar_mix import ScalarMix


class Parts(NamedTuple):
    """What a source holds.

    bilm: tensors by the names of BiLM's state_dict, for an engine to make its own of. mix: in evaluation mode.
    warm_state: hidden (2, L, P) and cell (2, L, C), or None. more_mixes: others that the model was trained with.
    """

    bilm: dict[str, torch.Tensor]
    mix: ScalarMix
    warm_state: LSTMState | None
    more_mixes: Sequence[ScalarMix] = ()


def build_parts(
    options: Options,
    arrays: Mapping[str, NDArray[np.floating]],
    *,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> Parts:
    """Parts over the arrays. On the CPU, arrays that have the dtype already are used in place, not copied.

    arrays: by the names of `weights.arrays.encoder_shapes`, with those of the mix and the warm state where there
        are any; complete and of the right shapes.
    RETURNS: without arrays for the mix, it weighs all layers alike, gamma 1.
    """
    tensors = {name: torch.from_numpy(array).to(device=device, dtype=dtype) for name, array in arrays.items()}
    mixes: list[ScalarMix] = []
    while (trained := take(tensors, mix_prefix(len(mixes)))) or not mixes:
        mix = ScalarMix(n_layers=options.lstm.n_layers + 1).to(device=device, dtype=dtype)
        if trained:
            mix.load_state_dict(trained)
        mixes.append(mix.eval())
    state = take(tensors, STATE_PREFIX)
    return Parts(tensors, mixes[0], LSTMState(**state) if state else None, mixes[1:])


def build_bilm(options: Options, tensors: Mapping[str, torch.Tensor]) -> BiLM:
    """The trainable module over the tensors, which become its parameters. RETURNS: in evaluation mode."""
    with without_weights():
        bilm = BiLM(options=options)
    bilm.load_state_dict(dict(tensors), assign=True)
    return bilm.eval()


def build_char_encoder(options: Options, tensors: Mapping[str, torch.Tensor]) -> CharEncoder:
    """The biLM's character encoder by itself, over the tensors. RETURNS: in evaluation mode."""
    with without_weights():
        encoder = CharEncoder(options=options)
    encoder.load_state_dict(dict(tensors), assign=True)
    return encoder.eval()


@contextmanager
def without_weights() -> Iterator[None]:
    """Modules that are made in this block have shapes alone; their weights are assigned afterwards."""
    with torch.device("meta"), _NoInitialisation():
        yield


class _NoInitialisation(TorchFunctionMode):
    # On the meta device, drawing no numbers at random makes torch import its compiler, which takes seconds.
    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return function(*args, **kwargs)


def named_arrays(parts: Parts) -> dict[str, NDArray[np.floating]]:
    """The inverse of `build_parts`: contiguous arrays on the CPU, sharing memory where they can."""
    tensors = dict(parts.bilm)
    for number, mix in enumerate([parts.mix, *parts.more_mixes]):
        tensors.update((mix_prefix(number) + name, tensor) for name, tensor in mix.state_dict().items())
    arrays = {name: _array(tensor) for name, tensor in tensors.items()}
    return arrays if parts.warm_state is None else {**arrays, **state_arrays(parts.warm_state)}


def state_arrays(state: LSTMState) -> dict[str, NDArray[np.floating]]:
    """A warm state by the names of `weights.arrays.warm_state_shapes`; hidden (2, L, P), cell (2, L, C)."""
    return {STATE_PREFIX + name: _array(tensor) for name, tensor in state._asdict().items()}


def take(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Take out the tensors whose names begin so, under the rest of their names."""
    return {name[len(prefix) :]: tensors.pop(name) for name in list(tensors) if name.startswith(prefix)}


def _array(tensor: torch.Tensor) -> NDArray[np.floating]:
    array: NDArray[np.floating] = tensor.detach().cpu().contiguous().numpy()
    return array
