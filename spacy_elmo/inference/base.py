"""The interface of an engine: a batch of sentences in, layers out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from ..bilm.layers import LayerOutputs
from ..bilm.lstm import LSTMState
from ..runtime.workers import Plan, Workers

Sentence = Sequence[str]

# Boundary tokens of each sentence.
N_BOUNDARIES = 2
# Tokens that run together by default.
CPU_BATCH_TOKENS = 8192


class Delivery(Protocol):
    """Brings layers to the CPU.

    ahead (int): Batches that are best in progress at a time.
    """

    ahead: int

    def send(
        self, layers: Mapping[str, Tensor], lengths: Sequence[int], *, n_layers: int
    ) -> Callable[[], list[LayerOutputs]]:
        """Start to copy layers.

        layers (Mapping[str, Tensor]): By name, (n_tokens, width), sentence after sentence.
        lengths (Sequence[int]): Tokens of each sentence.
        n_layers (int): LSTM layers of the model.
        RETURNS (Callable): Waits, and returns the outputs of each sentence; to be called once.
        """
        ...


@dataclass(kw_only=True)
class InPlace:
    """The delivery of engines on the CPU, whose layers need no copy.

    ahead (int): See `Delivery`.
    """

    ahead: int = 0

    def send(
        self, layers: Mapping[str, Tensor], lengths: Sequence[int], *, n_layers: int
    ) -> Callable[[], list[LayerOutputs]]:
        arrays = {name: layer.numpy() for name, layer in layers.items()}
        outputs, start = [], 0
        for length in lengths:
            end = start + length
            # Copies, so that one kept sentence does not keep its whole batch alive.
            own = {name: array[start:end].copy() for name, array in arrays.items()}
            outputs.append(LayerOutputs(own, n_layers=n_layers))
            start = end
        return partial(list, outputs)


@torch.inference_mode(False)
def split_tensors(layers: Mapping[str, Tensor], lengths: Sequence[int], *, n_layers: int) -> list[LayerOutputs]:
    """Split layers by sentence, as tensors that can be used in a computation with gradients.

    layers (Mapping[str, Tensor]): By name, (n_tokens, width), sentence after sentence.
    lengths (Sequence[int]): Tokens of each sentence.
    n_layers (int): LSTM layers of the model.
    RETURNS (list[LayerOutputs]): The tensors of each sentence, on the same device.
    """
    parts = {}
    for name, layer in layers.items():
        if layer.is_cuda:
            # To launch a copy for each sentence takes longer than to copy.
            parts[name] = layer.clone().split(lengths)
        else:
            # Copies, so that one kept sentence does not keep its whole batch alive.
            parts[name] = tuple(rows.clone() for rows in layer.split(lengths))
    return [
        LayerOutputs({name: own[i] for name, own in parts.items()}, n_layers=n_layers) for i in range(len(lengths))
    ]


class BatchOutputs(NamedTuple):
    """The layers of a batch, flat: the tokens of all sentences one after the other, without boundary tokens.

    word_emb (Tensor): (n_tokens, P).
    lstm (list[Tensor]): lstm_outputs1, ..., (n_tokens, 2P) each, as many as were requested.
    state (LSTMState | None): The state of each sentence after its closing boundary token, hidden (2, n_layers,
        n_sentences, P) and cell (2, n_layers, n_sentences, C); None if no state was given, or no LSTM ran.
    """

    word_emb: Tensor
    lstm: list[Tensor]
    state: LSTMState | None


class Engine(Protocol):
    """Runs a biLM over a batch that fits into memory.

    delivery (Delivery): Brings its results to the CPU.
    workers (Workers): Run the parts of its plans.
    """

    delivery: Delivery
    workers: Workers

    @property
    def module(self) -> nn.Module | None:
        """The trainable module that runs, to be moved or trained; None if the engine has another form of
        weights."""
        ...

    def run(self, sentences: Sequence[Sentence], *, n_layers: int, state: LSTMState | None) -> BatchOutputs:
        """Compute the layers of a batch.

        sentences (Sequence[Sentence]): Tokenized sentences; one may be empty.
        n_layers (int): LSTM layers to compute, 0 or more.
        state (LSTMState | None): The initial state of each sentence, hidden (2, L, n_sentences, P); None: the
            engine's constant one.
        RETURNS (BatchOutputs): The layers.
        """
        ...

    def plan(
        self,
        sentences: Sequence[Sentence],
        *,
        n_layers: int,
        state: LSTMState | None,
        boundaries: bool = False,
    ) -> Plan[BatchOutputs]:
        """Plan what `run` does, to run several batches at a time.

        sentences (Sequence[Sentence]): See `run`.
        n_layers (int): See `run`.
        state (LSTMState | None): See `run`.
        boundaries (bool): Whether the layers have rows for boundary tokens, too.
        RETURNS (Plan[BatchOutputs]): The plan.
        """
        ...

    def named_tensors(self) -> dict[str, Tensor]:
        """Get the biLM's weights by the names of its state_dict, rounded if the precision rounds.

        RETURNS (dict[str, Tensor]): The tensors.
        """
        ...

    def batch_tokens(self) -> int:
        """Choose the tokens of a batch, with two boundary tokens a sentence, by the device's memory and speed.

        RETURNS (int): The number of tokens.
        """
        ...

    def release(self) -> None:
        """Free the memory that is kept between batches for speed."""
        ...
