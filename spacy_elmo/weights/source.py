"""Read the weights of a source as users write it: a name of the catalogue, a path, or a pair of paths."""

import difflib
import heapq
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..bilm.fields import show
from ..bilm.options import OPTIONS_NAME
from ..errors import ElmoError, ElmoFileNotFoundError, Errors
from ..util.files import check_regular
from . import catalogue
from .arrays import Weights
from .locate import OpenFiles, find_for_file, find_in_folder, open_files
from .sniff import Files, checkpoint_files, index_path, sniff
from .urls import is_url, safe_url

# The most names of a folder to compare a misspelt one with.
_MOST_NAMES = 500
# Characters of a source in a message.
_SHOWN = 300

Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def read_weights(source: Source) -> Weights:
    """Read the options and arrays of a source.

    source (Source): A name of the catalogue, a folder, one of a model's files, an archive, or the pair [options,
        weights].
    RETURNS (Weights): Options and arrays.
    RAISES (FileNotFoundError): If nothing has that name.
    RAISES (ElmoError): If what is there is not a readable biLM.
    RAISES (ImportError): If its format needs a package that is not installed.
    RAISES (OSError): If a download fails, or the system refuses access to a file.
    """
    if isinstance(source, str) and source == catalogue.BUNDLED:
        # The files of the package need no search. If one of them is missing, the search below reports it.
        with suppress(FileNotFoundError):
            from .formats import folder

            bundled = catalogue.BUNDLED_FOLDER
            return folder.read(bundled / OPTIONS_NAME, bundled / folder.WEIGHTS_NAME)
    with open_source(source) as files:
        return files.read()


@contextmanager
def open_source(source: Source) -> Iterator[OpenFiles]:
    """Open the files of a source; an archive is unpacked into a folder that is removed after the block.

    source (Source): As for `read_weights`.
    YIELDS (OpenFiles): Files on disk that are not archives.
    RAISES (ElmoError): As `read_weights`, and its other errors.
    """
    with open_files(find_files(source)) as files:
        yield files


def find_files(source: Source) -> Files:
    """Find the files of a source. A published model is downloaded first; archives are not unpacked.

    source (Source): As for `read_weights`.
    RETURNS (Files): The files.
    RAISES (ElmoError): As `read_weights`, and its other errors.
    """
    if isinstance(source, (str, os.PathLike)) and os.fspath(source):
        return _find_one(os.fspath(source))
    if not isinstance(source, (list, tuple)) or not all(isinstance(part, (str, os.PathLike)) for part in source):
        raise ElmoError(Errors.EL027.format(got=repr(source)))
    if len(source) != 2:
        raise ElmoError(Errors.EL025.format(got=f"{len(source)} path(s)"))
    entries = [catalogue.resolve(str(part)) for part in source]
    if entries[0] is not None and entries[0] is entries[1]:
        return _fetch(entries[0].name)
    for part in map(str, source):
        if is_url(part):
            raise ElmoFileNotFoundError(Errors.EL029.format(url=safe_url(part)))
    first, second = (_find_file(Path(part)) for part in source)
    # Users may give the two in either order.
    return Files(second, first) if sniff(second) == "json" and sniff(first) != "json" else Files(first, second)


def is_local(source: Source) -> bool:
    """Check whether a source can be read without a download.

    source (Source): As for `read_weights`.
    RETURNS (bool): False if the source is a published model that is not in the cache.
    """
    parts = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    for part in map(str, parts):
        entry = catalogue.resolve(part)
        if entry is None or part == catalogue.BUNDLED or os.path.exists(_expand_user(Path(part))):
            continue
        from .fetch.model_cache import is_cached

        if not is_cached(entry.name):
            return False
    return True


def _find_one(source: str) -> Files:
    # The default comes first: it must not depend on the working directory.
    if source == catalogue.BUNDLED and catalogue.BUNDLED_FOLDER.is_dir():
        return find_in_folder(catalogue.BUNDLED_FOLDER)
    path, entry = _expand_user(Path(source)), catalogue.resolve(source)
    # os.path, unlike pathlib, takes names of any length without an error.
    if os.path.isdir(path):
        try:
            return find_in_folder(path)
        except FileNotFoundError:
            # A folder may have the name of a published model, such as de or small.
            if entry is None:
                raise
    elif os.path.exists(path):
        return find_for_file(path)
    elif os.path.isfile(index_path(path)):
        return checkpoint_files(index_path(path))
    if source == catalogue.BUNDLED:
        raise ElmoFileNotFoundError(Errors.EL012.format(name=source, path=catalogue.BUNDLED_FOLDER))
    if entry is not None:
        return _fetch(entry.name)
    # Every short word resembles some language's code.
    names = [*catalogue.names(), *(alias for alias in catalogue.ALIASES if len(alias) > 3)]
    raise ElmoFileNotFoundError(
        Errors.EL010.format(source=show(safe_url(source), _SHOWN), closest=_closest(path, names))
    )


def _fetch(name: str) -> Files:
    # Imported here because most sources need no download.
    from .fetch.model_cache import fetch

    return find_in_folder(fetch(name))


def _expand_user(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # no such user: the ~ is part of a name
        return path


def _find_file(path: Path) -> Path:
    path = _expand_user(path)
    # os.path, unlike pathlib, takes names of any length without an error.
    if os.path.isdir(path):
        raise ElmoError(Errors.EL028.format(path=path))
    if not os.path.exists(path) and os.path.isfile(index_path(path)):
        return index_path(path)
    if not os.path.exists(path):
        given = show(safe_url(str(path)), _SHOWN)
        raise ElmoFileNotFoundError(Errors.EL026.format(path=given, closest=_closest(path, [])))
    check_regular(path)
    return path


def _closest(path: Path, names: list[str]) -> str:
    """Suggest names that resemble a misspelt one, from the catalogue and from the same folder."""
    beside = _names_beside(path)
    # Names of the catalogue may contain slashes, as paths do.
    wanted = dict.fromkeys([path.name, str(path)])
    close = [
        name for part in wanted for name in difflib.get_close_matches(part, [*names, *beside], n=3, cutoff=0.5)
    ]
    found = [name if name in names else str(path.parent / name) for name in dict.fromkeys(close)]
    return f"Closest: {', '.join(found)}." if found else "Nothing there has a similar name."


def _names_beside(path: Path) -> list[str]:
    """List the names in the same folder; of a very long list, those with the longest common start."""
    try:
        names = sorted(os.listdir(path.parent))
    except (OSError, ValueError):  # the folder does not exist, cannot be read, or has an impossible name
        return []
    if len(names) <= _MOST_NAMES:
        return names
    return heapq.nlargest(_MOST_NAMES, names, key=lambda name: _common_start(name, path.name))


def _common_start(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other))
    return next((i for i, (first, second) in pairs if first != second), min(len(one), len(other)))
