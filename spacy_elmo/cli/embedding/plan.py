"""Which output file of `spacy-elmo embed` belongs to which input file, where the output is a folder."""

import errno
import os
import sys
from collections.abc import Sequence
from glob import has_magic
from pathlib import Path
from typing import NamedTuple

from ...errors import ElmoError, ElmoFileExistsError, Errors
from ...inputs.paths import Given, find_inputs
from ...util.atomic import WriteError
from .formats import ENDINGS

_OUTPUT_ENDINGS = tuple(ending for endings in ENDINGS.values() for ending in endings)
# Where names that differ in upper and lower case only may be names of one file.
_IGNORES_CASE = sys.platform in ("win32", "darwin")


class FileTask(NamedTuple):
    """An input file to embed.

    path (Path): The input.
    output (Path): The file to write.
    size (int): Bytes of the input, as it is stored.
    """

    path: Path
    output: Path
    size: int


class Plan(NamedTuple):
    """What is done for a folder of outputs.

    tasks (list[FileTask]): The files to embed.
    n_existing (int): The number of those whose outputs exist and are kept.
    """

    tasks: list[FileTask]
    n_existing: int


def plan_outputs(
    given: Sequence[Given],
    folder: Path,
    *,
    output_format: str,
    format: str | None,
    source: Sequence[Path],
    resume: bool,
    force: bool,
) -> Plan:
    """Find the input files, and choose the name of each output: that of the input below the folder or pattern that
    was given, with an ending.

    given (Sequence[Given]): The inputs, as for `find_inputs`. Outputs in them, of this run or an earlier one, are
        not inputs.
    folder (Path): The folder of the outputs.
    output_format (str): The format of the outputs.
    format (str | None): The format of the inputs; None: by the names of the files.
    source (Sequence[Path]): The files of the model.
    resume (bool): Whether to keep existing outputs.
    force (bool): Whether to replace existing outputs.
    RETURNS (Plan): What is left to do.
    RAISES (FileNotFoundError, ElmoError): As `find_inputs`; for standard input, or two inputs with one output.
    RAISES (FileExistsError): If outputs exist, without `resume` and `force`.
    RAISES (OSError): If files cannot be written to the folder.
    """
    _check_folder(folder)
    top = os.path.realpath(folder)

    def is_output(path: Path) -> bool:
        return path.suffix.lower() in _OUTPUT_ENDINGS and Path(os.path.realpath(path)).is_relative_to(top)

    files = find_inputs(given, format, skip=is_output)
    for file in files:
        if file.is_stream:
            raise ElmoError(Errors.EL228.format(path=file.path, folder=folder))
    names = _Names([Path(one) for one in given])
    ending = ENDINGS[output_format][0]
    tasks = []
    # A file that is named twice is embedded once.
    for path in dict.fromkeys(file.path for file in files):
        name = names.find(path)
        tasks.append(FileTask(path, folder / name.parent / f"{name.name}{ending}", path.stat().st_size))
    _check_names(tasks)
    # os.path, unlike pathlib, takes names of any length without an error.
    existing = {task.output for task in tasks if os.path.exists(task.output)}
    _check_existing(tasks, existing, source)
    if existing and not (resume or force):
        first = next(task.output for task in tasks if task.output in existing)
        raise ElmoFileExistsError(Errors.EL232.format(n=len(existing), path=first))
    kept = existing if resume else set()
    return Plan([task for task in tasks if task.output not in kept], len(kept))


class _Names:
    """Names of files below what was given."""

    def __init__(self, given: Sequence[Path]):
        self._files = {path for path in given if not path.is_dir()}
        self._folders = [path if path.is_dir() else _get_fixed_part(path) for path in given if not path.is_file()]

    def find(self, path: Path) -> Path:
        """Get the name of a file below the folder or pattern that it belongs to.

        path (Path): The file.
        RETURNS (Path): A relative path; the name alone if the file itself was given.
        """
        if path not in self._files:
            for folder in self._folders:
                if path.is_relative_to(folder):
                    name = Path(os.path.normpath(path.relative_to(folder)))
                    if ".." not in name.parts:
                        return name
        return Path(path.name)


def _get_fixed_part(pattern: Path) -> Path:
    """Get the folders of a pattern before the first that has wildcards."""
    fixed = Path(pattern.anchor)
    for part in pattern.parent.parts[len(fixed.parts) :]:
        if has_magic(part):
            break
        fixed /= part
    return fixed


def _check_folder(folder: Path) -> None:
    number = None
    if folder.is_dir():
        number = None if os.access(folder, os.W_OK | os.X_OK) else errno.EACCES
    elif os.path.lexists(folder):
        number = errno.EEXIST
    if number is not None:
        raise WriteError(folder, number, os.strerror(number))


def _check_names(tasks: Sequence[FileTask]) -> None:
    """Check that no output has the name of another, or of a folder that another needs."""

    def identify(path: Path) -> str:
        return str(path).casefold() if _IGNORES_CASE else str(path)

    seen: dict[str, FileTask] = {}
    for task in tasks:
        other = seen.setdefault(identify(task.output), task)
        if other is not task:
            raise _clash(other, task)
    for task in tasks:
        for parent in task.output.parents:
            if file := seen.get(identify(parent)):
                raise _clash(file, task)


def _clash(one: FileTask, other: FileTask) -> ElmoError:
    return ElmoError(Errors.EL231.format(one=one.path, other=other.path, path=one.output, also=other.output))


def _check_existing(tasks: Sequence[FileTask], existing: set[Path], source: Sequence[Path]) -> None:
    """Check that only files are replaced, and none that is read."""
    if not existing:
        return
    read = {_identify(path) for path in (*(task.path for task in tasks), *source)}
    for path in existing:
        if not path.is_file():
            raise ElmoError(Errors.EL067.format(path=path))
        if _identify(path) in read:
            raise ElmoError(Errors.EL066.format(path=path))


def _identify(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
