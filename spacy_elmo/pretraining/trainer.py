"""Training, one batch at a time: all state that a batch changes. On the CPU, a batch is computed in parts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ..bilm.build import pop_prefix
from ..bilm.lstm import LSTMState
from ..gradients.encoder import GROUP_STEP, encode
from ..language_model.model import LanguageModel
from ..language_model.sampled_softmax import Candidates, draw_candidates
from ..language_model.softmax import Softmax
from ..language_model.streams import Streams
from ..language_model.word_types import EncodedTypes
from ..runtime.isolation import computation
from ..runtime.memory import Workspace
from ..runtime.parts import N_PARTS, Dropout, Parts, join, split_shares
from ..runtime.processors import count_workers
from ..runtime.threads import one_thread, own_threads
from .config import PretrainingConfig
from .distributed import Processes
from .optimizer import Optimizer, learn_rate


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


@dataclass(frozen=True)
class BatchResult:
    """The result of a batch.

    losses (Tensor): Mean negative log-likelihood of a token, forward and backward: (2,).
    norm (Tensor): Of all gradients before they were clipped: ().
    flags (tuple[bool, ...]): For each flag, whether any process has set it.
    """

    losses: Tensor
    norm: Tensor
    flags: tuple[bool, ...]


class Trainer:
    """Trains a language model on endless rows of text.

    model (LanguageModel): On its device.
    streams (Streams): The rows of all processes.
    types (EncodedTypes): Those of the text.
    config (PretrainingConfig): The settings of the run.
    n_batches (int): Length of the run, for the schedule of the learning rate.
    processes (Processes): This process among those of the run.
    """

    def __init__(
        self,
        model: LanguageModel,
        streams: Streams,
        types: EncodedTypes,
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
        self._partwise = PartwisePass(model)
        self._rows = processes.rows(config.training.n_rows)
        self.state = model.bilm.zero_state(self._rows.stop - self._rows.start)

    def train_batch(self, *, flags: Sequence[bool] = ()) -> BatchResult:
        """Train on the next batch.

        flags (Sequence[bool]): Those of this process, which all processes receive with the batch.
        RETURNS (BatchResult): Losses, norm, and the flags of all processes.
        """
        parts = Parts(count_workers(self.config.training.n_threads))
        # With a GPU, the processor has little work at a time; without one, the threads of `parts` do the work.
        with computation(gradients=True), one_thread() if self.device.type == "cuda" else own_threads(1):
            return self._train_batch(flags, parts)

    def _train_batch(self, flags: Sequence[bool], parts: Parts) -> BatchResult:
        training = self.config.training
        # All random numbers depend on the seed and the batch alone, so that a run can continue anywhere.
        seeds = np.random.SeedSequence([training.seed, self.batch, self.processes.rank]).generate_state(3)
        self.model.train()
        batch = self.streams.take(training.n_steps)
        ids, inputs, targets, all_targets = self.types.encode(batch, self._rows)
        # As in bilm-tf: clip_norm and Adagrad's accumulator are meant for a loss of this size.
        scale = training.n_steps
        if self.device.type == "cpu":
            objective, dropout_seeds = self._objective(targets, all_targets), [int(seed) for seed in seeds[1:]]
            losses, self.state = self._partwise.run(
                ids, inputs, self.state, objective, scale=scale, seeds=dropout_seeds, parts=parts
            )
        else:
            torch.manual_seed(int(seeds[0]))
            hidden, self.state = self.model(ids, inputs, self.state)
            losses = self._losses(hidden, targets, all_targets)
            (losses.mean() * scale).backward()
        # A single process has its flags, and need not wait until its GPU returns them.
        alone, averages = self.processes.size == 1, losses.detach()
        if not alone:
            averages = torch.cat([averages, averages.new_tensor([float(flag) for flag in flags])])
        self.processes.average([*self.optimizer.gradients(), averages])
        norm = self.optimizer.clip(self.config.optimizer.clip_norm)
        rate = learn_rate(self.config.optimizer, self.batch, self.n_batches)
        self.optimizer.step(rate, parts if self.device.type == "cpu" else None)
        self.batch += 1
        any_flags = tuple(flags) if alone else tuple(bool(flag > 0) for flag in averages[2:])
        return BatchResult(averages[:2], norm, any_flags)

    def _losses(self, hidden: Tensor, targets: Tensor, all_targets: Tensor) -> Tensor:
        softmax, dtype = self.model.softmax, self.model.dtype
        if self.config.softmax.kind != "sampled" or not isinstance(softmax, Softmax):
            return softmax.loss(hidden, targets, dtype=dtype)
        candidates = self._candidates(softmax)
        return softmax.sampled_loss(hidden, targets, candidates, dtype=dtype, all_targets=all_targets)

    def _objective(self, targets: Tensor, all_targets: Tensor) -> Objective:
        """Make what `_losses` computes, a direction at a time."""
        softmax, dtype = self.model.softmax, self.model.dtype
        if self.config.softmax.kind != "sampled" or not isinstance(softmax, Softmax):

            def loss(hidden: Tensor, direction: slice, _: Workspace) -> Tensor:
                return softmax.loss(hidden, targets[direction], dtype=dtype)

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
        """Collect everything that training changes. Every process must call it.

        RETURNS (dict[str, Tensor]): By name, for `restore`.
        """
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors.update((f"optimizer.{name}", tensor) for name, tensor in self.optimizer.state().items())
        streams = self.streams.state().items()
        tensors.update((f"streams.{name}", torch.from_numpy(array)) for name, array in streams)
        for name, tensor in self.state._asdict().items():
            tensors[f"state.{name}"] = self.processes.join_rows(tensor, dim=2)
        return tensors

    def restore(self, tensors: Mapping[str, Tensor], *, batch: int) -> None:
        """Continue after a batch. The number of processes may have changed.

        tensors (Mapping[str, Tensor]): What `tensors` returned after the batch.
        batch (int): How many batches were trained then.
        RAISES (KeyError, RuntimeError): If the tensors are of another model.
        """
        rest = dict(tensors)
        self.model.load_state_dict(pop_prefix(rest, "model."))
        self.optimizer.restore(pop_prefix(rest, "optimizer."))
        self.streams.restore({name: tensor.numpy() for name, tensor in pop_prefix(rest, "streams.").items()})
        state = LSTMState(**pop_prefix(rest, "state."))
        self.state = LSTMState(*(part[:, :, self._rows].to(self.device) for part in state))
        self.batch = batch


def _is_sparse(model: LanguageModel) -> bool:
    return isinstance(model.softmax, Softmax) and model.softmax.sparse
