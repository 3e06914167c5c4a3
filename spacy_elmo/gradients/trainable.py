"""A biLM in training, with memory bounded by a budget of tokens."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ..bilm.bilm import BiLM
from ..bilm.lstm import LSTMState
from ..inference.base import N_BOUNDARIES, Sentence
from ..inference.reference import expand_state, run_bilm
from ..runtime.isolation import computation
from ..runtime.parts import Parts
from ..util.batching import windows
from .batch import TrainingPass

# Takes the gradients of word_emb, lstm_outputs1, ..., without padding; None: no gradient.
Backprop = Callable[[Sequence[Tensor | None]], None]


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

    def begin_update(self, sentences: Sequence[Sentence], *, n_layers: int) -> tuple[list[Tensor], Backprop]:
        """Compute the layers of a batch.

        sentences (Sequence[Sentence]): The batch.
        n_layers (int): LSTM layers to compute, from 0 up.
        RETURNS (tuple[list[Tensor], Backprop]): word_emb (n_tokens, P), lstm_outputs1, ... (n_tokens, 2P),
            detached; and a function that adds to the gradients of the parameters, to be called once at most.
        """
        with computation(gradients=True):
            parts = list(
                windows(
                    sentences, size=lambda sentence: len(sentence) + N_BOUNDARIES, budget=self.max_batch_tokens
                )
            )
            if len(parts) > 1:
                return self._run_parts(parts, n_layers)
            # A batch without sentences has layers, too, without rows.
            return self._run(parts[0] if parts else [], n_layers)

    def _run_parts(self, parts: Sequence[Sequence[Sentence]], n_layers: int) -> tuple[list[Tensor], Backprop]:
        """Compute the layers without what a backward pass needs, which is computed later, part by part."""
        states, results = [], []
        for part in parts:
            states.append(self._random_state())
            with torch.no_grad():
                results.append(self._run(part, n_layers)[0])
        lengths = [len(result[0]) for result in results]

        @computation(gradients=True)
        def backprop(gradients: Sequence[Tensor | None]) -> None:
            shares = [[None] * len(parts) if d is None else d.split(lengths) for d in gradients]
            for part, state, *own in zip(parts, states, *shares, strict=True):
                # No variable for the function: it would keep one part in memory while the next one is computed.
                self._run_again(part, n_layers, state)(own)

        return [torch.cat(tensors) for tensors in zip(*results)], backprop

    def _run(self, sentences: Sequence[Sentence], n_layers: int) -> tuple[list[Tensor], Backprop]:
        if self._device.type != "cpu":
            return self._run_whole(sentences, n_layers)
        start = expand_state(self.initial_state, len(sentences))
        training_pass = TrainingPass(self.bilm, sentences, n_layers=n_layers, start=start, parts=self._parts)
        return training_pass.layers, training_pass.backprop

    def _run_again(self, sentences: Sequence[Sentence], n_layers: int, state: list[Tensor]) -> Backprop:
        """Run a part with the random numbers that followed a state."""
        with self._random_numbers(state):
            return self._run(sentences, n_layers)[1]

    def _run_whole(self, sentences: Sequence[Sentence], n_layers: int) -> tuple[list[Tensor], Backprop]:
        """Run a batch on a device that divides operations by itself."""
        start = expand_state(self.initial_state, len(sentences))
        outputs = run_bilm(self.bilm, sentences, n_layers=n_layers, start=start)
        layers = [outputs.word_emb, *outputs.lstm]

        @computation(gradients=True)
        def backprop(gradients: Sequence[Tensor | None]) -> None:
            given = zip(layers, gradients, strict=True)
            pairs = [(layer, d) for layer, d in given if d is not None and layer.requires_grad]
            if pairs:
                torch.autograd.backward([layer for layer, _ in pairs], [d for _, d in pairs])

        return [layer.detach() for layer in layers], backprop

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
