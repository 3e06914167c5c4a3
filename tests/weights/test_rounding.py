import numpy as np
import pytest

from spacy_elmo.weights.rounding import rounded


def test_nothing_to_do() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert rounded(array, np.float32, name="x") is array
    turned = rounded(array.T, np.float32, name="x")
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turned, array.T)
    assert rounded(np.float32(2).reshape(()), np.float16, name="x").shape == ()


def test_to_the_nearest() -> None:
    array = np.array([0.1, -1.0, 65504, 65519, 1e-9, np.inf, -np.inf, np.nan])
    expected = np.array([0.0999755859375, -1, 65504, 65504, 0, np.inf, -np.inf, np.nan])
    got = rounded(array, np.float16, name="x")
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got.astype(np.float64), expected)


def test_too_large() -> None:
    array = np.array([1.0, 70000, -80000, np.inf], dtype=np.float32)
    match = r"EL086.*'some.weight' holds 80000, but float16 goes no further than 65504\. Write it as float32"
    with pytest.raises(ValueError, match=match):
        rounded(array, np.float16, name="some.weight")
