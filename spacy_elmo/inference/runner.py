"""Sentences through an engine: in batches, with the mix, to arrays of each sentence."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from ..bilm.layers import MIXED, WORD_EMB, LayerOutputs, layer_width, lstm_layer
from ..bilm.layers import n_lstm_layers as lstm_layers_for
from ..bilm.lstm import CarriedState, LSTMState
from ..bilm.options import Options
from ..bilm.scalar_mix import ScalarMix
from ..runtime.isolation import computation
from ..runtime.workers import Plan
from .base import N_MARKS, BatchOutputs, Begun, Engine
from .budget import Budget
from .finite import FiniteCheck, GetArrays
from .sentences import cut, lengths_of, total_rows

R = TypeVar("R")
# Waits for what is on its way from a device.
Arrive = Callable[[], list[LayerOutputs]]
# Flat, (n_tokens, width), by name, on the device; none where there are no tokens.
Layers = dict[str, Tensor]


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

    def stream(self, sentences: Iterable[list[str]], names: Sequence[str]) -> Iterator[LayerOutputs]:
        """Compute layers sentence by sentence, while the input is read a few batches ahead.

        sentences (Iterable[list[str]]): Token texts.
        names (Sequence[str]): The layers, lowest first.
        YIELDS (LayerOutputs): Of each sentence.
        """
        # The next batches are begun before one is waited for.
        waiting: deque[Begun[Arrive]] = deque()
        try:
            for window in cut(sentences, self.budget.tokens):
                for begun in self._in_budget(window, partial(self._begin_arrays, names)):
                    waiting.append(begun)
                    while len(waiting) > self.budget.ahead:
                        yield from self._arrived(waiting.popleft())
            while waiting:
                yield from self._arrived(waiting.popleft())
        except Exception:
            # Nobody would have waited for these, had they been finished at once.
            while waiting:
                yield from self._arrived(waiting.popleft())
            raise
        finally:
            for begun in waiting:
                begun.cancel()

    def begin(self, sentences: Iterable[list[str]], names: Sequence[str], then: Callable[[Layers], R]) -> Begun[R]:
        """Start to compute layers.

        sentences (Iterable[list[str]]): Token texts.
        names (Sequence[str]): The layers, lowest first.
        then (Callable[[Layers], R]): What follows when all are computed, by any thread: it is given
            each layer, flat, (n_tokens, width), on the device; no layer where there are no tokens.
        RETURNS (Begun[R]): What `then` gives, on its way.
        """
        plans: list[Plan[Layers]] = []
        for window in cut(sentences, self.budget.tokens):
            plans += self._in_budget(window, partial(self._plan, names))
        return self._start(plans, then)

    def carry(
        self, sentences: Sequence[list[str]], names: Sequence[str], carried: CarriedState
    ) -> list[LayerOutputs]:
        """Compute layers of one batch that starts from what the batch before left behind.

        sentences (Sequence[list[str]]): Token texts. Each is a row, also an empty one among others; a batch
            without tokens changes nothing.
        names (Sequence[str]): The layers, lowest first.
        carried (CarriedState): Read, and written when the whole batch was computed.
        RETURNS (list[LayerOutputs]): Of each sentence.
        """
        if not any(sentences):
            # AllenNLP does not run such a batch either.
            return [self.empty(names) for _ in sentences]
        # Rows do not see each other, so that a batch may run in parts; every row counts, an empty one too.
        start = carried.take(self._zero_state(len(sentences)))
        end = LSTMState(start.hidden.clone(), start.cell.clone())
        results: list[LayerOutputs] = []

        def run(window: Sequence[list[str]]) -> list[LayerOutputs]:
            rows = torch.arange(len(results), len(results) + len(window), device=start.hidden.device)
            tensors, final = self._run(window, names, start.rows(rows))
            arrive = self._send(tensors, window)
            if final is not None:
                end.hidden.index_copy_(2, rows, final.hidden)
                end.cell.index_copy_(2, rows, final.cell)
            outputs = arrive()
            self.finite.report(self.weights)
            return outputs

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

    def _begin_arrays(self, names: Sequence[str], sentences: Sequence[list[str]]) -> "Begun[Arrive]":
        def send(layers: Layers) -> Arrive:
            if not layers:
                empty = [self.empty(names)] * len(sentences)
                return lambda: empty
            return self._send(layers, sentences)

        return self._start([self._plan(names, sentences)], send)

    def _start(self, plans: Sequence[Plan[Layers]], then: Callable[[Layers], R]) -> Begun[R]:
        def finish() -> R:
            found = [layers for plan in plans if (layers := plan.finish())]
            if len(found) == 1:
                return then(found[0])
            return then(
                {name: torch.cat([layers[name] for layers in found]) for name in (found[0] if found else ())}
            )

        parts = [part for plan in plans for part in plan.parts]
        future = self.engine.workers.start(Plan(parts, torch.inference_mode()(finish)))
        return Begun(future, partial(self.finite.report, self.weights))

    def _arrived(self, begun: "Begun[Arrive]") -> list[LayerOutputs]:
        outputs = begun.result()()
        self.finite.report(self.weights)
        return outputs

    def _in_budget(self, window: Sequence[list[str]], run: Callable[[Sequence[list[str]]], R]) -> Iterator[R]:
        return self.budget.run(window, run, cut=cut, size=total_rows, release=self.engine.release)

    def _plan(self, names: Sequence[str], sentences: Sequence[list[str]]) -> Plan[Layers]:
        if not names or total_rows(sentences) == N_MARKS * len(sentences):
            return Plan.done({})
        n_layers = lstm_layers_for(names, n_layers=self.n_layers)
        with computation():
            plan = self.engine.plan(sentences, n_layers=n_layers, state=None)
            if plan.parts:
                return Plan(plan.parts, lambda: self._named(plan.finish(), names))
            return Plan.done(self._named(plan.finish(), names))

    def _run(
        self, sentences: Sequence[list[str]], names: Sequence[str], state: LSTMState
    ) -> tuple[Layers, LSTMState | None]:
        """The named layers, flat, (n_tokens, width), on the device, and the state after a carried one, which has
        all layers."""
        with computation():
            batch = self.engine.run(sentences, n_layers=self.n_layers, state=state)
            return self._named(batch, names), batch.state

    @torch.inference_mode()
    def _named(self, batch: BatchOutputs, names: Sequence[str]) -> Layers:
        tensors = {WORD_EMB: batch.word_emb}
        tensors.update((lstm_layer(k + 1), layer) for k, layer in enumerate(batch.lstm))
        if MIXED in names:
            tensors[MIXED] = self.mix.mix_bilm(batch.word_emb, batch.lstm)
        found = {name: tensors[name] for name in names}
        # What is not finite in a layer is not finite in the mix of all.
        self.finite.add({MIXED: found[MIXED]} if MIXED in found else found)
        return found

    def _send(self, layers: Layers, sentences: Sequence[list[str]]) -> Arrive:
        return self.engine.delivery.send(layers, lengths_of(sentences).tolist(), n_layers=self.n_layers)

    def _zero_state(self, n_sentences: int) -> LSTMState:
        lstm, like = self.options.lstm, self.mix.gamma.detach()
        shape = (2, lstm.n_layers, n_sentences)
        return LSTMState(like.new_zeros(*shape, lstm.projection_dim), like.new_zeros(*shape, lstm.dim))
