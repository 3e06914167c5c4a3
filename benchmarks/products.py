"""The LSTMs' matrix products of a text, as the engine computes them, and nothing else."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from spacy_elmo.bilm.lstm import LSTMStack
from spacy_elmo.bilm.options import Options
from spacy_elmo.inference.base import CPU_BATCH_TOKENS
from spacy_elmo.inference.cpu.engine import MOST_ROWS
from spacy_elmo.inference.cpu.input_gates import Inputs, input_gates
from spacy_elmo.inference.cpu.lstm import CpuStack
from spacy_elmo.inference.cpu.steps import add_product
from spacy_elmo.inference.factory import choose_lstm_linear
from spacy_elmo.inference.schedule import Schedule, Step
from spacy_elmo.inference.sentences import find_word_types, split_batches


class Products:
    """Runs them with random weights, in float32, on one thread.

    options: of the model. sentences: of which the engine would make batches.
    """

    def __init__(self, options: Mapping[str, Any], sentences: Sequence[list[str]]):
        lstm, linear = Options.from_dict(options).lstm, choose_lstm_linear("fp32")
        tensors = [LSTMStack(options=lstm).state_dict() for _ in range(2)]
        self._stacks = [CpuStack(own, options=lstm, linear=linear) for own in tensors]
        self._batches: list[tuple[list[Inputs], Sequence[Step]]] = []
        for batch in split_batches(sentences, CPU_BATCH_TOKENS):
            types, numbers = find_word_types(batch, before=[], after=[])
            schedule = Schedule([len(sentence) for sentence in batch], most_rows=MOST_ROWS)
            words = Inputs(torch.randn(len(types), lstm.projection_dim), torch.from_numpy(numbers))
            # The layers above read every token.
            outputs = Inputs(torch.randn(schedule.n_tokens, lstm.projection_dim), None)
            self._batches.append(([words, *[outputs] * (lstm.n_layers - 1)], schedule.steps))
        self._hidden, self._opened = torch.randn(MOST_ROWS, lstm.projection_dim), torch.randn(MOST_ROWS, lstm.dim)

    def seconds(self, n_runs: int = 1) -> float:
        """The mean of some runs."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                start = time.perf_counter()
                for _ in range(n_runs):
                    for inputs, steps in self._batches:
                        for stack in self._stacks:
                            _run(stack, inputs, steps, self._hidden, self._opened)
                return (time.perf_counter() - start) / n_runs
        finally:
            torch.set_num_threads(before)


def _run(stack: CpuStack, inputs: Sequence[Inputs], steps: Sequence[Step], hidden: Tensor, opened: Tensor) -> None:
    for layer, own in zip(stack.layers, inputs):
        for window in input_gates(layer.inputs, own, steps):
            # Of as many rows, whichever they are.
            gates = window.gates
            for step in window.steps:
                add_product(layer.states.kind, hidden[: step.size], layer.states.tensors, gates[: step.size])
                if layer.projection is not None:
                    add_product(layer.projection.kind, opened[: step.size], layer.projection.tensors, None)
