"""A source, as users write it, to weights: a name of the catalogue, a path, or a pair of paths."""

import difflib
import heapq
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..bilm.fields import show
from ..errors import ElmoError, ElmoFileNotFoundError, Errors
from ..util.files import check_regular
from . import catalogue
from .arrays import Weights
from .locate import OpenFiles, files_of_file, files_of_folder, open_files
from .sniff import Files, checkpoint_at, index_of, sniff
from .urls import safe_url

# Names among which a misspelt one is looked for.
_MOST_NAMES = 500
# Characters of a name in a message.
_SHOWN = 300

Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def read_weights(source: Source) -> Weights:
    """Options and arrays of a source.

    source: a name of the catalogue, a folder, one of a model's files, an archive, or the pair [options, weights].
    RAISES (FileNotFoundError): If there is nothing by that name.
    RAISES (ElmoError): If what is there is no readable biLM.
    RAISES (ImportError): If its format needs a package that is not installed.
    RAISES (OSError): If a download fails, or the system does not let a file be read.
    """
    with open_source(source) as found:
        return found.read()


@contextmanager
def open_source(source: Source) -> Iterator[OpenFiles]:
    """Open the files of a source; those of an archive lie in a folder that exists as long as the block runs.

    source (Source): As for `read_weights`.
    YIELDS (OpenFiles): On disk, no archive.
    RAISES: As `read_weights`.
    """
    with open_files(find_files(source)) as found:
        yield found


def find_files(source: Source) -> Files:
    """The files of a source; a model that was only named is downloaded first, and archives stay as they are.

    RAISES: as `read_weights`.
    """
    if isinstance(source, (str, os.PathLike)) and os.fspath(source):
        return _find_one(os.fspath(source))
    if not isinstance(source, (list, tuple)) or not all(isinstance(part, (str, os.PathLike)) for part in source):
        raise ElmoError(Errors.EL027.format(got=repr(source)))
    if len(source) != 2:
        raise ElmoError(Errors.EL025.format(got=f"{len(source)} path(s)"))
    entries = [catalogue.resolve(str(part)) for part in source]
    if entries[0] is not None and entries[0] is entries[1]:
        return _fetched(entries[0].name)
    first, second = (_existing(Path(part)) for part in source)
    # Whoever swaps the two means the same pair.
    return Files(second, first) if sniff(second) == "json" and sniff(first) != "json" else Files(first, second)


def is_at_hand(source: Source) -> bool:
    """Whether a source is read without a download, if it can be read at all."""
    parts = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    for part in map(str, parts):
        entry = catalogue.resolve(part)
        if entry is None or part == catalogue.BUNDLED or os.path.exists(_expanded(Path(part))):
            continue
        from .fetch.model_cache import is_cached

        if not is_cached(entry.name):
            return False
    return True


def _find_one(source: str) -> Files:
    # The default comes first: it must not depend on the folder that a program runs in.
    if source == catalogue.BUNDLED and catalogue.BUNDLED_FOLDER.is_dir():
        return files_of_folder(catalogue.BUNDLED_FOLDER)
    path, entry = _expanded(Path(source)), catalogue.resolve(source)
    # These look at names of any length without an error.
    if os.path.isdir(path):
        try:
            return files_of_folder(path)
        except FileNotFoundError:
            # Folders are called de or small as well.
            if entry is None:
                raise
    elif os.path.exists(path):
        return files_of_file(path)
    elif os.path.isfile(index_of(path)):
        return checkpoint_at(index_of(path))
    if source == catalogue.BUNDLED:
        raise ElmoFileNotFoundError(Errors.EL012.format(name=source, path=catalogue.BUNDLED_FOLDER))
    if entry is not None:
        return _fetched(entry.name)
    # Every short word is near to some language's code.
    names = [*catalogue.names(), *(alias for alias in catalogue.ALIASES if len(alias) > 3)]
    raise ElmoFileNotFoundError(
        Errors.EL010.format(source=show(safe_url(source), _SHOWN), closest=_closest(path, names))
    )


def _fetched(name: str) -> Files:
    # What downloads is imported by who needs it.
    from .fetch.model_cache import fetch

    return files_of_folder(fetch(name))


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # a user that does not exist: then ~ is a name like others
        return path


def _existing(path: Path) -> Path:
    path = _expanded(path)
    # These look at names of any length without an error.
    if os.path.isdir(path):
        raise ElmoError(Errors.EL028.format(path=path))
    if not os.path.exists(path) and os.path.isfile(index_of(path)):
        return index_of(path)
    if not os.path.exists(path):
        given = show(safe_url(str(path)), _SHOWN)
        raise ElmoFileNotFoundError(Errors.EL026.format(path=given, closest=_closest(path, [])))
    check_regular(path)
    return path


def _closest(path: Path, names: list[str]) -> str:
    """The names that a misspelt one may stand for: of the catalogue, and of what lies in the same folder."""
    beside = _names_beside(path)
    # Names of the catalogue have slashes, as paths do.
    wanted = dict.fromkeys([path.name, str(path)])
    close = [
        name for part in wanted for name in difflib.get_close_matches(part, [*names, *beside], n=3, cutoff=0.5)
    ]
    found = [name if name in names else str(path.parent / name) for name in dict.fromkeys(close)]
    return f"Closest: {', '.join(found)}." if found else "Nothing there has a similar name."


def _names_beside(path: Path) -> list[str]:
    """Names in the same folder; of very many, those that begin most like this one."""
    try:
        names = sorted(os.listdir(path.parent))
    except (OSError, ValueError):  # it is not there, may not be read, or is no name
        return []
    if len(names) <= _MOST_NAMES:
        return names
    return heapq.nlargest(_MOST_NAMES, names, key=lambda name: _common_start(name, path.name))


def _common_start(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other))
    return next((i for i, (first, second) in pairs if first != second), min(len(one), len(other)))
