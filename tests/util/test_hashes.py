"""A digest is of the content, and for arrays of all that tells them apart."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.util.hashes import hash_arrays, sha256


def test_sha256(tmp_path: Path) -> None:
    """The digest of "abc" is an example of FIPS 180-2."""
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    long = b"0123456789abcdef" * 300_000
    (tmp_path / "file").write_bytes(long)
    assert sha256(tmp_path / "file") == hashlib.sha256(long).hexdigest()


def _digest(*names: str, **arrays: NDArray[np.generic]) -> str:
    digest = hashlib.sha256()
    hash_arrays(digest, arrays, names)
    return digest.hexdigest()


def test_hash_arrays() -> None:
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    others = [
        _digest("b", b=a),
        _digest("a", a=a.reshape(3, 2)),
        _digest("a", a=a.view(np.int32)),
        _digest("a", a=a + 1),
        _digest("a", "b", a=a, b=a + 1),
        _digest("b", "a", a=a, b=a + 1),
    ]
    assert len({_digest("a", a=a), *others}) == 7
    assert _digest("a", a=np.asfortranarray(a), b=a) == _digest("a", a=a)
