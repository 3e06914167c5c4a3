"""Processes that embed input files for `spacy-elmo embed`, one file at a time each."""

import multiprocessing
import multiprocessing.process
import signal
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from ctypes import c_double

from ...errors import Errors
from ...util.temporary import remove_stale
from .embed_settings import EmbedSettings
from .embedder import Report
from .one_file import FileResult
from .plan import FileTask
from .worker import embed_task, prepare

# Seconds between two updates of the progress, and until a process is killed that does not end.
_PERIOD, _PATIENCE = 0.2, 10.0


def embed_in_processes(
    tasks: Sequence[FileTask], settings: EmbedSettings, output_format: str, *, n_process: int, report: Report
) -> Generator[tuple[FileTask, FileResult]]:
    """Embed files in several processes, the largest first. A process that was killed is replaced.

    tasks (Sequence[FileTask]): The files.
    settings (EmbedSettings): How they are embedded.
    output_format (str): The format of the outputs.
    n_process (int): The number of processes.
    report (Report): Called now and then with the bytes and tokens of unfinished files that are done.
    YIELDS (tuple[FileTask, FileResult]): Each file when it is done, with what became of it.
    """
    waiting = deque(sorted(tasks, key=lambda task: task.size, reverse=True))
    others = {process.pid for process in multiprocessing.active_children()}
    workers = [_Worker(settings, output_format) for _ in range(min(n_process, len(tasks)))]
    # Processes that have ended in a row, without a file that was done.
    n_dead = 0
    try:
        for worker in workers:
            worker.start(waiting.popleft())
        while busy := {worker.future: worker for worker in workers if worker.future is not None}:
            done, _ = wait(busy, timeout=_PERIOD, return_when=FIRST_COMPLETED)
            for future in done:
                worker = busy[future]
                task, result = worker.finish()
                n_dead = n_dead + 1 if result is None else 0
                if result is None:
                    remove_stale(task.output.parent)
                    result = FileResult(None, Errors.EL234.format(path=task.path), stops_others=n_dead > n_process)
                yield task, result
                if waiting:
                    worker.start(waiting.popleft())
            unfinished = [worker.progress for worker in workers if worker.future is not None]
            report(sum(n_bytes for n_bytes, _ in unfinished), int(sum(n_tokens for _, n_tokens in unfinished)))
    except BaseException:
        _terminate_all([process for process in multiprocessing.active_children() if process.pid not in others])
        raise
    finally:
        for worker in workers:
            worker.close()


class _Worker:
    """A process that embeds one file at a time.

    Each has an executor of its own, so that nothing but its file is lost if it is killed.

    future (Future[FileResult] | None): What becomes of its file; None if it has none.
    """

    def __init__(self, settings: EmbedSettings, output_format: str):
        self._context = multiprocessing.get_context("spawn")
        self._progress = self._context.RawArray(c_double, 2)
        self._arguments = (self._progress, settings, output_format)
        self._executor: ProcessPoolExecutor | None = None
        self._task: FileTask | None = None
        self.future: Future[FileResult] | None = None

    @property
    def progress(self) -> tuple[float, float]:
        """The bytes and the tokens of its file that are done."""
        return self._progress[0], self._progress[1]

    def start(self, task: FileTask) -> None:
        """Give it a file.

        task (FileTask): The file.
        """
        self._progress[:] = [0.0, 0.0]
        self._task = task
        try:
            self.future = self._submit(task)
        except BrokenProcessPool:
            # It was killed after its last file.
            self.close()
            self.future = self._submit(task)

    def finish(self) -> tuple[FileTask, FileResult | None]:
        """Get its file, which is done.

        RETURNS (tuple[FileTask, FileResult | None]): The file, and what became of it; None if the process ended.
        """
        assert self._task is not None
        assert self.future is not None
        task, future = self._task, self.future
        self._task = self.future = None
        try:
            return task, future.result()
        except BrokenProcessPool:
            self.close()
            return task, None

    def _submit(self, task: FileTask) -> "Future[FileResult]":
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                1, mp_context=self._context, initializer=prepare, initargs=self._arguments
            )
        with _hold_interrupts():
            return self._executor.submit(embed_task, task)

    def close(self) -> None:
        """End the process, when it has no file or was terminated."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None


@contextmanager
def _hold_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back from a process that starts, until `prepare` ignores it: the parent ends it."""
    if not hasattr(signal, "pthread_sigmask"):
        # Windows.
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _terminate_all(processes: Sequence[multiprocessing.process.BaseProcess]) -> None:
    """End processes, which remove their temporary files first."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_PATIENCE)
        if process.is_alive():
            process.kill()
