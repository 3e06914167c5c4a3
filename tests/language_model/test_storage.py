import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spacy_elmo
from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.elmo import Elmo
from spacy_elmo.inference.cpu import features
from spacy_elmo.inference.settings import PrecisionName
from spacy_elmo.language_model.model import LanguageModel
from spacy_elmo.language_model.softmax import AdaptiveSoftmax, BaseSoftmax, Softmax
from spacy_elmo.language_model.storage import read_model, warm_state, write_language_model
from spacy_elmo.language_model.vocabulary import Vocabulary
from spacy_elmo.weights.source import read_weights
from tests import language_models
from tests.language_models import (
    WORDS,
    Arrays,
    Reference,
    adaptive_softmax,
    full_softmax,
    load_language_model,
    write_source,
)
from tests.published import put_in_cache

KINDS = {"full": full_softmax(), "adaptive": adaptive_softmax()}
kinds = pytest.mark.parametrize("softmax", KINDS.values(), ids=KINDS)


def state(model: LanguageModel) -> dict[str, torch.Tensor]:
    return {name.removeprefix("bilm."): tensor for name, tensor in model.state_dict().items()}


@kinds
def test_arrays_and_words(tmp_path: Path, tiny: Path, softmax: Arrays) -> None:
    model, vocabulary = load_language_model(write_source(tmp_path, softmax))
    assert vocabulary.words == WORDS
    assert model.softmax.n_words == len(WORDS)
    assert not model.training
    assert model.dtype == torch.float32
    found, expected = state(model), {**read_weights(tiny).arrays, **softmax}
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name].numpy(), array) for name, array in expected.items())
    assert all(parameter.requires_grad for parameter in model.parameters())


@kinds
def test_probabilities_equal_the_formulas(tmp_path: Path, softmax: Arrays) -> None:
    model, _ = load_language_model(write_source(tmp_path, softmax).joinpath("weights.safetensors"))
    hidden = np.random.default_rng(5).standard_normal((40, 8)).astype(np.float32)
    expected = Reference(softmax).log_probabilities(hidden.astype(np.float64))
    np.testing.assert_allclose(np.exp(expected).sum(axis=1), 1, atol=1e-12)
    got = model.softmax.log_likelihoods(torch.from_numpy(hidden)).detach().numpy()
    np.testing.assert_allclose(got, expected, atol=1e-5, rtol=0)
    targets = np.arange(40) % len(WORDS)
    likelihood = model.softmax.log_likelihood(torch.from_numpy(hidden), torch.from_numpy(targets))
    np.testing.assert_allclose(likelihood.detach().numpy(), expected[np.arange(40), targets], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["full", "adaptive"])
def test_written_models_can_be_read(tmp_path: Path, bilm: BiLM, kind: str) -> None:
    softmax: BaseSoftmax = Softmax(n_words=len(WORDS), width=8)
    if kind == "adaptive":
        softmax = AdaptiveSoftmax(n_words=len(WORDS), width=8, cutoffs=[4, 9], div_value=2.0)
    model = LanguageModel(bilm=bilm, softmax=softmax)
    write_language_model(tmp_path, bilm.options, model, Vocabulary(WORDS))
    again, vocabulary = load_language_model(tmp_path)
    assert vocabulary.words == WORDS
    expected = model.state_dict()
    assert again.state_dict().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in again.state_dict().items())


@kinds
def test_other_precisions_become_float32(tmp_path: Path, tiny: Path, softmax: Arrays) -> None:
    for dtype in (np.float16, np.float64):
        given = {**read_weights(tiny).arrays, **softmax}
        arrays: dict[str, Any] = {name: array.astype(dtype) for name, array in given.items()}
        model, _ = load_language_model(write_source(tmp_path, {}, **arrays))
        for name, tensor in state(model).items():
            assert tensor.dtype == torch.float32
            np.testing.assert_array_equal(tensor.numpy(), arrays[name].astype(np.float32))


