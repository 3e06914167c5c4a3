"""Training, one batch at a time: all state that a batch changes; on the CPU, computed in parts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ..bilm.build import take
from ..bilm.lstm import LSTMState
from ..gradients.encoder import GROUP_STEP, encode
from ..language_model.model import LanguageModel
from ..language_model.sampled_softmax import Candidates, draw_candidates
from ..language_model.softmax import Softmax
from ..language_model.streams import Streams
from ..language_model.vocabulary import Types
from ..runtime.isolation import computation
from ..runtime.memory import Workspace
from ..runtime.parts import N_PARTS, Dropout, Parts, join, split_shares
from ..runtime.processors import count_workers
from ..runtime.threads import one_thread, own_threads
from .config import PretrainingConfig
from .distributed import Processes
from .optimizer import Optimizer, learn_rate


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
        shares = split_shares(len(character_ids))

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


@dataclass(frozen=True)
class Trained:
    """What became of a batch. losses: (2,), mean negative log-likelihood a token, forward and backward.
    norm: (), of all gradients before they were clipped. told: whether any process was told so, for each flag."""

    losses: Tensor
    norm: Tensor
    told: tuple[bool, ...]


class Trainer:
    """Trains a language model on endless rows of text.

    types: of the training text. n_batches: length of the run, which the learning rate's schedule goes by.
    """

    def __init__(
        self,
        model: LanguageModel,
        streams: Streams,
        types: Types,
        *,
        config: PretrainingConfig,
        n_batches: int,
        processes: Processes,
    ):
        self.model = model
        self.streams = streams
        self.types = types
        self.config = config
        self.n_batches = n_batches
        self.processes = processes
        self.batch = 0
        self.device = next(model.parameters()).device
        parameters = dict(model.named_parameters())
        sparse = [name for name in parameters if name == "softmax.weight" and _is_sparse(model)]
        self.optimizer = Optimizer(parameters, config=config.optimizer, sparse=sparse)
        self._apart = Apart(model)
        self._rows = processes.rows(config.training.n_rows)
        self.state = model.bilm.zero_state(self._rows.stop - self._rows.start)

    def train_batch(self, *, tell: Sequence[bool] = ()) -> Trained:
        """Train on the next batch. tell: flags for all processes, who learn of them with this batch."""
        parts = Parts(count_workers(self.config.training.n_threads))
        # Beside a GPU, the processor has little work left at a time; without, other threads do it.
        with computation(gradients=True), one_thread() if self.device.type == "cuda" else own_threads(1):
            return self._train_batch(tell, parts)

    def _train_batch(self, tell: Sequence[bool], parts: Parts) -> Trained:
        training = self.config.training
        # Every number that is drawn depends on the seed and the batch alone, so that a run can go on anywhere.
        seeds = np.random.SeedSequence([training.seed, self.batch, self.processes.rank]).generate_state(3)
        torch.manual_seed(int(seeds[0]))
        self.model.train()
        batch = self.streams.take(training.n_steps)
        ids, inputs, targets, all_targets = self.types.of(batch, self._rows)
        # As bilm-tf does: clip_norm and Adagrad's accumulator are meant for a loss of this size.
        scale = training.n_steps
        if self.device.type == "cpu":
            objective, apart = self._objective(targets, all_targets), [int(seed) for seed in seeds[1:]]
            losses, self.state = self._apart.losses(
                ids, inputs, self.state, objective, scale=scale, seeds=apart, parts=parts
            )
        else:
            hidden, self.state = self.model(ids, inputs, self.state)
            losses = self._losses(hidden, targets, all_targets)
            (losses.mean() * scale).backward()
        # One process alone knows what it says, and need not wait for its GPU to say it again.
        alone, told = self.processes.size == 1, losses.detach()
        if not alone:
            told = torch.cat([told, told.new_tensor([float(flag) for flag in tell])])
        self.processes.average([*self.optimizer.gradients(), told])
        norm = self.optimizer.clip(self.config.optimizer.clip_norm)
        rate = learn_rate(self.config.optimizer, self.batch, self.n_batches)
        self.optimizer.step(rate, parts if self.device.type == "cpu" else None)
        self.batch += 1
        flags = tuple(tell) if alone else tuple(bool(flag > 0) for flag in told[2:])
        return Trained(told[:2], norm, flags)

    def _losses(self, hidden: Tensor, targets: Tensor, all_targets: Tensor) -> Tensor:
        softmax, dtype = self.model.softmax, self.model.dtype
        if self.config.softmax.kind != "sampled" or not isinstance(softmax, Softmax):
            losses: Tensor = softmax.loss(hidden, targets, dtype=dtype)  # type: ignore[operator]
            return losses
        candidates = self._candidates(softmax)
        return softmax.sampled_loss(hidden, targets, candidates, dtype=dtype, all_targets=all_targets)

    def _objective(self, targets: Tensor, all_targets: Tensor) -> Objective:
        """What `_losses` computes, a direction at a time."""
        softmax, dtype = self.model.softmax, self.model.dtype
        if self.config.softmax.kind != "sampled" or not isinstance(softmax, Softmax):

            def loss(hidden: Tensor, direction: slice, _: Workspace) -> Tensor:
                found: Tensor = softmax.loss(hidden, targets[direction], dtype=dtype)  # type: ignore[operator]
                return found

            return Objective(loss, list(softmax.parameters()))
        sample = softmax.sample(targets, self._candidates(softmax), all_targets=all_targets)

        def sampled_loss(hidden: Tensor, direction: slice, workspace: Workspace) -> Tensor:
            return sample.loss(hidden, sample.places[direction], dtype=dtype, workspace=workspace)

        return Objective(sampled_loss, [sample.weight, sample.bias])

    def _candidates(self, softmax: Softmax) -> Candidates:
        rng = np.random.default_rng([self.config.training.seed, self.batch])
        n_samples = min(self.config.softmax.n_samples, softmax.n_words - 1)
        return draw_candidates(softmax.n_words, n_samples, rng)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that training changes, by name, for `restore`. Every process must call it."""
        found = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        found.update((f"optimizer.{name}", tensor) for name, tensor in self.optimizer.state().items())
        found.update((f"streams.{name}", torch.from_numpy(array)) for name, array in self.streams.state().items())
        for name, tensor in self.state._asdict().items():
            found[f"state.{name}"] = self.processes.join_rows(tensor, dim=2)
        return found

    def restore(self, tensors: Mapping[str, Tensor], *, batch: int) -> None:
        """Go on after a batch, from what `tensors` gave then; the number of processes may be another.

        RAISES (KeyError, RuntimeError): If the tensors are of another model.
        """
        rest = dict(tensors)
        self.model.load_state_dict(take(rest, "model."))
        self.optimizer.restore(take(rest, "optimizer."))
        self.streams.restore({name: tensor.numpy() for name, tensor in take(rest, "streams.").items()})
        state = LSTMState(**take(rest, "state."))
        self.state = LSTMState(*(part[:, :, self._rows].to(self.device) for part in state))
        self.batch = batch


def _is_sparse(model: LanguageModel) -> bool:
    return isinstance(model.softmax, Softmax) and model.softmax.sparse
