"""Matrix products with weights that stay: one class for each way to compute them.

A way decides in which form it keeps the weights and wants its input. `prepare` brings an input into that form
once, for all matrices that it meets. Nothing a row gives depends on the other rows, but for rounding.
"""

from typing import Any, NamedTuple, Optional, Protocol, Sequence, Type

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

# Rows for which oneDNN is asked to lay out a matrix; the layout serves any number of them.
TYPICAL_ROWS = 128
INT8_MOST = 127


class Linear(Protocol):
    """weight: (outputs, inputs), float32. bias: (outputs,), float32, or None.

    n_outputs, dtype: columns and type of what `__call__` gives.
    """

    n_outputs: int
    dtype: torch.dtype

    def __init__(self, weight: Tensor, bias: Optional[Tensor] = None): ...

    @staticmethod
    def prepare(x: Tensor) -> Any:
        """x: (n, inputs), float32. RETURNS: what the other methods take."""
        ...

    def __call__(self, x: Any) -> Tensor:
        """x W^T + b. RETURNS: (n, n_outputs), of `dtype`."""
        ...

    def add(self, x: Any, other: Tensor) -> Tensor:
        """other + x W^T. other: (n, outputs), as from `__call__`. RETURNS: the same, perhaps in other's place."""
        ...

    def weight(self) -> Tensor:
        """The weight as it was given, or as near as this form allows."""
        ...


class TorchLinear:
    """Plain torch: any processor."""

    dtype = torch.float32

    def __init__(self, weight: Tensor, bias: Optional[Tensor] = None):
        self.n_outputs = len(weight)
        self._weight = weight.contiguous()
        self._bias = bias

    @staticmethod
    def prepare(x: Tensor) -> Tensor:
        return x

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self._weight, self._bias)

    def add(self, x: Tensor, other: Tensor) -> Tensor:
        return torch.addmm(other, x, self._weight.t())

    def weight(self) -> Tensor:
        return self._weight


class TorchBF16Linear(TorchLinear):
    """Plain torch with bfloat16 weights and inputs; sums are float32 inside a product."""

    dtype = torch.bfloat16

    def __init__(self, weight: Tensor, bias: Optional[Tensor] = None):
        super().__init__(weight.bfloat16(), None if bias is None else bias.bfloat16())

    @staticmethod
    def prepare(x: Tensor) -> Tensor:
        return x.bfloat16()


class PackedLinear:
    """oneDNN with the weights laid out beforehand as its kernels read them.

    most_summands: this many of a product's numbers are added up at a time.
    """

    dtype = torch.float32
    most_summands = 1 << 30

    def __init__(self, weight: Tensor, bias: Optional[Tensor] = None):
        self.n_outputs = len(weight)
        weight = weight.to(self.dtype)
        self._parts = [
            _mkldnn()._reorder_linear_weight(part.contiguous(), TYPICAL_ROWS)
            for part in weight.split(self.most_summands, dim=1)
        ]
        self._bias = None if bias is None else bias.to(self.dtype)

    @staticmethod
    def prepare(x: Tensor) -> Tensor:
        return x

    def __call__(self, x: Tensor) -> Tensor:
        first, *rest = _filled_up(x).split(self.most_summands, dim=1)
        total: Tensor = _mkldnn()._linear_pointwise(first, self._parts[0], self._bias, "none", [], "")
        return self._add(rest, self._parts[1:], total)[: len(x)]

    def add(self, x: Tensor, other: Tensor) -> Tensor:
        return self._add(_filled_up(x).split(self.most_summands, dim=1), self._parts, _filled_up(other))[: len(x)]

    def weight(self) -> Tensor:
        return torch.cat([part.to_dense() for part in self._parts], dim=1)

    def _add(self, inputs: Sequence[Tensor], parts: Sequence[Tensor], total: Tensor) -> Tensor:
        for x, part in zip(inputs, parts):
            total = _mkldnn()._linear_pointwise.binary(x, total, part, None, "add")
        return total


