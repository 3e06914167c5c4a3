"""Training, one batch at a time: all state that a batch changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..bilm.build import pop_prefix
from ..bilm.lstm import LSTMState
from ..language_model.model import LanguageModel
from ..language_model.sampled_softmax import Candidates, draw_candidates
from ..language_model.softmax import Softmax
from ..language_model.streams import Streams
from ..language_model.word_types import EncodedTypes
from ..runtime.isolation import computation
from ..runtime.memory import Workspace
from ..runtime.parts import Parts
from ..runtime.processors import count_workers
from ..runtime.threads import one_thread, own_threads
from .config import PretrainingConfig
from .distributed import Processes
from .optimizer import Optimizer, learn_rate
from .partwise import Objective, PartwisePass


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
