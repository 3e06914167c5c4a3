"""Runs sentences through an engine in batches, adds the mix, and splits the results by sentence."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeVar

import torch
from torch import Tensor

from ..bilm.layers import MIXED, WORD_EMB, LayerOutputs, count_lstm_layers, layer_width, lstm_layer
from ..bilm.lstm import CarriedState, LSTMState
from ..bilm.options import Options
from ..bilm.scalar_mix import ScalarMix
from ..errors import ElmoMemoryError, Errors, Warnings
from ..runtime.isolation import computation
from ..runtime.workers import Pending, Plan
from ..util.batching import run_ahead
from .base import BatchOutputs, Engine, split_tensors
from .finite import FiniteCheck, GetArrays
from .sentences import count_rows, count_tokens, split_batches

R = TypeVar("R")
_count_lstm_layers = lru_cache(maxsize=256)(count_lstm_layers)
# Memory may be short for a moment only: the budget is never reduced below this fraction of its first value.
LEAST_SHARE = 64

# Waits for outputs that are copied from a device.
Arrive = Callable[[], list[LayerOutputs]]
# Layers by name, flat, (n_tokens, width), on the device; empty if there are no tokens.
LayerTensors = dict[str, Tensor]


@dataclass
class Budget:
    """The number of tokens that run together; it is reduced if memory runs out.

    tokens (int): With two boundary tokens a sentence; halved when a device runs out of memory.
    ahead (int): Batches that may be in progress when one more is waited for.
    """

    tokens: int
    ahead: int = 0
    # The first number of tokens, after it was halved.
    _full: int | None = None

    def run(
        self,
        batch: Sequence[list[str]],
        compute: Callable[[Sequence[list[str]]], R],
        *,
        release: Callable[[], None],
    ) -> Iterator[R]:
        """Compute a batch, in parts if it does not fit into memory.

        batch (Sequence[list[str]]): Sentences.
        compute (Callable): Called with the batch, or with each of its parts.
        release (Callable): Frees what an engine keeps between batches.
        YIELDS (R): The result of each part, in order.
        RAISES (MemoryError): If memory runs out over a single sentence.
        """
        # The budget may be smaller now than when the batch was split off.
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
            # Outside of the handler, whose error keeps the tensors computed so far alive.
            release()
            if len(part) == 1:
                # Try again: memory that was kept between batches is free now.
                tried_again = True
                waiting.insert(0, part)
            else:
                self._halve(count_rows(part), reason)
                # The waiting parts are as large: split them as well.
                half = min(self.tokens, max(1, count_rows(part) // 2))
                waiting = [less for more in (part, *waiting) for less in split_batches(more, half)]

    def _halve(self, tokens: int, reason: str) -> None:
        full, is_first = self._full or self.tokens, self._full is None
        self._full = full
        self.tokens = max(1, full // LEAST_SHARE, min(self.tokens, tokens) // 2)
        if is_first:
            warnings.warn(Warnings.WL015.format(tokens=tokens, half=self.tokens, reason=reason), stacklevel=2)


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs an engine over sentences.

    engine (Engine): Computes the biLM's layers of a batch.
    mix (ScalarMix): The mix of the layer "elmo".
    options (Options): The options of the biLM.
    dtype (torch.dtype): The dtype of the results.
    budget (Budget): How many tokens run together.
    finite (FiniteCheck): Checks the results.
    weights (GetArrays): Returns the weights, for its warning.
    as_tensors (bool): Whether layers of sentences are tensors on the device, not arrays.
    """

    engine: Engine
    mix: ScalarMix
    options: Options
    dtype: torch.dtype
    budget: Budget
    finite: FiniteCheck
    weights: GetArrays
    as_tensors: bool = False

    def submit(
        self,
        sentences: Iterable[list[str]],
        names: Sequence[str],
        then: Callable[[LayerTensors], R],
        *,
        boundaries: bool = False,
    ) -> Pending[R]:
        """Start to compute layers.

        sentences (Iterable[list[str]]): Token texts.
        names (Sequence[str]): The layers, lowest first.
        then (Callable[[LayerTensors], R]): Called in any thread with all layers, flat, (n_tokens, width), on the
            device; with no layers if there are no rows.
        boundaries (bool): Whether the layers have rows for boundary tokens, too.
        RETURNS (Pending[R]): What `then` returns.
        """
        plans: list[Plan[LayerTensors]] = []
        plan = partial(self._plan, names, boundaries=boundaries)
        for batch in split_batches(sentences, self.budget.tokens):
            plans += self.budget.run(batch, plan, release=self.engine.release)
        pending = self._start(plans, then)
        return Pending(partial(self._wait, pending), pending.cancel)

    def stream(self, sentences: Iterable[list[str]], names: Sequence[str]) -> Iterator[LayerOutputs]:
        """Compute layers sentence by sentence, while the input is read a few batches ahead.

        sentences (Iterable[list[str]]): Token texts.
        names (Sequence[str]): The layers, lowest first.
        YIELDS (LayerOutputs): The layers of each sentence.
        """
        return run_ahead(self._submit_batches(sentences, names), ahead=lambda: self.budget.ahead)

    def carry(
        self, sentences: Sequence[list[str]], names: Sequence[str], carried: CarriedState
    ) -> list[LayerOutputs]:
        """Compute layers of a batch that starts from the final state of the previous one.

        sentences (Sequence[list[str]]): Token texts. Each sentence is a row, even an empty one; a batch
            without any tokens does not change the state.
        names (Sequence[str]): The layers, lowest first.
        carried (CarriedState): The state; written when the whole batch is computed.
        RETURNS (list[LayerOutputs]): The layers of each sentence.
        """
        results: list[LayerOutputs] = []
        for tensors, part in self.carry_parts(sentences, names, carried):
            results += self._send(tensors, part)()
            self.finite.report(self.weights)
        return results or [self.make_empty(names) for _ in sentences]

    def carry_parts(
        self,
        sentences: Sequence[list[str]],
        names: Sequence[str],
        carried: CarriedState,
        *,
        boundaries: bool = False,
    ) -> Iterator[tuple[LayerTensors, Sequence[list[str]]]]:
        """Compute layers as `carry`, in as many parts as the budget requires.

        sentences (Sequence[list[str]]): See `carry`. With `boundaries`, a batch without any tokens is run, too.
        names (Sequence[str]): See `carry`.
        carried (CarriedState): See `carry`.
        boundaries (bool): Whether the layers have rows for boundary tokens, too.
        YIELDS (tuple[LayerTensors, Sequence[list[str]]]): The layers of each part, flat, and its sentences.
        """
        if not boundaries and not any(sentences):
            # As in AllenNLP, such a batch is not run.
            return
        # Rows are independent, so that a batch may run in parts; every row counts, even an empty one.
        start = carried.take(self._zero_state(len(sentences)))
        end = LSTMState(start.hidden.clone(), start.cell.clone())
        done = 0

        def run(batch: Sequence[list[str]]) -> tuple[LayerTensors, Sequence[list[str]]]:
            nonlocal done
            rows = torch.arange(done, done + len(batch), device=start.hidden.device)
            tensors, final = self._run(batch, names, start.rows(rows), boundaries=boundaries)
            if final is not None:
                end.hidden.index_copy_(2, rows, final.hidden)
                end.cell.index_copy_(2, rows, final.cell)
            done += len(batch)
            return tensors, batch

        for batch in split_batches(sentences, self.budget.tokens):
            yield from self.budget.run(batch, run, release=self.engine.release)
        carried.put(end)

    @torch.inference_mode(False)
    def make_empty(self, names: Sequence[str]) -> LayerOutputs:
        """Make the layers of a sentence without tokens.

        names (Sequence[str]): The layers.
        RETURNS (LayerOutputs): Arrays without rows.
        """
        like, arrays = self.mix.gamma.detach(), {}
        for name in names:
            empty = like.new_empty(0, layer_width(name, self.options), dtype=self.dtype)
            arrays[name] = empty if self.as_tensors else empty.cpu().numpy().copy()
        return LayerOutputs(arrays, n_layers=self.options.lstm.n_layers)

    def _submit_batches(
        self, sentences: Iterable[list[str]], names: Sequence[str]
    ) -> Iterator[Pending[list[LayerOutputs]]]:
        for batch in split_batches(sentences, self.budget.tokens):
            yield from self.budget.run(batch, partial(self._submit_batch, names), release=self.engine.release)

    def _submit_batch(self, names: Sequence[str], sentences: Sequence[list[str]]) -> Pending[list[LayerOutputs]]:
        def send(layers: LayerTensors) -> Arrive:
            if not layers:
                empty = [self.make_empty(names)] * len(sentences)
                return lambda: empty
            return self._send(layers, sentences)

        pending = self._start([self._plan(names, sentences)], send)
        return Pending(partial(self._wait_for_arrays, pending), pending.cancel)

    def _start(self, plans: Sequence[Plan[LayerTensors]], then: Callable[[LayerTensors], R]) -> Pending[R]:
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
        # A GPU's answer may have arrived by now.
        if self.finite.pending:
            self.finite.report(self.weights)
        return outputs

    def _plan(
        self, names: Sequence[str], sentences: Sequence[list[str]], *, boundaries: bool = False
    ) -> Plan[LayerTensors]:
        if not names or not (boundaries or count_tokens(sentences).any()):
            return Plan.from_result({})
        n_layers = _count_lstm_layers(tuple(names), n_layers=self.options.lstm.n_layers)
        with computation():
            plan = self.engine.plan(sentences, n_layers=n_layers, state=None, boundaries=boundaries)
            if plan.parts:
                return Plan(plan.parts, lambda: self._select_layers(plan.finish(), names))
            return Plan.from_result(self._select_layers(plan.finish(), names))

    def _run(
        self, sentences: Sequence[list[str]], names: Sequence[str], state: LSTMState, *, boundaries: bool
    ) -> tuple[LayerTensors, LSTMState | None]:
        """Compute layers, flat, (n_tokens, width), on the device, and the final state of all LSTM layers."""
        with computation():
            n_layers = self.options.lstm.n_layers
            plan = self.engine.plan(sentences, n_layers=n_layers, state=state, boundaries=boundaries)
            batch = self.engine.workers.start(plan).result()
            return self._select_layers(batch, names), batch.state

    @torch.inference_mode()
    def _select_layers(self, batch: BatchOutputs, names: Sequence[str]) -> LayerTensors:
        tensors = {WORD_EMB: batch.word_emb}
        tensors.update((lstm_layer(k + 1), layer) for k, layer in enumerate(batch.lstm))
        if MIXED in names:
            tensors[MIXED] = self.mix.mix_bilm(batch.word_emb, batch.lstm)
        found = {name: tensors[name] for name in names}
        # If a number of a layer is not finite, nor is the mix.
        self.finite.add({MIXED: found[MIXED]} if MIXED in found else found)
        return found

    def _send(self, layers: LayerTensors, sentences: Sequence[list[str]]) -> Arrive:
        lengths, n_layers = count_tokens(sentences).tolist(), self.options.lstm.n_layers
        if self.as_tensors:
            return partial(list, split_tensors(layers, lengths, n_layers=n_layers))
        return self.engine.delivery.send(layers, lengths, n_layers=n_layers)

    def _zero_state(self, n_sentences: int) -> LSTMState:
        lstm, like = self.options.lstm, self.mix.gamma.detach()
        shape = (2, lstm.n_layers, n_sentences)
        return LSTMState(like.new_zeros(*shape, lstm.projection_dim), like.new_zeros(*shape, lstm.dim))


def _get_first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")
