"""Both LSTM stacks on a GPU: layer after layer, in blocks of steps."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...bilm.lstm import LSTMState
from ...gpu.graphs import Graphs
from ...gpu.transfer import Buffers
from ..schedule import Schedule
from .plan import Plan, make_plan
from .steps import Work, step
from .tiles import Tiles
from .weights import LayerWeights

# Steps that are launched together, as one graph.
BLOCKS = (16, 4, 1)
# With so many rows or fewer, a step takes as long as to read its weights. Then the input projections are
# computed for many steps at once, so that each step reads only the weights of the state.
NARROW = 16
# Rows of such a product, for all its steps together.
NARROW_ROWS = 512


class CudaStack:
    """The layers of both directions.

    layers (Sequence[LayerWeights]): The weights of each layer.
    device (torch.device): The device.
    tiles (Tiles): See `Work`.
    products (str): See `Work`.
    fast (bool): See `Work`.
    """

    def __init__(
        self,
        layers: Sequence[LayerWeights],
        *,
        device: torch.device,
        tiles: Tiles,
        products: str,
        fast: bool,
    ):
        self.layers = list(layers)
        self._buffers = Buffers(device)
        self._graphs = Graphs(device)
        self._generation = 0
        self._tiles = tiles
        self._products = products
        self._fast = fast

    def run(
        self,
        types: Tensor,
        numbers: Tensor,
        schedule: Schedule,
        start: LSTMState,
        *,
        n_layers: int,
        keep_state: bool,
    ) -> tuple[list[Tensor], LSTMState | None]:
        """Run the first layers over a batch.

        types (Tensor): Embeddings of word types, (n_types, P), at the same address for most batches, so that
            graphs can be kept.
        numbers (Tensor): The type of each flat row, (n_tokens,).
        schedule (Schedule): The rows and steps of the batch.
        start (LSTMState): The initial state, (2, L, 1 or n_rows, ...).
        n_layers (int): The number of layers to run.
        keep_state (bool): Whether to return the final state.
        RETURNS (tuple[list[Tensor], LSTMState | None]): The layers, (n_tokens, 2P), flat, and the final state
            of each row, (2, n_layers, n_rows, ...).
        """
        width, n_tokens = types.size(1), schedule.n_tokens
        plan = make_plan(schedule, self._buffers)
        place = self._buffers.get("numbers", n_tokens, dtype=torch.int32).copy_(numbers)
        inputs = types
        works = []
        for k, layer in enumerate(self.layers[:n_layers]):
            outputs = self._buffers.get(f"outputs{k}", n_tokens, 2 * width, dtype=torch.float32)
            first = LSTMState(start.hidden[:, k], start.cell[:, k])
            works.append(self._work(k, layer, plan, first, inputs, place if k == 0 else None, outputs))
            inputs = outputs
        if self._buffers.generation != self._generation:
            # Memory has moved: a buffer that grew for a later layer may be used by an earlier one, too.
            self._generation = self._buffers.generation
            self._graphs.clear()
            return self.run(types, numbers, schedule, start, n_layers=n_layers, keep_state=keep_state)
        finals = []
        for k, work in enumerate(works):
            self._run_layer(k, work)
            if keep_state:
                # Copies, because the next layer uses the same memory.
                hidden = work.rows[:, : schedule.n_rows, -width:].to(torch.float32, copy=True)
                finals.append(LSTMState(hidden, work.cell[:, : schedule.n_rows].clone()))
        # Copies, because the next batch uses the same memory.
        layers = [work.outputs.clone() for work in works]
        return layers, LSTMState(*(torch.stack(parts, dim=1) for parts in zip(*finals))) if keep_state else None

    def release(self) -> None:
        """Free the memory that is kept between batches."""
        self._graphs.clear()
        self._buffers.clear()

    def _work(
        self,
        k: int,
        layer: LayerWeights,
        plan: Plan,
        first: LSTMState,
        inputs: Tensor,
        numbers: Tensor | None,
        outputs: Tensor,
    ) -> Work:
        lstm, n_rows, dtype, get = layer.options, plan.n_rows, layer.joint.dtype, self._buffers.get
        narrow = n_rows <= NARROW
        block_steps = max(NARROW_ROWS // n_rows, BLOCKS[0]) if narrow else 0
        return Work(
            weights=layer,
            plan=plan,
            rows=get("rows", 2, n_rows, lstm.projection_dim * (1 if narrow else 2), dtype=dtype),
            input_gates=get("input_gates", 2, block_steps * n_rows, 4 * lstm.dim, dtype=dtype) if narrow else None,
            block_steps=block_steps,
            cell=get("cell", 2, n_rows, lstm.dim, dtype=torch.float32),
            opened=get("opened", 2, n_rows, lstm.dim, dtype=dtype),
            first=self._first(k, first, n_rows),
            outputs=outputs,
            residual=k > 0 and lstm.use_skip_connections,
            inputs=inputs,
            numbers=numbers,
            tiles=self._tiles,
            products=self._products,
            fast=self._fast,
        )

    def _first(self, k: int, first: LSTMState, n_rows: int) -> LSTMState:
        """Copy the initial state of rows to a separate buffer; that of empty rows is undefined."""
        parts = []
        for name, part in first._asdict().items():
            size = 1 if part.size(1) == 1 else n_rows
            buffer = self._buffers.get(f"first_{name}{k}", 2, size, part.size(2), dtype=torch.float32)
            buffer[:, : part.size(1)] = part
            parts.append(buffer)
        return LSTMState(*parts)

    def _run_layer(self, k: int, work: Work) -> None:
        plan, width = work.plan, work.weights.options.projection_dim
        plan.step.zero_()
        work.rows[:, :, -width:] = work.first.hidden
        if work.input_gates is None:
            work.rows[:, :, :width] = _inputs(work, 0, 1)[:, 0]
        done = 0
        while done < plan.n_steps:
            left = plan.n_steps - done
            if work.input_gates is not None:
                if done % work.block_steps == 0:
                    self._fill_input_gates(work, done, min(left, work.block_steps))
                left = min(left, work.block_steps - done % work.block_steps)
            size = next(size for size in BLOCKS if size <= left)
            key = (k, size, plan.n_rows, work.first_is_one, work.inputs.data_ptr())
            self._graphs.run(key, lambda size=size: _launch(work, size))  # type: ignore[misc]
            done += size

    def _fill_input_gates(self, work: Work, first: int, n_steps: int) -> None:
        assert work.input_gates is not None
        weights, width = work.weights, work.weights.options.projection_dim
        rows = _inputs(work, first, n_steps).flatten(1, 2).to(weights.joint.dtype)
        out = work.input_gates[:, : rows.size(1)]
        bias = weights.bias.to(weights.joint.dtype).unsqueeze(1)
        torch.baddbmm(bias, rows, weights.joint[:, :, :width].mT, out=out)


def _launch(work: Work, n_steps: int) -> None:
    for offset in range(n_steps):
        step(work, offset)
    work.plan.step.add_(n_steps)


def _inputs(work: Work, first: int, n_steps: int) -> Tensor:
    """Gather the inputs of rows at these steps, (2, n_steps, n_rows, P), float32."""
    width = work.weights.options.projection_dim
    places = work.plan.places[first : first + n_steps]
    if work.numbers is not None:
        return work.inputs[work.numbers[places].long()].transpose(0, 1)
    halves = [work.inputs[:, d * width : (d + 1) * width][places[:, d].long()] for d in (0, 1)]
    return torch.stack(halves)
