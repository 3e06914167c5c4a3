"""The only place where named arrays become modules, and modules become named arrays."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode

from .bilm import BiLM
from .char_encoder import CharEncoder
from .lstm import LSTMState
from .options import STATE_PREFIX, Options, mix_prefix
from .scalar_mix import ScalarMix

T = TypeVar("T")


class Parts(NamedTuple):
    """The parts of a model.

    bilm (dict[str, Tensor]): Tensors by the names of BiLM's state_dict, from which an engine makes its own.
    mix (ScalarMix): The mix behind the layer `elmo`, in evaluation mode.
    warm_state (LSTMState | None): hidden (2, L, P) and cell (2, L, C).
    more_mixes (Sequence[ScalarMix]): Other mixes that the model was trained with.
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
    """Build the parts of a model. On the CPU, arrays that have the dtype already are used in place, not copied.

    options (Options): The model's options.
    arrays (Mapping[str, NDArray]): All arrays of `weights.arrays.encoder_shapes` by their names, and those of
        mixes and of a warm state if there are any, in the right shapes.
    device (torch.device | None): Where the tensors are; None: the CPU.
    dtype (torch.dtype): Their dtype.
    RETURNS (Parts): The parts. Without arrays of a mix, it weights all layers equally, with gamma 1.
    """
    tensors = {name: torch.from_numpy(array).to(device=device, dtype=dtype) for name, array in arrays.items()}
    mixes: list[ScalarMix] = []
    while (trained := pop_prefix(tensors, mix_prefix(len(mixes)))) or not mixes:
        mix = ScalarMix(n_layers=options.lstm.n_layers + 1).to(device=device, dtype=dtype)
        if trained:
            mix.load_state_dict(trained)
        mixes.append(mix.eval())
    state = pop_prefix(tensors, STATE_PREFIX)
    return Parts(tensors, mixes[0], LSTMState(**state) if state else None, mixes[1:])


def build_bilm(options: Options, tensors: Mapping[str, torch.Tensor]) -> BiLM:
    """Build the trainable module.

    options (Options): The model's options.
    tensors (Mapping[str, Tensor]): By the names of its state_dict; they become its parameters.
    RETURNS (BiLM): The module in evaluation mode.
    """
    with without_weights():
        bilm = BiLM(options=options)
    bilm.load_state_dict(dict(tensors), assign=True)
    return bilm.eval()


def build_char_encoder(options: Options, tensors: Mapping[str, torch.Tensor]) -> CharEncoder:
    """Build the character encoder of a biLM.

    options (Options): The model's options.
    tensors (Mapping[str, Tensor]): By the names of its state_dict; they become its parameters.
    RETURNS (CharEncoder): The module in evaluation mode.
    """
    with without_weights():
        encoder = CharEncoder(options=options)
    encoder.load_state_dict(dict(tensors), assign=True)
    return encoder.eval()


@contextmanager
def without_weights() -> Iterator[None]:
    """Create modules without weights in this block; their weights are assigned afterwards."""
    with torch.device("meta"), _NoInitialisation():
        yield


class _NoInitialisation(TorchFunctionMode):
    # On the meta device, random initialization makes torch import its compiler, which takes seconds.
    def __torch_function__(
        self,
        function: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return function(*args, **kwargs)


def named_arrays(parts: Parts) -> dict[str, NDArray[np.floating]]:
    """Name the arrays of a model; the inverse of `build_parts`.

    parts (Parts): The parts of the model.
    RETURNS (dict[str, NDArray]): Contiguous arrays on the CPU, which share memory with the parts if possible.
    """
    tensors = dict(parts.bilm)
    for number, mix in enumerate([parts.mix, *parts.more_mixes]):
        tensors.update((mix_prefix(number) + name, tensor) for name, tensor in mix.state_dict().items())
    arrays = {name: _array(tensor) for name, tensor in tensors.items()}
    return arrays if parts.warm_state is None else {**arrays, **state_arrays(parts.warm_state)}


def state_arrays(state: LSTMState) -> dict[str, NDArray[np.floating]]:
    """Name the arrays of a warm state.

    state (LSTMState): hidden (2, L, P) and cell (2, L, C).
    RETURNS (dict[str, NDArray]): Arrays by the names of `weights.arrays.warm_state_shapes`.
    """
    return {STATE_PREFIX + name: _array(tensor) for name, tensor in state._asdict().items()}


def pop_prefix(named: dict[str, T], prefix: str) -> dict[str, T]:
    """Remove the tensors or arrays whose names have a prefix.

    named (dict[str, T]): Tensors or arrays by their names; changed in place.
    prefix (str): The prefix.
    RETURNS (dict[str, T]): What was removed, by its names without the prefix.
    """
    return {name[len(prefix) :]: named.pop(name) for name in list(named) if name.startswith(prefix)}


def _array(tensor: torch.Tensor) -> NDArray[np.floating]:
    array: NDArray[np.floating] = tensor.detach().cpu().contiguous().numpy()
    return array
