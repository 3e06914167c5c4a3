"""Find the files of a model in a folder or beside each other, and unpack those of an archive."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..bilm.options import OPTIONS_NAME
from ..errors import ElmoError, ElmoImportError, Errors
from ..errors.warn import collect_warnings, warn
from ..util.atomic import temporary_folder
from ..util.files import reading_error
from .archives import unpack
from .arrays import Weights
from .formats import holds_bilm, import_reader
from .missing_model import check_file, check_named, explain_missing
from .model_files import (
    Files,
    checkpoint_files,
    find_allennlp_model,
    find_allennlp_run,
    find_known_model,
    is_options_name,
    list_options,
    show_names,
    sniff_files,
)
from .nested_folders import find_inner_folder
from .sniff import (
    ALLENNLP,
    ARCHIVES,
    BROKEN,
    CONFIG,
    INDEX,
    MANYLANGS,
    NEWEST,
    WEIGHTS,
    Kind,
    sniff,
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
    inner = folder
    for _ in range(_MOST_NESTED):
        try:
            found = _search_folder(inner)
        except OSError as error:
            refused = reading_error(inner, error)
            if refused is None:
                raise
            raise refused from error
        if isinstance(found, Files):
            return found
        inner = found
    raise ElmoError(Errors.EL263.format(path=folder, n=_MOST_NESTED))


def find_for_file(path: Path) -> Files:
    """Find the model that a file belongs to.

    path (Path): One of the files of a model, or an archive.
    RETURNS (Files): The files of the model.
    RAISES (FileNotFoundError): If its weights are missing.
    RAISES (ElmoError): If there are several files that could be its options.
    """
    kind = sniff(path)
    if kind in ARCHIVES:
        return Files(None, path)
    if kind == "checkpoint" or path.name.endswith(INDEX):
        return checkpoint_files(path)
    # One of several files; the folder determines the others.
    found = find_allennlp_model(path.parent) if path.name in (CONFIG, ALLENNLP) else None
    if path.name in (CONFIG, "saved_model.pb", NEWEST, *MANYLANGS) or ".data-" in path.name:
        found = found or find_known_model(path.parent)
    if path.name == CONFIG:
        found = found or find_allennlp_run(path.parent)
    if found is not None:
        return found
    if is_options_name(path) or kind == "json":
        return Files(path, _find_weights(path))
    return Files(_find_options(path, kind), path)


def _search_folder(folder: Path) -> Files | Path:
    """RETURNS (Files | Path): The one model of a folder, or the folder inside it that has the model."""
    # A whole model comes first: beside it may be the weights that its training started from. A biLM comes next:
    # beside it may be the outputs of a run.
    found = find_allennlp_model(folder)
    if found is not None:
        return found
    files = sniff_files(folder)
    found = (
        _find_pair(folder, files, is_sure=True)
        or find_known_model(folder)
        or find_allennlp_run(folder)
        or _find_alone(folder, files)
        or _find_pair(folder, files, is_sure=False)
    )
    if found is not None:
        return found
    inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    inner = find_inner_folder(folder, inside)
    if inner is not None:
        return inner
    if len(inside) == 1 and files.get(inside[0]) in ARCHIVES:
        return Files(None, inside[0])
    return explain_missing(folder, files)


def _find_pair(folder: Path, files: Mapping[Path, Kind], *, is_sure: bool) -> Files | None:
    """Find options and weights in our format or in HDF5.

    files (Mapping[Path, Kind]): The files of the folder.
    is_sure (bool): Whether to look inside, and skip what is not a biLM.
    """
    weights = [path for path, kind in files.items() if kind in WEIGHTS]
    if is_sure:
        weights = _list_bilms(files, weights)
    options = list_options(files) if weights else []
    if not options:
        return None
    return Files(_get_only(options, folder, "options"), _get_only(weights, folder, "weights"))


def _list_bilms(files: Mapping[Path, Kind], weights: Sequence[Path]) -> list[Path]:
    """List the weights of biLMs. What is broken in their place counts: other weights may be another model's."""
    found = {path: holds_bilm(path) for path in weights}
    named = [path for options in filter(is_options_name, files) for path in _weights_named_like(options)]
    if any(found.get(path) for path in named):
        # These are the ones, whatever else is there.
        return [path for path in weights if found[path]]
    broken = [path for path in named if files.get(path) in BROKEN]
    return [*(path for path in weights if found[path] is not False), *broken]


def _find_alone(folder: Path, files: Mapping[Path, Kind]) -> Files | None:
    """Find the weights of a biLM without options, or a state_dict of any name, beside which they may be."""
    able = [path for path, kind in files.items() if kind in (*WEIGHTS, "pickle")]
    weights = [path for path in able if holds_bilm(path) is not False]
    if not weights:
        return None
    path, options = _get_only(weights, folder, "weights"), list_options(files)
    if options:
        return Files(_get_only(options, folder, "options"), path)
    # Options that cannot be read are no reason to do without.
    check_named(folder.iterdir())
    return Files(_find_config(path, files[path]), path)


def _find_config(weights: Path, kind: Kind) -> Path | None:
    """Find the configuration beside a state of AllenNLP's, as in the folder of a training run."""
    path = weights.with_name(CONFIG)
    if kind != "pickle" or not path.is_file():
        return None
    from .formats.allennlp import describes_elmo

    return path if describes_elmo(path) else None


def _get_only(found: Sequence[Path], folder: Path, what: str) -> Path:
    if len(found) > 1:
        raise ElmoError(Errors.EL014.format(path=folder, what=what, found=show_names(found)))
    return found[0]


def _find_options(weights: Path, kind: Kind) -> Path | None:
    """Find the options of weights: under the name that belongs to theirs, or the only ones in the folder.

    kind (Kind): The kind of the weights.
    """
    head, is_named, tail = weights.stem.rpartition("weights")
    names = [OPTIONS_NAME]
    if is_named:
        # As in AllenNLP's pairs, elmo_..._weights.hdf5, and in bio_embeddings' cache, weights_file.
        names = [f"{head}options{tail}.json", f"{head}options{tail}", *names]
    for name in names:
        path = weights.with_name(name)
        if os.path.lexists(path):
            check_file(path)
            return path
    if kind not in (*WEIGHTS, "pickle"):
        # The reader's message says what is wrong with the file.
        return None
    options = list_options(sniff_files(weights.parent))
    free = [path for path in options if not _weights_named_like(path)]
    if free:
        return _get_only(free, weights.parent, "options")
    check_named(
        path for path in weights.parent.iterdir() if is_options_name(path) and not _weights_named_like(path)
    )
    return _find_config(weights, kind)


def _find_weights(options: Path) -> Path:
    folder = options.parent
    named, common = _weights_named_like(options), options.with_name(OPTIONS_NAME)
    if not named and not common.is_file():
        named = _weights_named_like(common)
    if named:
        return named[0]
    files = sniff_files(folder)
    found = _find_pair(folder, files, is_sure=True) or find_known_model(folder) or _find_alone(folder, files)
    return (found or explain_missing(folder, files, found=f"'{options.name}' and no weights")).weights


def _weights_named_like(options: Path) -> list[Path]:
    head, _, tail = options.stem.rpartition("options")
    paths = [options.with_name(f"{head}weights{tail}{ending}") for ending in (".safetensors", ".hdf5", "")]
    return [path for path in paths if path.is_file()]


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
    except (ValueError, FileNotFoundError, ElmoImportError) as error:
        text = re.sub(rf"{re.escape(folder)}[/\\]\d+", lambda _: str(archive), str(error))
        if folder not in str(error):
            raise
        raise type(error)(text) from error
