"""Equal to AllenNLP's and bilm-tf's own outputs, for every golden in HDF5 form."""

import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.inference.settings import PrecisionName
from tests.data import WAYS, Measured, read_case, read_npz, shared_path
from tests.parity.cases import CASES

# What right programs differ by, from parity/README.md: rounding. Wrong ones miss by 0.35 and more.
TOLERANCES = {"fp32": (1e-5, 1e-4), "fp64": (3.5e-5, 3.5e-5)}
STATEFUL = ["base/expected_stateful", "base/expected_stateful_varying", "clipping/expected_stateful"]
# float64 is computed in one way only.
HOW = pytest.mark.parametrize(
    ("precision", "way"), [("fp64", "plain"), *(("fp32", way) for way in WAYS)], indirect=["way"]
)
FIXTURES = [("allennlp_fixture", "sentences.json"), ("bilm_tf_fixture", "lm_embeddings_sentences.json")]


def hold(measured: Measured, name: str, how: str, got: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(got) == len(expected)
    assert all(g.shape == e.shape for g, e in zip(got, expected))
    worst = np.max([np.abs(g - e).max(axis=(1, 2)) for g, e in zip(got, expected)], axis=0)
    measured(f"{name:<42}{how:<12}  max abs difference per layer: {' '.join(f'{w:.1e}' for w in worst)}")
    bottom, lstm = TOLERANCES[how[:4]]
    assert worst[0] <= bottom
    assert worst[1:].max() <= lstm


def test_no_case_is_left_out() -> None:
    parity = shared_path("parity")
    assert {f"bilm/{path.name}" for path in (parity / "bilm").iterdir()} | {
        f"bilm_tf_only/{path.name}" for path in (parity / "bilm_tf_only").iterdir()
    } == set(CASES)
    stateful = {f"{path.parent.name}/{path.stem}" for path in parity.glob("bilm/*/expected_stateful*.npz")}
    assert stateful == set(STATEFUL)


@HOW
@pytest.mark.parametrize("name", CASES)
def test_sentences_on_their_own(
    measured: Measured, parity: Path, name: str, precision: PrecisionName, way: str
) -> None:
    case = read_case(parity / name)
    elmo = spacy_elmo.load(parity / name, precision=precision)
    hold(
        measured,
        name,
        f"{precision} {way}",
        [output.stack() for output in elmo.embed(case.sentences)],
        case.expected,
    )


@HOW
@pytest.mark.parametrize("name", STATEFUL)
def test_carried_state(measured: Measured, parity: Path, name: str, precision: PrecisionName, way: str) -> None:
    folder, expected = (parity / "bilm" / name).parent, name.split("/")[1]
    case = read_case(folder, expected)
    sizes = read_npz(folder / f"{expected}.npz")["batch_sizes"]
    elmo = spacy_elmo.load(folder, precision=precision, initial_state="carry")
    got = [output.stack() for batch in batches(case.sentences, sizes) for output in elmo.embed(batch)]
    hold(measured, f"bilm/{name}", f"{precision} {way}", got, case.expected)


def batches(sentences: list[list[str]], sizes: "np.ndarray") -> Iterator[list[list[str]]]:
    start = 0
    for size in sizes:
        yield sentences[start : start + size]
        start += size


@HOW
@pytest.mark.parametrize(("name", "sentences"), FIXTURES)
def test_fixtures_of_the_authors(
    measured: Measured, parity: Path, name: str, sentences: str, precision: PrecisionName, way: str
) -> None:
    """Batches of three through one model, state carried; the goldens hold the top layer."""
    folder = parity / name
    elmo = load_fixture(folder, precision)
    lists = [[line.split() for line in lines] for lines in json.loads((folder / sentences).read_text("utf-8"))]
    files = [h5py.File(folder / f"lm_embeddings_{k}.hdf5") for k in range(3)]
    worst = 0.0
    for i in range(10):
        for file, output in zip(files, elmo.embed([one[i] for one in lists])):
            expected = np.concatenate(list(file[str(i)]), axis=1)
            np.testing.assert_allclose(output.lstm_outputs2, expected, atol=1e-6, rtol=1e-5)
            worst = max(worst, float(np.abs(output.lstm_outputs2 - expected).max()))
    measured(f"{name:<42}{f'{precision} {way}':<12}  max abs difference, top layer: {worst:.1e}")


def load_fixture(folder: Path, precision: PrecisionName) -> Elmo:
    pair = [folder / "options.json", folder / "lm_weights.hdf5"]
    return spacy_elmo.load(pair, precision=precision, initial_state="carry")


def test_token_embeddings_of_the_authors(measured: Measured, parity: Path, way: str) -> None:
    folder = parity / "allennlp_fixture"
    words = (folder / "vocab_test.txt").read_text("utf-8").splitlines()
    with h5py.File(folder / "elmo_token_embeddings.hdf5") as file:
        expected = file["embedding"][()]
    elmo = spacy_elmo.load(folder / "lm_weights.hdf5")
    got = np.concatenate(
        [output.word_emb for output in elmo.embed([[word] for word in words], layers=["word_emb"])]
    )
    worst = np.abs(got - expected).max()
    measured(f"{'allennlp_fixture, token embeddings':<42}{f'fp32 {way}':<12}  max abs difference: {worst:.1e}")
    assert worst <= 1e-5


@pytest.mark.parametrize(
    "name", ["bilm/base", "bilm/tanh_deep", "bilm_tf_only/no_skip", "bilm_tf_only/no_projection"]
)
def test_batching_does_not_matter(parity: Path, name: str, way: str) -> None:
    case = read_case(parity / name)
    elmo = spacy_elmo.load(parity / name)
    one_by_one = [elmo.embed([sentence])[0].stack() for sentence in case.sentences]
    for budget in (1, 60, 300, 5000):
        together = spacy_elmo.load(parity / name, max_batch_tokens=budget).embed(case.sentences)
        assert max(np.abs(one_by_one[i] - output.stack()).max() for i, output in enumerate(together)) <= 2e-5
