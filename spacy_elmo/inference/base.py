"""The interface of an engine: a batch of sentences in, layers out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from ..bilm.layers import LayerOutputs
from ..bilm.lstm import LSTMState
from ..runtime.workers import Plan, Workers


class Delivery(Protocol):
    """Brings layers to the CPU. ahead: batches that may well be on the way together."""

    ahead: int

    def send(
        self, layers: Mapping[str, Tensor], lengths: Sequence[int], *, n_layers: int
    ) -> Callable[[], list[LayerOutputs]]:
        """layers: (n_tokens, width) each, sentence after sentence. lengths: tokens of each sentence.
        n_layers: LSTM layers of the model.
        RETURNS: a function that waits, and gives the outputs of each sentence; to be called once."""
        ...


@dataclass(kw_only=True)
class InPlace:
    """For engines on the CPU, whose layers are there already.

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
        # To be called once.
        return [outputs].pop


Sentence = Sequence[str]

# Rows that the two sentence marks add to each sentence.
N_BOUNDARIES = 2
# Tokens that run together where nobody said how many.
CPU_BATCH_TOKENS = 8192


class BatchOutputs(NamedTuple):
    """A batch, flat: the tokens of all sentences one after the other, without sentence marks.

    word_emb: (n_tokens, P). lstm: lstm_outputs1, ..., each (n_tokens, 2P), as many as were asked for.
    state: of each sentence after its closing mark, hidden (2, n_layers, n_sentences, P) and cell
        (2, n_layers, n_sentences, C); None if no state was given, or no LSTM ran.
    """

    word_emb: Tensor
    lstm: list[Tensor]
    state: LSTMState | None


class Engine(Protocol):
    """Runs a biLM over a batch that fits into memory.

    delivery: brings what it has computed to the CPU. workers: do the parts of its plans.
    """

    delivery: Delivery
    workers: Workers

    @property
    def module(self) -> nn.Module | None:
        """The trainable module that runs, for who wants to move or to train it; None where the weights are in a
        form of the engine's own."""
        ...

    def run(self, sentences: Sequence[Sentence], *, n_layers: int, state: LSTMState | None) -> BatchOutputs:
        """Layers of a batch of tokenised sentences; one may be empty.

        n_layers: LSTM layers to compute, from 0 up; what lies above is not computed.
        state: where each sentence starts from, hidden (2, L, n_sentences, P); None: the engine's constant one.
        """
        ...

    def plan(self, sentences: Sequence[Sentence], *, n_layers: int, state: LSTMState | None) -> Plan[BatchOutputs]:
        """What `run` does, for who runs several batches at a time. Arguments: as `run`."""
        ...

    def named_tensors(self) -> dict[str, Tensor]:
        """The biLM's weights by the names of its state_dict: as given, or rounded where the precision does so."""
        ...

    def batch_tokens(self) -> int:
        """Tokens, with two marks a sentence, that suit the memory and the speed of the device."""
        ...

    def release(self) -> None:
        """Free what is kept between batches for the sake of speed."""
        ...
