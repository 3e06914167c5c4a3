"""The rule for outputs of all commands: nothing that is there is replaced without --force."""

from pathlib import Path
from typing import Annotated, Optional, Sequence

from typer import Option

from ..errors import Errors

Force = Annotated[bool, Option("--force", "-F", help="Replace what is there.")]
HDF5_ENDINGS = ("", ".h5", ".hdf5", ".hdf", ".he5")
_STDOUT = "-"


def check_new_file(
    path: Optional[Path], *, force: bool, what: str = "this output", endings: Sequence[str] = ()
) -> None:
    """RAISES: ValueError for "-", which no output but a config's goes to, and for an ending that is not among
    `endings`; FileExistsError if there is such a file, without `force`."""
    if path is None:
        return
    _check_name(path, what)
    if endings and path.suffix.lower() not in endings:
        allowed = ", ".join(ending or "none" for ending in endings)
        raise ValueError(Errors.EL223.format(path=path, suffix=path.suffix, allowed=allowed))
    if path.is_file() and not force:
        raise FileExistsError(Errors.EL068.format(path=path))


def check_new_folder(folder: Path, names: Sequence[str], *, force: bool) -> None:
    """RAISES: ValueError for "-"; FileExistsError if one of the named files is in the folder, without `force`."""
    _check_name(folder, "a folder")
    found = [name for name in names if (folder / name).is_file()]
    if found and not force:
        raise FileExistsError(Errors.EL224.format(path=folder, what=", ".join(found)))


def _check_name(path: Path, what: str) -> None:
    if str(path) == _STDOUT:
        raise ValueError(Errors.EL222.format(what=what))
