"""One projected LSTM layer of one or both directions over many aligned steps, with its own backward pass.

Pre-training reads rows of equal length: both directions run side by side, as one batched product a step, and the
gradients of the matrices are one product over all steps. The numbers are those of `bilm.lstm.ProjectedLSTM`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from ..bilm.lstm import Clips, LSTMState, ProjectedLSTM
from ..gpu import support
from ..gpu.training_graphs import Graphs
from ..runtime.memory import Workspace
from .recurrence_gpu import FusedLayer, Settings

_aten = torch.ops.aten


def run_layer(
    inputs: Tensor,
    state: LSTMState,
    layers: Sequence[ProjectedLSTM],
    *,
    dtype: torch.dtype,
    workspace: Workspace,
    name: str,
    graphs: Graphs | None = None,
) -> tuple[Tensor, LSTMState]:
    """Run one layer of D directions, forward direction first.

    inputs (Tensor): (n_steps, D, n_rows, P).
    state (LSTMState): Hidden (D, n_rows, P) and cell (D, n_rows, C).
    layers (Sequence[ProjectedLSTM]): D of them; on a GPU, both directions.
    dtype (torch.dtype): Of the matrix products; gates, cells and sums have the dtype of the inputs.
    workspace (Workspace): For buffers; a backward pass must come before the next forward pass.
    name (str): Of this layer's buffers in the workspace.
    graphs (Graphs | None): Recordings of all steps on a GPU; None: each operation is launched.
    RETURNS (tuple[Tensor, LSTMState]): Outputs (n_steps, D, n_rows, P), without residual, and the state after the
        last step.
    """
    parameters: list[Tensor | None] = []
    for layer in layers:
        projection = None if layer.projection is None else layer.projection.weight
        linear = layer.input_linear
        parameters += [linear.weight, linear.bias, layer.state_linear.weight, projection]
    clips = layers[0].cell_clip, layers[0].proj_clip
    if inputs.dtype == torch.float32 and support.usable(inputs.device):
        fused = Settings(clips, dtype, workspace, name, graphs)
        with torch.cuda.device_of(inputs):
            outputs, hidden, cell = FusedLayer.apply(fused, inputs, *state, *parameters)
        return outputs, LSTMState(hidden, cell)
    settings = clips, dtype, workspace, name
    outputs, hidden, cell = _Layer.apply(settings, inputs, *state, *parameters)
    return outputs, LSTMState(hidden, cell)


def _fill_joint_weight(parameters: tuple[Tensor | None, ...], joint: Tensor, width: int) -> None:
    """Write the directions' matrices side by side into `joint`: (D, 4C, P inputs + P state + ones)."""
    joint[:, :, 2 * width :] = 0
    for direction in range(len(joint)):
        inputs, bias, state, _ = parameters[4 * direction : 4 * direction + 4]
        assert inputs is not None
        assert bias is not None
        assert state is not None
        joint[direction, :, :width] = inputs
        joint[direction, :, width : 2 * width] = state
        joint[direction, :, 2 * width] = bias
        if joint.dtype != bias.dtype:
            # The rounding error of the bias has its own column.
            joint[direction, :, 2 * width + 1] = bias - joint[direction, :, 2 * width]


class _Buffers(NamedTuple):
    """What the backward pass needs of the forward pass; see `_Layer.forward` for shapes."""

    joint: Tensor
    projection: Tensor | None
    rows: Tensor
    gates: Tensor
    cells: Tensor
    tanhs: Tensor
    gated: Tensor
    outputs: Tensor


