"""The lower precisions against the goldens: how far they are off, and never further than the README says."""

import copy
from pathlib import Path

import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.inference.cpu import features
from spacy_elmo.inference.settings import PrecisionName
from spacy_elmo.weights.source import read_weights
from tests.data import Measured, read_case
from tests.parity.cases import CASES

# Least cosine similarity of any token in any LSTM layer: on the realistic case, on every case. The other cases
# have larger weights than trained models, to be at the clips often, and make more of an error.
BOUNDS: dict[PrecisionName, tuple[float, float]] = {"bf16": (0.999, 0.98), "int8": (0.99, 0.85)}


@pytest.fixture(params=list(BOUNDS))
def precision(request: pytest.FixtureRequest) -> PrecisionName:
    name: PrecisionName = request.param
    if not (features.has_bf16() if name == "bf16" else features.has_int8()):
        pytest.skip(f"this processor cannot compute in {name}")
    return name


def cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    one, other = one.astype(np.float64), other.astype(np.float64)
    return np.asarray((one * other).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1))


@pytest.mark.parametrize("name", CASES)
def test_errors(measured: Measured, parity: Path, name: str, precision: PrecisionName) -> None:
    case = read_case(parity / name)
    outputs = spacy_elmo.load(parity / name, precision=precision).embed(case.sentences)
    got = np.concatenate([output.stack() for output in outputs], axis=1)
    expected = np.concatenate(case.expected, axis=1)
    off = np.abs(got - expected).max(axis=(1, 2))
    similar = cosine(got, expected).min(axis=1)
    measured(
        f"{name:<28}{precision}  max abs difference per layer: {' '.join(f'{v:.1e}' for v in off)}"
        f"  min cosine: {' '.join(f'{v:.5f}' for v in similar)}"
    )
    # The character encoder keeps its precision.
    assert off[0] <= 1e-5
    assert similar[1:].min() >= BOUNDS[precision][0 if name == "bilm/realistic" else 1]


def test_other_sentences_in_the_batch(parity: Path, precision: PrecisionName) -> None:
    case = read_case(parity / "bilm" / "realistic")
    elmo = spacy_elmo.load(parity / "bilm" / "realistic", precision=precision)
    together = elmo.embed(case.sentences)
    for sentence, output in zip(case.sentences, together):
        alone = elmo.embed([sentence])[0]
        assert cosine(alone.stack()[1:], output.stack()[1:]).min(initial=1) >= BOUNDS[precision][0]
    for one, other in zip(together, elmo.embed(case.sentences)):
        np.testing.assert_array_equal(one.stack(), other.stack())


def test_nothing_is_lost_in_saving(parity: Path, tmp_path: Path, precision: PrecisionName) -> None:
    """What is saved is what was read, not what it was rounded to; copies give the same."""
    source = parity / "bilm" / "base"
    expected: dict[str, np.ndarray] = read_weights(source).arrays
    elmo = spacy_elmo.load(source, precision=precision)
    elmo.save(tmp_path / "saved")
    again = spacy_elmo.load(tmp_path / "saved", precision=precision)
    again.save(tmp_path / "saved")
    sentences: list[list[str]] = [["What", "is", "saved", "?"]]
    vectors = elmo.embed(sentences)[0].elmo
    copies: list[Elmo] = [again, copy.deepcopy(elmo), spacy_elmo.load(tmp_path / "saved", precision=precision)]
    for one in copies:
        arrays = one.named_arrays()
        assert all(np.array_equal(arrays[name], array) for name, array in expected.items())
        np.testing.assert_array_equal(one.embed(sentences)[0].elmo, vectors)
