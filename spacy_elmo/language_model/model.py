"""The biLM with its softmax, over aligned rows of text."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ..bilm.bilm import BiLM
from ..bilm.lstm import LSTMState
from ..gpu.training_graphs import Graphs
from ..gpu.transfer import to_device
from ..gradients.encoder import encode
from ..runtime.memory import Workspace
from .recurrence import run_layer
from .softmax import BaseSoftmax


class LanguageModel(nn.Module):
    """Next-token likelihoods in both directions (Peters et al. 2018, section 3.1).

    bilm (BiLM): The encoder.
    softmax (BaseSoftmax): Shared by both directions.
    dropout (float): Share of each LSTM layer's inputs that is zeroed in training.
    dtype (torch.dtype): Of the matrix products, torch.float32 or torch.bfloat16; weights stay float32.
    graphs (Graphs | None): Recordings of the training steps on a GPU; None: each operation is launched.
    """

    def __init__(
        self, *, bilm: BiLM, softmax: BaseSoftmax, dropout: float = 0.0, dtype: torch.dtype = torch.float32
    ):
        super().__init__()
        self.bilm = bilm
        self.softmax = softmax
        self.dropout = dropout
        self.dtype = dtype
        self.graphs: Graphs | None = Graphs()
        self._workspace = Workspace()

    def forward(self, character_ids: Tensor, inputs: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """Run all layers over the next steps of every row.

        character_ids (Tensor): Of the word types: (n_types, max_characters), int64; preferably on the host, where
            types are sorted.
        inputs (Tensor): Indices of the types: (n_steps, 2, n_rows), int64; preferably on the host, too.
        state (LSTMState): Hidden (2, L, n_rows, P) and cell (2, L, n_rows, C).
        RETURNS (tuple[Tensor, LSTMState]): What the softmax reads, (2, n_steps * n_rows, P), and the state after
            the last step, detached.
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
        """Run the LSTM layers of some directions.

        rows (Tensor): The words' vectors: (n_steps, D, n_rows, P).
        state (LSTMState): Of these directions: hidden (D, L, n_rows, P) and cell (D, L, n_rows, C).
        dropout (Callable[[Tensor], Tensor]): Applied to the inputs of each layer and to the result.
        workspace (Workspace): For buffers; a backward pass must come before the next forward pass.
        directions (Sequence[int]): 0: forward, 1: backward.
        RETURNS (tuple[Tensor, LSTMState]): See `forward`.
        """
        skip = self.bilm.options.lstm.use_skip_connections
        both = self.bilm.forward_stack, self.bilm.backward_stack
        stacks = [both[direction].layers for direction in directions]
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
                # In training, batches are of one size, so that a recording is used again.
                graphs=self.graphs if torch.is_grad_enabled() else None,
            )
            rows = rows + outputs if k > 0 and skip else outputs
            finals.append(final)
        state = LSTMState(*(torch.stack(parts, dim=1).detach() for parts in zip(*finals)))
        rows = dropout(rows)
        return rows.transpose(0, 1).flatten(1, 2), state
