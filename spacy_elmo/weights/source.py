"""Read the weights of a source as users write it: a name, a path, an address, or a pair of paths or addresses."""

import difflib
import heapq
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from ..bilm.fields import show
from ..bilm.options import OPTIONS_NAME
from ..errors import ElmoError, ElmoFileNotFoundError, Errors
from ..util.files import check_regular
from . import catalogue
from .addresses import make_address
from .arrays import Weights
from .formats import holds_bilm
from .locate import OpenFiles, find_for_file, find_in_folder, open_files
from .missing_model import check_file
from .model_files import Files, checkpoint_files, index_path
from .releases import Release
from .repositories import Repository, find_repository, find_short_name
from .sniff import sniff
from .urls import hide_secrets, is_file_url, is_remote, is_url, safe_url, suggest_url

# The most names of a folder to compare a misspelt one with.
_MOST_NAMES = 500
# Characters of a source in a message.
_SHOWN = 300

Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def read_weights(source: Source) -> Weights:
    """Read the options and arrays of a source.

    source (Source): A name of the catalogue; a folder, one of a model's files or an archive, by its path or its
        address; hf://owner/name; or the pair [options, weights].
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
        raise ElmoError(Errors.EL027.format(got=hide_secrets(repr(source), "")))
    if len(source) != 2:
        raise ElmoError(Errors.EL025.format(got=f"{len(source)} path(s)"))
    release = find_release(source)
    if release is not None:
        return _fetch(release)
    first, second = (_find_file(os.fspath(part)) for part in source)
    # Users may give the two in either order, and options may be damaged, or be Jsonnet.
    is_swapped = sniff(second) == "json" != sniff(first) or (sniff(second) == "unknown" and holds_bilm(first))
    return Files(second, first) if is_swapped else Files(first, second)


def find_release(source: Source) -> Release | None:
    """Find what a source would download.

    source (Source): As for `read_weights`.
    RETURNS (Release | None): The model; None if the source is a path.
    RAISES (ElmoError): If it is an address that cannot be downloaded from, or the parts are no pair.
    """
    parts = [os.fspath(source)] if isinstance(source, (str, os.PathLike)) else [os.fspath(part) for part in source]
    if len(parts) not in (1, 2):
        raise ElmoError(Errors.EL025.format(got=f"{len(parts)} path(s)"))
    entries = [_find_entry(part) for part in parts]
    if entries[0] is not None and all(entry is entries[0] for entry in entries):
        return entries[0]
    if len(parts) == 1:
        repository = find_repository(parts[0])
        if repository is not None:
            return repository
    remote = [part for part in parts if is_remote(part)]
    for part in remote:
        catalogue.check_supported(part)
    if not remote:
        return _find_short_name(parts[0]) if len(parts) == 1 else None
    for part in remote:
        if len(parts) == 2 and find_repository(part) is not None:
            raise ElmoError(Errors.EL286.format(url=safe_url(part), what="a repository on Hugging Face"))
    if len(remote) < len(parts):
        raise ElmoFileNotFoundError(Errors.EL029.format(url=safe_url(remote[0])))
    return make_address(parts)


def show_source(source: Source) -> str:
    """Describe a source in a message.

    source (Source): As for `read_weights`.
    RETURNS (str): The source without passwords and tokens.
    """
    parts = [source] if isinstance(source, (str, os.PathLike)) else source
    return " ".join(safe_url(str(part)) for part in parts)


def is_local(source: Source) -> bool:
    """Check whether a source can be read without a download.

    source (Source): As for `read_weights`.
    RETURNS (bool): False if the source is a model to download that is not in the cache.
    """
    parts = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    if catalogue.BUNDLED in parts:
        return True
    if all(os.path.exists(_to_path(os.fspath(part))) for part in parts) and not _is_other_folder(source):
        return True
    release = find_release(source)
    if release is None:
        return True
    from .fetch.model_cache import is_cached

    return is_cached(release)


def _is_other_folder(source: Source) -> bool:
    """Check whether a source is a folder that has only the name of a published model, such as de or small."""
    if not isinstance(source, (str, os.PathLike)) or catalogue.resolve(os.fspath(source)) is None:
        return False
    path = _to_path(os.fspath(source))
    try:
        return path.is_dir() and not find_in_folder(path)
    except FileNotFoundError:
        return True
    except (ValueError, OSError):  # a model that cannot be read, which is what is wrong with the source
        return False


def _find_one(source: str) -> Files:
    # The default comes first: it must not depend on the working directory.
    if source == catalogue.BUNDLED and catalogue.BUNDLED_FOLDER.is_dir():
        files = find_in_folder(catalogue.BUNDLED_FOLDER)
        if files.options is None:
            # Its weights can be read without them, but what is in the package is complete.
            found = f"'{files.weights.name}' and no {OPTIONS_NAME}"
            raise ElmoFileNotFoundError(Errors.EL013.format(path=catalogue.BUNDLED_FOLDER, found=found, hint=""))
        return files
    path, release = _to_path(source), find_release(source)
    # os.path, unlike pathlib, takes names of any length without an error.
    if os.path.isdir(path):
        try:
            return find_in_folder(path)
        except FileNotFoundError:
            # A folder may have the name of a published model, such as de or small.
            if release is None:
                raise
    elif os.path.exists(path):
        return find_for_file(path)
    elif os.path.isfile(index_path(path)):
        return checkpoint_files(index_path(path))
    elif release is None and os.path.islink(path):
        check_file(path)
    if source == catalogue.BUNDLED:
        raise ElmoFileNotFoundError(Errors.EL012.format(name=source, path=catalogue.BUNDLED_FOLDER))
    # Two words with a slash may be a misspelt path, or a repository.
    is_sure = not isinstance(release, Repository) or is_remote(source)
    if release is not None and is_sure:
        return _fetch(release)
    catalogue.check_supported(source)
    # Every short word resembles some language's code.
    names = [*catalogue.names(), *(alias for alias in catalogue.ALIASES if len(alias) > 3)]
    closest = _closest(path, names)
    if (url := suggest_url(source)) is not None:
        closest = f"If it is an address, write '{show(safe_url(url), _SHOWN)}'."
    if release is not None:
        try:
            return _fetch(release)
        except (OSError, ImportError) as error:
            closest = f"{closest} As the name of a repository on Hugging Face: {error}"
    raise ElmoFileNotFoundError(Errors.EL010.format(source=show(safe_url(source), _SHOWN), closest=closest))


def _fetch(release: Release) -> Files:
    # Imported here because most sources need no download.
    from .fetch.model_cache import fetch

    return find_in_folder(fetch(release))


def _find_entry(part: str) -> catalogue.Entry | None:
    """Find the published model of a name or address. An address with a checksum of its own is another model."""
    plain, _, fragment = part.partition("#")
    # Other fragments are places in pages.
    return catalogue.resolve(plain if is_url(part) and "=" not in fragment else part)


def _find_short_name(source: str) -> Repository | None:
    """Find the repository that a source may mean; None if it rather is a misspelt path or name."""
    groups = {name.split("/")[0] for name in catalogue.names() if "/" in name}
    path = _to_path(source)
    if source.split("/")[0] in groups or os.path.exists(path) or os.path.isdir(path.parent):
        return None
    return find_short_name(source)


def _to_path(source: str) -> Path:
    """Make the path of a source; file:///... is one, too."""
    if is_file_url(source):
        # It brings all of http along.
        from urllib.request import url2pathname

        with suppress(ValueError):  # brackets around something that is not an address
            return Path(url2pathname(urlsplit(source).path))
    return _expand_user(Path(source))


def _expand_user(path: Path) -> Path:
    try:
        return path.expanduser()
    except (RuntimeError, ValueError):  # no such user, or an impossible one: the ~ is part of a name
        return path


def _find_file(source: str) -> Path:
    path = _to_path(source)
    # os.path, unlike pathlib, takes names of any length without an error.
    if os.path.isdir(path):
        raise ElmoError(Errors.EL028.format(path=path))
    if not os.path.exists(path) and os.path.isfile(index_path(path)):
        return index_path(path)
    if os.path.islink(path):
        check_file(path)
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
