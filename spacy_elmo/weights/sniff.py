"""What a file is, by its first bytes: names lie, and downloads are renamed."""

import json
import os
import zipfile
from pathlib import Path
from typing import Literal

Kind = Literal[
    "hdf5", "safetensors", "checkpoint", "json", "pickle", "zip", "gzip", "tar", "empty", "html", "unknown"
]

# Files that hold a model's numbers beside its options.
WEIGHTS = ("hdf5", "safetensors")
ARCHIVES = ("zip", "gzip", "tar")

# Options with a vocabulary of a million words have as many bytes; corpora have more.
MOST_JSON = 32 << 20

# The end of a table as LevelDB writes it, which a TensorFlow checkpoint's index is
# (tensorflow/core/lib/io/format.h).
_TABLE_END = (0xDB4775248B80FB57).to_bytes(8, "little")

DESCRIPTIONS = {
    "json": "a JSON file",
    "zip": "a zip archive",
    "gzip": "a gzip archive",
    "tar": "a tar archive",
    "empty": "an empty file",
    "html": "a web page (a download that went wrong?)",
    "unknown": "no known kind of weights file",
}


def sniff(path: Path) -> Kind:
    """Kind of the file's content; its name is not looked at."""
    size = path.stat().st_size
    if size == 0:
        return "empty"
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if head.startswith(b"PK\x03\x04"):
        return "pickle" if _is_torch_zip(path) else "zip"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head[257:262] == b"ustar":
        return "tar"
    if _ends_with(path, _TABLE_END):
        return "checkpoint"
    # Protocol 2 and later start with 0x80 and their number; PyTorch's old files start with such a pickle.
    if head[0] == 0x80 and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "pickle"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000:
        return "safetensors"
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "html"
    return "json" if text.startswith(b"{") and _is_json(path) else "unknown"


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
        json.loads(path.read_text("utf-8"))
    except (ValueError, OSError, RecursionError):
        return False
    return True
