"""One LSTM step on a GPU: its kernels are launched for both directions together."""

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...bilm.lstm import LSTMState
from ...gpu.kernels.gates import gates_kernel
from ...gpu.kernels.project import deliver_kernel, project_kernel
from ...gpu.kernels.single_row import single_gates_kernel, single_project_kernel
from .plan import FEW_ROWS, Plan
from .tiles import PASS_ON, SINGLE_GATES, SINGLE_PROJECT, Tiles
from .weights import LayerWeights


@dataclass(frozen=True, kw_only=True)
class Work:
    """What the steps of one layer read and write. Tensors are on the device, at fixed addresses.

    weights (LayerWeights): The weights of the layer.
    plan (Plan): The schedule.
    rows (Tensor): Inputs and state, concatenated, (2, n_rows, 2P), or the state alone, (2, n_rows, P).
    input_gates (Tensor | None): The input projections of block_steps steps, (2, block_steps * n_rows, 4C), if
        `rows` has the state alone.
    block_steps (int): See `input_gates`.
    cell (Tensor): (2, n_rows, C), float32.
    opened (Tensor): (2, n_rows, C).
    first (LSTMState): The initial state, hidden (2, 1 or n_rows, P) and cell (2, 1 or n_rows, C).
    outputs (Tensor): (n_tokens, 2P), float32.
    residual (bool): Whether the layer's input is added to the outputs.
    inputs (Tensor): The layer below, (n_tokens, 2P), or with `numbers` word types, (n_types, P).
    numbers (Tensor | None): The word type of each token, (n_tokens,), int32.
    tiles (Tiles): The tiles of the kernels.
    products (str): How float32 numbers are multiplied, by its name in Triton's `dot`.
    fast (bool): Use approximate activations.
    """

    weights: LayerWeights
    plan: Plan
    rows: Tensor
    input_gates: Tensor | None
    block_steps: int
    cell: Tensor
    opened: Tensor
    first: LSTMState
    outputs: Tensor
    residual: bool
    inputs: Tensor
    numbers: Tensor | None
    tiles: Tiles
    products: str
    fast: bool

    @property
    def first_is_one(self) -> bool:
        """Whether all rows start from the same state."""
        return self.first.cell.size(1) == 1


def step(work: Work, offset: int) -> None:
    """Launch the kernels of a step.

    work (Work): What the step reads and writes.
    offset (int): The number of the step, counted from `plan.step`.
    """
    if work.plan.n_rows in FEW_ROWS:
        _gates_of_single_rows(work, offset)
    else:
        _gates_of_tiles(work, offset)
    if work.weights.projection is None:
        _pass_on(work, offset)
    elif work.plan.n_rows in FEW_ROWS:
        _project_single_rows(work, work.weights.projection, offset)
    else:
        _project_tiles(work, work.weights.projection, offset)


def _gates_of_tiles(work: Work, offset: int) -> None:
    lstm, n_rows, width = work.weights.options, work.plan.n_rows, work.rows.size(2)
    tile = work.tiles.of_gates(n_rows).fit(columns=lstm.dim, depth=width)
    gates_kernel[n_rows // tile.rows * (lstm.dim // tile.columns), 2](
        work.rows,
        work.weights.joint,
        *_of_cells(work, offset),
        **_constants(work),
        PRECISION=work.products,
        ROWS=tile.rows,
        CELLS=tile.columns,
        DEPTH=tile.depth,
        BAND=8,
        num_warps=tile.warps,
        num_stages=tile.stages,
    )


def _gates_of_single_rows(work: Work, offset: int) -> None:
    lstm, n_rows, width = work.weights.options, work.plan.n_rows, work.rows.size(2)
    tile = SINGLE_GATES.fit(columns=lstm.dim, depth=width)
    single_gates_kernel[lstm.dim // tile.columns, 2, n_rows](
        work.rows,
        work.weights.joint,
        *_of_cells(work, offset),
        **_constants(work),
        CELLS=tile.columns,
        DEPTH=tile.depth,
        num_warps=tile.warps,
    )


