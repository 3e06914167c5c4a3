"""The schedule of a batch as the kernels read it: which token is in which row at which step."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...gpu.transfer import Buffers
from ..schedule import Schedule

# Kernels are compiled for these numbers of rows: few, so that few graphs are kept.
FEW_ROWS = (1, 2, 4)
LEAST_TILE = 16


class Plan(NamedTuple):
    """The schedule on the device. At the last step, past the end, places, starts and running are zeros.

    n_rows (int): The rows of the kernels; the last of them may be empty.
    n_steps (int): The steps of the longest row.
    places (Tensor): The flat row of each direction's token, (n_steps + 1, 2, n_rows), int32.
    starts (Tensor): Whether a sentence starts, (n_steps + 1, n_rows), int8.
    running (Tensor): The number of rows that have not ended, (n_steps + 1,), int32.
    step (Tensor): The current step, (1,), int32.
    """

    n_rows: int
    n_steps: int
    places: Tensor
    starts: Tensor
    running: Tensor
    step: Tensor


def kernel_rows(n_rows: int) -> int:
    """Choose the number of rows of the kernels.

    n_rows (int): The rows of a schedule.
    RETURNS (int): As many or more.
    """
    for few in FEW_ROWS:
        if n_rows <= few:
            return few
    return max(LEAST_TILE, 1 << (n_rows - 1).bit_length())


def make_plan(schedule: Schedule, buffers: Buffers) -> Plan:
    """Copy a schedule to the device.

    schedule (Schedule): The schedule.
    buffers (Buffers): The memory on the device.
    RETURNS (Plan): The schedule there.
    """
    n_rows, n_steps = kernel_rows(schedule.n_rows), len(schedule.running)
    places = np.zeros((n_steps + 1, 2, n_rows), dtype=np.int32)
    flat = np.arange(schedule.n_tokens, dtype=np.int32)
    row = schedule.token_rows()
    for direction in (0, 1):
        places[schedule.token_steps(backward=direction == 1), direction, row] = flat
    starts = np.zeros((n_steps + 1, n_rows), dtype=np.int8)
    starts[schedule.starts()] = 1
    running = np.zeros(n_steps + 1, dtype=np.int32)
    running[:n_steps] = schedule.running
    return Plan(
        n_rows,
        n_steps,
        buffers.put("places", places),
        buffers.put("starts", starts),
        buffers.put("running", running),
        buffers.get("step", 1, dtype=torch.int32),
    )
