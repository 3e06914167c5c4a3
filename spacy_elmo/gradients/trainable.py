"""A biLM in training, with memory bounded by a budget of tokens."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from ..bilm.bilm import BiLM
from ..bilm.lstm import LSTMState, expand_state
from ..inference.base import Sentence
from ..inference.reference import run_bilm
from ..inference.sentences import count_sentence_rows
from ..runtime.isolation import computation
from ..runtime.parts import Parts
from ..util.batching import windows
from .batch import GradientSums, TrainingPass

# Takes the gradients of word_emb, lstm_outputs1, ..., without padding (None: no gradient); returns those of the
# parameters.
Backprop = Callable[[Sequence[Tensor | None]], Mapping[Tensor, Tensor]]


class TrainingBatch(NamedTuple):
    """A batch that has run forward.

    layers (list[Tensor]): word_emb (n_rows, P), lstm_outputs1, ... (n_rows, 2P), detached.
    state (LSTMState | None): The state of each sentence after its last step, hidden (2, n_layers, n_sentences, P);
        None if no LSTM ran.
    backprop (Backprop): Computes the gradients of the parameters; to be called once at most.
    """

    layers: list[Tensor]
    state: LSTMState | None
    backprop: Backprop


class TrainableEngine:
    """A biLM whose parameters are trained, except those with `requires_grad` false.

    bilm (BiLM): Set to training mode.
    dropout (float): Share of the inputs of each LSTM layer that is zeroed.
    initial_state (LSTMState | None): Where sentences start, hidden (2, L, P) and cell (2, L, C); None: zeros.
    max_batch_tokens (int): Tokens, with two boundary tokens for each sentence, whose intermediate results are in
        memory at a time. The parts of a larger batch are computed again for their backward pass.
    n_threads (int | None): See `inference.settings.Settings`.
    """

    def __init__(
        self,
        *,
        bilm: BiLM,
        dropout: float,
        initial_state: LSTMState | None,
        max_batch_tokens: int,
        n_threads: int | None = None,
    ):
        self.bilm = bilm
        self.initial_state = initial_state
        self.max_batch_tokens = max_batch_tokens
        self._parts = Parts(n_threads)
        for stack in (bilm.forward_stack, bilm.backward_stack):
            stack.dropout = dropout
        bilm.train()

    def begin_update(
        self,
        sentences: Sequence[Sentence],
        *,
        n_layers: int,
        start: LSTMState | None = None,
        boundaries: bool = False,
    ) -> TrainingBatch:
        """Compute the layers of a batch.

        sentences (Sequence[Sentence]): The batch.
        n_layers (int): LSTM layers to compute, from 0 up.
        start (LSTMState | None): Where each sentence starts, hidden (2, L, n_sentences, P); None: `initial_state`.
        boundaries (bool): Whether the layers have rows for boundary tokens, too.
        RETURNS (TrainingBatch): The layers, and a function that computes the gradients of the parameters.
        """
        with computation(gradients=True):
            groups = list(windows(sentences, size=count_sentence_rows, budget=self.max_batch_tokens))
            # A batch without sentences has layers, too, without rows.
            parts, first = [], 0
            for group in groups or [[]]:
                end = first + len(group)
                parts.append(_Part(group, self._get_start(start, first, end), n_layers, boundaries))
                first = end
            return self._run(parts[0]) if len(parts) == 1 else self._run_parts(parts)

    def _get_start(self, start: LSTMState | None, first: int, end: int) -> LSTMState | None:
        """Get the states that some sentences of a batch start from."""
        if start is not None:
            return LSTMState(*(part[:, :, first:end] for part in start))
        return None if self.initial_state is None else expand_state(self.initial_state, end - first)

    def _run_parts(self, parts: Sequence["_Part"]) -> TrainingBatch:
        """Compute the layers without what a backward pass needs, which is computed later, part by part."""
        randoms, results, states = [], [], []
        for part in parts:
            randoms.append(self._random_state())
            with torch.no_grad():
                layers, state, _ = self._run(part)
            results.append(layers)
            if state is not None:
                states.append(state)
        lengths = [len(result[0]) for result in results]

        @computation(gradients=True)
        def backprop(gradients: Sequence[Tensor | None]) -> Mapping[Tensor, Tensor]:
            shares = [[None] * len(parts) if d is None else d.split(lengths) for d in gradients]
            sums = GradientSums()
            for part, random, *own in zip(parts, randoms, *shares, strict=True):
                # No variable for the function: it would keep one part in memory while the next one is computed.
                found = self._run_again(part, random)(own)
                sums.add([*found], [[*found.values()]])
            return sums.by_parameter

        return TrainingBatch(
            [torch.cat(tensors) for tensors in zip(*results)],
            LSTMState(*(torch.cat(found, dim=2) for found in zip(*states))) if states else None,
            backprop,
        )

    def _run(self, part: "_Part") -> TrainingBatch:
        if self._device.type != "cpu":
            return self._run_whole(part)
        training_pass = TrainingPass(
            self.bilm,
            part.sentences,
            n_layers=part.n_layers,
            start=part.start,
            parts=self._parts,
            boundaries=part.boundaries,
        )

        def backprop(gradients: Sequence[Tensor | None]) -> Mapping[Tensor, Tensor]:
            sums = GradientSums()
            training_pass.backprop(gradients, sums)
            return sums.by_parameter

        # The backward pass does not need the layers, which may be let go before it.
        layers, training_pass.layers = training_pass.layers, []
        return TrainingBatch(layers, training_pass.state if part.n_layers else None, backprop)

    def _run_again(self, part: "_Part", random: list[Tensor]) -> Backprop:
        """Run a part with the random numbers that followed a state of their generators."""
        with self._random_numbers(random):
            return self._run(part).backprop

    def _run_whole(self, part: "_Part") -> TrainingBatch:
        """Run a batch on a device that divides operations by itself."""
        outputs = run_bilm(
            self.bilm, part.sentences, n_layers=part.n_layers, start=part.start, boundaries=part.boundaries
        )
        layers = [outputs.word_emb, *outputs.lstm]
        state = None if outputs.state is None else LSTMState(*(found.detach() for found in outputs.state))

        @computation(gradients=True)
        def backprop(gradients: Sequence[Tensor | None]) -> Mapping[Tensor, Tensor]:
            given = zip(layers, gradients, strict=True)
            pairs = [(layer, d) for layer, d in given if d is not None and layer.requires_grad]
            parameters = [parameter for parameter in self.bilm.parameters() if parameter.requires_grad]
            sums = GradientSums()
            if pairs:
                outputs, d_outputs = zip(*pairs)
                sums.add(parameters, [torch.autograd.grad(outputs, parameters, d_outputs, allow_unused=True)])
            return sums.by_parameter

        return TrainingBatch([layer.detach() for layer in layers], state, backprop)

    @property
    def _device(self) -> torch.device:
        return self.bilm.char_encoder.embedding.weight.device

    @property
    def _gpus(self) -> list[torch.device]:
        return [self._device] if self._device.type == "cuda" else []

    def _random_state(self) -> list[Tensor]:
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in self._gpus)]

    @contextmanager
    def _random_numbers(self, state: list[Tensor]) -> Iterator[None]:
        """Draw the random numbers again that followed a state: dropout zeroes the same inputs."""
        with torch.random.fork_rng(devices=self._gpus):
            torch.set_rng_state(state[0])
            for device, own in zip(self._gpus, state[1:]):
                torch.cuda.set_rng_state(own, device)
            yield


class _Part(NamedTuple):
    """Sentences that run together; see `TrainableEngine.begin_update`."""

    sentences: Sequence[Sentence]
    start: LSTMState | None
    n_layers: int
    boundaries: bool
