from typing import Any

import numpy as np
import pytest

from spacy_elmo.bilm.options import Options
from spacy_elmo.weights.arrays import Weights, cast_array, softmax_facts
from tests.language_models import adaptive_softmax, full_softmax


def of(options: dict[str, Any], arrays: dict[str, np.ndarray]) -> Weights:
    return Weights(options=Options.from_dict(options), arrays=arrays, source="here", format="memory")


def test_kinds(tiny_options: dict[str, Any]) -> None:
    assert softmax_facts(of(tiny_options, {"initial_state.cell": np.zeros(3)})) is None
    assert softmax_facts(of(tiny_options, full_softmax(n_words=17))) == ("full", 17, [])
    adaptive = adaptive_softmax(head=7, tails=[(5, 6), (1, 9)])
    assert softmax_facts(of(tiny_options, adaptive)) == ("adaptive", 22, [7, 13])
    # Clusters are ordered by number, and 2 is before 10.
    many = adaptive_softmax(head=3, tails=[(1, k + 1) for k in range(11)])
    facts = softmax_facts(of(tiny_options, dict(sorted(many.items()))))
    assert facts == ("adaptive", 69, [3, 4, 6, 9, 13, 18, 24, 31, 39, 48, 58])


@pytest.mark.parametrize(
    ("head", "tails", "match"),
    [
        (0, [(2, 4), (2, 4)], r"EL093.*'here'.* 2 rows in its head, clusters of \[4, 4\]"),
        (5, [(2, 0)], r"EL093.*6 rows in its head, clusters of \[0\]"),
        (5, [], "EL093.*5 rows in its head, clusters of no words"),
    ],
)
def test_shapes_that_cannot_be(tiny_options: dict[str, Any], head: int, tails: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        softmax_facts(of(tiny_options, adaptive_softmax(head=head, tails=tails)))


def test_nothing_to_do() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert cast_array(array, np.float32, name="x") is array
    turned = cast_array(array.T, np.float32, name="x")
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turned, array.T)
    assert cast_array(np.float32(2).reshape(()), np.float16, name="x").shape == ()


def test_to_the_nearest() -> None:
    array = np.array([0.1, -1.0, 65504, 65519, 1e-9, np.inf, -np.inf, np.nan])
    expected = np.array([0.0999755859375, -1, 65504, 65504, 0, np.inf, -np.inf, np.nan])
    got = cast_array(array, np.float16, name="x")
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got.astype(np.float64), expected)


def test_too_large() -> None:
    array = np.array([1.0, 70000, -80000, np.inf], dtype=np.float32)
    match = r"EL086.*'some.weight' contains 80000, but the largest number in float16 is 65504\..*use float32"
    with pytest.raises(ValueError, match=match):
        cast_array(array, np.float16, name="some.weight")
