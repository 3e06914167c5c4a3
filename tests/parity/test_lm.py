"""Equal to bilm-tf's own test of a language model that it has trained, for every token."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spacy_elmo.cli.export import export
from spacy_elmo.cli.perplexity import Summary, perplexity
from spacy_elmo.language_model.corpus import Corpus
from spacy_elmo.language_model.likelihood import iter_carried, iter_fresh
from spacy_elmo.language_model.word_types import encode_types
from spacy_elmo.weights.source import read_weights
from tests.data import Measured, read_npz
from tests.language_models import LM, Reference, States, lines_of, load_language_model, write_bilm_tf

# Float64 is within 2.7e-6 of bilm-tf, the README of the goldens says.
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bilm_tf(tmp_path_factory.mktemp("lm"))


@pytest.fixture(scope="module")
def expected(parity: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((parity / "lm" / "expected.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def tokens(parity: Path) -> dict[str, np.ndarray]:
    return read_npz(parity / "lm" / "expected_tokens.npz")


def test_the_formulas_equal_bilm_tf(parity: Path, tokens: dict[str, np.ndarray]) -> None:
    """What other tests hold the package against is right itself."""
    softmax = {f"softmax.{name}": array for name, array in read_npz(LM / "softmax.npz").items()}
    reference = Reference(softmax, base=parity / "lm")
    words = (LM / "vocab.txt").read_text("utf-8").split()
    states: States = {}
    found = [reference.likelihood(sentence, words, states) for sentence in lines_of(parity / "lm" / "test.txt")]
    for name, parts in (("forward", [f for f, _ in found]), ("backward", [b[::-1] for _, b in found])):
        np.testing.assert_allclose(np.concatenate(parts), tokens[f"stream_{name}"], atol=2.7e-6, rtol=0)


@pytest.mark.needs("tensorflow")
def test_the_checkpoint_itself(measured: Measured, parity: Path, source: Path, tmp_path: Path) -> None:
    """bilm-tf's checkpoint is a language model as it stands: unpacked or not, or converted."""
    expected = read_weights(source)
    shutil.copytree(parity / "lm", tmp_path / "lm", ignore=shutil.ignore_patterns("*.hdf5"))
    archive = shutil.make_archive(str(tmp_path / "lm"), "zip", tmp_path / "lm")
    export(archive, tmp_path / "converted", dtype=None)
    checkpoint = str(parity / "lm/model.ckpt-1056")
    for one in (checkpoint, tmp_path / "lm", archive, tmp_path / "converted"):
        found = read_weights(one)
        assert found.arrays.keys() == expected.arrays.keys()
        assert all(np.array_equal(found.arrays[name], array) for name, array in expected.arrays.items())
        _, vocabulary = load_language_model(one)
        assert len(vocabulary) == found.arrays["softmax.bias"].size
    test = json.loads((parity / "lm/expected.json").read_text("utf-8"))["test"]
    hold(measured, "its checkpoint", perplexity(checkpoint, parity / "lm/test.txt"), test["batch_size_1"])


@pytest.mark.parametrize("kind", ["stream", "independent"])
def test_every_token(
    measured: Measured, parity: Path, source: Path, tokens: dict[str, np.ndarray], kind: str
) -> None:
    model, vocabulary = load_language_model(source)
    corpus = Corpus.from_sentences(lines_of(parity / "lm" / "test.txt"))
    types = encode_types(corpus.types, model.bilm.options, vocabulary)
    run = iter_carried if kind == "stream" else iter_fresh
    found = list(run(model, corpus, types))
    assert [len(one.forward) for one in found] == tokens["predictions_per_sentence"].tolist()
    # The goldens are in the order of reading.
    got = {
        "forward": np.concatenate([one.forward for one in found]),
        "backward": np.concatenate([one.backward[::-1] for one in found]),
    }
    worst = {name: float(np.abs(got[name] - tokens[f"{kind}_{name}"]).max()) for name in got}
    measured(f"lm, log-probabilities, {kind:<12}  max abs difference: {worst}")
    assert max(worst.values()) <= TOLERANCE


@pytest.mark.parametrize("batch_size", [1, 3])
def test_perplexity(
    measured: Measured, parity: Path, source: Path, expected: dict[str, Any], batch_size: int
) -> None:
    found = perplexity(source, parity / "lm" / "test.txt", batch_size=batch_size)
    wanted = expected["test"][f"batch_size_{batch_size}"]
    assert found.n_predictions == wanted["predictions_per_direction"]
    hold(measured, f"batch size {batch_size}", found, wanted)
    assert found.average == pytest.approx(wanted["reported_perplexity"], rel=TOLERANCE)


def test_perplexity_of_sentences_on_their_own(
    measured: Measured, parity: Path, source: Path, expected: dict[str, Any]
) -> None:
    found = perplexity(source, parity / "lm" / "test.txt", initial_state="zero")
    hold(measured, "independent sentences", found, expected["independent_sentences"])


def hold(measured: Measured, what: str, found: Summary, wanted: dict[str, Any]) -> None:
    measured(
        f"lm, {what}: perplexity {found.forward:.6f} {found.backward:.6f}; "
        f"bilm-tf {wanted['forward_perplexity']:.6f} {wanted['backward_perplexity']:.6f}"
    )
    assert found.forward == pytest.approx(wanted["forward_perplexity"], rel=TOLERANCE)
    assert found.backward == pytest.approx(wanted["backward_perplexity"], rel=TOLERANCE)
