"""Find the files of a model in a folder or beside each other, and unpack those of an archive."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..bilm.options import OPTIONS_NAME
from ..errors import ElmoError, ElmoFileNotFoundError, Errors
from ..errors.warn import collect_warnings, warn
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

# Levels of folders that hold nothing but another folder.
_MOST_NESTED = 40
# Levels of archives inside archives, as Spark NLP's models have them.
MOST_ARCHIVES = 3


class OpenFiles(NamedTuple):
    """The files of a model, ready to read.

    files (Files): Files on disk that are not archives.
    origin (Path): The archive they are from, or the weights file itself.
    """

    files: Files
    origin: Path

    @property
    def is_unpacked(self) -> bool:
        """Check whether the files are from an archive.

        RETURNS (bool): Whether they are.
        """
        return self.origin != self.files.weights

    def read(self) -> Weights:
        """Read the model.

        RETURNS (Weights): Options and arrays.
        RAISES (ElmoError): As `read_weights`, and its other errors.
        """
        reader = import_reader(self.files.weights)
        if not self.is_unpacked:
            return reader.read(*self.files)
        with collect_warnings() as collected:
            weights = reader.read(*self.files)
        for text in collected:
            warn(text.replace(str(self.files.weights.parent), str(self.origin)))
        # Mapped arrays would lose their file. One by one, so that memory never holds the weights twice.
        arrays = {name: np.array(weights.arrays.pop(name)) for name in list(weights.arrays)}
        return replace(weights, arrays=arrays, source=str(self.origin))


@contextmanager
def open_files(files: Files) -> Iterator[OpenFiles]:
    """Open the files of a model; an archive is unpacked into a folder that is removed after the block.

    files (Files): The files, or the archive.
    YIELDS (OpenFiles): Files on disk that are not archives.
    RAISES (ElmoError): As `read_weights`, and its other errors.
    """
    if files.options is not None or sniff(files.weights) not in ARCHIVES:
        yield OpenFiles(files, files.weights)
        return
    with temporary_folder() as folder, _name_archive_in_errors(files.weights, str(folder)):
        yield OpenFiles(_unpack_nested(files.weights, folder, MOST_ARCHIVES), files.weights)


def find_in_folder(folder: Path) -> Files:
    """Find the one model of a folder.

    folder (Path): The folder, or one that holds nothing but such a folder.
    RETURNS (Files): Its files, or its archive.
    RAISES (FileNotFoundError): If there is no model.
    RAISES (ElmoError): If there are several, or the model is packed in an unsupported way.
    RAISES (OSError): If the system refuses access.
    """
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
    raise ElmoError(Errors.EL263.format(path=folder, n=_MOST_NESTED))


def find_for_file(path: Path) -> Files:
    """Find the model that a file belongs to.

    path (Path): One of the files of a model, or an archive.
    RETURNS (Files): The files of the model.
    RAISES (FileNotFoundError): If its options or weights are missing.
    """
    kind = sniff(path)
    if kind in ARCHIVES:
        return Files(None, path)
    if kind == "checkpoint" or path.name.endswith(INDEX):
        return checkpoint_files(path)
    if path.name in (CONFIG, "saved_model.pb", NEWEST, ALLENNLP, *MANYLANGS) or ".data-" in path.name:
        # One of several files; the folder determines the others.
        found = find_known_model(path.parent)
        if found is not None:
            return found
    if path.name.endswith(OPTIONS_NAME) or kind == "json":
        return Files(path, _find_weights(path))
    return Files(_find_options(path), path)


def _search_folder(folder: Path) -> Files | Path:
    """RETURNS (Files | Path): The one model of a folder, or the folder that is its only content."""
    # A whole model comes first: beside it may be the weights that its training started from. A biLM comes next:
    # beside it may be the outputs of a run.
    found = (
        find_allennlp_model(folder)
        or _find_pair(folder, is_sure=True)
        or find_known_model(folder)
        or _find_pair(folder, is_sure=False)
    )
    if found is not None:
        return found
    inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    if len(inside) == 1 and inside[0].is_dir():
        # An archive was unpacked into a folder of the same name.
        return inside[0]
    archives = [path for path in list_files(folder) if sniff(path) in ARCHIVES]
    if len(archives) == 1 and (inside == archives or archives[0].name == ALLENNLP_ARCHIVE):
        return Files(None, archives[0])
    packed = [path for path in list_files(folder) if unpack_command(path, sniff(path))]
    if packed and any(path.name.endswith(OPTIONS_NAME) for path in inside):
        # There are options, and this is the only file that may hold the weights.
        kind = sniff(packed[0])
        command = unpack_command(packed[0], kind)
        raise ElmoError(Errors.EL258.format(path=packed[0], kind=kind, command=command))
    pickles = [path for path in list_files(folder) if sniff(path) == "pickle"]
    if pickles:
        raise ElmoError(Errors.EL017.format(path=pickles[0]))
    names = ", ".join(path.name for path in inside[:8]) or "nothing"
    raise ElmoFileNotFoundError(Errors.EL013.format(path=folder, found=names))


def _find_pair(folder: Path, *, is_sure: bool) -> Files | None:
    """Find options and weights in our format or in HDF5.

    is_sure (bool): Whether to look inside, and skip what is not a biLM.
    """
    files = list_files(folder)
    kinds = {path: sniff(path) for path in files}
    # In AllenNLP's pairs the name of the model comes before it.
    options = [path for path in files if path.name.endswith(OPTIONS_NAME)]
    weights = [path for path in files if kinds[path] in WEIGHTS]
    if is_sure:
        weights = [path for path in weights if import_reader(path).holds_bilm(path)]
    if not weights:
        return None
    for what, found in (("weights", weights), ("options", options)):
        if len(found) > 1:
            raise ElmoError(Errors.EL014.format(path=folder, what=what, found=", ".join(p.name for p in found)))
    return Files(options[0], weights[0]) if options else None


def _find_options(weights: Path) -> Path:
    """Find options.json, or options named as in AllenNLP's pairs: elmo_..._weights.hdf5, elmo_..._options.json."""
    tried = [weights.with_name(OPTIONS_NAME)]
    if "weights" in weights.stem:
        head, _, tail = weights.stem.rpartition("weights")
        tried.insert(0, weights.with_name(f"{head}options{tail}.json"))
    for path in tried:
        if path.is_file():
            return path
    if sniff(weights) not in WEIGHTS:
        # The file is not weights. The reader's message on that helps more than one about missing options.
        return tried[-1]
    raise ElmoFileNotFoundError(Errors.EL015.format(path=weights, tried=" and ".join(p.name for p in tried)))


def _find_weights(options: Path) -> Path:
    head, _, tail = options.stem.rpartition("options")
    for name in dict.fromkeys([f"{head}weights{tail}", "weights"]):
        for ending in (".safetensors", ".hdf5"):
            path = options.with_name(name + ending)
            if path.is_file():
                return path
    found = _find_pair(options.parent, is_sure=True) or find_known_model(options.parent)
    if found is not None:
        return found.weights
    raise ElmoFileNotFoundError(Errors.EL013.format(path=options.parent, found=f"'{options.name}' and no weights"))


def _unpack_nested(archive: Path, folder: Path, depth: int) -> Files:
    inside = folder / str(depth)
    unpack(archive, inside, variable="TMPDIR")
    files = find_in_folder(inside)
    again = depth > 1 and sniff(files.weights) in ARCHIVES
    return _unpack_nested(files.weights, folder, depth - 1) if again else files


@contextmanager
def _name_archive_in_errors(archive: Path, folder: str) -> Iterator[None]:
    """Name the archive in errors instead of the temporary folder, which users do not know."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        text = re.sub(rf"{re.escape(folder)}[/\\]\d+", lambda _: str(archive), str(error))
        if folder not in str(error):
            raise
        raise type(error)(text) from error
