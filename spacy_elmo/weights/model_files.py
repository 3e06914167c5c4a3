"""Find the files of a model in one folder: by their names, and options by what is in them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..bilm.fields import read_json, show
from ..bilm.options import OPTIONS_NAME
from ..errors import ElmoError, Errors
from ..util.files import read_bytes
from .sniff import (
    ALLENNLP,
    ALLENNLP_ARCHIVE,
    ALLENNLP_BEST,
    ARCHIVES,
    CONFIG,
    INDEX,
    MANYLANGS,
    NEWEST,
    SPARK_MODEL,
    Kind,
    sniff,
)

_MOST_NOTE = 1 << 20
# Names in a message.
_MOST_SHOWN = 8
# Ends of the names of options: AllenNLP's, those of single authors, and that of bio_embeddings' cache.
_OPTIONS_ENDS = (OPTIONS_NAME, "option.json", "options_file")
# The sections of an options file, whatever its name.
_SECTIONS = ("char_cnn", "lstm")
# DeepPavlov's folders of checkpoints, below the one with the options and the vocabulary.
_SAVES, _EPOCHS = "saves", "epochs"


class Files(NamedTuple):
    """The files of a model.

    options (Path | None): The options; None if the model has no such file, or it is inside an archive.
    weights (Path): The file that stands for the model; the others are found from it.
    """

    options: Path | None
    weights: Path

    @property
    def folders(self) -> list[Path]:
        """List the folders of the files.

        RETURNS (list[Path]): That of the weights, and that of the options if it is another one.
        """
        return list(dict.fromkeys(path.parent for path in reversed(self) if path is not None))

    @property
    def paths(self) -> list[Path]:
        """List every file that may belong to the model.

        RETURNS (list[Path]): The files.
        """
        is_one_of_many = self.weights.name.endswith(INDEX) or self.weights.name in (MANYLANGS[0], ALLENNLP)
        more = [path for folder in self.folders for path in list_files(folder)] if is_one_of_many else []
        return [*(path for path in self if path is not None), *more]


def list_files(folder: Path) -> list[Path]:
    """List the files of a folder. Of several names of one file, as links give it, only the first is listed.

    folder (Path): The folder.
    RETURNS (list[Path]): The files that are not hidden, sorted.
    """
    return drop_links(path for path in sorted(folder.iterdir()) if path.is_file() and path.name[0] != ".")


def show_names(paths: Sequence[Path]) -> str:
    """Name files in a message.

    paths (Sequence[Path]): The files, of which there may be thousands.
    RETURNS (str): The first names, and how many more there are.
    """
    names = ", ".join(show(path.name) for path in paths[:_MOST_SHOWN])
    return f"{names} and {len(paths) - _MOST_SHOWN} more" if len(paths) > _MOST_SHOWN else names


def drop_links(paths: Iterable[Path]) -> list[Path]:
    """Keep one name of each file or folder, and rather its own than that of a symbolic link.

    paths (Iterable[Path]): Files and folders that exist.
    RETURNS (list[Path]): One path to each, in the order given.
    """
    paths = list(paths)
    found: dict[tuple[int, int], Path] = {}
    for path in sorted(paths, key=Path.is_symlink):
        status = path.stat()
        found.setdefault((status.st_dev, status.st_ino), path)
    kept = set(found.values())
    return [path for path in paths if path in kept]


def sniff_files(folder: Path) -> dict[Path, Kind]:
    """Detect the kind of each file of a folder.

    folder (Path): The folder.
    RETURNS (dict[Path, Kind]): The kinds of its files, as `list_files` lists them.
    RAISES (OSError): If one of them cannot be read.
    """
    return {path: sniff(path) for path in list_files(folder)}


def list_options(files: Mapping[Path, Kind]) -> list[Path]:
    """Find the options among files, by their names; if none has such a name, by what is in them.

    files (Mapping[Path, Kind]): The files and their kinds.
    RETURNS (list[Path]): The options.
    """
    named = [path for path in files if is_options_name(path)]
    return named or [path for path, kind in files.items() if kind == "json" and _holds_options(path)]


def is_options_name(path: Path) -> bool:
    """Check whether a file has a name that options are published under.

    path (Path): The file.
    RETURNS (bool): Whether it has.
    """
    return path.name.endswith(_OPTIONS_ENDS)


def _holds_options(path: Path) -> bool:
    try:
        content = read_json(path)
    except ElmoError:  # such as a field that occurs twice
        return False
    return isinstance(content, dict) and all(isinstance(content.get(name), dict) for name in _SECTIONS)


def find_known_model(folder: Path) -> Files | None:
    """Find a model of another format by the names of its files.

    folder (Path): The folder.
    RETURNS (Files | None): The files; None if no format matches.
    """
    finders: Iterable[Callable[[Path], Files | None]] = (
        _find_checkpoint,
        _find_saved_model,
        _find_manylangs,
        _find_allennlp_elmo,
        _find_saves,
        _find_spark_model,
    )
    return next((found for found in (find(folder) for find in finders) if found is not None), None)


def _find_checkpoint(folder: Path) -> Files | None:
    indices = [path for path in list_files(folder) if path.name.endswith(INDEX)]
    if len(indices) > 1:
        indices = _select_newest(folder, indices)
    if len(indices) > 1:
        raise ElmoError(Errors.EL014.format(path=folder, what="weights", found=show_names(indices)))
    return checkpoint_files(indices[0]) if indices else None


def _select_newest(folder: Path, indices: list[Path]) -> list[Path]:
    """Select the index that TensorFlow's note names. The path in the note may be from another machine."""
    path = folder / NEWEST
    text = read_bytes(path, n_bytes=_MOST_NOTE).decode("utf-8", "replace") if path.is_file() else ""
    named = re.search(r'^model_checkpoint_path: "(?:[^"]*[/\\])?([^"/\\]+)"', text, re.MULTILINE)
    return [index for index in indices if named and index.name == named[1] + INDEX] or indices


