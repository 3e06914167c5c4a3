"""The biLM with its softmax, over aligned rows of text."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ..bilm.bilm import BiLM
from ..bilm.lstm import LSTMState, ProjectedLSTM
from ..gpu.training_graphs import Graphs
from ..gpu.transfer import to_device
from ..gradients.encoder import encode
from ..runtime.memory import Workspace
from .recurrence import run_layer


class LanguageModel(nn.Module):
    """Next-token likelihoods in both directions (Peters et al. 2018, section 3.1).

    bilm: the encoder. softmax: shared by both directions. dropout: share of each LSTM layer's inputs that is
        zeroed in training. dtype: of the matrix products, torch.float32 or torch.bfloat16; weights stay float32.
    graphs: of the steps in training, on a GPU; None: every step is launched.
    """

    def __init__(
        self, *, bilm: BiLM, softmax: nn.Module, dropout: float = 0.0, dtype: torch.dtype = torch.float32
    ):
        super().__init__()
        self.bilm = bilm
        self.softmax = softmax
        self.dropout = dropout
        self.dtype = dtype
        self.graphs: Graphs | None = Graphs()
        self._workspace = Workspace()

    def forward(self, character_ids: Tensor, inputs: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """Run the top layer over the next steps of every row.

        character_ids: (n_types, max_characters), int64. inputs: (n_steps, 2, n_rows), int64, places among the
            types. Both had best be on the host, which sorts and sends them. state: hidden (2, L, n_rows, P), cell
            (2, L, n_rows, C).
        RETURNS: hidden (2, n_steps * n_rows, P), what the softmax reads, and the state after the last step,
            detached.
        """
        words = encode(self.bilm.char_encoder, character_ids, dtype=self.dtype, workspace=self._workspace)
        rows = F.embedding(to_device(inputs, words.device), words)
        dropout = partial(F.dropout, p=self.dropout, training=self.training)
        return self.run_layers(rows, state, dropout=dropout, workspace=self._workspace)

    def run_layers(
        self,
        rows: Tensor,
        state: LSTMState,
        *,
        dropout: Callable[[Tensor], Tensor],
        workspace: Workspace,
        directions: Sequence[int] = (0, 1),
    ) -> tuple[Tensor, LSTMState]:
        """As `forward`, from the words' vectors on, for some of the directions.

        rows: (n_steps, D, n_rows, P). state: of these directions.
        workspace: a backward pass must come before the next forward pass.
        """
        skip = self.bilm.options.lstm.use_skip_connections
        both = self.bilm.forward_stack, self.bilm.backward_stack
        stacks = [cast(Iterable[ProjectedLSTM], both[direction].layers) for direction in directions]
        finals = []
        for k, layers in enumerate(zip(*stacks)):
            rows = dropout(rows)
            outputs, final = run_layer(
                rows,
                LSTMState(state.hidden[:, k], state.cell[:, k]),
                layers,
                dtype=self.dtype,
                workspace=workspace,
                name=str(k),
                # Batches in training are of one size, so that a graph is worth its while.
                graphs=self.graphs if torch.is_grad_enabled() else None,
            )
            rows = rows + outputs if k > 0 and skip else outputs
            finals.append(final)
        state = LSTMState(*(torch.stack(parts, dim=1).detach() for parts in zip(*finals)))
        rows = dropout(rows)
        return rows.transpose(0, 1).flatten(1, 2), state
