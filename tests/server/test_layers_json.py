"""Numbers as JSON, and pieces of a bounded size."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_elmo.server.layers_json import PIECE_BYTES, join_pieces, write_json, write_rows


def read(array: np.ndarray) -> list[list[float]]:
    rows: list[list[float]] = json.loads(b"[" + b"".join(write_rows(array)) + b"]")
    return rows


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_same_numbers(numbers: list[float]) -> None:
    array = np.array([numbers], dtype=np.float32)
    np.testing.assert_array_equal(np.array(read(array), dtype=np.float32), array)


def test_fewest_digits() -> None:
    assert b"".join(write_rows(np.array([[0.1, -2, 1e-8]], dtype=np.float32))) == b"[0.1,-2.0,1e-8]"


@pytest.mark.parametrize(("n_rows", "width"), [(0, 8), (1, 8), (512, 8), (513, 8), (2, 10_000), (3, 0)])
def test_parts(n_rows: int, width: int) -> None:
    array = np.random.default_rng(0).normal(size=(n_rows, width)).astype(np.float32)
    np.testing.assert_array_equal(np.array(read(array), dtype=np.float32).reshape(n_rows, width), array)


def test_other_arrays() -> None:
    """Double precision is rounded; the order in memory does not matter; and what is not finite is null."""
    array = np.array([[1 / 3, 2], [np.nan, np.inf]])
    assert read(array.T) == [[0.33333334, None], [2.0, None]]
    assert read(np.asfortranarray(array)[:, ::-1]) == [[2.0, 0.33333334], [None, None]]


def test_pieces() -> None:
    parts = [b"x" * 1_000] * 200 + [b"y" * 200_000, b"", b"z"]
    pieces = join_pieces(parts)
    assert b"".join(pieces) == b"".join(parts)
    assert all(PIECE_BYTES <= len(piece) < 2 * PIECE_BYTES + 200_000 for piece in [*pieces][:-1])
    assert len(pieces) == 5
    assert [*join_pieces([])] == [b""]


def test_text() -> None:
    assert write_json(["a", 'é"']) == '["a","é\\""]'.encode()
    assert write_json(["é", "\ud800"]) == b'["\\u00e9","\\ud800"]'
