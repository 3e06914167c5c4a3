"""Models that are a folder, in formats of others: which they are, told by the names of their files."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from ..bilm.options import OPTIONS_NAME
from ..errors import Errors
from ..util.files import read_bytes
from .sniff import ARCHIVES, sniff

# What a TensorFlow checkpoint's index is called, and the file that names the newest one.
INDEX = ".index"
NEWEST = "checkpoint"
_MOST_NOTE = 1 << 20
# Formats whose weights are pickles are known by the names of their files: of ELMoForManyLangs, and of AllenNLP.
CONFIG = "config.json"
MANYLANGS = ("encoder.pkl", "token_embedder.pkl")
ALLENNLP = "weights.th"
ALLENNLP_ARCHIVE = "model.tar.gz"
# Spark NLP's name for a zip of a SavedModel, unpacked by some, beside the model's metadata.
SPARK_MODEL = "elmo_tensorflow"


class Files(NamedTuple):
    """options: None where a format has none of its own, or they are inside an archive. weights: the file that
    stands for the model; of several, the one that the others are found by."""

    options: Path | None
    weights: Path

    @property
    def paths(self) -> list[Path]:
        """All that belongs to the model, or may."""
        is_one_of_many = self.weights.name.endswith(INDEX) or self.weights.name in (MANYLANGS[0], ALLENNLP)
        more = files_in(self.weights.parent) if is_one_of_many else []
        return [*(path for path in self if path is not None), *more]


def known_folder(folder: Path) -> Files | None:
    """A model in another format, told by the names of its files."""
    looks: Iterable[Callable[[Path], Files | None]] = (
        _checkpoints,
        _saved_model,
        _manylangs,
        _allennlp,
        _spark,
    )
    return next((found for found in (look(folder) for look in looks) if found is not None), None)


def _checkpoints(folder: Path) -> Files | None:
    indices = [path for path in files_in(folder) if path.name.endswith(INDEX)]
    if len(indices) > 1:
        indices = _newest(folder, indices)
    if len(indices) > 1:
        found = ", ".join(path.name for path in indices)
        raise ValueError(Errors.EL014.format(path=folder, what="weights", found=found))
    return checkpoint_at(indices[0]) if indices else None


def _newest(folder: Path, indices: list[Path]) -> list[Path]:
    """The one that TensorFlow's note names, by a path that may be of another machine."""
    path = folder / NEWEST
    text = read_bytes(path, n_bytes=_MOST_NOTE).decode("utf-8", "replace") if path.is_file() else ""
    named = re.search(r'^model_checkpoint_path: "(?:[^"]*[/\\])?([^"/\\]+)"', text, re.MULTILINE)
    return [index for index in indices if named and index.name == named[1] + INDEX] or indices


def _saved_model(folder: Path) -> Files | None:
    variables = folder / "variables"
    found = _checkpoints(variables) if variables.is_dir() else None
    return None if found is None else Files(_options_of_checkpoint(folder), found.weights)


def checkpoint_at(index: Path) -> Files:
    """A checkpoint, with the options beside it."""
    return Files(_options_of_checkpoint(index.parent), index)


def _options_of_checkpoint(folder: Path) -> Path | None:
    # A published module has none: its sizes are told by its arrays.
    path = folder / OPTIONS_NAME
    return path if path.is_file() else None


def _manylangs(folder: Path) -> Files | None:
    has_all = all((folder / name).is_file() for name in MANYLANGS)
    return Files(folder / CONFIG, folder / MANYLANGS[0]) if has_all else None


def allennlp_model(folder: Path) -> Files | None:
    """A whole model, as it is in AllenNLP's archives."""
    has_all = (folder / CONFIG).is_file() and (folder / ALLENNLP).is_file()
    return Files(folder / CONFIG, folder / ALLENNLP) if has_all else None


def _allennlp(folder: Path) -> Files | None:
    """The state_dict of an ELMo alone."""
    has_all = (folder / OPTIONS_NAME).is_file() and (folder / ALLENNLP).is_file()
    return Files(folder / OPTIONS_NAME, folder / ALLENNLP) if has_all else None


def _spark(folder: Path) -> Files | None:
    path = folder / SPARK_MODEL
    if path.is_dir():
        return known_folder(path)
    return Files(None, path) if path.is_file() and sniff(path) in ARCHIVES else None


def files_in(folder: Path) -> list[Path]:
    """Files that are not hidden, by their names."""
    return [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]


def index_of(prefix: Path) -> Path:
    """A checkpoint is called by the part that the names of its files have in common."""
    return prefix.with_name(prefix.name + INDEX) if prefix.name else prefix