class PackedFineLinear(PackedLinear):
    """The same with sums nearer to the true ones, at some cost: oneDNN adds up one number after the other, and
    loses more of thousands than other libraries do."""

    most_summands = 256


class PackedBF16Linear(PackedLinear):
    """The same in bfloat16; sums are float32 inside a product."""

    dtype = torch.bfloat16

    @staticmethod
    def prepare(x: Tensor) -> Tensor:
        return x.bfloat16()


class Int8Rows(NamedTuple):
    """numbers: (n, inputs), of one byte each. scale: (n, 1), what a number of each row stands for."""

    numbers: Tensor
    scale: Tensor


class Int8Linear:
    """oneDNN with 8-bit weights, scaled for each output, and 8-bit inputs, scaled for each row.

    A row has its own scale, so that it gives the same in any company.

    zero: the number that stands for 0 in inputs.
    """

    dtype = torch.float32
    zero = 0

    def __init__(self, weight: Tensor, bias: Optional[Tensor] = None):
        self.n_outputs = len(weight)
        self._scale = _scale(weight).squeeze(1)
        numbers = (weight / self._scale.unsqueeze(1)).round().to(torch.int8).contiguous()
        self._zero = torch.zeros(len(weight), dtype=torch.int32)
        self._weight = torch.ops.onednn.qlinear_prepack(numbers, [TYPICAL_ROWS, weight.size(1)])
        self._bias = torch.zeros(len(weight), dtype=torch.float32) if bias is None else bias.clone()

    @staticmethod
    def prepare(x: Tensor) -> Int8Rows:
        scale = _scale(x)
        return Int8Rows((x / scale).round_().to(torch.int8), scale)

    def __call__(self, x: Int8Rows) -> Tensor:
        return self.add(x, self._bias)

    def add(self, x: Int8Rows, other: Tensor) -> Tensor:
        product = torch.ops.onednn.qlinear_pointwise(
            _filled_up(x.numbers), 1.0, self.zero,
            self._weight, self._scale, self._zero,
            None, 1.0, 0, torch.float32, "none", [], "",
        )[: len(x.numbers)]  # fmt: skip
        return torch.addcmul(other, product, x.scale, out=product)

    def weight(self) -> Tensor:
        numbers: Tensor = self._weight.to_dense().t()
        return numbers.float() * self._scale.unsqueeze(1)


class UInt8Linear(Int8Linear):
    """The same numbers with inputs moved up, from -127 to 127 to 1 to 255. For processors that have VNNI but not
    AMX, oneDNN has fast programs for such inputs alone; and older versions of torch take no others."""

    zero = 128

    @staticmethod
    def prepare(x: Tensor) -> Int8Rows:
        numbers, scale = Int8Linear.prepare(x)
        # What a byte cannot hold is lost: -127 + 128 is 1 in either way to read one.
        return Int8Rows(numbers.view(torch.uint8).add_(UInt8Linear.zero), scale)


LinearType = Type[Linear]


def round_up(n: int) -> int:
    """The next number of rows of which a product costs nothing extra.

    oneDNN compiles a kernel for every number of rows that it meets, and keeps it: few numbers may occur, or memory
    grows for a long time. Up to 128 rows there are 10 of them.
    """
    if n <= 8:
        return 1 << max(n - 1, 0).bit_length()
    step = 16 if n <= 32 else 32 if n <= 96 else 16 if n <= 128 else 128
    return n + -n % step


def _scale(x: Tensor) -> Tensor:
    """(n, 1): what the numbers of each row are divided by, to be at most INT8_MOST. NaN where there is NaN."""
    return x.abs().amax(dim=1, keepdim=True).div_(INT8_MOST).clamp_min_(torch.finfo(torch.float32).tiny)


def _filled_up(x: Tensor) -> Tensor:
    """Rows of zeros added, up to a number that oneDNN knows."""
    missing = round_up(len(x)) - len(x)
    return F.pad(x, (0, 0, 0, missing)) if missing else x


def _mkldnn() -> Any:
    return torch.ops.mkldnn
