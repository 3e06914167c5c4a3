"""The files of a model on disk: found in a folder or beside each other, opened where they are in an archive."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..bilm.options import OPTIONS_NAME
from ..errors import Errors
from ..errors.heard import hear, warn
from ..util.atomic import temporary_folder
from ..util.files import reading_error
from .archives import unpack
from .arrays import Weights
from .formats import import_reader
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
    checkpoint_files,
    find_allennlp_model,
    find_known_model,
    list_files,
    sniff,
    unpack_command,
)

# Folders in which there is nothing but a folder.
_MOST_NESTED = 40
# An archive may hold another, as Spark NLP's models do.
MOST_ARCHIVES = 3


class OpenFiles(NamedTuple):
    """files: on disk, no archive. origin: what the files were found in, the archive or the weights themselves."""

    files: Files
    origin: Path

    @property
    def is_unpacked(self) -> bool:
        return self.origin != self.files.weights

    def read(self) -> Weights:
        """RAISES: as `read_weights`."""
        reader = import_reader(self.files.weights)
        if not self.is_unpacked:
            weights: Weights = reader.read(*self.files)
            return weights
        with hear() as heard:
            weights = reader.read(*self.files)
        for text in heard:
            warn(text.replace(str(self.files.weights.parent), str(self.origin)))
        # What is mapped into memory would lose its file. One by one, so that the weights are not held twice.
        arrays = {name: np.array(weights.arrays.pop(name)) for name in list(weights.arrays)}
        return replace(weights, arrays=arrays, source=str(self.origin))


@contextmanager
def open_files(files: Files) -> Iterator[OpenFiles]:
    """Open the files of a model; those of an archive lie in a folder that exists as long as the block runs.

    RAISES: As `read_weights`.
    """
    if files.options is not None or sniff(files.weights) not in ARCHIVES:
        yield OpenFiles(files, files.weights)
        return
    with temporary_folder() as folder, _name_archive_in_errors(files.weights, str(folder)):
        yield OpenFiles(_unpack_nested(files.weights, folder, MOST_ARCHIVES), files.weights)


def find_in_folder(folder: Path) -> Files:
    """The one model of a folder; see `find_files`."""
    for _ in range(_MOST_NESTED):
        try:
            found = _search_folder(folder)
        except OSError as error:
            refused = reading_error(folder, error)
            if refused is None:
                raise
            raise refused from error
        if isinstance(found, Files):
            return found
        folder = found
    raise ValueError(Errors.EL263.format(path=folder, n=_MOST_NESTED))


def find_for_file(path: Path) -> Files:
    kind = sniff(path)
    if kind in ARCHIVES:
        return Files(None, path)
    if kind == "checkpoint" or path.name.endswith(INDEX):
        return checkpoint_files(path)
    if path.name in (CONFIG, "saved_model.pb", NEWEST, ALLENNLP, *MANYLANGS) or ".data-" in path.name:
        # One of several: the folder tells.
        found = find_known_model(path.parent)
        if found is not None:
            return found
    if path.name.endswith(OPTIONS_NAME) or kind == "json":
        return Files(path, _find_weights(path))
    return Files(_find_options(path), path)


def _search_folder(folder: Path) -> Files | Path:
    """RETURNS: the one model of a folder; or the folder that is all it holds."""
    # A trained model may have the weights beside it that its training began with, a run what was embedded with it.
    found = (
        find_allennlp_model(folder)
        or _find_pair(folder, sure=True)
        or find_known_model(folder)
        or _find_pair(folder, sure=False)
    )
    if found is not None:
        return found
    inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    if len(inside) == 1 and inside[0].is_dir():
        # What is left of an archive that was unpacked into a folder of its own name.
        return inside[0]
    archives = [path for path in list_files(folder) if sniff(path) in ARCHIVES]
    if len(archives) == 1 and (inside == archives or archives[0].name == ALLENNLP_ARCHIVE):
        return Files(None, archives[0])
    packed = [path for path in list_files(folder) if unpack_command(path, sniff(path))]
    if packed and any(path.name.endswith(OPTIONS_NAME) for path in inside):
        # Options, and nothing to go with them but this.
        kind = sniff(packed[0])
        command = unpack_command(packed[0], kind)
        raise ValueError(Errors.EL258.format(path=packed[0], kind=kind, command=command))
    pickles = [path for path in list_files(folder) if sniff(path) == "pickle"]
    if pickles:
        raise ValueError(Errors.EL017.format(path=pickles[0]))
    names = ", ".join(path.name for path in inside[:8]) or "nothing"
    raise FileNotFoundError(Errors.EL013.format(path=folder, found=names))


def _find_pair(folder: Path, *, sure: bool) -> Files | None:
    """Options and weights in a file of ours or in HDF5. sure: only weights that are a biLM's, by a look inside."""
    files = list_files(folder)
    kinds = {path: sniff(path) for path in files}
    # AllenNLP puts the model's name before it.
    options = [path for path in files if path.name.endswith(OPTIONS_NAME)]
    weights = [path for path in files if kinds[path] in WEIGHTS]
    if sure:
        weights = [path for path in weights if import_reader(path).holds_bilm(path)]
    if not weights:
        return None
    for what, found in (("weights", weights), ("options", options)):
        if len(found) > 1:
            raise ValueError(Errors.EL014.format(path=folder, what=what, found=", ".join(p.name for p in found)))
    return Files(options[0], weights[0]) if options else None


def _find_options(weights: Path) -> Path:
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


def _find_weights(options: Path) -> Path:
    head, _, tail = options.stem.rpartition("options")
    for name in dict.fromkeys([f"{head}weights{tail}", "weights"]):
        for ending in (".safetensors", ".hdf5"):
            path = options.with_name(name + ending)
            if path.is_file():
                return path
    found = _find_pair(options.parent, sure=True) or find_known_model(options.parent)
    if found is not None:
        return found.weights
    raise FileNotFoundError(Errors.EL013.format(path=options.parent, found=f"'{options.name}' and no weights"))


def _unpack_nested(archive: Path, folder: Path, depth: int) -> Files:
    inside = folder / str(depth)
    unpack(archive, inside, variable="TMPDIR")
    files = find_in_folder(inside)
    again = depth > 1 and sniff(files.weights) in ARCHIVES
    return _unpack_nested(files.weights, folder, depth - 1) if again else files


@contextmanager
def _name_archive_in_errors(archive: Path, folder: str) -> Iterator[None]:
    """Let errors speak of the archive: its user has never heard of the folder."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        text = re.sub(rf"{re.escape(folder)}[/\\]\d+", lambda _: str(archive), str(error))
        if folder not in str(error):
            raise
        raise type(error)(text) from error
