"""The projected LSTM of bilm-tf: clipped cell, clipped projection, residuals outside the recurrence."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .options import LSTMOptions

# Input projections are computed for this many rows at a time: many, because one large matrix product is cheaper
# than one per step; not all, to bound the memory for gates (4C numbers per row) of a 100,000-token sentence.
BLOCK_ROWS = 1024
# Bounds of the cell and of the projection; None: no clip.
Clips = tuple[float | None, float | None]


class LSTMState(NamedTuple):
    """The state between two steps of an LSTM. The leading dimensions are () for a layer, (L,) for a direction and
    (2, L) for a biLM, forward first.

    hidden (Tensor): (..., n_rows, P), the clipped projection.
    cell (Tensor): (..., n_rows, C), the clipped cell.
    """

    hidden: Tensor
    cell: Tensor

    def rows(self, index: Tensor) -> "LSTMState":
        """Select rows.

        index (Tensor): Their numbers.
        RETURNS (LSTMState): These rows, in this order.
        """
        return LSTMState(self.hidden.index_select(-2, index), self.cell.index_select(-2, index))


def expand_state(state: LSTMState, n_rows: int) -> LSTMState:
    """Repeat a constant state for each row.

    state (LSTMState): Hidden (2, L, P) and cell (2, L, C).
    n_rows (int): The number of rows.
    RETURNS (LSTMState): Hidden (2, L, n_rows, P) and cell (2, L, n_rows, C).
    """
    return LSTMState(*(part.unsqueeze(2).expand(-1, -1, n_rows, -1) for part in state))


class ProjectedLSTM(nn.Module):
    """One layer of one direction (Sak et al. 2014 without peepholes, clipped as in bilm-tf).

    c = clip(sig(f) * c + sig(i) * tanh(g)); h = clip(W_p (sig(o) * tanh(c))), gates in the order i, f, g, o.
    bilm-tf adds 1 to the forget gate in each step; here the bias contains this 1.

    options (LSTMOptions): Sizes and clips.
    """

    def __init__(self, *, options: LSTMOptions):
        super().__init__()
        width, cells = options.projection_dim, options.dim
        self.input_linear = nn.Linear(width, 4 * cells)
        self.state_linear = nn.Linear(width, 4 * cells, bias=False)
        self.projection = nn.Linear(cells, width, bias=False) if options.has_projection else None
        self.cell_clip = options.cell_clip
        # TensorFlow's cell clips the projection only, so nothing is clipped without one.
        self.proj_clip = options.proj_clip if options.has_projection else None

    def forward(self, inputs: Tensor, batch_sizes: Sequence[int], state: LSTMState) -> tuple[Tensor, LSTMState]:
        """Run over packed rows.

        inputs (Tensor): (n_rows, P), packed.
        batch_sizes (Sequence[int]): The number of unfinished sentences in each step.
        state (LSTMState): hidden (n_sentences, P) and cell (n_sentences, C), sentences sorted by falling length.
        RETURNS (tuple[Tensor, LSTMState]): Outputs (n_rows, P), packed, and the state of each sentence after its
            last step.
        """
        return run_packed(inputs, batch_sizes, state, project=self.input_linear, step=self._step)

    def _step(self, input_gates: Tensor, state: LSTMState) -> LSTMState:
        gates = torch.addmm(input_gates, state.hidden, self.state_linear.weight.t())
        hidden, cell = apply_gates(gates, state.cell, cell_clip=self.cell_clip)
        if self.projection is not None:
            hidden = self.projection(hidden)
        return LSTMState(clip(hidden, self.proj_clip), cell)


def run_packed(
    inputs: Tensor,
    batch_sizes: Sequence[int],
    state: LSTMState,
    *,
    project: Callable[[Tensor], Tensor],
    step: Callable[[Tensor, LSTMState], LSTMState],
) -> tuple[Tensor, LSTMState]:
    """Run one layer of one direction over packed rows.

    inputs (Tensor): (n_rows, P), packed.
    batch_sizes (Sequence[int]): The number of unfinished sentences in each step.
    state (LSTMState): hidden (n_sentences, P) and cell (n_sentences, C), sentences sorted by falling length.
    project (Callable[[Tensor], Tensor]): Computes what rows (n, P) add to the gates, (n, 4C).
    step (Callable[[Tensor, LSTMState], LSTMState]): Computes a step, from that and the state before.
    RETURNS (tuple[Tensor, LSTMState]): Outputs (n_rows, P), packed, and the state of each sentence after its last
        step.
    """
    outputs: list[Tensor] = []
    ended: list[LSTMState] = []
    for start, sizes in _blocks(batch_sizes):
        gates = project(inputs[start : start + sum(sizes)])
        for step_gates, size in zip(gates.split(list(sizes)), sizes):
            if size < state.hidden.size(0):
                ended.append(LSTMState(*(part[size:] for part in state)))
                state = LSTMState(*(part[:size] for part in state))
            state = step(step_gates, state)
            outputs.append(state.hidden)
    final = LSTMState(*(torch.cat(parts) for parts in zip(state, *ended[::-1])))
    return torch.cat(outputs) if outputs else inputs, final


def apply_gates(gates: Tensor, cell: Tensor, *, cell_clip: float | None) -> tuple[Tensor, Tensor]:
    """Compute one step of an LSTM, up to the projection; see `ProjectedLSTM`.

    gates (Tensor): (n_rows, 4C), i, f, g and o before their activations.
    cell (Tensor): (n_rows, C), of the step before.
    cell_clip (float | None): Bound of the cell; None: no clip.
    RETURNS (tuple[Tensor, Tensor]): sig(o) * tanh(c), and c, (n_rows, C).
    """
    i, f, g, o = gates.chunk(4, dim=1)
    cell = clip(torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g), cell_clip)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def clip(x: Tensor, bound: float | None) -> Tensor:
    """Bound numbers on both sides.

    x (Tensor): The numbers, of any shape.
    bound (float | None): The bound; None: there is none.
    RETURNS (Tensor): The numbers, from -bound to bound.
    """
    return x if bound is None else x.clamp(-bound, bound)


class LSTMStack(nn.Module):
    """The L layers of one direction.

    options (LSTMOptions): Sizes and clips.
    """

    # The share of a layer's inputs that is zeroed in training. As with bilm-tf's DropoutWrapper, the residual adds
    # the input after dropout.
    dropout = 0.0

    def __init__(self, *, options: LSTMOptions):
        super().__init__()
        layers = nn.ModuleList(ProjectedLSTM(options=options) for _ in range(options.n_layers))
        self.layers = cast(Sequence[ProjectedLSTM], layers)
        self.use_skip_connections = options.use_skip_connections

    def forward(
        self, inputs: Tensor, batch_sizes: Sequence[int], state: LSTMState, *, n_layers: int
    ) -> tuple[list[Tensor], LSTMState]:
        """Run the first n_layers layers over packed rows.

        inputs (Tensor): (n_rows, P), packed.
        batch_sizes (Sequence[int]): The number of unfinished sentences in each step.
        state (LSTMState): hidden (L, n_sentences, P) and cell (L, n_sentences, C), sorted.
        n_layers (int): The number of layers to compute.
        RETURNS (tuple[list[Tensor], LSTMState]): The outputs of these layers, (n_rows, P), residuals added, and
            their final states.
        """
        outputs: list[Tensor] = []
        finals: list[LSTMState] = []
        for k, layer in enumerate(self.layers[:n_layers]):
            inputs = functional.dropout(inputs, self.dropout, self.training)
            output, final = layer(inputs, batch_sizes, LSTMState(state.hidden[k], state.cell[k]))
            inputs = inputs + output if k > 0 and self.use_skip_connections else output
            outputs.append(inputs)
            finals.append(final)
        return outputs, LSTMState(*(torch.stack(parts) for parts in zip(*finals)))


def _blocks(batch_sizes: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
    """Group steps into blocks of about BLOCK_ROWS rows; yield the first row and the batch sizes of each block."""
    start = first = rows = 0
    for step, size in enumerate(batch_sizes):
        rows += size
        if rows >= BLOCK_ROWS or step + 1 == len(batch_sizes):
            yield start, batch_sizes[first : step + 1]
            start, first, rows = start + rows, step + 1, 0


@dataclass
class CarriedState:
    """The state of each row of a batch, carried from batch to batch; zeros before the row is first used.

    Row k starts from the state of row k in the last batch that had one. A smaller batch uses and updates only the
    first rows; a larger one adds rows of zeros (AllenNLP, encoder_base.py).
    """

    _state: LSTMState | None = None

    @property
    def state(self) -> LSTMState | None:
        """The state of all rows, hidden (2, L, n_rows, P); None before the first batch."""
        return self._state

    def reset(self) -> None:
        """Reset the state: the next batch starts from zeros."""
        self._state = None

    def take(self, zeros: LSTMState) -> LSTMState:
        """Get the state that a batch starts from.

        zeros (LSTMState): The zero state of the batch, which gives its number of rows.
        RETURNS (LSTMState): The state, of the same shapes.
        """
        if self._state is None:
            return zeros
        pairs = ((kept.to(zero), zero) for kept, zero in zip(self._state, zeros))
        return LSTMState(
            *(_cat(kept[..., : zero.size(-2), :], zero[..., kept.size(-2) :, :]) for kept, zero in pairs)
        )

    def put(self, state: LSTMState) -> None:
        """Keep the final state of a batch, for its rows.

        state (LSTMState): The state.
        """
        if self._state is not None:
            pairs = ((new, kept.to(new)) for new, kept in zip(state, self._state))
            state = LSTMState(*(_cat(new, kept[..., new.size(-2) :, :]) for new, kept in pairs))
        self._state = state


def _cat(first: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    return torch.cat([first, rest], dim=-2)
