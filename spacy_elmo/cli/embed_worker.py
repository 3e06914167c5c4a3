"""What a process does that embeds input files for `spacy-elmo embed`; and how a file is embedded among others."""

import errno
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import CodedError, printable
from ..util.atomic import WriteError, remove_unfinished
from . import format_error
from .embed_model import EmbedSettings, FileEmbedder, Report, Summary
from .embed_plan import FileTask

if TYPE_CHECKING:
    from ctypes import Array, c_double

# Errors of a disk that would meet other files, too.
_OF_DISK = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS") if hasattr(errno, name)}


class FileResult(NamedTuple):
    """What became of an input file.

    summary (Summary | None): What was embedded; None if nothing was.
    failure (str): The message of an error; "" without one.
    is_empty (bool): Whether it was skipped, because it contains no sentences.
    is_last (bool): Whether other files would fail, too, as when the disk is full.
    warnings (Sequence[str]): Texts of warnings, if it was another process that gave them.
    """

    summary: Summary | None
    failure: str = ""
    is_empty: bool = False
    is_last: bool = False
    warnings: Sequence[str] = ()


def embed_file(embedder: FileEmbedder, task: FileTask, report: Report) -> FileResult:
    """Embed one file of several, so that an error concerns this file alone.

    embedder (FileEmbedder): The model.
    task (FileTask): The file.
    report (Report): Called after each sentence with the bytes and tokens of this file that are done.
    RETURNS (FileResult): What became of it.
    """

    def report_bytes(share: float, n_tokens: int) -> None:
        report(share * task.size, n_tokens)

    try:
        inputs = embedder.open(task.path)
        inputs.check()
        task.output.parent.mkdir(parents=True, exist_ok=True)
        return FileResult(embedder.embed(inputs, task.output, report_bytes))
    except Exception as error:
        if isinstance(error, CodedError) and error.code == "EL062":
            return FileResult(None, is_empty=True)
        text = format_error(error)
        if not isinstance(error, (ValueError, OSError, ImportError, CodedError)):
            text = f"{type(error).__name__}: {text}"
        is_last = isinstance(error, WriteError) and error.errno in _OF_DISK
        name = printable(str(task.path))
        return FileResult(None, text if name in text else f"{name}: {text}", is_last=is_last)


class _Here(NamedTuple):
    """What a worker process has.

    progress (Array[c_double]): Where it writes how many bytes and tokens of its file are done.
    settings (EmbedSettings): How files are embedded.
    output_format (str): The format of the outputs.
    embedders (list[FileEmbedder]): The model, when it is loaded.
    warnings (list[str]): The texts of warnings since the last result.
    """

    progress: "Array[c_double]"
    settings: EmbedSettings
    output_format: str
    embedders: list[FileEmbedder]
    warnings: list[str]


_here: _Here


def prepare(progress: "Array[c_double]", settings: EmbedSettings, output_format: str) -> None:
    """Begin a process that embeds files; see `embed_in_processes`.

    progress (Array[c_double]): Where it writes how many bytes and tokens of its file are done.
    settings (EmbedSettings): How files are embedded.
    output_format (str): The format of the outputs.
    """
    global _here
    _here = _Here(progress, settings, output_format, [], [])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: _end())
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    warnings.showwarning = lambda message, *where, **more: _here.warnings.append(str(message))
    threading.Thread(target=_watch_parent, daemon=True).start()


def embed_task(task: FileTask) -> FileResult:
    """Embed a file in such a process, which loads the model for its first one.

    task (FileTask): The file.
    RETURNS (FileResult): What became of it.
    """
    try:
        if not _here.embedders:
            _here.embedders.append(FileEmbedder(_here.settings, _here.output_format))
            # The parent has loaded the model, too, and given these.
            _here.warnings.clear()
    except Exception as error:
        # It can be loaded, but not in this process.
        return FileResult(None, f"{task.path}: {format_error(error)}", is_last=True)

    def report(n_bytes: float, n_tokens: int) -> None:
        _here.progress[:] = [n_bytes, n_tokens]

    result = embed_file(_here.embedders[0], task, report)
    texts = [*_here.warnings]
    _here.warnings.clear()
    return result._replace(warnings=texts)


def _watch_parent() -> None:
    """End this process when the one that started it has been killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _end()


def _end() -> None:
    remove_unfinished()
    os._exit(1)
