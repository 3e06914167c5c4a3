"""The component, where sentences start from a warm state that is not stored with its source."""

import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language

import spacy_elmo
from spacy_elmo.inference import warm_state
from spacy_elmo.models.module import get_module
from tests.components import get_embedder
from tests.pipeline.conftest import Make
from tests.published import put_in_cache

TEXT = "It starts from what it held after other sentences ."
WARM = {"initial_state": "warm"}
AS_WARM = {"components.elmo_embedder.model.initial_state": "warm"}


@pytest.fixture
def english(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny model as a published one of English prose, for which a state is made."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    return put_in_cache(tiny)


@pytest.fixture
def nlp(make: Make, english: Path) -> Language:
    return make(source=str(english), model=WARM)


@pytest.fixture
def expected(warm_tiny: Path) -> np.ndarray:
    tensor = spacy_elmo.load(warm_tiny, initial_state="warm").embed([TEXT.split()])[0].elmo
    zero = spacy_elmo.load(warm_tiny).embed([TEXT.split()])[0].elmo
    assert np.abs(tensor - zero).max() > 0.01
    return tensor


@pytest.fixture
def forbid_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on, states are neither made nor in the cache."""

    def forbid() -> None:
        monkeypatch.setattr(warm_state, "make_state", lambda *_, **__: pytest.fail("made a state"))
        monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "empty"))

    return forbid


def get_state(nlp: Language) -> list[np.ndarray]:
    elmo = get_module(get_embedder(nlp).model).sync()
    assert elmo is not None
    assert elmo.warm_state is not None
    return [part.numpy() for part in elmo.warm_state]


def test_the_state_is_read_with_the_weights(nlp: Language, expected: np.ndarray) -> None:
    assert not get_module(get_embedder(nlp).model).has_weights
    nlp.initialize()
    assert [part.shape for part in get_state(nlp)] == [(2, 2, 8), (2, 2, 24)]
    np.testing.assert_allclose(nlp(TEXT).tensor, expected, atol=1e-6)


def test_disk(nlp: Language, expected: np.ndarray, tmp_path: Path, forbid_states: Callable[[], None]) -> None:
    nlp.initialize()
    nlp.to_disk(tmp_path / "nlp")
    forbid_states()
    loaded = spacy.load(tmp_path / "nlp")
    np.testing.assert_allclose(loaded(TEXT).tensor, expected, atol=1e-6)
    assert all((one == other).all() for one, other in zip(get_state(loaded), get_state(nlp)))
    source = tmp_path / "nlp" / "elmo_embedder" / "model"
    np.testing.assert_array_equal(
        spacy_elmo.load(source, initial_state="warm").embed([TEXT.split()])[0].elmo, loaded(TEXT).tensor
    )
    assert not (tmp_path / "empty").exists()


def test_bytes_and_pickles(
    nlp: Language, make: Make, expected: np.ndarray, forbid_states: Callable[[], None]
) -> None:
    nlp.initialize()
    forbid_states()
    for copy in (make(source="nowhere", model=WARM).from_bytes(nlp.to_bytes()), pickle.loads(pickle.dumps(nlp))):
        np.testing.assert_allclose(copy(TEXT).tensor, expected, atol=1e-6)
        assert all((one == other).all() for one, other in zip(get_state(copy), get_state(nlp)))


def test_saved_without_a_state(make: Make, english: Path, tmp_path: Path) -> None:
    """Weights of a pipeline may be trained, and their file does not say on which text."""
    zero = make(source=str(english))
    zero.initialize()
    zero.to_disk(tmp_path / "nlp")
    for change in (lambda: spacy.load(tmp_path / "nlp", config=AS_WARM), lambda: copy_as_warm(make, zero)):
        with pytest.raises(ValueError, match=r"EL301.*is stored without a warm state.*initial_state = 'zero'"):
            change()


def copy_as_warm(make: Make, nlp: Language) -> Language:
    return make(model=WARM).from_bytes(nlp.to_bytes())


def test_saved_with_a_state(nlp: Language, make: Make, english: Path, tmp_path: Path) -> None:
    """A pipeline may do without its state, keeps it, and starts from it again, wherever it is."""
    nlp.initialize()
    nlp.to_disk(tmp_path / "warm")
    shutil.rmtree(english)
    zero = spacy.load(tmp_path / "warm", config={"components.elmo_embedder.model.initial_state": "zero"})
    assert np.abs(zero(TEXT).tensor - nlp(TEXT).tensor).max() > 0.01
    zero.to_disk(tmp_path / "zero")
    back = spacy.load(tmp_path / "zero", config=AS_WARM)
    np.testing.assert_array_equal(back(TEXT).tensor, nlp(TEXT).tensor)
    assert all((one == other).all() for one, other in zip(get_state(back), get_state(nlp)))


def test_unknown_models(make: Make, tiny: Path, warm_tiny: Path, expected: np.ndarray, tmp_path: Path) -> None:
    """The weights are asked for their state when they are read: first use, initialize, or saving."""
    nlp = make(model=WARM)
    for use in (nlp, lambda _: nlp.initialize(), lambda _: list(nlp.pipe([TEXT]))):
        with pytest.raises(ValueError, match=r"EL301.*tiny.*spacy-elmo warm SOURCE TEXT"):
            use(TEXT)
    with pytest.warns(UserWarning, match=r"WL023.*cannot be read \(\[EL301\]"):
        nlp.to_disk(tmp_path / "nlp")
    # Another source, given before training, decides.
    get_embedder(nlp).initialize(source=str(warm_tiny))
    np.testing.assert_allclose(nlp(TEXT).tensor, expected, atol=1e-6)
    with pytest.raises(ValueError, match="EL301"):
        get_embedder(nlp).initialize(source=str(tiny))
    np.testing.assert_allclose(nlp(TEXT).tensor, expected, atol=1e-6)


@pytest.mark.parametrize("initialized", [True, False])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_worker_processes(nlp: Language, expected: np.ndarray, initialized: bool) -> None:
    """Workers find the state in what they are given, or else in the cache."""
    if initialized:
        nlp.initialize()
    docs = list(nlp.pipe([TEXT] * 6, n_process=2, batch_size=3))
    assert len(docs) == 6
    for doc in docs:
        np.testing.assert_allclose(doc.tensor, expected, atol=1e-5)


def test_nothing_is_said(nlp: Language, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nlp(TEXT)
    assert len(list((tmp_path / "cache" / "warm_states").iterdir())) == 1
    assert [warning for warning in caught if "spacy_elmo" in str(warning.filename)] == []
    assert capfd.readouterr() == ("", "")
