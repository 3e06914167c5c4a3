"""What a process does that embeds input files for `spacy-elmo embed`."""

import multiprocessing
import os
import signal
import threading
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...util.atomic import remove_unfinished
from .. import format_error
from .embed_settings import EmbedSettings
from .embedder import FileEmbedder
from .one_file import FileResult, embed_file
from .plan import FileTask

if TYPE_CHECKING:
    from ctypes import Array, c_double


@dataclass
class _State:
    """What a worker process has.

    progress (Array[c_double]): Where it writes how many bytes and tokens of its file are done.
    settings (EmbedSettings): How files are embedded.
    output_format (str): The format of the outputs.
    embedder (FileEmbedder | None): The model, when it is loaded.
    warnings (list[str]): The texts of warnings since the last result.
    """

    progress: "Array[c_double]"
    settings: EmbedSettings
    output_format: str
    embedder: FileEmbedder | None = None
    warnings: list[str] = field(default_factory=list)


_state: _State


def prepare(progress: "Array[c_double]", settings: EmbedSettings, output_format: str) -> None:
    """Begin a process that embeds files; see `embed_in_processes`.

    progress (Array[c_double]): Where it writes how many bytes and tokens of its file are done.
    settings (EmbedSettings): How files are embedded.
    output_format (str): The format of the outputs.
    """
    global _state
    _state = _State(progress, settings, output_format)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: _exit_now())
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    warnings.showwarning = lambda message, *where, **more: _state.warnings.append(str(message))
    threading.Thread(target=_watch_parent, daemon=True).start()


def embed_task(task: FileTask) -> FileResult:
    """Embed a file in such a process, which loads the model for its first one.

    task (FileTask): The file.
    RETURNS (FileResult): What became of it.
    """
    try:
        if _state.embedder is None:
            _state.embedder = FileEmbedder(_state.settings, _state.output_format)
            # The parent has loaded the model, too, and given these.
            _state.warnings.clear()
    except Exception as error:
        # It can be loaded, but not in this process.
        return FileResult(None, f"{task.path}: {format_error(error)}", stops_others=True)

    def report(n_bytes: float, n_tokens: int) -> None:
        _state.progress[:] = [n_bytes, n_tokens]

    result = embed_file(_state.embedder, task, report)
    texts = [*_state.warnings]
    _state.warnings.clear()
    return result._replace(warnings=texts)


def _watch_parent() -> None:
    """End this process when the one that started it has been killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _exit_now()


def _exit_now() -> None:
    remove_unfinished()
    os._exit(1)
