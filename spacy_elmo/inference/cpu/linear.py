"""Matrix products with constant weights: one class for each way to compute them.

A class defines the form in which it keeps the weights and takes its input. `prepare` converts an input to that
form once, for all matrices that it is multiplied by. The result of a row does not depend on other rows, except for
rounding.
"""

from types import ModuleType
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from .steps import fill_up, multiply_rounded, round_rows, row_scale

# Rows for which oneDNN is asked to lay out a matrix; the layout serves any number of them.
TYPICAL_ROWS = 128
# Bytes: torch's allocations begin at a multiple.
ALIGNMENT = 64


class Linear(Protocol):
    """A way to multiply inputs by a weight.

    weight (Tensor): (outputs, inputs), float32.
    bias (Tensor | None): (outputs,), float32.

    n_outputs (int): Columns of the result.
    dtype (torch.dtype): The dtype of the result.
    kind (str): Argument of `steps.add_product`, which computes the same.
    tensors (list[Tensor]): Argument of `steps.add_product`.
    """

    n_outputs: int
    dtype: torch.dtype
    kind: str
    tensors: list[Tensor]

    def __init__(self, weight: Tensor, bias: Tensor | None = None): ...

    @staticmethod
    def prepare(x: Tensor) -> Any:
        """Convert an input to the form of this class.

        x (Tensor): (n, inputs), float32.
        RETURNS (Any): The input for `__call__`.
        """
        ...

    def __call__(self, x: Any) -> Tensor:
        """Compute x W^T + b.

        x (Any): As from `prepare`.
        RETURNS (Tensor): (n, n_outputs), of `dtype`.
        """
        ...

    def weight(self) -> Tensor:
        """Get the weight, rounded if the form of this class rounds.

        RETURNS (Tensor): (outputs, inputs), float32 or `dtype`.
        """
        ...


class TorchLinear:
    """Plain torch: any processor."""

    dtype = torch.float32
    kind = "torch"

    def __init__(self, weight: Tensor, bias: Tensor | None = None):
        self.n_outputs = len(weight)
        weight = weight.contiguous()
        # Where MKL does not use AVX512, such as on AMD's processors, the last bits of its products depend on the
        # address; weights that were read from a file begin anywhere in it.
        if weight.data_ptr() % ALIGNMENT:
            weight = weight.clone()
        self.tensors = [weight.t()]
        self._bias = bias

    @staticmethod
    def prepare(x: Tensor) -> Tensor:
        return x

    def __call__(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight(), self._bias)

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
    """oneDNN, with the weights laid out in advance as its kernels read them.

    most_summands (int): The most numbers of a product that oneDNN adds up.
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
    """The same with more exact sums, which take longer: oneDNN adds up numbers one by one, and loses more
    precision over thousands of them than other libraries."""

    most_summands = 256


class PackedAndPlainLinear(PackedLinear):
    """The same, with plain torch for steps of few rows: to call oneDNN takes as long as to multiply a small
    matrix. The weight is kept in both forms."""

    kind = "packed and plain"

    def __init__(self, weight: Tensor, bias: Tensor | None = None):
        super().__init__(weight, bias)
        self.tensors += TorchLinear(weight).tensors


class PackedBF16Linear(PackedLinear):
    """The same in bfloat16; sums are float32 inside a product."""

    dtype = torch.bfloat16

    @staticmethod
    def prepare(x: Tensor) -> Tensor:
        return x.bfloat16()


class Int8Rows(NamedTuple):
    """Inputs in 8-bit integers.

    numbers (Tensor): (n, inputs), of one byte each.
    scale (Tensor): (n, 1), the factor of each row's numbers.
    """

    numbers: Tensor
    scale: Tensor


class Int8Linear:
    """oneDNN with 8-bit weights, scaled for each output, and 8-bit inputs, scaled for each row.

    Each row has a separate scale, so that its result does not depend on other rows.

    zero (int): The number that stands for 0 in inputs.
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
    """The same with inputs shifted from -127..127 to 1..255. On processors with VNNI but without AMX, oneDNN
    has fast programs only for such inputs, and older versions of torch take no others."""

    kind = "uint8"
    zero = 128


LinearType = type[Linear]


def _mkldnn() -> ModuleType:
    return torch.ops.mkldnn
