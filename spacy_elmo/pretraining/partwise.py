"""The forward and backward pass of a batch on the CPU, in parts that run at the same time."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ..bilm.lstm import LSTMState
from ..gradients.encoder import GROUP_STEP, encode
from ..language_model.model import LanguageModel
from ..runtime.memory import Workspace
from ..runtime.parts import N_PARTS, Dropout, Parts, join, split_shares


class Objective(NamedTuple):
    """What a batch minimizes.

    loss (Callable[[Tensor, slice, Workspace], Tensor]): Computes the mean loss (1,) of one direction, given what
        the softmax reads, (1, n, P), the direction, and memory for buffers.
    shared (Sequence[Tensor]): What the losses of both directions depend on in addition.
    """

    loss: Callable[[Tensor, slice, Workspace], Tensor]
    shared: Sequence[Tensor]


class _Direction(NamedTuple):
    """The results of one direction.

    loss (Tensor): (1,).
    state (LSTMState): After the last step.
    d_words (Tensor): Gradient of the words: (n_types, P).
    d_parameters (Sequence[Tensor]): Gradients of the direction's parameters.
    d_shared (Sequence[Tensor | None]): Gradients of what both directions share.
    """

    loss: Tensor
    state: LSTMState
    d_words: Tensor
    d_parameters: Sequence[Tensor]
    d_shared: Sequence[Tensor | None]


class PartwisePass:
    """Runs a language model forward and backward in parts: halves of the word types, and directions.

    model (LanguageModel): On the CPU.
    """

    def __init__(self, model: LanguageModel):
        self._model = model
        self._workspaces = [Workspace() for _ in range(N_PARTS)]

    def run(
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
        """Compute losses, and set the gradients of scale * their mean on the parameters, which have none yet.

        character_ids (Tensor): See `LanguageModel.forward`.
        inputs (Tensor): As there.
        state (LSTMState): As there.
        objective (Objective): What is minimized.
        scale (float): Factor of the gradients.
        seeds (Sequence[int]): For each direction's dropout.
        parts (Parts): Run the parts.
        RETURNS (tuple[Tensor, LSTMState]): Losses (2,), and the state after the last step.
        """
        model = self._model
        encoder = model.bilm.char_encoder
        parameters = list(encoder.parameters())
        shares = split_shares(len(character_ids))

        def encode_half(k: int) -> Tensor:
            ids, step = character_ids[shares[k]], GROUP_STEP // N_PARTS
            return encode(encoder, ids, dtype=model.dtype, workspace=self._workspaces[k], step=step)

        def run_direction(k: int) -> _Direction:
            return self._run_direction(k, words, inputs, state, objective, scale / 2, seeds[k])

        def backprop_half(k: int) -> Sequence[Tensor | None]:
            return torch.autograd.grad(halves[k], parameters, d_words[shares[k]], allow_unused=True)

        halves = parts.map(encode_half, range(len(shares)))
        words = join(halves, shares).requires_grad_()
        directions = parts.map(run_direction, range(2))
        d_words = directions[0].d_words + directions[1].d_words
        _backprop_sums(parameters, parts.map(backprop_half, range(len(shares))))
        _backprop_sums(objective.shared, [direction.d_shared for direction in directions])
        for k, direction in enumerate(directions):
            for parameter, gradient in zip(self._parameters(k), direction.d_parameters):
                parameter.grad = gradient
        states = zip(*(direction.state for direction in directions))
        return torch.cat([direction.loss for direction in directions]), LSTMState(*map(torch.cat, states))

    def _run_direction(
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


def _backprop_sums(tensors: Sequence[Tensor], gradients: Sequence[Sequence[Tensor | None]]) -> None:
    """Backpropagate from tensors, given the gradients that each part has computed for them."""
    sums = []
    for tensor, parts in zip(tensors, zip(*gradients)):
        present = [part for part in parts if part is not None]
        if present:
            sums.append((tensor, sum(present[1:], start=present[0])))
    torch.autograd.backward([tensor for tensor, _ in sums], [gradient for _, gradient in sums])
