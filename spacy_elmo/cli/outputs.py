"""The rules for the outputs of all commands: no input is written over, and nothing is replaced without --force."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from typer import Option

from ..errors import Errors

Force = Annotated[bool, Option("--force", "-F", help="Replace what is there.")]
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
    RAISES: ValueError if no such file can be written there, or the command reads it; FileNotFoundError without a
        folder for it; FileExistsError if it is there, without `force`.
    """
    check_no_stdout(path, what)
    if path.is_dir():
        raise ValueError(Errors.EL063.format(path=path))
    if not path.parent.is_dir():
        raise FileNotFoundError(Errors.EL064.format(path=path))
    exists = path.exists()
    if exists and not path.is_file():
        raise ValueError(Errors.EL067.format(path=path))
    if exists and any(path.samefile(one) for one in read):
        raise ValueError(Errors.EL066.format(path=path))
    if endings and path.suffix.lower() not in endings:
        allowed = ", ".join(filter(None, endings))
        raise ValueError(Errors.EL223.format(path=path, suffix=path.suffix, what=what, allowed=allowed))
    if exists and not force:
        raise FileExistsError(Errors.EL068.format(path=path))


def check_new_files(folder: Path, names: Sequence[str], *, force: bool) -> None:
    """RAISES: FileExistsError if one of the named files is in the folder, without `force`."""
    found = [name for name in names if (folder / name).is_file()]
    if found and not force:
        raise FileExistsError(Errors.EL224.format(path=folder, what=", ".join(found)))


def check_no_stdout(path: Path, what: str) -> None:
    """RAISES: ValueError for "-"."""
    if is_stdout(path):
        raise ValueError(Errors.EL222.format(what=what))
