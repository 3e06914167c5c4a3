"""A source, as users write it, to weights: finds the two files, looks inside, calls the reader."""

import difflib
import importlib
import os
from pathlib import Path
from typing import Any, List, Sequence, Tuple, Union

from ..bilm.options import OPTIONS_NAME
from ..errors import Errors
from .arrays import Weights
from .fetch import catalogue
from .sniff import DESCRIPTIONS, sniff

Source = Union[str, "os.PathLike[str]", Sequence[Union[str, "os.PathLike[str]"]]]

# The reader of each kind of file, and the package that it needs. A reader is a module with `read` and
# `holds_bilm`; it is imported when a file calls for it, so that each package is needed only by its own format.
_READERS = {"hdf5": ("formats.hdf5", "h5py"), "safetensors": ("formats.folder", "safetensors")}


def read_weights(source: Source) -> Weights:
    """Options and arrays of a source.

    source: a folder, one of the two files of a model (the other is looked for beside it), or the pair
        [options, weights].
    RAISES: FileNotFoundError if there is nothing by that name; ValueError if what is there is no readable
        biLM; ImportError if its format needs a package that is not installed.
    """
    options_path, weights_path = find_files(source)
    kind = sniff(weights_path)
    if kind == "pickle":
        raise ValueError(Errors.EL017.format(path=weights_path))
    if kind not in _READERS:
        raise ValueError(Errors.EL016.format(path=weights_path, what=DESCRIPTIONS[kind]))
    weights: Weights = _reader(kind, weights_path).read(options_path, weights_path)
    return weights


def _reader(kind: str, path: Path) -> Any:
    module, package = _READERS[kind]
    try:
        return importlib.import_module(f".{module}", __package__)
    except ImportError as error:
        raise ImportError(Errors.EL024.format(path=path, package=package)) from error


def find_files(source: Source) -> Tuple[Path, Path]:
    """(options, weights) of a source; see `read_weights`."""
    if isinstance(source, (str, os.PathLike)) and os.fspath(source):
        return _find_one(os.fspath(source))
    if not isinstance(source, (list, tuple)) or not all(isinstance(part, (str, os.PathLike)) for part in source):
        raise ValueError(Errors.EL027.format(got=repr(source)))
    if len(source) != 2:
        raise ValueError(Errors.EL025.format(got=f"{len(source)} path(s)"))
    first, second = (_existing(Path(part)) for part in source)
    # Whoever swaps the two means the same pair.
    return (second, first) if sniff(second) == "json" and sniff(first) != "json" else (first, second)


def _find_one(source: str) -> Tuple[Path, Path]:
    # The default comes first: it must not depend on the folder that a program runs in.
    if source == catalogue.BUNDLED and catalogue.BUNDLED_FOLDER.is_dir():
        return _files_of_folder(catalogue.BUNDLED_FOLDER)
    path = _expanded(Path(source))
    if path.is_dir():
        return _files_of_folder(path)
    if path.exists():
        if path.name.endswith(OPTIONS_NAME) or sniff(path) == "json":
            return path, _weights_beside(path)
        return _options_beside(path), path
    if source == catalogue.BUNDLED:
        raise FileNotFoundError(Errors.EL012.format(name=source, path=catalogue.BUNDLED_FOLDER))
    if source in catalogue.CATALOGUE:
        raise FileNotFoundError(Errors.EL011.format(name=source, **catalogue.CATALOGUE[source]._asdict()))
    names = catalogue.names()
    text = Errors.EL010.format(source=source, catalogue=", ".join(names), closest=_closest(path, names))
    raise FileNotFoundError(text)


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # a user that does not exist: then ~ is a name like others
        return path


def _existing(path: Path) -> Path:
    path = _expanded(path)
    if path.is_dir():
        raise ValueError(Errors.EL028.format(path=path))
    if not path.is_file():
        raise FileNotFoundError(Errors.EL026.format(path=path, closest=_closest(path, [])))
    return path


def _closest(path: Path, names: List[str]) -> str:
    """The names that a misspelt one may stand for: of the catalogue, and of what lies in the same folder."""
    beside = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, [*names, *beside], n=3, cutoff=0.5)
    found = [name if name in names else str(path.parent / name) for name in close]
    return f"Closest: {', '.join(found)}." if found else "Nothing there has a similar name."


def _files_of_folder(folder: Path) -> Tuple[Path, Path]:
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    kinds = {path: sniff(path) for path in files}
    # AllenNLP puts the model's name before it.
    options = [path for path in files if path.name.endswith(OPTIONS_NAME)]
    weights = [path for path in files if kinds[path] in _READERS]
    pickles = [path for path in files if kinds[path] == "pickle"]
    if pickles and not weights:
        raise ValueError(Errors.EL017.format(path=pickles[0]))
    if len(weights) > 1:
        # Embeddings of the same model often lie beside it.
        weights = [path for path in weights if _reader(kinds[path], path).holds_bilm(path)] or weights
    for what, found in (("weights", weights), ("options", options)):
        if len(found) > 1:
            raise ValueError(Errors.EL014.format(path=folder, what=what, found=", ".join(p.name for p in found)))
    if not weights or not options:
        names = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        raise FileNotFoundError(Errors.EL013.format(path=folder, found=names))
    return options[0], weights[0]


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
    if sniff(weights) not in _READERS:
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
    raise FileNotFoundError(Errors.EL013.format(path=options.parent, found=f"'{options.name}' and no weights"))
