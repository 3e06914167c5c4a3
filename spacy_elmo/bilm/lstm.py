"""The projected LSTM of bilm-tf: clipped cell, clipped projection, residuals outside the recurrence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from .options import LSTMOptions

# Input projections are computed for this many rows at a time: many, because one large matrix product is cheaper
# than one a step; not all, so that gates (4C numbers a row) of a 100,000-token sentence never exist at once.
BLOCK_ROWS = 1024
# Bounds of the cell and of what the projection gives; None: there is none.
Clips = tuple[float | None, float | None]


class LSTMState(NamedTuple):
    """What an LSTM goes on from: per row the clipped projection and the clipped cell.

    hidden: (..., n_rows, P); cell: (..., n_rows, C). One layer has no leading dimension, a direction has L,
    a biLM has (2, L): forward, backward.
    """

    hidden: Tensor
    cell: Tensor

    def rows(self, index: Tensor) -> "LSTMState":
        """The rows of `index`, in its order."""
        return LSTMState(self.hidden.index_select(-2, index), self.cell.index_select(-2, index))


class ProjectedLSTM(nn.Module):
    """One layer of one direction (Sak et al. 2014 without peepholes, clipped as in bilm-tf).

    c = clip(sig(f) * c + sig(i) * tanh(g)); h = clip(W_p (sig(o) * tanh(c))), gates in the order i, f, g, o.
    bilm-tf adds 1 to the forget gate when it runs; here that 1 is part of the bias.
    """

    def __init__(self, *, options: LSTMOptions):
        super().__init__()
        width, cells = options.projection_dim, options.dim
        self.input_linear = nn.Linear(width, 4 * cells)
        self.state_linear = nn.Linear(width, 4 * cells, bias=False)
        self.projection = nn.Linear(cells, width, bias=False) if options.has_projection else None
        self.cell_clip = options.cell_clip
        # TensorFlow's cell clips the projection, and so does nothing where there is none.
        self.proj_clip = options.proj_clip if options.has_projection else None

    def forward(self, inputs: Tensor, batch_sizes: Sequence[int], state: LSTMState) -> tuple[Tensor, LSTMState]:
        """Run over packed rows.

        inputs: (n_rows, P), packed. batch_sizes: running sentences of each step.
        state: hidden (n_sentences, P), cell (n_sentences, C), sentences sorted by falling length.
        RETURNS: outputs (n_rows, P), packed, and the state of each sentence after its own last step.
        """
        hidden, cell = state
        outputs: list[Tensor] = []
        ended: list[LSTMState] = []
        for start, sizes in _blocks(batch_sizes):
            gates = self.input_linear(inputs[start : start + sum(sizes)])
            for step_gates, size in zip(gates.split(list(sizes)), sizes):
                if size < hidden.size(0):
                    ended.append(LSTMState(hidden[size:], cell[size:]))
                    hidden, cell = hidden[:size], cell[:size]
                hidden, cell = self._step(step_gates, hidden, cell)
                outputs.append(hidden)
        ended.append(LSTMState(hidden, cell))
        final = LSTMState(*(torch.cat(parts[::-1]) for parts in zip(*ended)))
        return torch.cat(outputs) if outputs else inputs, final

    def _step(self, input_gates: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        gates = torch.addmm(input_gates, hidden, self.state_linear.weight.t())
        i, f, g, o = gates.chunk(4, dim=1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        if self.cell_clip is not None:
            cell = cell.clamp(-self.cell_clip, self.cell_clip)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        if self.projection is not None:
            hidden = self.projection(hidden)
        if self.proj_clip is not None:
            hidden = hidden.clamp(-self.proj_clip, self.proj_clip)
        return hidden, cell


class LSTMStack(nn.Module):
    """The L layers of one direction.

    options (LSTMOptions): Sizes and clips.
    """

    # The share of a layer's inputs that is zeroed in training, as bilm-tf's DropoutWrapper does it: the residual
    # adds the input after dropout.
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

        inputs: (n_rows, P), packed. state: hidden (L, n_sentences, P), cell (L, n_sentences, C), sorted.
        RETURNS: n_layers outputs (n_rows, P), residuals added, and the state of these layers.
        """
        outputs: list[Tensor] = []
        finals: list[LSTMState] = []
        for k, layer in enumerate(self.layers[:n_layers]):
            inputs = F.dropout(inputs, self.dropout, self.training)
            output, final = layer(inputs, batch_sizes, LSTMState(state.hidden[k], state.cell[k]))
            inputs = inputs + output if k > 0 and self.use_skip_connections else output
            outputs.append(inputs)
            finals.append(final)
        return outputs, LSTMState(*(torch.stack(parts) for parts in zip(*finals)))


def _blocks(batch_sizes: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
    """(first row, batch sizes) of runs of steps that add up to about BLOCK_ROWS rows."""
    start = first = rows = 0
    for step, size in enumerate(batch_sizes):
        rows += size
        if rows >= BLOCK_ROWS or step + 1 == len(batch_sizes):
            yield start, batch_sizes[first : step + 1]
            start, first, rows = start + rows, step + 1, 0


@dataclass
class CarriedState:
    """A state for each row number of a batch, zero until the row is first used.

    Row k of a batch goes on from row k of the last batch that had one. A smaller batch uses and updates its
    first rows only; a larger one adds rows of zeros (AllenNLP, encoder_base.py).
    """

    _state: LSTMState | None = None

    def reset(self) -> None:
        """Forget everything: the next batch starts from zeros."""
        self._state = None

    def take(self, zeros: LSTMState) -> LSTMState:
        """Where a batch starts from. zeros: the zero state of the batch, which gives its number of rows."""
        if self._state is None:
            return zeros
        pairs = ((kept.to(zero), zero) for kept, zero in zip(self._state, zeros))
        return LSTMState(
            *(_cat(kept[..., : zero.size(-2), :], zero[..., kept.size(-2) :, :]) for kept, zero in pairs)
        )

    def put(self, state: LSTMState) -> None:
        """Keep the final state of a batch, for its rows."""
        if self._state is not None:
            pairs = ((new, kept.to(new)) for new, kept in zip(state, self._state))
            state = LSTMState(*(_cat(new, kept[..., new.size(-2) :, :]) for new, kept in pairs))
        self._state = state


def _cat(first: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    return torch.cat([first, rest], dim=-2)
