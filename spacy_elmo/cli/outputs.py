"""The rules for the outputs of all commands: no input is written over, and nothing is replaced without --force."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from typer import Option

from ..errors import ElmoError, ElmoFileExistsError, ElmoFileNotFoundError, Errors

Force = Annotated[bool, Option("--force", "-F", help="Replace existing files.")]
HDF5_ENDINGS = ("", ".h5", ".hdf5", ".hdf", ".he5")
STDOUT = "-"


def is_stdout(path: Path) -> bool:
    return str(path) == STDOUT


def check_output(
    path: Path,
    read: Sequence[Path] = (),
    *,
    force: bool = True,
    what: str = "this output",
    endings: Sequence[str] = (),
) -> None:
    """Check the name of a file that a command is about to write.

    read: files that it reads. force: it may be there. what: is written, for messages. endings: that its name may
        have; (): any.
    RAISES (ElmoError): If no such file can be written there, or the command reads it.
    RAISES (FileNotFoundError): Without a folder for it.
    RAISES (FileExistsError): If it is there, without `force`.
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
    """RAISES (FileExistsError): If one of the named files is in the folder, without `force`."""
    found = [name for name in names if (folder / name).is_file()]
    if found and not force:
        raise ElmoFileExistsError(Errors.EL224.format(path=folder, what=", ".join(found)))


def check_no_stdout(path: Path, what: str) -> None:
    """RAISES (ElmoError): For "-"."""
    if is_stdout(path):
        raise ElmoError(Errors.EL222.format(what=what))
