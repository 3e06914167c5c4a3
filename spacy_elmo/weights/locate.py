"""Where a source's files are: folders, single files, pairs, names of the catalogue."""

import difflib
import heapq
import os
from collections.abc import Sequence
from pathlib import Path

from ..bilm.fields import show
from ..bilm.options import OPTIONS_NAME
from ..errors import Errors
from ..util.files import check_regular, reading_error
from . import catalogue
from .formats import reader_of
from .sniff import (
    ALLENNLP,
    ALLENNLP_ARCHIVE,
    ARCHIVES,
    CONFIG,
    INDEX,
    MANYLANGS,
    NEWEST,
    WEIGHTS,
    Files,
    allennlp_model,
    checkpoint_at,
    files_in,
    index_of,
    known_folder,
    sniff,
    unpack_command,
)
from .urls import safe_url

# Folders in which there is nothing but a folder. Names among which a misspelt one is looked for.
_MOST_NESTED = 40
_MOST_NAMES = 500
# Characters of a name in a message.
_SHOWN = 300

Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def find_files(source: Source) -> Files:
    """The files of a source; a model that was only named is downloaded first, and archives stay as they are.

    RAISES: as `read_weights`.
    """
    if isinstance(source, (str, os.PathLike)) and os.fspath(source):
        return _find_one(os.fspath(source))
    if not isinstance(source, (list, tuple)) or not all(isinstance(part, (str, os.PathLike)) for part in source):
        raise ValueError(Errors.EL027.format(got=repr(source)))
    if len(source) != 2:
        raise ValueError(Errors.EL025.format(got=f"{len(source)} path(s)"))
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
        return _files_of_file(path)
    elif os.path.isfile(index_of(path)):
        return checkpoint_at(index_of(path))
    if source == catalogue.BUNDLED:
        raise FileNotFoundError(Errors.EL012.format(name=source, path=catalogue.BUNDLED_FOLDER))
    if entry is not None:
        return _fetched(entry.name)
    # Every short word is near to some language's code.
    names = [*catalogue.names(), *(alias for alias in catalogue.ALIASES if len(alias) > 3)]
    raise FileNotFoundError(
        Errors.EL010.format(source=show(safe_url(source), _SHOWN), closest=_closest(path, names))
    )


def _fetched(name: str) -> Files:
    # What downloads is imported by who needs it.
    from .fetch.model_cache import fetch

    return files_of_folder(fetch(name))


def _files_of_file(path: Path) -> Files:
    kind = sniff(path)
    if kind in ARCHIVES:
        return Files(None, path)
    if kind == "checkpoint" or path.name.endswith(INDEX):
        return checkpoint_at(path)
    if path.name in (CONFIG, "saved_model.pb", NEWEST, ALLENNLP, *MANYLANGS) or ".data-" in path.name:
        # One of several: the folder tells.
        found = known_folder(path.parent)
        if found is not None:
            return found
    if path.name.endswith(OPTIONS_NAME) or kind == "json":
        return Files(path, _weights_beside(path))
    return Files(_options_beside(path), path)


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # a user that does not exist: then ~ is a name like others
        return path


def _existing(path: Path) -> Path:
    path = _expanded(path)
    # These look at names of any length without an error.
    if os.path.isdir(path):
        raise ValueError(Errors.EL028.format(path=path))
    if not os.path.exists(path) and os.path.isfile(index_of(path)):
        return index_of(path)
    if not os.path.exists(path):
        given = show(safe_url(str(path)), _SHOWN)
        raise FileNotFoundError(Errors.EL026.format(path=given, closest=_closest(path, [])))
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


def files_of_folder(folder: Path) -> Files:
    """The one model of a folder; see `find_files`."""
    for _ in range(_MOST_NESTED):
        try:
            found = _model_in(folder)
        except OSError as error:
            refused = reading_error(folder, error)
            if refused is None:
                raise
            raise refused from error
        if isinstance(found, Files):
            return found
        folder = found
    raise ValueError(Errors.EL263.format(path=folder, n=_MOST_NESTED))


def _model_in(folder: Path) -> Files | Path:
    """RETURNS: the one model of a folder; or the folder that is all it holds."""
    # A trained model may have the weights beside it that its training began with, a run what was embedded with it.
    found = allennlp_model(folder) or _pair(folder, sure=True) or known_folder(folder) or _pair(folder, sure=False)
    if found is not None:
        return found
    inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    if len(inside) == 1 and inside[0].is_dir():
        # What is left of an archive that was unpacked into a folder of its own name.
        return inside[0]
    archives = [path for path in files_in(folder) if sniff(path) in ARCHIVES]
    if len(archives) == 1 and (inside == archives or archives[0].name == ALLENNLP_ARCHIVE):
        return Files(None, archives[0])
    packed = [path for path in files_in(folder) if unpack_command(path, sniff(path))]
    if packed and any(path.name.endswith(OPTIONS_NAME) for path in inside):
        # Options, and nothing to go with them but this.
        kind = sniff(packed[0])
        command = unpack_command(packed[0], kind)
        raise ValueError(Errors.EL258.format(path=packed[0], kind=kind, command=command))
    pickles = [path for path in files_in(folder) if sniff(path) == "pickle"]
    if pickles:
        raise ValueError(Errors.EL017.format(path=pickles[0]))
    names = ", ".join(path.name for path in inside[:8]) or "nothing"
    raise FileNotFoundError(Errors.EL013.format(path=folder, found=names))


def _pair(folder: Path, *, sure: bool) -> Files | None:
    """Options and weights in a file of ours or in HDF5. sure: only weights that are a biLM's, by a look inside."""
    files = files_in(folder)
    kinds = {path: sniff(path) for path in files}
    # AllenNLP puts the model's name before it.
    options = [path for path in files if path.name.endswith(OPTIONS_NAME)]
    weights = [path for path in files if kinds[path] in WEIGHTS]
    if sure:
        weights = [path for path in weights if reader_of(path).holds_bilm(path)]
    if not weights:
        return None
    for what, found in (("weights", weights), ("options", options)):
        if len(found) > 1:
            raise ValueError(Errors.EL014.format(path=folder, what=what, found=", ".join(p.name for p in found)))
    return Files(options[0], weights[0]) if options else None


def _options_beside(weights: Path) -> Path:
    """options.json, or the name of the weights with "weights" and its ending replaced, as AllenNLP names its
    pairs: elmo_..._weights.hdf5 and elmo_..._options.json."""
    tried = [weights.with_name(OPTIONS_NAME)]
    if "weights" in weights.stem:
        head, _, tail = weights.stem.rpartition("weights")
        tried.insert(0, weights.with_name(f"{head}options{tail}.json"))
    for path in tried:
        if path.is_file():
            return path
    if sniff(weights) not in WEIGHTS:
        # What the file is instead of weights says more than which options it lacks; the reader will say it.
        return tried[-1]
    raise FileNotFoundError(Errors.EL015.format(path=weights, tried=" and ".join(p.name for p in tried)))


def _weights_beside(options: Path) -> Path:
    head, _, tail = options.stem.rpartition("options")
    for name in dict.fromkeys([f"{head}weights{tail}", "weights"]):
        for ending in (".safetensors", ".hdf5"):
            path = options.with_name(name + ending)
            if path.is_file():
                return path
    found = _pair(options.parent, sure=True) or known_folder(options.parent)
    if found is not None:
        return found.weights
    raise FileNotFoundError(Errors.EL013.format(path=options.parent, found=f"'{options.name}' and no weights"))
