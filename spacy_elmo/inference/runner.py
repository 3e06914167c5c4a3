"""Sentences through an engine: in batches, with the mix, to arrays of each sentence."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeVar

import torch
from torch import Tensor

from ..bilm.layers import MIXED, WORD_EMB, LayerOutputs, layer_width, lstm_layer, n_lstm_layers
from ..bilm.lstm import CarriedState, LSTMState
from ..bilm.options import Options
from ..bilm.scalar_mix import ScalarMix
from ..errors import ElmoMemoryError, Errors, Warnings
from ..runtime.isolation import computation
from ..runtime.workers import Pending, Plan
from ..util.batching import run_ahead
from .base import BatchOutputs, Engine
from .finite import FiniteCheck, GetArrays
from .sentences import count_rows, count_tokens, split_batches

R = TypeVar("R")
_count_lstm_layers = lru_cache(maxsize=256)(n_lstm_layers)
# Memory may be short for a moment only: the budget falls no lower than to this share of what it was.
LEAST_SHARE = 64


@dataclass
class Budget:
    """How many tokens run together, and what happens when that was too many.

    tokens (int): With two marks a sentence; halved when a device has run out of memory.
    ahead (int): Batches that may be under way when one more is waited for.
    """

    tokens: int
    ahead: int = 0
    # The first number of tokens, once it was halved.
    _full: int | None = None

    def run(
        self,
        batch: Sequence[list[str]],
        compute: Callable[[Sequence[list[str]]], R],
        *,
        release: Callable[[], None],
    ) -> Iterator[R]:
        """Compute a batch, in parts where it does not fit into memory.

        batch (Sequence[list[str]]): Sentences.
        compute (Callable): Called with the batch, or with each of its parts.
        release (Callable): Frees what an engine keeps between batches.
        YIELDS (R): The result of each part, in order.
        RAISES (MemoryError): If memory runs out over a single sentence.
        """
        # The budget may have become smaller since the batch was split off.
        waiting = list(split_batches(batch, self.tokens))
        tried_again = False
        while waiting:
            part = waiting.pop(0)
            try:
                result = compute(part)
            except torch.cuda.OutOfMemoryError as error:
                reason = _get_first_line(error)
                if tried_again:
                    raise ElmoMemoryError(Errors.EL166.format(tokens=count_rows(part), reason=reason)) from error
            else:
                tried_again = False
                yield result
                continue
            # Outside of the handler, whose error holds on to what had been computed.
            release()
            if len(part) == 1:
                # What was kept between batches may have been too much.
                tried_again = True
                waiting.insert(0, part)
            else:
                self._halve(count_rows(part), reason)
                # Those that wait were cut as this one was.
                half = min(self.tokens, max(1, count_rows(part) // 2))
                waiting = [less for more in (part, *waiting) for less in split_batches(more, half)]

    def _halve(self, tokens: int, reason: str) -> None:
        full, is_first = self._full or self.tokens, self._full is None
        self._full = full
        self.tokens = max(1, full // LEAST_SHARE, min(self.tokens, tokens) // 2)
        if is_first:
            warnings.warn(Warnings.WL015.format(tokens=tokens, half=self.tokens, reason=reason), stacklevel=2)


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

    def submit(
        self, sentences: Iterable[list[str]], names: Sequence[str], then: Callable[[Layers], R]
    ) -> Pending[R]:
        """Start to compute layers.

        sentences (Iterable[list[str]]): Token texts.
        names (Sequence[str]): The layers, lowest first.
        then (Callable[[Layers], R]): Called with all layers, flat, (n_tokens, width), on the device; with none
            where there are no tokens. Any thread may call it.
        RETURNS (Pending[R]): What `then` returns.
        """
        plans: list[Plan[Layers]] = []
        for batch in split_batches(sentences, self.budget.tokens):
            plans += self.budget.run(batch, partial(self._plan, names), release=self.engine.release)
        pending = self._start(plans, then)
        return Pending(partial(self._wait, pending), pending.cancel)

    def stream(self, sentences: Iterable[list[str]], names: Sequence[str]) -> Iterator[LayerOutputs]:
        """Compute layers sentence by sentence, while the input is read a few batches ahead.

        sentences (Iterable[list[str]]): Token texts.
        names (Sequence[str]): The layers, lowest first.
        YIELDS (LayerOutputs): Of each sentence.
        """
        return run_ahead(self._submit_batches(sentences, names), ahead=lambda: self.budget.ahead)

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
            return [self.make_empty(names) for _ in sentences]
        # Rows do not see each other, so that a batch may run in parts; every row counts, an empty one too.
        start = carried.take(self._zero_state(len(sentences)))
        end = LSTMState(start.hidden.clone(), start.cell.clone())
        results: list[LayerOutputs] = []

        def run(batch: Sequence[list[str]]) -> list[LayerOutputs]:
            rows = torch.arange(len(results), len(results) + len(batch), device=start.hidden.device)
            tensors, final = self._run(batch, names, start.rows(rows))
            arrive = self._send(tensors, batch)
            if final is not None:
                end.hidden.index_copy_(2, rows, final.hidden)
                end.cell.index_copy_(2, rows, final.cell)
            outputs = arrive()
            self.finite.report(self.weights)
            return outputs

        for batch in split_batches(sentences, self.budget.tokens):
            for outputs in self.budget.run(batch, run, release=self.engine.release):
                results += outputs
        carried.put(end)
        return results

    def make_empty(self, names: Sequence[str]) -> LayerOutputs:
        """The layers of a sentence without tokens."""
        arrays = {
            name: torch.empty(0, layer_width(name, self.options), dtype=self.dtype, device="cpu").numpy().copy()
            for name in names
        }
        return LayerOutputs(arrays, n_layers=self.options.lstm.n_layers)

    def _submit_batches(
        self, sentences: Iterable[list[str]], names: Sequence[str]
    ) -> Iterator[Pending[list[LayerOutputs]]]:
        for batch in split_batches(sentences, self.budget.tokens):
            yield from self.budget.run(batch, partial(self._submit_batch, names), release=self.engine.release)

    def _submit_batch(self, names: Sequence[str], sentences: Sequence[list[str]]) -> Pending[list[LayerOutputs]]:
        def send(layers: Layers) -> Arrive:
            if not layers:
                empty = [self.make_empty(names)] * len(sentences)
                return lambda: empty
            return self._send(layers, sentences)

        pending = self._start([self._plan(names, sentences)], send)
        return Pending(partial(self._wait_for_arrays, pending), pending.cancel)

    def _start(self, plans: Sequence[Plan[Layers]], then: Callable[[Layers], R]) -> Pending[R]:
        @torch.inference_mode()
        def finish() -> R:
            found = [layers for plan in plans if (layers := plan.finish())]
            if len(found) == 1:
                return then(found[0])
            return then(
                {name: torch.cat([layers[name] for layers in found]) for name in (found[0] if found else ())}
            )

        parts = [part for plan in plans for part in plan.parts]
        return self.engine.workers.start(Plan(parts, finish))

    def _wait(self, pending: Pending[R]) -> R:
        result = pending.result()
        if self.finite.pending:
            self.finite.report(self.weights)
        return result

    def _wait_for_arrays(self, pending: Pending[Arrive]) -> list[LayerOutputs]:
        outputs = self._wait(pending)()
        # A GPU may have answered only now.
        if self.finite.pending:
            self.finite.report(self.weights)
        return outputs

    def _plan(self, names: Sequence[str], sentences: Sequence[list[str]]) -> Plan[Layers]:
        if not names or not count_tokens(sentences).any():
            return Plan.done({})
        n_layers = _count_lstm_layers(tuple(names), n_layers=self.options.lstm.n_layers)
        with computation():
            plan = self.engine.plan(sentences, n_layers=n_layers, state=None)
            if plan.parts:
                return Plan(plan.parts, lambda: self._select_layers(plan.finish(), names))
            return Plan.done(self._select_layers(plan.finish(), names))

    def _run(
        self, sentences: Sequence[list[str]], names: Sequence[str], state: LSTMState
    ) -> tuple[Layers, LSTMState | None]:
        """The named layers, flat, (n_tokens, width), on the device, and the state after a carried one, which has
        all layers."""
        with computation():
            batch = self.engine.run(sentences, n_layers=self.options.lstm.n_layers, state=state)
            return self._select_layers(batch, names), batch.state

    @torch.inference_mode()
    def _select_layers(self, batch: BatchOutputs, names: Sequence[str]) -> Layers:
        tensors = {WORD_EMB: batch.word_emb}
        tensors.update((lstm_layer(k + 1), layer) for k, layer in enumerate(batch.lstm))
        if MIXED in names:
            tensors[MIXED] = self.mix.mix_bilm(batch.word_emb, batch.lstm)
        found = {name: tensors[name] for name in names}
        # What is not finite in a layer is not finite in the mix of all.
        self.finite.add({MIXED: found[MIXED]} if MIXED in found else found)
        return found

    def _send(self, layers: Layers, sentences: Sequence[list[str]]) -> Arrive:
        return self.engine.delivery.send(
            layers, count_tokens(sentences).tolist(), n_layers=self.options.lstm.n_layers
        )

    def _zero_state(self, n_sentences: int) -> LSTMState:
        lstm, like = self.options.lstm, self.mix.gamma.detach()
        shape = (2, lstm.n_layers, n_sentences)
        return LSTMState(like.new_zeros(*shape, lstm.projection_dim), like.new_zeros(*shape, lstm.dim))


def _get_first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")
