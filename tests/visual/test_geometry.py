import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from spacy_elmo.visual import geometry
from spacy_elmo.visual.geometry import (
    cosines,
    find_nearest,
    measure_relations,
    measure_turn,
    normalize_rows,
    project,
)

RANDOM = np.random.default_rng(7)
ANY = arrays(
    np.float32, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9), elements=st.floats(width=32)
)


def test_cosines() -> None:
    one, two = RANDOM.normal(size=(5, 8)), RANDOM.normal(size=(3, 8))
    expected = [[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in two] for a in one]
    np.testing.assert_allclose(cosines(one, two), expected, atol=1e-6)


def test_rows_without_a_direction() -> None:
    array = np.array([[0.0, 0.0], [np.nan, 1.0], [np.inf, 0.0], [3e38, 0.0], [1e-40, 0.0]], np.float32)
    np.testing.assert_allclose(normalize_rows(array), [[0, 0], [0, 0], [0, 0], [1, 0], [1, 0]], atol=1e-6)


@pytest.mark.parametrize("same_sentence", [False, True])
@pytest.mark.parametrize("cells", [1, 1 << 24])
def test_nearest(same_sentence: bool, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against all cosines, sorted, in blocks of one row and in one block."""
    monkeypatch.setattr(geometry, "_CELLS", cells)
    array, sentences = RANDOM.normal(size=(12, 6)), [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2]
    found = find_nearest(array, sentences, k=4, same_sentence=same_sentence)
    every = cosines(array, array)
    for row in range(12):
        others = [k for k in range(12) if k != row and (same_sentence or sentences[k] != sentences[row])]
        expected = sorted(others, key=lambda k: -every[row, k])[:4]
        assert found.rows[row].tolist() == expected
        np.testing.assert_allclose(found.cosines[row], every[row, expected], atol=1e-6)


def test_nearest_of_few() -> None:
    found = find_nearest(np.eye(3), [0, 0, 1], k=8, same_sentence=False)
    assert found.rows.tolist() == [[2, -1, -1], [2, -1, -1], [0, 1, -1]]
    assert find_nearest(np.zeros((0, 3)), [], k=8, same_sentence=False).rows.shape == (0, 0)
    assert find_nearest(np.ones((1, 3)), [0], k=8, same_sentence=True).rows.tolist() == [[-1]]


@pytest.mark.parametrize("shape", [(20, 5), (5, 20)])
def test_projection(shape: tuple[int, int]) -> None:
    """Against numpy's singular values, whichever side of the matrix is the shorter one."""
    array = RANDOM.normal(size=shape) * np.linspace(3, 1, shape[1])
    found, shares = project(array)
    left, values, _ = np.linalg.svd(array - array.mean(axis=0), full_matrices=False)
    expected = (left * values)[:, :2]
    expected *= np.where(expected[np.abs(expected).argmax(axis=0), [0, 1]] < 0, -1, 1)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_allclose(shares, np.square(values[:2]) / np.square(values).sum())


@pytest.mark.parametrize(
    "array", [np.ones((1, 4)), np.ones((5, 4)) / 3, np.zeros((3, 2)), np.full((2, 2), np.nan)]
)
def test_projection_of_equal_vectors(array: np.ndarray) -> None:
    found, shares = project(array)
    assert not found.any()
    assert shares == (0.0, 0.0)


def test_projection_of_a_single_column() -> None:
    found, shares = project(np.array([[1.0], [3.0]]))
    np.testing.assert_allclose(np.abs(found), [[1, 0], [1, 0]])
    assert shares[0] == pytest.approx(1)


def test_turn() -> None:
    before, after = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]]), np.array([[2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    np.testing.assert_allclose(measure_turn(before, after), [0, 1, 2], atol=1e-6)
    # word_emb counts twice, for each direction.
    doubled = np.concatenate([before, before], axis=1)
    np.testing.assert_allclose(measure_turn(before, doubled), [0, 0, 0], atol=1e-6)


@pytest.mark.parametrize("cells", [1, 1 << 24])
def test_relations(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "_CELLS", cells)
    before, after = RANDOM.normal(size=(7, 4)), RANDOM.normal(size=(7, 6))
    one, two = cosines(before, before), cosines(after, after)
    others = ~np.eye(7, dtype=bool)
    expected = [1 - np.corrcoef(one[row][others[row]], two[row][others[row]])[0, 1] for row in range(7)]
    np.testing.assert_allclose(measure_relations(before, after), expected, atol=1e-5)


def test_relations_survive_a_rotation() -> None:
    before = RANDOM.normal(size=(6, 5))
    rotation = np.linalg.qr(RANDOM.normal(size=(5, 5)))[0]
    np.testing.assert_allclose(measure_relations(before, before @ rotation), 0, atol=1e-5)
    assert measure_turn(before, before @ rotation).max() > 0.5


def test_relations_of_too_few() -> None:
    assert np.isnan(measure_relations(np.eye(2), np.eye(2))).all()
    # All others are alike.
    assert np.isnan(measure_relations(np.ones((4, 3)), np.eye(4))).all()


@given(ANY)
def test_no_array_breaks(array: np.ndarray) -> None:
    """Zeros, infinities and NaN come out as finite numbers, or as NaN where nothing is known."""
    assert np.isfinite(cosines(array, array)).all()
    found = find_nearest(array, list(range(len(array))), k=3, same_sentence=True)
    assert np.isfinite(found.cosines).all()
    assert np.isfinite(project(array)[0]).all()
    assert np.isfinite(measure_turn(array, array)).all()
    measure_relations(array, array)
