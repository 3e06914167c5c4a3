"""A language model on the CPU where nothing is learnt, in parts that need nothing of each other: the directions,
and halves of the words. Why, see `apart`."""

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ..bilm.lstm import LSTMStack, LSTMState, ProjectedLSTM
from ..gradients.encoder import encode
from ..gradients.lstm import read_layer
from ..runtime.memory import Workspace
from ..runtime.parts import join, shares_of
from ..runtime.workers import Workers
from .language_model import LanguageModel


def workers() -> Workers:
    """As many as torch has threads here, of which each works by itself."""
    return Workers(torch.get_num_threads())


def read_apart(
    model: LanguageModel, character_ids: Tensor, inputs: Tensor, state: LSTMState
) -> tuple[Tensor, LSTMState]:
    """Run the top layer over the next steps of every row, without dropout. Arguments and results: as
    `LanguageModel.forward`."""
    bilm = model.bilm
    shares = shares_of(len(character_ids))
    n_rows = inputs.shape[2]

    def encoded(share: slice) -> Tensor:
        encoder, workspace = bilm.char_encoder, Workspace()
        return encode(encoder, character_ids[share], dtype=model.dtype, workspace=workspace, step=1)

    def direction(k: int) -> tuple[Tensor, LSTMState]:
        rows = F.embedding(inputs[:, k].flatten(), words)
        stack = (bilm.forward_stack, bilm.backward_stack)[k]
        return _run_stack(stack, rows, n_rows, LSTMState(state.hidden[k], state.cell[k]))

    halves = workers().map(encoded, shares)
    words = join(halves, shares)
    both = workers().map(direction, range(2))
    hidden, states = zip(*both)
    return torch.stack(hidden), LSTMState(*(torch.stack(parts) for parts in zip(*states)))


def _run_stack(stack: LSTMStack, rows: Tensor, n_rows: int, state: LSTMState) -> tuple[Tensor, LSTMState]:
    """rows: (n_steps * n_rows, P), step after step. state: hidden (L, n_rows, P), cell (L, n_rows, C).
    RETURNS: the top layer's outputs, as the rows, and the state after the last step."""
    finals = []
    for k, layer in enumerate(cast(Iterable[ProjectedLSTM], stack.layers)):
        outputs, final = read_layer(layer, rows, n_rows, LSTMState(state.hidden[k], state.cell[k]))
        rows = rows + outputs if k > 0 and stack.use_skip_connections else outputs
        finals.append(final)
    return rows, LSTMState(*(torch.stack(parts) for parts in zip(*finals)))
