"""A training batch on the CPU, in parts that need nothing of each other: the directions, and halves of the words.

Threads that share every operation wait for each other a thousand times a batch, and for long where other programs
keep the processors busy; these wait four times, the optimizer's update included. The parts are the same whatever
number of threads there is, and what several add to is summed in their order: one thread and two come to the same
numbers, bit for bit. With more, torch divides the operations of a part, and may sum in another order.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ..bilm.lstm import LSTMState
from ..gradients.encoder import GROUP_STEP, encode
from ..language_model.model import LanguageModel
from ..runtime.memory import Workspace
from ..runtime.parts import N_PARTS, Dropout, Parts, join, shares_of


class Objective(NamedTuple):
    """What a batch is trained for.

    loss: given what the softmax reads of one direction, (1, n, P), which direction, and memory: (1,), the mean.
    shared: what the losses of both directions depend on, beside that.
    """

    loss: Callable[[Tensor, slice, Workspace], Tensor]
    shared: Sequence[Tensor]


class _Direction(NamedTuple):
    """loss: (1,). state: after the last step. words: (n_types, P), gradient. own, shared: gradients of the
    direction's parameters, and of what both directions share."""

    loss: Tensor
    state: LSTMState
    words: Tensor
    own: Sequence[Tensor]
    shared: Sequence[Tensor | None]


class Apart:
    """Runs a language model forward and back."""

    def __init__(self, model: LanguageModel):
        self._model = model
        self._workspaces = [Workspace() for _ in range(N_PARTS)]

    def losses(
        self,
        character_ids: Tensor,
        inputs: Tensor,
        state: LSTMState,
        objective: Objective,
        *,
        scale: float,
        seeds: Sequence[int],
        parts: Parts,
    ) -> tuple[Tensor, LSTMState]:
        """Losses, and the gradients of scale * their mean, which the parameters get.

        character_ids, inputs, state: see `LanguageModel`. scale: The parameters must have no gradients yet.
        seeds: of each direction's dropout.
        RETURNS: (2,), and the state after the last step.
        """
        model = self._model
        encoder = model.bilm.char_encoder
        learning = list(encoder.parameters())
        shares = shares_of(len(character_ids))

        def encoded(k: int) -> Tensor:
            ids, step = character_ids[shares[k]], GROUP_STEP // N_PARTS
            return encode(encoder, ids, dtype=model.dtype, workspace=self._workspaces[k], step=step)

        def direction(k: int) -> _Direction:
            return self._direction(k, words, inputs, state, objective, scale / 2, seeds[k])

        def encoder_gradients(k: int) -> Sequence[Tensor | None]:
            return torch.autograd.grad(halves[k], learning, d_words[shares[k]], allow_unused=True)

        halves = parts.map(encoded, range(len(shares)))
        words = join(halves, shares).requires_grad_()
        both = parts.map(direction, range(2))
        d_words = both[0].words + both[1].words
        _learn(learning, parts.map(encoder_gradients, range(len(shares))))
        _learn(objective.shared, [one.shared for one in both])
        for k, one in enumerate(both):
            for parameter, gradient in zip(self._parameters(k), one.own):
                parameter.grad = gradient
        final = LSTMState(*(torch.cat(both_of) for both_of in zip(*(one.state for one in both))))
        return torch.cat([one.loss for one in both]), final

    def _direction(
        self,
        k: int,
        words: Tensor,
        inputs: Tensor,
        state: LSTMState,
        objective: Objective,
        scale: float,
        seed: int,
    ) -> _Direction:
        model, workspace, own = self._model, self._workspaces[k], slice(k, k + 1)
        hidden, final = model.run_layers(
            F.embedding(inputs[:, own], words),
            LSTMState(*(part[own] for part in state)),
            dropout=Dropout(model.dropout if model.training else 0.0, seed),
            workspace=workspace,
            directions=(k,),
        )
        loss = objective.loss(hidden, own, workspace)
        parameters = self._parameters(k)
        d_words, *rest = torch.autograd.grad(
            loss, [words, *parameters, *objective.shared], loss.new_tensor([scale]), allow_unused=True
        )
        n = len(parameters)
        return _Direction(loss.detach(), final, d_words, [d.contiguous() for d in rest[:n]], rest[n:])

    def _parameters(self, k: int) -> list[Tensor]:
        return list((self._model.bilm.forward_stack, self._model.bilm.backward_stack)[k].parameters())


def _learn(tensors: Sequence[Tensor], gradients: Sequence[Sequence[Tensor | None]]) -> None:
    """Go back from tensors with the sum of what the parts found for each."""
    found = []
    for tensor, parts in zip(tensors, zip(*gradients)):
        known = [part for part in parts if part is not None]
        if known:
            found.append((tensor, sum(known[1:], start=known[0])))
    torch.autograd.backward([tensor for tensor, _ in found], [gradient for _, gradient in found])
