"""How one input file is embedded among others: an error concerns this file alone."""

import errno
from collections.abc import Sequence
from typing import NamedTuple

from ...errors import CodedError, printable
from ...util.atomic import WriteError
from .. import format_error
from .embedder import FileEmbedder, Report, Summary
from .plan import FileTask

# Errors of a disk that would meet other files, too.
_OF_DISK = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS") if hasattr(errno, name)}


class FileResult(NamedTuple):
    """What became of an input file.

    summary (Summary | None): What was embedded; None if nothing was.
    failure (str): The message of an error; "" without one.
    is_empty (bool): Whether it was skipped, because it contains no sentences.
    stops_others (bool): Whether other files would fail, too, as when the disk is full.
    warnings (Sequence[str]): Texts of warnings, if it was another process that gave them.
    """

    summary: Summary | None
    failure: str = ""
    is_empty: bool = False
    stops_others: bool = False
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
        stops_others = isinstance(error, WriteError) and error.errno in _OF_DISK
        name = printable(str(task.path))
        return FileResult(None, text if name in text else f"{name}: {text}", stops_others=stops_others)
