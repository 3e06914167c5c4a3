"""Matrix products with weights that stay: one class for each way to compute them.

A way decides in which form it keeps the weights and wants its input. `prepare` brings an input into that form
once, for all matrices that it meets. Nothing a row gives depends on the other rows, but for rounding.
"""

from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from .steps import fill_up, multiply_rounded, round_rows, row_scale

# Rows for which oneDNN is asked to lay out a matrix; the layout serves any number of them.
TYPICAL_ROWS = 128


class Linear(Protocol):
    """weight: (outputs, inputs), float32. bias: (outputs,), float32, or None.

    n_outputs, dtype: columns and type of what `__call__` gives.
    kind, tensors: what `steps.add_product` takes to compute the same.
    """

    n_outputs: int
    dtype: torch.dtype
    kind: str
    tensors: list[Tensor]

    def __init__(self, weight: Tensor, bias: Tensor | None = None): ...

    @staticmethod
    def prepare(x: Tensor) -> Any:
        """x: (n, inputs), float32. RETURNS: what the other methods take."""
        ...

    def __call__(self, x: Any) -> Tensor:
        """x W^T + b. RETURNS: (n, n_outputs), of `dtype`."""
        ...

    def weight(self) -> Tensor:
        """The weight as it was given, or as near as this form allows."""
        ...


class TorchLinear:
    """Plain torch: any processor."""

    dtype = torch.float32
    kind = "torch"

    def __init__(self, weight: Tensor, bias: Tensor | None = None):
        self.n_outputs = len(weight)
        self.tensors = [weight.contiguous().t()]
        self._bias = bias

    @staticmethod
    def prepare(x: Tensor) -> Tensor:
        return x

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight(), self._bias)

    def weight(self) -> Tensor:
        return self.tensors[0].t()


class TorchBF16Linear(TorchLinear):
    """Plain torch with bfloat16 weights and inputs; sums are float32 inside a product."""

    dtype = torch.bfloat16

    def __init__(self, weight: Tensor, bias: Tensor | None = None):
        super().__init__(weight.bfloat16(), None if bias is None else bias.bfloat16())

    @staticmethod
    def prepare(x: Tensor) -> Tensor:
        return x.bfloat16()


class PackedLinear:
    """oneDNN with the weights laid out beforehand as its kernels read them.

    most_summands: this many of a product's numbers are added up at a time.
    """

    dtype = torch.float32
    kind = "packed"
    most_summands = 1 << 30

    def __init__(self, weight: Tensor, bias: Tensor | None = None):
        self.n_outputs = len(weight)
        weight = weight.to(self.dtype)
        self._parts = [
            _mkldnn()._reorder_linear_weight(part.contiguous(), TYPICAL_ROWS)
            for part in weight.split(self.most_summands, dim=1)
        ]
        self._bias = None if bias is None else bias.to(self.dtype)
        self.tensors = [*self._parts]

    @staticmethod
    def prepare(x: Tensor) -> Tensor:
        return x

    def __call__(self, x: Tensor) -> Tensor:
        first, *rest = fill_up(x).split(self.most_summands, dim=1)
        total: Tensor = _mkldnn()._linear_pointwise(first, self._parts[0], self._bias, "none", [], "")
        for part, own in zip(rest, self._parts[1:], strict=True):
            total = _mkldnn()._linear_pointwise.binary(part, total, own, None, "add")
        return total[: len(x)]

    def weight(self) -> Tensor:
        return torch.cat([part.to_dense() for part in self._parts], dim=1)


class PackedFineLinear(PackedLinear):
    """The same with sums nearer to the true ones, at some cost: oneDNN adds up one number after the other, and
    loses more of thousands than other libraries do."""

    most_summands = 256


class PackedAndPlainLinear(PackedLinear):
    """The same, and plain torch for the steps of few rows: to call oneDNN takes as long as to multiply a small
    matrix. It is held twice."""

    kind = "packed and plain"

    def __init__(self, weight: Tensor, bias: Tensor | None = None):
        super().__init__(weight, bias)
        self.tensors.append(weight.contiguous().t())


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
    kind = "int8"
    zero = 0

    def __init__(self, weight: Tensor, bias: Tensor | None = None):
        self.n_outputs = len(weight)
        scale = row_scale(weight)
        numbers = round_rows(weight, scale, 0).contiguous()
        packed = torch.ops.onednn.qlinear_prepack(numbers, [TYPICAL_ROWS, weight.size(1)])
        self.tensors = [packed, scale.squeeze(1), torch.zeros(len(weight), dtype=torch.int32)]
        self._bias = torch.zeros(len(weight), dtype=torch.float32) if bias is None else bias.clone()

    @classmethod
    def prepare(cls, x: Tensor) -> Int8Rows:
        scale = row_scale(x)
        return Int8Rows(round_rows(x, scale, cls.zero), scale)

    def __call__(self, x: Int8Rows) -> Tensor:
        product = multiply_rounded(x.numbers, self.zero, self.tensors)
        result: Tensor = torch.addcmul(self._bias, product, x.scale, out=product)
        return result

    def weight(self) -> Tensor:
        packed, scale, _ = self.tensors
        numbers = packed.to_dense().t().float()
        result: Tensor = numbers * scale.unsqueeze(1)
        return result


class UInt8Linear(Int8Linear):
    """The same numbers with inputs moved up, from -127 to 127 to 1 to 255. For processors that have VNNI but not
    AMX, oneDNN has fast programs for such inputs alone; and older versions of torch take no others."""

    kind = "uint8"
    zero = 128


LinearType = type[Linear]


def _mkldnn() -> Any:
    return torch.ops.mkldnn