def _project_tiles(work: Work, projection: Tensor, offset: int) -> None:
    lstm, n_rows = work.weights.options, work.plan.n_rows
    tile = work.tiles.of_projection(n_rows).fit(columns=lstm.projection_dim, depth=lstm.dim)
    project_kernel[n_rows // tile.rows * (lstm.projection_dim // tile.columns), 2](
        work.opened,
        projection,
        *_of_rows(work, offset),
        _bound(lstm.proj_clip),
        **_row_constants(work),
        N_CELLS=lstm.dim,
        PRECISION=work.products,
        ROWS=tile.rows,
        COLUMNS=tile.columns,
        DEPTH=tile.depth,
        num_warps=tile.warps,
        num_stages=tile.stages,
    )


def _project_single_rows(work: Work, projection: Tensor, offset: int) -> None:
    lstm, n_rows = work.weights.options, work.plan.n_rows
    tile = SINGLE_PROJECT.fit(columns=lstm.projection_dim, depth=lstm.dim)
    single_project_kernel[lstm.projection_dim // tile.columns, 2, n_rows](
        work.opened,
        projection,
        *_of_rows(work, offset),
        _bound(lstm.proj_clip),
        **_row_constants(work),
        N_CELLS=lstm.dim,
        COLUMNS=tile.columns,
        DEPTH=tile.depth,
        num_warps=tile.warps,
    )


def _pass_on(work: Work, offset: int) -> None:
    # As TensorFlow's cell, which clips the projection only, this clips nothing.
    width, n_rows = work.opened.size(2), work.plan.n_rows
    tile = PASS_ON.fit(columns=width, depth=1)
    deliver_kernel[-(-n_rows // tile.rows) * (width // tile.columns), 2](
        work.opened,
        *_of_rows(work, offset),
        **_row_constants(work),
        ROWS=tile.rows,
        COLUMNS=tile.columns,
        num_warps=tile.warps,
    )


def _of_cells(work: Work, offset: int) -> tuple[Any, ...]:
    """List the arguments that all kernels of gates share, from the bias to the bound of the clip."""
    plan, cells = work.plan, work.cell.size(2)
    return (
        work.weights.bias,
        work.weights.bias if work.input_gates is None else work.input_gates,
        work.cell,
        work.first.cell,
        work.opened,
        plan.starts,
        plan.running,
        plan.step,
        offset,
        plan.n_rows,
        0 if work.first_is_one else cells,
        _bound(work.weights.options.cell_clip),
    )


def _of_rows(work: Work, offset: int) -> tuple[Any, ...]:
    """List the arguments that all kernels which deliver hidden states share, from the outputs on."""
    plan, lstm = work.plan, work.weights.options
    return (
        work.outputs,
        # Read with `residual` only, and then it is the layer below.
        work.inputs,
        work.rows,
        work.inputs,
        plan.places if work.numbers is None else work.numbers,
        work.first.hidden,
        plan.places,
        plan.starts,
        plan.running,
        plan.step,
        offset,
        plan.n_rows,
        0 if work.first_is_one else lstm.projection_dim,
    )


def _constants(work: Work) -> dict[str, Any]:
    return {
        "N_CELLS": work.weights.options.dim,
        "WIDTH": work.rows.size(2),
        "WEIGHT_WIDTH": work.weights.joint.size(2),
        "BLOCK_STEPS": work.block_steps,
        "FAST": work.fast,
    }


def _row_constants(work: Work) -> dict[str, Any]:
    return {
        "N_HIDDEN": work.weights.options.projection_dim,
        "WIDTH": work.rows.size(2),
        "RESIDUAL": work.residual,
        "HAS_INPUTS": work.input_gates is None,
        "BY_NUMBER": work.numbers is not None,
    }


def _bound(clip: float | None) -> float:
    return math.inf if clip is None else float(clip)
