"""Detect the kind of a file by its content; and the names by which formats of several files are recognised."""

import codecs
import json
import os
import shlex
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from ..bilm.fields import MOST_JSON
from ..util.files import LFS_POINTER, read_bytes, read_small

Kind = Literal[
    "hdf5", "safetensors", "checkpoint", "json", "pickle", "zip", "gzip", "bzip2", "xz", "zstd", "7z", "rar",
    "tar", "sqlite", "mxnet", "pointer", "empty", "html", "unknown",
]  # fmt: skip

# Formats of a single weights file that always has an options file beside it, and the endings of its name.
WEIGHTS = ("hdf5", "safetensors")
PAIRED_ENDINGS = (".hdf5", ".h5", ".hdf", ".safetensors")
ARCHIVES = ("zip", "gzip", "bzip2", "xz", "tar")
# The endings of archives, and those that a single compressed file has, too.
ARCHIVE_ENDINGS = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz")
# The names of weights, as bilm-tf and this package write them.
WEIGHTS_NAMES: Mapping[Kind, str] = {"hdf5": "weights.hdf5", "safetensors": "weights.safetensors"}
# The ending of a TensorFlow checkpoint's index, and the file that names the newest checkpoint.
INDEX = ".index"
NEWEST = "checkpoint"
# Formats of other programs' ELMos, which are not read.
FOREIGN = ("sqlite", "mxnet")
# What a download that failed leaves, and the endings of weights' names in whose place it may be.
BROKEN = ("pointer", "empty", "html", "unknown")
WEIGHTS_ENDINGS = (*PAIRED_ENDINGS, ".th", ".pt", ".bin", INDEX)

# The last bytes of a LevelDB table; the index of a TensorFlow checkpoint is one
# (tensorflow/core/lib/io/format.h).
_TABLE_END = (0xDB4775248B80FB57).to_bytes(8, "little")

DESCRIPTIONS = {
    "json": "a JSON file",
    "zip": "a zip archive",
    "tar": "a tar archive",
    "sqlite": "a SQLite database",
    "mxnet": "a file of MXNet's arrays",
    "pointer": "a pointer of Git LFS",
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
    b"SQLite format 3\0": "sqlite",
    LFS_POINTER: "pointer",
    # A list of arrays, as MXNet saves it (src/ndarray/ndarray.cc: kMXAPINDArrayListMagic, and a reserved number).
    (0x112).to_bytes(16, "little"): "mxnet",
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

# The words that a language model predicts, as bilm-tf writes them.
VOCAB_NAME = "vocab.txt"
# Names of files by which pickles are recognised: of ELMoForManyLangs and of AllenNLP.
CONFIG = "config.json"
MANYLANGS = ("encoder.pkl", "token_embedder.pkl")
ALLENNLP = "weights.th"
ALLENNLP_ARCHIVE = "model.tar.gz"
# What AllenNLP reads in the folder of a training run (allennlp/models/model.py).
ALLENNLP_BEST = "best.th"
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
    # Editors of Windows begin a text with a mark.
    text = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
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
        json.loads(read_small(path, most=MOST_JSON).decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return True
