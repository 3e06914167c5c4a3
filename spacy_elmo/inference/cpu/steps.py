"""The steps of a recurrence in inference, compiled to run without Python's lock.

A step takes a dozen operations, of some microseconds each if rows are few. Between operations, a thread that waits
for Python's lock would have to be woken up, which takes longer than an operation: threads would run one after the
other. TorchScript's interpreter holds no lock.
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from functools import cache
from types import SimpleNamespace
from typing import TypeAlias

import torch
from torch import Tensor

from ..schedule import round_up

# An object that has functions as attributes.
Functions: TypeAlias = torch.jit.CompilationUnit | SimpleNamespace


def compile_functions(
    *functions: Callable[..., object],
    is_right: Callable[[Functions, Functions], bool],
    uses: Sequence[Callable[..., object]] = (),
) -> Functions:
    """Compile functions of a module. In its source they follow the line "# TorchScript from here on.".

    functions (Callable): Functions in plain Python, which are used if torch cannot compile them.
    is_right (Callable[[Functions, Functions], bool]): Compares the results of the compiled functions and of
        Python's.
    uses (Sequence[Callable]): Functions of other modules that they call, compiled with them.
    RETURNS (Functions): The functions, as attributes.
    """
    plain = SimpleNamespace(**{function.__name__: function for function in functions})
    try:
        # Also reads from a zip archive; an OSError if only bytecode was installed.
        text = inspect.getsource(sys.modules[functions[0].__module__])
        source = "\n".join([*map(inspect.getsource, uses), text.partition("\n# TorchScript from here on.\n")[2]])
        # Not torch.jit.script, which is deprecated and warns: this compiles text, in any version of Python.
        # So that only functions that torch has in C++ may be called there, none of Python.
        unit: Functions = torch.jit.CompilationUnit(source)
        if is_right(unit, plain):
            return unit
    except (RuntimeError, AttributeError, OSError):
        pass
    return plain


@cache
def steps() -> Functions:
    """Get the functions below, compiled if possible.

    RETURNS (Functions): `run_steps`, as an attribute.
    """
    return compile_functions(run_steps, is_right=_is_right, uses=[round_up])


def _is_right(unit: Functions, plain: Functions) -> bool:
    """Compare a few steps with one output and one cell."""
    results = []
    with torch.inference_mode():
        for functions in (unit, plain):
            weight, cell, outputs = torch.ones(1, 4) / 2, torch.zeros(2, 1), torch.zeros(3, 1)
            start = torch.ones(1, 1)
            run = functions.run_steps
            run(
                ["torch", "torch"], [weight], [torch.ones(1, 1)], 3.0, 3.0, torch.ones(3, 4) / 4, None, [0, 2],
                [2, 1], [None, torch.tensor([0])], start, start, torch.ones(2, 1), cell,
                torch.zeros(2, 1), outputs,
            )  # fmt: skip
            results.append(torch.cat([cell, outputs]))
    return torch.equal(*results)


# TorchScript from here on.


def fill_up(x: Tensor) -> Tensor:
    """Add rows of zeros, up to a number that oneDNN knows.

    x (Tensor): (n, width).
    RETURNS (Tensor): (round_up(n), width).
    """
    missing = round_up(x.size(0)) - x.size(0)
    return x if missing == 0 else torch.constant_pad_nd(x, [0, 0, 0, missing])


def fill_up_few(x: Tensor) -> Tensor:
    """Add rows of zeros to 5 to 11 rows, up to a multiple of four. Where MKL does not use AVX512, the last bits
    of its products of 5 to 7 and 9 to 11 rows depend on whether one thread computes them or two.

    x (Tensor): (n, width).
    RETURNS (Tensor): (n or more, width).
    """
    n = x.size(0)
    missing = (4 - n % 4) % 4 if n > 4 and n < 12 else 0
    return x if missing == 0 else torch.constant_pad_nd(x, [0, 0, 0, missing])


def row_scale(x: Tensor) -> Tensor:
    """Compute what the numbers of each row are divided by, to be at most 127.

    x (Tensor): (n, width), float32.
    RETURNS (Tensor): (n, 1); NaN where a row has NaN.
    """
    # The smallest normal number: no row is divided by zero.
    return x.abs().amax(1, True).div_(127).clamp_min_(1.1754943508222875e-38)


def round_rows(x: Tensor, scale: Tensor, zero: int) -> Tensor:
    """Round to whole numbers of one byte.

    x (Tensor): (n, width), float32.
    scale (Tensor): (n, 1), as from `row_scale`.
    zero (int): The number that stands for 0: 0 or 128.
    RETURNS (Tensor): (n, width): with 0, from -127 to 127, int8; with 128, from 1 to 255, uint8.
    """
    numbers = (x / scale).round_()
    return numbers.to(torch.int8) if zero == 0 else numbers.add_(zero).to(torch.uint8)


def multiply_rounded(x: Tensor, zero: int, weights: list[Tensor]) -> Tensor:
    """Compute x W^T from rounded numbers.

    x (Tensor): (n, inputs), as from `round_rows`.
    zero (int): The number that stands for 0 in it.
    weights (list[Tensor]): The packed weight, the scales of its rows, and their zeros.
    RETURNS (Tensor): (n, outputs), float32, without the scales of the rows of x.
    """
    product: Tensor = torch.ops.onednn.qlinear_pointwise(
        fill_up(x), 1.0, zero, weights[0], weights[1], weights[2], None, 1.0, 0, torch.float32, "none", [], ""
    )
    result: Tensor = product[: x.size(0)]
    return result


def add_product(kind: str, x: Tensor, weights: list[Tensor], other: Tensor | None) -> Tensor:
    """Compute other + x W^T.

    kind (str): `Linear.kind`.
    x (Tensor): (n, inputs), float32.
    weights (list[Tensor]): `Linear.tensors`.
    other (Tensor | None): (n, outputs), which may be overwritten; None: zeros.
    RETURNS (Tensor): (n, outputs).
    """
    if kind == "int8" or kind == "uint8":
        zero = 0 if kind == "int8" else 128
        scale = row_scale(x)
        product = multiply_rounded(round_rows(x, scale, zero), zero, weights)
        return product.mul_(scale) if other is None else torch.addcmul(other, product, scale, out=product)
    if weights[0].dtype == torch.bfloat16:
        x = x.to(torch.bfloat16)
    if kind == "torch" or (kind == "packed and plain" and x.size(0) <= 8):
        filled = fill_up_few(x)
        if other is None:
            return torch.mm(filled, weights[-1])[: x.size(0)]
        if filled.size(0) == x.size(0):
            return other.addmm_(x, weights[-1])
        return torch.addmm(fill_up_few(other), filled, weights[-1])[: x.size(0)]
    if kind == "packed and plain":
        weights = weights[:-1]
    parts = fill_up(x).split([part.size(1) for part in weights], 1)
    if other is None:
        product = torch.ops.mkldnn._linear_pointwise(parts[0], weights[0], None, "none", [], "")
    else:
        product = torch.ops.mkldnn._linear_pointwise(parts[0], fill_up(other), weights[0], None, "add")
    for i in range(1, len(weights)):
        product = torch.ops.mkldnn._linear_pointwise(parts[i], product, weights[i], None, "add")
    result: Tensor = product[: x.size(0)]
    return result


def columns(x: Tensor, first: int, end: int) -> Tensor:
    """Take columns: x[:, first:end], for which TorchScript would take all rows first.

    x (Tensor): (n, width).
    first (int): The first column.
    end (int): The column after the last.
    RETURNS (Tensor): (n, end - first), a view.
    """
    result: Tensor = torch.ops.aten.slice(x, 1, first, end)
    return result


def run_steps(
    kinds: list[str],
    states: list[Tensor],
    projection: list[Tensor],
    cell_clip: float | None,
    proj_clip: float | None,
    gates: Tensor,
    slots: Tensor | None,
    firsts: list[int],
    sizes: list[int],
    starting: list[Tensor | None],
    start_hidden: Tensor,
    start_cell: Tensor,
    hidden: Tensor,
    cell: Tensor,
    last: Tensor,
    outputs: Tensor,
) -> Tensor:
    """Run an LSTM layer's steps, of which each has as many rows as the one before, or fewer.

    kinds (list[str]): The kinds of `states` and, if there is one, `projection`, see `add_product`.
    states (list[Tensor]): The weight of the states.
    projection (list[Tensor]): The weight of the projection; empty: the outputs are sig(o) * tanh(c).
    cell_clip (float | None): Bound of the cells.
    proj_clip (float | None): Bound of the projection.
    gates (Tensor): The inputs' share of g, i, f, o, (n, 4C). Without `slots`, it may be overwritten.
    slots (Tensor | None): The row of `gates` for each packed row of these steps, (n_packed,); None: the same row.
    firsts (list[int]): The first packed row of each step.
    sizes (list[int]): Packed rows of each step.
    starting (list[Tensor | None]): The rows of each step in which a sentence begins; None: there are none.
    start_hidden (Tensor): The hidden state that these begin with, (1, P); not used if there are none.
    start_cell (Tensor): The cell that these begin with, (1, C); not used if there are none.
    hidden (Tensor): The hidden state of the step before, (n, P); overwritten in rows where a sentence begins.
    cell (Tensor): The cells, (n_rows, C); updated in place.
    last (Tensor): Receives the hidden state of rows that end before the last step, (n_rows, P).
    outputs (Tensor): Receives the hidden state of the packed rows, from its first row on, (n_packed or more, P).
    RETURNS (Tensor): The hidden state of the last step.
    """
    cells = cell.size(1)
    for i in range(len(firsts)):
        first = firsts[i]
        size = sizes[i]
        if size < hidden.size(0):
            last[size : hidden.size(0)] = hidden[size:]
            hidden = hidden[:size]
        running = cell[:size]
        rows = starting[i]
        if rows is not None:
            hidden.index_put_([rows], start_hidden)
            running.index_put_([rows], start_cell)
        own = gates[first : first + size] if slots is None else gates.index_select(0, slots[first : first + size])
        total = add_product(kinds[0], hidden, states, own).float()
        # g becomes tanh(g); with i beside it, a gated linear unit is tanh(g) * sig(i).
        columns(total, 0, cells).tanh_()
        new = torch.ops.aten.glu(columns(total, 0, 2 * cells), 1)
        torch.addcmul(new, columns(total, 2 * cells, 3 * cells).sigmoid_(), running, out=running)
        if cell_clip is not None:
            running.clamp_(-cell_clip, cell_clip)
        # What was added to the cell is used up: its place takes tanh(c).
        torch.tanh(running, out=new)
        hidden = new.mul_(columns(total, 3 * cells, 4 * cells).sigmoid_())
        if len(projection) > 0:
            hidden = add_product(kinds[1], hidden, projection, None).float()
            if proj_clip is not None:
                hidden.clamp_(-proj_clip, proj_clip)
        outputs[first : first + size] = hidden
    return hidden
