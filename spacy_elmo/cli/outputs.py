"""Checks of output files: no command overwrites its input, and none replaces a file without --force."""

from collections.abc import Sequence
from pathlib import Path

from ..errors import ElmoError, ElmoFileExistsError, ElmoFileNotFoundError, Errors

HDF5_ENDINGS = ("", ".h5", ".hdf5", ".hdf", ".he5")
STDOUT = "-"


def is_stdout(path: Path) -> bool:
    """Check whether an output is "-", standard output.

    path (Path): The output.
    RETURNS (bool): Whether it is.
    """
    return str(path) == STDOUT


def check_output(
    path: Path,
    read: Sequence[Path] = (),
    *,
    force: bool = True,
    what: str = "a file",
    endings: Sequence[str] = (),
) -> None:
    """Check that a command can write a file, before any work is done for it.

    path (Path): The file.
    read (Sequence[Path]): Files that the command reads.
    force (bool): Whether an existing file may be replaced.
    what (str): What is written, for messages.
    endings (Sequence[str]): Allowed endings of the name; empty: any.
    RAISES (ElmoError): If no file can be written there, or if it is one that the command reads.
    RAISES (FileNotFoundError): If its folder does not exist.
    RAISES (FileExistsError): If it exists, without `force`.
    """
    check_no_stdout(path, what)
    if path.is_dir():
        raise ElmoError(Errors.EL063.format(path=path))
    if not path.parent.is_dir():
        raise ElmoFileNotFoundError(Errors.EL064.format(path=path))
    exists = path.exists()
    if exists and not path.is_file():
        raise ElmoError(Errors.EL067.format(path=path))
    if exists and any(path.samefile(one) for one in read):
        raise ElmoError(Errors.EL066.format(path=path))
    if endings and path.suffix.lower() not in endings:
        allowed = ", ".join(filter(None, endings))
        raise ElmoError(Errors.EL223.format(path=path, suffix=path.suffix, what=what, allowed=allowed))
    if exists and not force:
        raise ElmoFileExistsError(Errors.EL068.format(path=path))


def check_new_files(folder: Path, names: Sequence[str], *, force: bool) -> None:
    """Check that a command can write files into a folder.

    folder (Path): The folder, which need not exist.
    names (Sequence[str]): The names of the files.
    force (bool): Whether existing files may be replaced.
    RAISES (FileExistsError): If one of the files exists, without `force`.
    """
    found = [name for name in names if (folder / name).is_file()]
    if found and not force:
        raise ElmoFileExistsError(Errors.EL224.format(path=folder, what=", ".join(found)))


def check_no_stdout(path: Path, what: str) -> None:
    """Check that an output is a path, for commands that cannot write to standard output.

    path (Path): The output.
    what (str): What is written, for messages.
    RAISES (ElmoError): If it is "-".
    """
    if is_stdout(path):
        raise ElmoError(Errors.EL222.format(what=what))