def _find_saved_model(folder: Path) -> Files | None:
    variables = folder / "variables"
    found = _find_checkpoint(variables) if variables.is_dir() else None
    return None if found is None else Files(_find_checkpoint_options(folder), found.weights)


def _find_saves(folder: Path) -> Files | None:
    """Find the language model of DeepPavlov's, whose checkpoint is in a folder, or the newest of several is."""
    saves = folder if folder.name == _SAVES else folder / _SAVES
    epochs = saves / _EPOCHS
    numbered = [path for path in epochs.iterdir() if path.name.isdigit()] if epochs.is_dir() else []
    newest = sorted(numbered, key=lambda path: (len(path.name.lstrip("0")), path.name.lstrip("0")), reverse=True)
    found = (_find_checkpoint(place) for place in (saves, *newest) if place.is_dir())
    return next((files for files in found if files is not None), None)


def checkpoint_files(index: Path) -> Files:
    """Find the files of a checkpoint.

    index (Path): Its index.
    RETURNS (Files): The index, and the options beside it, or beside the folder of saves that it is in, if there
        are any.
    """
    options = _find_checkpoint_options(index.parent)
    if options is None:
        # saves/model.index, or saves/epochs/12/model.index.
        above = [place for place in index.absolute().parents[:3] if place.name == _SAVES]
        options = _find_checkpoint_options(above[0].parent) if above else None
    return Files(options, index)


def _find_checkpoint_options(folder: Path) -> Path | None:
    # A published module has none; its arrays determine the sizes.
    path = folder / OPTIONS_NAME
    return path if path.is_file() else None


def _find_manylangs(folder: Path) -> Files | None:
    has_all = all((folder / name).is_file() for name in MANYLANGS)
    return Files(folder / CONFIG, folder / MANYLANGS[0]) if has_all else None


def find_allennlp_model(folder: Path) -> Files | None:
    """Find a whole model of AllenNLP's, as in its archives.

    folder (Path): The folder.
    RETURNS (Files | None): The configuration and the weights; None if either is missing.
    """
    has_all = (folder / CONFIG).is_file() and (folder / ALLENNLP).is_file()
    return Files(folder / CONFIG, folder / ALLENNLP) if has_all else None


def find_allennlp_run(folder: Path) -> Files | None:
    """Find the model of a training run of AllenNLP's, in whose folder there are many states.

    folder (Path): The folder.
    RETURNS (Files | None): The archive that the run has made, or the configuration and the best state; None if
        either is missing.
    """
    archive, config, best = (folder / name for name in (ALLENNLP_ARCHIVE, CONFIG, ALLENNLP_BEST))
    if archive.is_file() and sniff(archive) in ARCHIVES:
        # Unlike the folder, it may have the options.
        return Files(None, archive)
    return Files(config, best) if config.is_file() and best.is_file() else None


def _find_allennlp_elmo(folder: Path) -> Files | None:
    """Find the state_dict of an ELMo without the rest of a model."""
    has_all = (folder / OPTIONS_NAME).is_file() and (folder / ALLENNLP).is_file()
    return Files(folder / OPTIONS_NAME, folder / ALLENNLP) if has_all else None


def _find_spark_model(folder: Path) -> Files | None:
    path = folder / SPARK_MODEL
    if path.is_dir():
        return find_known_model(path)
    return Files(None, path) if path.is_file() and sniff(path) in ARCHIVES else None


def index_path(prefix: Path) -> Path:
    """Find the index of a checkpoint, which users may name by the common start of its files' names.

    prefix (Path): The common start.
    RETURNS (Path): The path of the index.
    """
    return prefix.with_name(prefix.name + INDEX) if prefix.name else prefix
