"""Hashes of files and of arrays."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hashlib import _Hash

# Bytes read at a time.
_CHUNK = 1 << 22


def sha256(path: Path) -> str:
    """Compute the SHA-256 of a file.

    path (Path): The file.
    RETURNS (str): The digest in hexadecimal.
    """
    return hash_file(path, "sha256")


def hash_file(path: Path, algorithm: str) -> str:
    """Compute a checksum of a file.

    path (Path): The file.
    algorithm (str): As `hashlib` names it, such as "md5", which some systems allow for this purpose only.
    RETURNS (str): The digest in hexadecimal.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def hash_arrays(digest: "_Hash", arrays: Mapping[str, Any], names: Iterable[str]) -> None:
    """Add arrays to a digest, with their names, dtypes and shapes.

    digest (_Hash): An object of hashlib.
    arrays (Mapping[str, Any]): Numpy arrays by their names.
    names (Iterable[str]): Those to add, in this order.
    """
    for name in names:
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
