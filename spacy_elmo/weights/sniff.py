"""Detect the format of a file by its first bytes, and of a folder by the names of its files."""

import json
import os
import re
import shlex
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from ..bilm.fields import MOST_JSON
from ..bilm.options import OPTIONS_NAME
from ..errors import ElmoError, Errors
from ..util.files import read_bytes, read_small

Kind = Literal[
    "hdf5", "safetensors", "checkpoint", "json", "pickle", "zip", "gzip", "bzip2", "xz", "zstd", "7z", "rar",
    "tar", "empty", "html", "unknown",
]  # fmt: skip

# Formats of a single weights file that always has an options file beside it.
WEIGHTS = ("hdf5", "safetensors")
ARCHIVES = ("zip", "gzip", "bzip2", "xz", "tar")

# The last bytes of a LevelDB table; the index of a TensorFlow checkpoint is one
# (tensorflow/core/lib/io/format.h).
_TABLE_END = (0xDB4775248B80FB57).to_bytes(8, "little")

DESCRIPTIONS = {
    "json": "a JSON file",
    "zip": "a zip archive",
    "tar": "a tar archive",
    "empty": "an empty file",
    "html": "a web page (possibly from a failed download)",
    "unknown": "not a known kind of weights file",
}
_HEADS = {
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
}
# For messages: the command that unpacks a single file, and the ending that it requires.
_COMMANDS = {
    "gzip": ("gunzip", ".gz"),
    "bzip2": ("bunzip2", ".bz2"),
    "xz": ("unxz", ".xz"),
    "zstd": ("unzstd", ".zst"),
    "7z": ("7z x", ""),
    "rar": ("unrar x", ""),
}

# The ending of a TensorFlow checkpoint's index, and the file that names the newest checkpoint.
INDEX = ".index"
NEWEST = "checkpoint"
_MOST_NOTE = 1 << 20
# Names of files by which pickles are recognised: of ELMoForManyLangs and of AllenNLP.
CONFIG = "config.json"
MANYLANGS = ("encoder.pkl", "token_embedder.pkl")
ALLENNLP = "weights.th"
ALLENNLP_ARCHIVE = "model.tar.gz"
# Spark NLP's name for a zip of a SavedModel beside the model's metadata. Some users unpack it.
SPARK_MODEL = "elmo_tensorflow"


def sniff(path: Path) -> Kind:
    """Detect the kind of a file's content, whatever its name.

    path (Path): The file.
    RETURNS (Kind): The kind.
    RAISES (ElmoError): If it is not a regular file.
    RAISES (OSError): If it cannot be read.
    """
    head = read_bytes(path, n_bytes=512)
    kind = sniff_head(head)
    if kind == "zip" and _is_torch_zip(path):
        return "pickle"
    if kind not in ("unknown", "pickle", "safetensors", "json"):
        return kind
    if _ends_with(path, _TABLE_END):
        return "checkpoint"
    return "unknown" if kind == "json" and not _is_json(path) else kind


def sniff_head(head: bytes) -> Kind:
    """Detect the kind of a file by its first 512 bytes alone.

    A zip may still be one of PyTorch's pickles, and JSON may end after a correct start.

    head (bytes): The first bytes of the file.
    RETURNS (Kind): The kind.
    """
    if not head:
        return "empty"
    for start, kind in _HEADS.items():
        if head.startswith(start):
            return kind  # type: ignore[return-value]
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head[257:262] == b"ustar":
        return "tar"
    # Pickles of protocol 2 and later start with 0x80 and the protocol; PyTorch's old files start with a pickle.
    if head[0] == 0x80 and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "pickle"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000:
        return "safetensors"
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "html"
    return "json" if text.startswith(b"{") else "unknown"


def unpack_command(path: Path, kind: Kind) -> str:
    """Write the command that unpacks a compressed file.

    path (Path): The file.
    kind (Kind): Its kind.
    RETURNS (str): The command; "" if the kind needs none.
    """
    command, ending = _COMMANDS.get(kind, ("", ""))
    quoted = shlex.quote(str(path))
    if not command or path.name.endswith(ending):
        return command and f"{command} {quoted}"
    return f"{command} < {quoted} > {shlex.quote(f'{path}.unpacked')}"


def _ends_with(path: Path, end: bytes) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - len(end), 0))
        return file.read() == end


def _is_torch_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.split("/") for name in archive.namelist()]
            return any(name[-1] == "data.pkl" and len(name) <= 2 for name in names)
    except Exception:  # damaged archives fail in many ways; unpacking reports it
        return False


def _is_json(path: Path) -> bool:
    if path.stat().st_size > MOST_JSON:
        return False
    try:
        json.loads(read_small(path, most=MOST_JSON).decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return True


class Files(NamedTuple):
    """The files of a model.

    options (Path | None): The options; None if the format has no such file, or it is inside an archive.
    weights (Path): The file that stands for the model; the others are found from it.
    """

    options: Path | None
    weights: Path

    @property
    def paths(self) -> list[Path]:
        """List every file that may belong to the model.

        RETURNS (list[Path]): The files.
        """
        is_one_of_many = self.weights.name.endswith(INDEX) or self.weights.name in (MANYLANGS[0], ALLENNLP)
        more = list_files(self.weights.parent) if is_one_of_many else []
        return [*(path for path in self if path is not None), *more]


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
        _find_spark_model,
    )
    return next((found for found in (find(folder) for find in finders) if found is not None), None)


def _find_checkpoint(folder: Path) -> Files | None:
    indices = [path for path in list_files(folder) if path.name.endswith(INDEX)]
    if len(indices) > 1:
        indices = _select_newest(folder, indices)
    if len(indices) > 1:
        found = ", ".join(path.name for path in indices)
        raise ElmoError(Errors.EL014.format(path=folder, what="weights", found=found))
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


def checkpoint_files(index: Path) -> Files:
    """Find the files of a checkpoint.

    index (Path): Its index.
    RETURNS (Files): The index, and the options beside it if there are any.
    """
    return Files(_find_checkpoint_options(index.parent), index)


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


def _find_allennlp_elmo(folder: Path) -> Files | None:
    """Find the state_dict of an ELMo without the rest of a model."""
    has_all = (folder / OPTIONS_NAME).is_file() and (folder / ALLENNLP).is_file()
    return Files(folder / OPTIONS_NAME, folder / ALLENNLP) if has_all else None


def _find_spark_model(folder: Path) -> Files | None:
    path = folder / SPARK_MODEL
    if path.is_dir():
        return find_known_model(path)
    return Files(None, path) if path.is_file() and sniff(path) in ARCHIVES else None


def list_files(folder: Path) -> list[Path]:
    """List the files of a folder.

    folder (Path): The folder.
    RETURNS (list[Path]): The files that are not hidden, sorted.
    """
    return [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]


def index_path(prefix: Path) -> Path:
    """Find the index of a checkpoint, which users may name by the common start of its files' names.

    prefix (Path): The common start.
    RETURNS (Path): The path of the index.
    """
    return prefix.with_name(prefix.name + INDEX) if prefix.name else prefix
