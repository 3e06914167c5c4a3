"""Kinds of files, told by their content under names that say nothing."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from spacy_elmo.weights.sniff import sniff, sniff_head, unpack_command


def make_zip(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, b"content")
    return buffer.getvalue()


def make_tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


def saved_by_torch(zip_format: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(2)}, buffer, _use_new_zipfile_serialization=zip_format)
    return buffer.getvalue()


TABLE_END = bytes.fromhex("57fb808b247547db")
FILES = {
    "hdf5": b"\x89HDF\r\n\x1a\n and more",
    "safetensors": safetensors.numpy.save({"a": np.zeros(2, np.float32)}),
    "checkpoint": b"anything" + TABLE_END,
    "checkpoint that begins as JSON": b"{" + TABLE_END,
    "json": b'\n {"lstm": {}}',
    "pickle": pickle.dumps([1], protocol=2),
    "pickle of PyTorch": saved_by_torch(zip_format=False),
    "pickle of PyTorch, zipped": saved_by_torch(zip_format=True),
    "zip": make_zip("options.json"),
    "zip with another data.pkl": make_zip("a/b/data.pkl"),
    "zip that is cut": make_zip("data.pkl")[:40],
    "gzip": gzip.compress(b"a"),
    "bzip2": bz2.compress(b"a"),
    "xz": lzma.compress(b"a"),
    "zstd": b"\x28\xb5\x2f\xfd\x00",
    "7z": b"7z\xbc\xaf\x27\x1c\x00",
    "rar": b"Rar!\x1a\x07\x00",
    "tar": make_tar(),
    "empty": b"",
    "html": b"\n<!DOCTYPE html><p>Not found",
    "html without doctype": b"<HTML>",
    "unknown": b"words",
    "unknown that begins as JSON": b'{"lstm": ',
    "unknown of bytes": b"{\xff}",
    "unknown pickle of protocol 1": pickle.dumps([1], protocol=1),
    "unknown with a header too long": (10**8).to_bytes(8, "little") + b"{",
}


@pytest.mark.parametrize("name", FILES)
def test_kinds(tmp_path: Path, name: str) -> None:
    path = tmp_path / "weights.hdf5"
    path.write_bytes(FILES[name])
    assert sniff(path) == name.split()[0]


def test_no_regular_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="EL"):
        sniff(tmp_path)
    with pytest.raises(FileNotFoundError):
        sniff(tmp_path / "none")


def test_what_a_head_cannot_tell() -> None:
    """`sniff` looks at the rest of the file for these."""
    assert sniff_head(saved_by_torch(zip_format=True)[:512]) == "zip"
    assert sniff_head(b"{ no JSON") == "json"


@pytest.mark.parametrize(
    ("name", "kind", "command"),
    [
        ("weights.hdf5.gz", "gzip", "gunzip weights.hdf5.gz"),
        ("weights.hdf5", "gzip", "gunzip < weights.hdf5 > weights.hdf5.unpacked"),
        ("a b.bz2", "bzip2", "bunzip2 'a b.bz2'"),
        ("a b", "xz", "unxz < 'a b' > 'a b.unpacked'"),
        ("a.zst", "zstd", "unzstd a.zst"),
        ("a", "7z", "7z x a"),
        ("a", "rar", "unrar x a"),
        ("a.gz", "hdf5", ""),
        ("a.zip", "zip", ""),
    ],
)
def test_commands(name: str, kind: str, command: str) -> None:
    assert unpack_command(Path(name), kind) == command  # type: ignore[arg-type]
