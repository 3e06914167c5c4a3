"""The parameters of a module's biLM, wherever it keeps them, and whether they have changed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ..bilm.lstm import LSTMState
from ..bilm.options import Options
from ..weights.arrays import encoder_shapes

# Numbers of each parameter that are compared, to notice a change by `parameter.data`, which torch does not count.
_SAMPLES = 32


class Parameters(NamedTuple):
    """The parameters of a biLM, and the constant state that its sentences start from.

    leaves (Sequence[Tensor]): What may be trained and changed. In the replicas of DataParallel these are no
        `nn.Parameter`s.
    make_named (Callable[[], Mapping[str, Tensor]]): Returns them by the names of `BiLM`'s state_dict: the same
        tensors, or what is computed from them, with gradients.
    state (LSTMState | None): Hidden (2, L, P) and cell (2, L, C); None: zeros.
    """

    leaves: Sequence[Tensor]
    make_named: Callable[[], Mapping[str, Tensor]]
    state: LSTMState | None

    @property
    def dtype(self) -> torch.dtype:
        """Their dtype."""
        return self.leaves[0].dtype

    @property
    def device(self) -> torch.device:
        """Their device."""
        return self.leaves[0].device

    def all(self) -> list[Tensor]:
        """List all tensors that may change.

        RETURNS (list[Tensor]): The tensors.
        """
        return [*self.leaves, *(self.state or ())]

    @torch.no_grad()
    def convert(self, dtype: torch.dtype) -> tuple[dict[str, Tensor], LSTMState | None]:
        """Convert the parameters, without their gradients.

        dtype (torch.dtype): The dtype.
        RETURNS (tuple[dict[str, Tensor], LSTMState | None]): By name, over the same memory where possible; and
            the state.
        """
        state = None if self.state is None else LSTMState(*(part.detach().to(dtype) for part in self.state))
        return {name: tensor.detach().to(dtype) for name, tensor in self.make_named().items()}, state


def get_parameters(bilm: nn.Module, options: Options, *, state: LSTMState | None) -> Parameters:
    """Get the parameters of a biLM.

    bilm (nn.Module): A `BiLM`, or its copy in a replica of DataParallel.
    options (Options): Its options.
    state (LSTMState | None): See `Parameters`.
    RETURNS (Parameters): The parameters.
    """
    named = dict(_iter_parameters(bilm))
    found = {name: named.get(name) for name in encoder_shapes(options)}
    for name, tensor in found.items():
        if tensor is None:
            # In a replica of DataParallel, or where torch computes a parameter, it is a plain attribute.
            found[name] = reduce(getattr, name.split("."), bilm)  # type: ignore[assignment]
    tensors = cast("dict[str, Tensor]", found)
    return Parameters([*tensors.values()], lambda: tensors, state)


class ParameterState:
    """The state of some tensors, to notice a change.

    tensors (Sequence[Tensor]): The tensors.
    """

    def __init__(self, tensors: Sequence[Tensor]):
        self._facts = _get_facts(tensors)
        self._versions = _get_versions(tensors)
        self._views = [_take_sample(tensor) for tensor in tensors]
        self._sample = self._read_sample()

    def has_moved(self, tensors: Sequence[Tensor]) -> bool:
        """Check whether tensors are others, or elsewhere, or need other gradients.

        tensors (Sequence[Tensor]): The tensors now.
        RETURNS (bool): Whether they are.
        """
        return self._facts != _get_facts(tensors)

    def has_changed(self, tensors: Sequence[Tensor]) -> bool:
        """Check whether tensors have moved, or other numbers.

        tensors (Sequence[Tensor]): The tensors now.
        RETURNS (bool): Whether they have.
        """
        if self._facts != _get_facts(tensors) or self._versions != _get_versions(tensors):
            return True
        return not torch.equal(self._sample, self._read_sample())

    def _read_sample(self) -> Tensor:
        # By bits: NaN is equal to itself.
        return torch.cat(self._views).view(torch.uint8)


def _iter_parameters(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, Tensor | None]]:
    # Several times as fast as `named_parameters`, which counts where a batch is one short sentence.
    for name, parameter in module._parameters.items():
        yield prefix + name, parameter
    for name, child in module._modules.items():
        if child is not None:
            yield from _iter_parameters(child, f"{prefix}{name}.")


def _get_facts(tensors: Sequence[Tensor]) -> list[tuple[object, ...]]:
    return [(tensor.data_ptr(), tensor.dtype, tensor.device, tensor.requires_grad) for tensor in tensors]


def _get_versions(tensors: Sequence[Tensor]) -> list[int]:
    return [0 if tensor.is_inference() else tensor._version for tensor in tensors]


def _take_sample(tensor: Tensor) -> Tensor:
    """Take some numbers of a tensor, over the same memory."""
    numbers = tensor.detach().view(-1) if tensor.is_contiguous() else tensor.detach()[:1].reshape(-1)
    return numbers[:: max(1, len(numbers) // _SAMPLES)][:_SAMPLES]
