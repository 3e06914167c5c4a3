"""Sentences through an engine: in batches, with the mix, to arrays of each sentence."""

from collections import deque
from dataclasses import dataclass
from typing import Callable, Deque, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, TypeVar

import torch
from torch import Tensor

from ..bilm.carry import CarriedState
from ..bilm.layers import MIXED, WORD_EMB, LayerOutputs, layer_width, lstm_layer
from ..bilm.layers import n_lstm_layers as lstm_layers_for
from ..bilm.lstm import LSTMState
from ..bilm.options import Options
from ..bilm.scalar_mix import ScalarMix
from .base import N_MARKS, Engine
from .begun import Begun
from .budget import Budget
from .finite import FiniteCheck, GetArrays
from .isolation import computation
from .sentences import cut, lengths_of, total_rows

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs an engine over sentences.

    engine (Engine): Computes the biLM's layers of a batch.
    mix (ScalarMix): Of the layer "elmo".
    options (Options): Of the biLM.
    dtype (torch.dtype): Of the arrays that come out.
    budget (Budget): How many tokens run together.
    finite (FiniteCheck): Looks at what was computed.
    weights (GetArrays): For its warning.
    """

    engine: Engine
    mix: ScalarMix
    options: Options
    dtype: torch.dtype
    budget: Budget
    finite: FiniteCheck
    weights: GetArrays

    @property
    def n_layers(self) -> int:
        return self.options.lstm.n_layers

    def stream(self, sentences: Iterable[List[str]], names: Sequence[str]) -> Iterator[LayerOutputs]:
        """Compute layers sentence by sentence, while the input is read a few batches ahead.

        sentences (Iterable[List[str]]): Token texts.
        names (Sequence[str]): The layers, lowest first.
        YIELDS (LayerOutputs): Of each sentence.
        """
        # The next batches are begun before one is waited for.
        waiting: Deque[Begun] = deque()
        try:
            for window in cut(sentences, self.budget.tokens):
                for begun in self._begin(window, names, []):
                    waiting.append(begun)
                    while len(waiting) > self.engine.delivery.ahead:
                        yield from waiting.popleft().outputs()
        except Exception:
            # Nobody would have waited for these, had they been finished at once.
            while waiting:
                yield from waiting.popleft().outputs()
            raise
        while waiting:
            yield from waiting.popleft().outputs()

    def begin(self, sentences: Iterable[List[str]], names: Sequence[str], resident: Sequence[str]) -> Begun:
        """Start to compute layers.

        sentences (Iterable[List[str]]): Token texts.
        names (Sequence[str]): The layers that are delivered, lowest first.
        resident (Sequence[str]): Those that stay on the device as well.
        RETURNS (Begun): All sentences, on their way.
        """
        parts: List[Begun] = []
        for window in cut(sentences, self.budget.tokens):
            parts += self._begin(window, names, resident)
        return Begun.joined(parts)

    def carry(
        self, sentences: Sequence[List[str]], names: Sequence[str], carried: CarriedState
    ) -> List[LayerOutputs]:
        """Compute layers of one batch that starts from what the batch before left behind.

        sentences (Sequence[List[str]]): Token texts. Each is a row, also an empty one among others; a batch
            without tokens changes nothing.
        names (Sequence[str]): The layers, lowest first.
        carried (CarriedState): Read, and written when the whole batch was computed.
        RETURNS (List[LayerOutputs]): Of each sentence.
        """
        if not any(sentences):
            # AllenNLP does not run such a batch either.
            return [self.empty(names) for _ in sentences]
        # Rows do not see each other, so that a batch may run in parts; every row counts, an empty one too.
        start = carried.take(self._zero_state(len(sentences)))
        end = LSTMState(start.hidden.clone(), start.cell.clone())
        results: List[LayerOutputs] = []

        def run(window: Sequence[List[str]]) -> List[LayerOutputs]:
            rows = torch.arange(len(results), len(results) + len(window), device=start.hidden.device)
            tensors, final = self._run(window, names, start.rows(rows))
            arrive = self._send(tensors, names, window)
            if final is not None:
                end.hidden.index_copy_(2, rows, final.hidden)
                end.cell.index_copy_(2, rows, final.cell)
            return arrive()

        for window in cut(sentences, self.budget.tokens):
            for outputs in self._in_budget(window, run):
                results += outputs
        carried.put(end)
        return results

    def empty(self, names: Sequence[str]) -> LayerOutputs:
        """The layers of a sentence without tokens."""
        arrays = {
            name: torch.empty(0, layer_width(name, self.options), dtype=self.dtype, device="cpu").numpy().copy()
            for name in names
        }
        return LayerOutputs(arrays, n_layers=self.n_layers)

    def _begin(
        self, window: Sequence[List[str]], names: Sequence[str], resident: Sequence[str]
    ) -> Iterator[Begun]:
        def begin(sentences: Sequence[List[str]]) -> Begun:
            if not (names or resident) or total_rows(sentences) == N_MARKS * len(sentences):
                return Begun.at_once([self.empty(names)] * len(sentences))
            tensors, _ = self._run(sentences, [*names, *resident], None)
            stay = {name: tensors[name] for name in resident}
            if not names:
                return Begun(lambda: [self.empty(names)] * len(sentences), stay)
            return Begun(self._send(tensors, names, sentences), stay)

        return self._in_budget(window, begin)

    def _in_budget(self, window: Sequence[List[str]], run: Callable[[Sequence[List[str]]], R]) -> Iterator[R]:
        return self.budget.run(window, run, cut=cut, size=total_rows, release=self.engine.release)

    def _run(
        self, sentences: Sequence[List[str]], names: Sequence[str], state: Optional[LSTMState]
    ) -> Tuple[Dict[str, Tensor], Optional[LSTMState]]:
        """The named layers, flat, (n_tokens, width), on the device."""
        # A state that is carried on has all layers.
        n_layers = self.n_layers if state is not None else lstm_layers_for(names, n_layers=self.n_layers)
        with computation():
            batch = self.engine.run(sentences, n_layers=n_layers, state=state)
            tensors = {WORD_EMB: batch.word_emb}
            tensors.update((lstm_layer(k + 1), layer) for k, layer in enumerate(batch.lstm))
            if MIXED in names:
                with torch.inference_mode():
                    doubled = torch.cat([batch.word_emb, batch.word_emb], dim=1)
                    tensors[MIXED] = self.mix([doubled, *batch.lstm])
            found = {name: tensors[name] for name in names}
            # What is not finite in a layer is not finite in the mix of all.
            self.finite.add({MIXED: found[MIXED]} if MIXED in found else found, self.weights)
        return found, batch.state

    def _send(
        self, tensors: Dict[str, Tensor], names: Sequence[str], sentences: Sequence[List[str]]
    ) -> Callable[[], List[LayerOutputs]]:
        layers = {name: tensors[name] for name in names}
        arrive = self.engine.delivery.send(layers, lengths_of(sentences).tolist(), n_layers=self.n_layers)

        def arrived() -> List[LayerOutputs]:
            outputs = arrive()
            self.finite.report(self.weights)
            return outputs

        return arrived

    def _zero_state(self, n_sentences: int) -> LSTMState:
        lstm, like = self.options.lstm, self.mix.gamma.detach()
        shape = (2, lstm.n_layers, n_sentences)
        return LSTMState(like.new_zeros(*shape, lstm.projection_dim), like.new_zeros(*shape, lstm.dim))
