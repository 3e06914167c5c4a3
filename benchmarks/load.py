"""Other work on the machine: processes that keep a processor busy each."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from .peers import WORKERS

# Of whatever library NumPy multiplies by.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB")}


@contextmanager
def busy(number: int) -> Iterator[list[int]]:
    """Inside, so many processes multiply NumPy matrices, one thread each. YIELDS: their ids.

    Each ends when its input is closed: also when this process is killed, and nothing here is run any more.
    """
    with ExitStack() as stack:
        processes = [_start(stack) for _ in range(number)]
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != b"busy\n":
                raise RuntimeError("the process that was to be busy has ended")
        yield [process.pid for process in processes]


def _start(stack: ExitStack) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, str(WORKERS / "keep_busy.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **ONE_THREAD},
        # Ctrl-C is for this process, which then ends the others.
        start_new_session=True,
    )
    stack.enter_context(process)
    stack.callback(process.kill)
    return process
