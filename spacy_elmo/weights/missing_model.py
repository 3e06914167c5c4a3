"""Why there is no model in a folder: what is there instead, and what to do about it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import ElmoError, ElmoFileNotFoundError, Errors
from ..util.files import check_readable, check_regular
from .formats import import_reader
from .model_files import Files, is_options_name, show_names
from .nested_folders import find_unfinished
from .sniff import BROKEN, FOREIGN, WEIGHTS_ENDINGS, Kind, unpack_command


def check_named(paths: Iterable[Path]) -> None:
    """Refuse files of a model that cannot be read: nothing may be made up in their place.

    paths (Iterable[Path]): What is in its folder.
    RAISES (ElmoError): If what has the name of options or weights is no regular file.
    RAISES (FileNotFoundError): If it is a link to nothing.
    RAISES (OSError): If it is a link to itself.
    """
    for path in sorted(paths):
        if not path.is_dir() and (is_options_name(path) or path.name.endswith(WEIGHTS_ENDINGS)):
            check_file(path)


def check_file(path: Path) -> None:
    """Refuse what is no file that can be read.

    path (Path): The file.
    RAISES (ElmoError): If it is no regular file.
    RAISES (FileNotFoundError): If it does not exist; if it is a link, the message says so.
    RAISES (OSError): If it is a link to itself.
    """
    try:
        check_regular(path)
    except FileNotFoundError as error:
        if not path.is_symlink():
            raise
        raise ElmoFileNotFoundError(Errors.EL298.format(path=path)) from error


def explain_missing(folder: Path, files: Mapping[Path, Kind], *, found: str | None = None) -> Files:
    """Raise the error that says why a folder has no model.

    folder (Path): The folder.
    files (Mapping[Path, Kind]): Its files and their kinds.
    found (str | None): What is there; None: the names of its files and folders.
    RETURNS (Files): A file whose reader says best what is wrong.
    RAISES (ElmoError): If files are compressed, damaged, not downloaded, or of other programs.
    RAISES (FileNotFoundError): If the folder has nothing of a model, or links to nothing.
    """
    check_named(folder.iterdir())
    # Rather weights than a picture.
    for path in sorted(files, key=lambda path: not path.name.endswith(WEIGHTS_ENDINGS)):
        if files[path] == "pointer":
            check_readable(path)
    inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    if any(is_options_name(path) for path in inside):
        # There are options: only this file may hold the weights.
        for path, kind in files.items():
            command = unpack_command(path, kind)
            if command:
                raise ElmoError(Errors.EL258.format(path=path, kind=kind, command=command))
        for path, kind in files.items():
            if kind in BROKEN and path.name.endswith(WEIGHTS_ENDINGS):
                import_reader(path)
    for path, kind in files.items():
        if kind in ("pickle", *FOREIGN):
            import_reader(path)
            return Files(None, path)
    shown = found or show_names(inside) or "nothing"
    text = Errors.EL013.format(path=folder, found=shown, hint=_find_inner_model(folder))
    raise find_unfinished(folder) or ElmoFileNotFoundError(text)


def _find_inner_model(folder: Path) -> str:
    """The model of a pre-training run or of a saved pipeline, when its folder was given."""
    for path in (folder / "model", *sorted(folder.glob("*/model"))):
        if path.is_dir() and any(is_options_name(inside) for inside in path.iterdir()):
            return f" Give '{path}', the model in it."
    return ""
