"""The fast engine: word types from a table, rows of sentences without marks, a schedule for both directions."""

from typing import Dict, List, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn

from ..bilm.alphabet import alphabet_of
from ..bilm.build import take
from ..bilm.lstm import LSTMState
from ..bilm.options import Options
from .base import BatchOutputs, Sentence
from .fast_encoder import FastCharEncoder
from .fast_lstm import FastStack
from .input_gates import Inputs
from .linear import LinearType
from .schedule import Schedule
from .threads import after_fork, both
from .word_table import WordTable
from .word_types import without_marks, word_types

# Sentences run side by side in this many rows: enough for tall matrix products.
MOST_ROWS = 128
# Directions run side by side from so many threads on. With two threads, in turn was faster at nearly every number
# of rows and in every precision (Xeon with AMX); with many, the parts of one operation get small.
SIDE_BY_SIDE_THREADS = 4
STACKS = ("forward_stack", "backward_stack")


class FastEngine:
    """Inference on the CPU. See `Engine` for the contract.

    options, tensors: of a biLM, float32, by the names of its state_dict; they are taken out as they are laid out
        anew, so that weights are not held twice.
    encoder_linear, lstm_linear: how matrix products are computed in the two parts.
    initial_state: where every sentence starts from, hidden (2, L, P) and cell (2, L, C); None: zeros.

    The step on a sentence's first mark always gives the same state from a constant one: it is computed once. What
    the step on the last mark gives is never shown: it is left out.
    """

    @property
    def module(self) -> Optional[nn.Module]:
        return None

    def __init__(
        self,
        *,
        options: Options,
        tensors: Dict[str, Tensor],
        encoder_linear: LinearType,
        lstm_linear: LinearType,
        initial_state: Optional[LSTMState] = None,
    ):
        after_fork()
        self.options = options
        alphabet = alphabet_of(options)
        # That each direction begins with.
        self._marks = (alphabet.opening, alphabet.closing)
        stacks = [take(tensors, f"{name}.") for name in STACKS]

        @torch.inference_mode()
        def stack(d: int) -> FastStack:
            return FastStack(stacks[d], options=options.lstm, linear=lstm_linear)

        with torch.inference_mode():
            self._encoder = FastCharEncoder(take(tensors, "char_encoder."), options=options, linear=encoder_linear)
        self._stacks = both(stack)
        self._table = WordTable(self._encoder.encode, width=options.lstm.projection_dim)
        self._initial_state = initial_state
        self._opened: Optional[LSTMState] = None

    @torch.inference_mode()
    def run(self, sentences: Sequence[Sentence], *, n_layers: int, state: Optional[LSTMState]) -> BatchOutputs:
        after_fork()
        n_marks = 1 if state is not None else 0
        before, after = ([mark] * n_marks for mark in self._marks)
        types, numbers = word_types(sentences, before=before, after=after)
        words_of_types, type_of_row = self._table.look_up(types), torch.from_numpy(numbers)
        words = words_of_types.index_select(0, type_of_row)
        lengths = [len(sentence) + 2 * n_marks for sentence in sentences]
        if not n_layers:
            return BatchOutputs(words, [], None)
        if state is None:
            schedule = Schedule(lengths, most_rows=MOST_ROWS)
            layers, _ = self._run(words_of_types, type_of_row, schedule, self._opened_state(), n_layers)
            return BatchOutputs(words, layers, None)
        schedule = Schedule(lengths)
        rows = schedule.rows_of_sentences()
        start = state.rows(torch.argsort(rows))
        layers, final = self._run(words_of_types, type_of_row, schedule, start, n_layers)
        shown = torch.from_numpy(without_marks(lengths))
        word_emb, *layers = [layer.index_select(0, shown) for layer in (words, *layers)]
        return BatchOutputs(word_emb, layers, final.rows(rows))

    @torch.inference_mode()
    def named_tensors(self) -> Dict[str, Tensor]:
        parts = {"char_encoder": self._encoder.named_tensors()}
        parts.update((name, stack.named_tensors()) for name, stack in zip(STACKS, self._stacks))
        return {f"{part}.{name}": tensor for part, named in parts.items() for name, tensor in named.items()}

    def _run(
        self, types: Tensor, numbers: Tensor, schedule: Schedule, start: LSTMState, n_layers: int
    ) -> Tuple[List[Tensor], LSTMState]:
        """types: (n_types, P). numbers: (n_tokens,), the type of each flat row. start: (2, L, 1 or n_rows, ...).

        RETURNS: layers (n_tokens, 2P), flat, and the state of each row, (2, n_layers, n_rows, ...).
        """
        width = types.size(1)
        layers = [types.new_empty(schedule.n_tokens, 2 * width) for _ in range(n_layers)]

        @torch.inference_mode()
        def direction(d: int) -> LSTMState:
            backward = d == 1
            inputs = Inputs(types, numbers[schedule.order(backward=backward)])
            opened = LSTMState(start.hidden[d], start.cell[d])
            outputs, final = self._stacks[d].run(inputs, schedule, opened, n_layers=n_layers)
            places = schedule.places(backward=backward)
            for layer, output in zip(layers, outputs):
                layer[:, d * width : (d + 1) * width] = output.index_select(0, places)
            return final

        return layers, LSTMState(
            *(torch.stack(parts) for parts in zip(*both(direction, fewest=SIDE_BY_SIDE_THREADS)))
        )

    def _opened_state(self) -> LSTMState:
        """The state after the first mark, hidden (2, L, 1, P)."""
        if self._opened is None:
            lstm = self.options.lstm
            initial = self._initial_state
            if initial is None:
                shape = (2, lstm.n_layers)
                initial = LSTMState(torch.zeros(*shape, lstm.projection_dim), torch.zeros(*shape, lstm.dim))
            words = self._table.look_up(self._marks)
            finals = [
                self._stacks[d].run(
                    Inputs(words[d : d + 1], None),
                    Schedule([1]),
                    LSTMState(initial.hidden[d].unsqueeze(1), initial.cell[d].unsqueeze(1)),
                    n_layers=lstm.n_layers,
                )[1]
                for d in (0, 1)
            ]
            self._opened = LSTMState(*(torch.stack(parts) for parts in zip(*finals)))
        return self._opened
