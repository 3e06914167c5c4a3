"""What a file is, by its first bytes: names lie, and downloads are renamed."""

import json
import os
import shlex
import zipfile
from pathlib import Path
from typing import Literal

from ..bilm.fields import MOST_JSON
from ..util.files import read_bytes, read_small

Kind = Literal[
    "hdf5", "safetensors", "checkpoint", "json", "pickle", "zip", "gzip", "bzip2", "xz", "zstd", "7z", "rar",
    "tar", "empty", "html", "unknown",
]  # fmt: skip

# Files that hold a model's numbers beside its options.
WEIGHTS = ("hdf5", "safetensors")
ARCHIVES = ("zip", "gzip", "bzip2", "xz", "tar")

# The end of a table as LevelDB writes it, which a TensorFlow checkpoint's index is
# (tensorflow/core/lib/io/format.h).
_TABLE_END = (0xDB4775248B80FB57).to_bytes(8, "little")

DESCRIPTIONS = {
    "json": "a JSON file",
    "zip": "a zip archive",
    "tar": "a tar archive",
    "empty": "an empty file",
    "html": "a web page (a download that went wrong?)",
    "unknown": "no known kind of weights file",
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
# What unpacks a single file, and the ending that it insists on, for messages.
_COMMANDS = {
    "gzip": ("gunzip", ".gz"),
    "bzip2": ("bunzip2", ".bz2"),
    "xz": ("unxz", ".xz"),
    "zstd": ("unzstd", ".zst"),
    "7z": ("7z x", ""),
    "rar": ("unrar x", ""),
}


def sniff(path: Path) -> Kind:
    """Kind of the file's content; its name is not looked at.

    RAISES: ValueError if it is no regular file; OSError if it cannot be read.
    """
    head = read_bytes(path, n_bytes=512)
    kind = kind_of_head(head)
    if kind == "zip" and _is_torch_zip(path):
        return "pickle"
    if kind not in ("unknown", "pickle", "safetensors", "json"):
        return kind
    if _ends_with(path, _TABLE_END):
        return "checkpoint"
    return "unknown" if kind == "json" and not _is_json(path) else kind


def kind_of_head(head: bytes) -> Kind:
    """What a file is that begins so, as far as its first 512 bytes tell: a zip may be a pickle of PyTorch's, and
    what begins as JSON need not go on so."""
    if not head:
        return "empty"
    for start, kind in _HEADS.items():
        if head.startswith(start):
            return kind  # type: ignore[return-value]
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head[257:262] == b"ustar":
        return "tar"
    # Protocol 2 and later start with 0x80 and their number; PyTorch's old files start with such a pickle.
    if head[0] == 0x80 and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "pickle"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000:
        return "safetensors"
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "html"
    return "json" if text.startswith(b"{") else "unknown"


def unpack_command(path: Path, kind: Kind) -> str:
    """The command that unpacks a compressed file; "" if it is of another kind."""
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
    except Exception:  # damaged archives fail in many ways; whoever unpacks this one will say so
        return False


def _is_json(path: Path) -> bool:
    if path.stat().st_size > MOST_JSON:
        return False
    try:
        json.loads(read_small(path, most=MOST_JSON).decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return True
