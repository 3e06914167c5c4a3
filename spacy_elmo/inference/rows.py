"""The base of the engines of CPU and GPU: word types from a table, and rows of sentences without boundary
tokens."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..bilm.alphabet import make_alphabet
from ..bilm.lstm import LSTMState, expand_state
from ..bilm.options import Options
from ..gpu.transfer import to_device
from ..runtime.isolation import computation
from ..runtime.workers import Plan, Workers
from .base import BatchOutputs, Delivery, Sentence
from .schedule import Schedule
from .sentences import count_tokens, find_token_rows, find_word_types
from .word_table import WordTable

# Both directions, as `bilm` names them.
STACKS = ("forward_stack", "backward_stack")
# The least numbers of an operation that torch divides among its threads.
LEAST_FOR_WORKERS = 32768


# Layers, (n_tokens, 2P), flat, and the final state of each row, (2, n_layers, n_rows, ...), or None.
LayersAndState = tuple[list[Tensor], LSTMState | None]


class RowsEngine(ABC):
    """Inference by a schedule of rows. See `Engine` for the contract.

    From a constant initial state, the opening boundary token always leads to the same state, which is computed
    once. The step on the closing boundary token has no visible result, and is left out.

    options (Options): The options of the biLM.
    workers (Workers): See `Engine`.
    table (WordTable): The embeddings of word types, on the device.
    device (torch.device): The device.
    most_rows (int): The most rows of sentences that run in parallel.
    initial_state (LSTMState | None): The initial state of every sentence, hidden (2, L, P) and cell (2, L, C);
        None: zeros.
    """

    delivery: Delivery

    def __init__(
        self,
        *,
        options: Options,
        workers: Workers,
        table: WordTable,
        device: torch.device,
        most_rows: int,
        initial_state: LSTMState | None,
    ):
        self.options = options
        self.workers = workers
        alphabet = make_alphabet(options)
        # The one that each direction begins with.
        self._boundary_tokens = (alphabet.opening, alphabet.closing)
        self._table = table
        self._device = device
        # Does not wait for a GPU.
        self._to_device: Callable[[NDArray[np.int64]], Tensor] = (
            torch.from_numpy if device.type == "cpu" else partial(to_device, device=device)
        )
        self._most_rows = most_rows
        self._initial_state = initial_state
        self._opened: LSTMState | None = None

    @property
    def module(self) -> nn.Module | None:
        return None

    def run(self, sentences: Sequence[Sentence], *, n_layers: int, state: LSTMState | None) -> BatchOutputs:
        return self.workers.start(self.plan(sentences, n_layers=n_layers, state=state)).result()

    def plan(
        self,
        sentences: Sequence[Sentence],
        *,
        n_layers: int,
        state: LSTMState | None,
        boundaries: bool = False,
    ) -> Plan[BatchOutputs]:
        with computation(), torch.inference_mode():
            if boundaries and state is None:
                # The rows of boundary tokens are computed where each sentence has a state to start from.
                state = expand_state(self._get_initial_state(), len(sentences))
            n_boundaries = 1 if state is not None else 0
            # Before the words are looked up, because this looks up words, too.
            opened = self._opened
            if opened is None and state is None and n_layers:
                opened = self._opened = self._compute_opened()
            opening, closing = self._boundary_tokens
            words_of_types, numbers = self._look_up(sentences, [opening] * n_boundaries, [closing] * n_boundaries)
            type_of_row = self._to_device(numbers)
            lengths = (count_tokens(sentences) + 2 * n_boundaries).tolist()
            hides = state is not None and not boundaries
            shown = to_device(find_token_rows(lengths), self._device) if hides else None
            if not n_layers:
                return self._plan_words(words_of_types, type_of_row if shown is None else type_of_row[shown])
            if state is None:
                assert opened is not None
                schedule = Schedule(lengths, most_rows=self._most_rows)
                run = self._begin(words_of_types, type_of_row, schedule, opened, n_layers, keep_state=False)
            else:
                schedule = Schedule(lengths)
                rows = schedule.sentence_rows().to(self._device)
                start = state.rows(torch.argsort(rows))
                run = self._begin(words_of_types, type_of_row, schedule, start, n_layers, keep_state=True)

            @torch.inference_mode()
            def outputs() -> BatchOutputs:
                words = words_of_types.index_select(0, type_of_row)
                layers, final = run.finish()
                if state is None:
                    return BatchOutputs(words, layers, None)
                assert final is not None
                if shown is not None:
                    words, *layers = [layer.index_select(0, shown) for layer in (words, *layers)]
                return BatchOutputs(words, layers, final.rows(rows))

            if run.parts:
                return Plan(run.parts, outputs)
            return Plan.from_result(outputs())

    def _plan_words(self, types: Tensor, numbers: Tensor) -> Plan[BatchOutputs]:
        """Plan a batch without LSTM layers."""
        found: list[Tensor] = []

        @torch.inference_mode()
        def gather() -> None:
            found.append(types.index_select(0, numbers))

        if len(numbers) * types.size(1) >= LEAST_FOR_WORKERS and self._device.type == "cpu":
            return Plan([gather], lambda: BatchOutputs(found[0], [], None))
        gather()
        return Plan([], lambda: BatchOutputs(found[0], [], None))

    @abstractmethod
    def named_tensors(self) -> dict[str, Tensor]: ...

    @abstractmethod
    def batch_tokens(self) -> int: ...

    @abstractmethod
    def release(self) -> None: ...

    @abstractmethod
    def _begin(
        self,
        types: Tensor,
        numbers: Tensor,
        schedule: Schedule,
        start: LSTMState,
        n_layers: int,
        *,
        keep_state: bool,
    ) -> Plan[LayersAndState]:
        """Plan the LSTM layers of a batch.

        types (Tensor): The embeddings of word types, (n_types, P).
        numbers (Tensor): The word type of each flat row, (n_tokens,).
        schedule (Schedule): The rows and steps of the batch.
        start (LSTMState): The initial state, (2, L, 1 or n_rows, ...).
        n_layers (int): LSTM layers to compute.
        keep_state (bool): Whether the final state is needed.
        RETURNS (Plan[LayersAndState]): The plan.
        """

    def _look_up(
        self, sentences: Sequence[Sentence], before: Sequence[str], after: Sequence[str]
    ) -> "tuple[Tensor, NDArray[np.int64]]":
        """Look up embeddings, (n_types, P), and the number of each token's, (n_tokens,), with boundary tokens
        before and after each sentence."""
        types, numbers = find_word_types(sentences, before=before, after=after)
        return self._table.look_up(types), numbers

    def _compute_opened(self) -> LSTMState:
        """Compute the state after the opening boundary token, hidden (2, L, 1, P)."""
        words = self._table.look_up(self._boundary_tokens)
        start = expand_state(self._get_initial_state(), 1)
        # Each direction reads the boundary token that it begins with.
        finals = [self._compute_state_after(words, d, start) for d in (0, 1)]
        return LSTMState(*(torch.stack(parts) for parts in zip(*finals)))

    def _get_initial_state(self) -> LSTMState:
        """Get the constant initial state, hidden (2, L, P)."""
        if self._initial_state is not None:
            return self._initial_state
        lstm = self.options.lstm
        return LSTMState(
            torch.zeros(2, lstm.n_layers, lstm.projection_dim, dtype=torch.float32, device=self._device),
            torch.zeros(2, lstm.n_layers, lstm.dim, dtype=torch.float32, device=self._device),
        )

    def _compute_state_after(self, words: Tensor, direction: int, start: LSTMState) -> LSTMState:
        """Compute a direction's state after the word of the same number, hidden (L, 1, P)."""
        number = torch.tensor([direction], device=self._device)
        n_layers = self.options.lstm.n_layers
        run = self._begin(words, number, Schedule([1]), start, n_layers, keep_state=True)
        _, final = self.workers.start(run).result()
        assert final is not None
        return LSTMState(*(part[direction] for part in final))
