"""The engine of the CPU: word types from a table, and rows of sentences without boundary tokens."""

from functools import partial
from typing import cast

import torch
from torch import Tensor

from ...bilm.alphabet import make_alphabet
from ...bilm.build import pop_prefix
from ...bilm.lstm import LSTMState
from ...bilm.options import Options
from ...runtime.isolation import computation
from ...runtime.workers import Plan, Workers
from ..base import CPU_BATCH_TOKENS, InPlace
from ..rows import STACKS, LayersAndState, RowsEngine
from ..schedule import Schedule
from ..word_table import WordTable
from .encoder import CpuCharEncoder
from .input_gates import Inputs
from .linear import LinearType
from .lstm import CpuStack

# The most rows of sentences that run in parallel: enough for efficient matrix products.
MOST_ROWS = 128
# Batches submitted before the first is waited for: the workers run while its results are processed.
AHEAD = 1


class CpuEngine(RowsEngine):
    """Inference on the CPU. See `Engine` for the contract.

    options (Options): The options of a biLM.
    tensors (dict[str, Tensor]): Its state_dict, float32. Tensors are removed once they are copied to another
        layout, so that weights are not in memory twice.
    encoder_linear (LinearType): How the character encoder computes matrix products.
    lstm_linear (LinearType): How the LSTMs compute matrix products.
    initial_state (LSTMState | None): See `RowsEngine`.
    n_threads (int | None): See `Settings`.
    """

    def __init__(
        self,
        *,
        options: Options,
        tensors: dict[str, Tensor],
        encoder_linear: LinearType,
        lstm_linear: LinearType,
        initial_state: LSTMState | None = None,
        n_threads: int | None = None,
    ):
        workers = Workers(n_threads)
        parts = {name: pop_prefix(tensors, f"{name}.") for name in ("char_encoder", *STACKS)}

        @torch.inference_mode()
        def build(name: str) -> CpuCharEncoder | CpuStack:
            if name == "char_encoder":
                return CpuCharEncoder(parts[name], options=options, linear=encoder_linear, workers=workers)
            return CpuStack(parts[name], options=options.lstm, linear=lstm_linear)

        built = dict(zip(parts, workers.map(build, [*parts])))
        self._encoder = cast(CpuCharEncoder, built["char_encoder"])
        self._stacks = [cast(CpuStack, built[name]) for name in STACKS]
        self.delivery = InPlace(ahead=AHEAD)
        super().__init__(
            options=options,
            workers=workers,
            table=WordTable(
                self._encoder.encode, width=options.lstm.projection_dim, shorten=make_alphabet(options).shorten
            ),
            device=torch.device("cpu"),
            most_rows=MOST_ROWS,
            initial_state=initial_state,
        )

    def batch_tokens(self) -> int:
        return CPU_BATCH_TOKENS

    def release(self) -> None:
        """Do nothing: no memory is kept between batches."""

    def named_tensors(self) -> dict[str, Tensor]:
        with computation(), torch.inference_mode():
            parts = {"char_encoder": self._encoder.named_tensors()}
            parts.update((name, stack.named_tensors()) for name, stack in zip(STACKS, self._stacks))
        return {f"{part}.{name}": tensor for part, named in parts.items() for name, tensor in named.items()}

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
        width = types.size(1)
        layers = [types.new_empty(schedule.n_tokens, 2 * width) for _ in range(n_layers)]
        finals: dict[int, LSTMState] = {}
        # Computed here, once for both directions.
        schedule.steps  # noqa: B018

        @torch.inference_mode()
        def direction(d: int) -> None:
            backward = d == 1
            inputs = Inputs(types, numbers[schedule.order(backward=backward)])
            opened = LSTMState(start.hidden[d], start.cell[d])
            outputs, finals[d] = self._stacks[d].run(inputs, schedule, opened, n_layers=n_layers)
            places = schedule.places(backward=backward)
            for layer, output in zip(layers, outputs):
                layer[:, d * width : (d + 1) * width] = output.index_select(0, places)

        def result() -> LayersAndState:
            if not keep_state:
                return layers, None
            return layers, LSTMState(*(torch.stack(parts) for parts in zip(finals[0], finals[1])))

        return Plan([partial(direction, 0), partial(direction, 1)], result)