def test_file_stays_unchanged(tmp_path: Path) -> None:
    path = write_source(tmp_path, full_softmax()) / "weights.safetensors"
    before = path.read_bytes()
    model, _ = load_language_model(tmp_path)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert path.read_bytes() == before
    again = load_language_model(tmp_path)[0].softmax
    assert isinstance(again, Softmax)
    assert again.weight.abs().min() > 0


def test_loading_is_quick(tmp_path: Path) -> None:
    """Torch's compiler, which takes seconds to import, is not imported."""
    write_source(tmp_path, adaptive_softmax())
    code = (
        f"import sys; from spacy_elmo.cli.lm_inputs import open_model; "
        f"open_model({str(tmp_path)!r}, initial_state='zero', device='cpu'); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_warm_state(tmp_path: Path) -> None:
    stored, _ = language_models.warm_state()
    found = warm_state(read_model(write_source(tmp_path, full_softmax(), **stored)).weights)
    np.testing.assert_array_equal(found.hidden.numpy(), stored["initial_state.hidden"])
    np.testing.assert_array_equal(found.cell.numpy(), stored["initial_state.cell"])


def test_computed_warm_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the state that embedding starts from; only a published model of English gets one."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    unknown = write_source(tmp_path / "model", full_softmax())
    with pytest.raises(ValueError, match=r"EL301.*model.* is stored without a warm state"):
        warm_state(read_model(unknown).weights)
    source = put_in_cache(unknown)
    found = warm_state(read_model(source).weights)
    expected = spacy_elmo.load(source, initial_state="warm").warm_state
    assert expected is not None
    assert found.cell.shape == (2, 2, 24)
    assert torch.equal(found.hidden, expected.hidden)
    assert torch.equal(found.cell, expected.cell)
    assert found.cell.abs().max() > 0.1


def test_no_softmax(tiny: Path) -> None:
    with pytest.raises(
        ValueError, match=r"EL090.*tiny[/\\]weights.hdf5.*Published HDF5 files never.*spacy-elmo pretrain"
    ):
        load_language_model(tiny)


def test_no_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"EL091.*vocab.txt' is missing: the 22 words"):
        load_language_model(write_source(tmp_path, full_softmax(), words=None))


@pytest.mark.parametrize("softmax", [full_softmax(n_words=21), adaptive_softmax(head=6)])
def test_vocabulary_of_another_size(tmp_path: Path, softmax: Arrays) -> None:
    with pytest.raises(ValueError, match=r"vocab.txt' has 22 words, but the softmax of .*predicts 21"):
        load_language_model(write_source(tmp_path, softmax))


def test_invalid_adaptive_softmax(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="EL093"):
        load_language_model(write_source(tmp_path, adaptive_softmax(head=0, tails=[(2, 22)])))


@pytest.mark.parametrize("precision", ["fp32", "fp64", "bf16", "int8"])
@kinds
def test_embedding_leaves_the_softmax_out(
    tmp_path: Path, tiny: Path, softmax: Arrays, precision: PrecisionName
) -> None:
    checks: dict[str, Callable[[], bool]] = {"bf16": features.has_bf16, "int8": features.has_int8}
    if precision in checks and not checks[precision]():
        pytest.skip(f"this processor cannot compute in {precision}")
    source = write_source(tmp_path / "a", softmax)
    weights = read_weights(source)
    elmo = spacy_elmo.load(source, precision=precision)
    plain = spacy_elmo.load(tiny, precision=precision)
    sentences: list[list[str]] = [["What", "is", "left", "?"], ["This", "."]]
    for one, other in zip(elmo.embed(sentences), plain.embed(sentences)):
        np.testing.assert_array_equal(one.stack(), other.stack())
    assert elmo.named_arrays().keys() == plain.named_arrays().keys()
    Elmo.from_weights(weights, device=torch.device("cpu"), settings=elmo.settings)
    assert weights.arrays == {}
    elmo.save(tmp_path / "b")
    saved: Any = read_weights(tmp_path / "b")
    assert not saved.has_softmax
    expected = read_weights(tiny).arrays
    assert all(np.array_equal(saved.arrays[name], array) for name, array in expected.items())