class _Context(FunctionCtx):
    settings: tuple[Clips, torch.dtype, Workspace, str]
    buffers: _Buffers


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: _Context,
        settings: tuple[Clips, torch.dtype, Workspace, str],
        inputs: Tensor,
        hidden: Tensor,
        cell: Tensor,
        *parameters: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        (cell_clip, proj_clip), dtype, workspace, name = settings
        full, device = inputs.dtype, inputs.device
        n_steps, n_directions, n_rows, width = inputs.shape
        n_cells = cell.size(-1)
        # A row is inputs, state and ones for the bias; processors with matrix tiles like 32 columns at a time.
        joint_width = 2 * width + (1 if dtype == full else 32)

        def buffer(what: str, *shape: int, dtype: torch.dtype = full, shared: bool = False) -> Tensor:
            name_here = what if shared else f"{name}.{what}"
            return workspace.get(name_here, *shape, dtype=dtype, device=device)

        joint = buffer("joint", n_directions, 4 * n_cells, joint_width, dtype=dtype)
        _fill_joint_weight(parameters, joint, width)
        projection = None
        if parameters[3] is not None:
            projection = buffer("projection", n_directions, width, n_cells, dtype=dtype)
            for direction, weight in enumerate(parameters[3::4]):
                assert weight is not None
                projection[direction] = weight
        rows = buffer("rows", n_steps, n_directions, n_rows, joint_width, dtype=dtype)
        rows[..., :width] = inputs
        rows[..., 2 * width :] = 1
        states = rows[..., width : 2 * width]
        states[0] = hidden
        gates = buffer("gates", n_steps, n_directions, n_rows, 4 * n_cells)
        cells = buffer("cells", n_steps + 1, n_directions, n_rows, n_cells)
        cells[0] = cell
        tanhs = buffer("tanhs", n_steps, n_directions, n_rows, n_cells)
        # Directions first, as the product over all steps reads them.
        gated = buffer("gated", n_directions, n_steps, n_rows, n_cells, dtype=dtype)
        outputs = torch.empty_like(inputs)
        # Rounded products need their own buffer, the others are written where they are used.
        product = None
        if dtype != full:
            product = buffer("product", n_directions, n_rows, 4 * n_cells, dtype=dtype, shared=True)
        transposed = joint.mT
        for t in range(n_steps):
            step = gates[t]
            if product is None:
                torch.bmm(rows[t], transposed, out=step)
            else:
                step.copy_(torch.bmm(rows[t], transposed, out=product))
            i, f, g, o = step.chunk(4, dim=-1)
            step[..., : 2 * n_cells].sigmoid_()
            g.tanh_()
            o.sigmoid_()
            c = torch.mul(f, cells[t], out=cells[t + 1]).addcmul_(i, g)
            if cell_clip is not None:
                c.clamp_(-cell_clip, cell_clip)
            torch.tanh(c, out=tanhs[t])
            torch.mul(o, tanhs[t], out=gated[:, t])
            if projection is None:
                outputs[t] = gated[:, t]
            else:
                outputs[t] = torch.bmm(gated[:, t], projection.mT)
                if proj_clip is not None:
                    outputs[t].clamp_(-proj_clip, proj_clip)
            if t + 1 < n_steps:
                states[t + 1] = outputs[t]
        ctx.settings = settings
        ctx.buffers = _Buffers(joint, projection, rows, gates, cells, tanhs, gated, outputs.detach())
        return outputs, outputs[-1].clone(), cells[n_steps].clone()

    @staticmethod
    def backward(ctx: _Context, d_outputs: Tensor, d_hidden: Tensor, d_cell: Tensor) -> tuple[Tensor | None, ...]:
        (cell_clip, proj_clip), dtype, workspace, _ = ctx.settings
        joint, projection, rows, gates, cells, tanhs, gated, outputs = ctx.buffers
        n_steps, n_directions, n_rows, n_gates = gates.shape
        n_cells, width = n_gates // 4, outputs.size(-1)

        def buffer(what: str, *shape: int, dtype: torch.dtype) -> Tensor:
            return workspace.get(what, *shape, dtype=dtype, device=gates.device)

        d_gates = buffer("d_gates", n_directions, n_steps, n_rows, n_gates, dtype=dtype)
        d_projected = buffer("d_projected", n_steps, n_directions, n_rows, width, dtype=dtype)
        # As in the forward pass: computed in full precision and then rounded, or written where they are used.
        d_full = None
        if dtype != gates.dtype:
            d_full = buffer("d_step", n_directions, n_rows, n_gates, dtype=gates.dtype)
        d_gated, scratch = buffer("d_gated", 2, n_directions, n_rows, n_cells, dtype=gates.dtype)
        d_inputs = torch.empty_like(d_outputs)
        d_cell = d_cell.clone()
        without_ones = joint[:, :, : 2 * width].contiguous()
        for t in reversed(range(n_steps)):
            d_hidden = d_hidden + d_outputs[t]
            if projection is None:
                d_gated.copy_(d_hidden)
            else:
                if proj_clip is not None:
                    # A clipped number equals its bound: the outputs show which ones were clipped.
                    d_hidden = _aten.hardtanh_backward(d_hidden, outputs[t], -proj_clip, proj_clip)
                d_projected[t] = d_hidden
                d_gated.copy_(torch.bmm(d_projected[t], projection))
            i, f, g, o = gates[t].chunk(4, dim=-1)
            d_step = d_gates[:, t] if d_full is None else d_full
            d_i, d_f, d_g, d_o = d_step.chunk(4, dim=-1)
            torch.mul(d_gated, tanhs[t], out=scratch)
            _aten.sigmoid_backward.grad_input(scratch, o, grad_input=d_o)
            d_gated *= o
            d_cell += _aten.tanh_backward.grad_input(d_gated, tanhs[t], grad_input=scratch)
            if cell_clip is not None:
                d_cell = _aten.hardtanh_backward(d_cell, cells[t + 1], -cell_clip, cell_clip)
            torch.mul(d_cell, g, out=scratch)
            _aten.sigmoid_backward.grad_input(scratch, i, grad_input=d_i)
            torch.mul(d_cell, cells[t], out=scratch)
            _aten.sigmoid_backward.grad_input(scratch, f, grad_input=d_f)
            torch.mul(d_cell, i, out=scratch)
            _aten.tanh_backward.grad_input(scratch, g, grad_input=d_g)
            d_cell *= f
            if d_full is not None:
                d_gates[:, t] = d_full
            d_row = torch.bmm(d_gates[:, t], without_ones)
            d_inputs[t] = d_row[..., :width]
            d_hidden = d_row[..., width:].to(gates.dtype)
        # The large matrix is read along its rows, the small one is transposed.
        d_joint = torch.bmm(_columns(rows), d_gates.flatten(1, 2)).to(gates.dtype).mT
        d_projections: Sequence[Tensor | None] = [None] * n_directions
        if projection is not None:
            d_projections = torch.bmm(_columns(d_projected), gated.flatten(1, 2)).to(gates.dtype).unbind()
        d_parameters: list[Tensor | None] = []
        for own, d_projection in zip(d_joint, d_projections):
            d_parameters += [own[:, :width], own[:, 2 * width], own[:, width : 2 * width], d_projection]
        return None, d_inputs, d_hidden, d_cell, *d_parameters


def _columns(rows: Tensor) -> Tensor:
    """Rearrange (n_steps, D, n_rows, n) to (D, n, n_steps * n_rows), contiguous."""
    return rows.permute(1, 3, 0, 2).flatten(2)
