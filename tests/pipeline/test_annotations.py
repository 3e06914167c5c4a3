import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span, Token

from spacy_elmo.bilm.layers import LayerOutputs
from spacy_elmo.pipeline.extensions import install_extensions
from tests.components import get_embedder
from tests.pipeline.conftest import Make


@pytest.fixture
def doc(nlp: Language) -> Doc:
    return nlp("I love NLP very much")


def test_doc_span_and_token(doc: Doc) -> None:
    assert doc._.elmo.elmo.shape == (5, 16)
    assert doc[0:2]._.elmo.elmo.shape == (2, 16)
    assert doc[1]._.elmo.elmo.shape == (16,)
    np.testing.assert_array_equal(doc._.elmo.elmo, doc.tensor)
    np.testing.assert_array_equal(doc[1:3]._.elmo.lstm_outputs1, doc._.elmo.lstm_outputs1[1:3])
    np.testing.assert_array_equal(doc[4]._.elmo.word_emb, doc._.elmo.word_emb[4])
    assert doc._.elmo.stack().shape == (3, 5, 16)
    assert doc[1]._.elmo.stack().shape == (3, 16)


def test_nothing_before_the_embedder_ran() -> None:
    doc = spacy.blank("en")("a b")
    assert doc._.elmo is None
    assert doc[0:1]._.elmo is None
    assert doc[0]._.elmo is None


def test_a_layer_that_was_not_kept(make: Make) -> None:
    doc = make(layers=["elmo"])("a b")
    with pytest.raises(AttributeError, match=r"EL035.*'word_emb' was not kept. Kept: elmo"):
        doc._.elmo.word_emb  # noqa: B018


def through_bytes(doc: Doc) -> Doc:
    return Doc(doc.vocab).from_bytes(doc.to_bytes())


def through_docbin(doc: Doc) -> Doc:
    data = DocBin(store_user_data=True, docs=[doc]).to_bytes()
    return next(DocBin().from_bytes(data).get_docs(doc.vocab))


def through_pickle(doc: Doc) -> Doc:
    back: Doc = pickle.loads(pickle.dumps(doc))
    return back


@pytest.mark.parametrize("through", [through_bytes, through_docbin, through_pickle, Doc.copy, copy.deepcopy])
def test_layers_survive(doc: Doc, through: Callable[[Doc], Doc]) -> None:
    """Layers come through every way that spaCy copies and stores Docs."""
    back = through(doc)
    assert isinstance(back._.elmo, LayerOutputs)
    for name, array in doc._.elmo.items():
        np.testing.assert_array_equal(getattr(back._.elmo, name), array)
    assert back._.elmo.stack().shape == (3, 5, 16)
    assert back[1]._.elmo.elmo.shape == (16,)


@pytest.mark.parametrize("vectors", [False, True])
def test_a_pickled_doc_does_not_hold_the_model(make: Make, vectors: bool) -> None:
    """What a Doc keeps is small beside the model."""
    nlp = make(vectors=vectors)
    doc = nlp("a b")
    without = spacy.blank("en")("a b")
    without.tensor = doc.tensor
    model = len(get_embedder(nlp).model.to_bytes())
    assert len(pickle.dumps(doc.user_data)) < model / 10
    assert len(pickle.dumps((doc.user_hooks, doc.user_span_hooks, doc.user_token_hooks))) < model / 10


def test_docs_decode_without_this_package(doc: Doc, tmp_path: Path) -> None:
    """Stored Docs are read where the package is not installed."""
    doc.to_disk(tmp_path / "doc")
    code = f"""
import sys
sys.modules["spacy_elmo"] = None
from spacy.tokens import Doc
from spacy.vocab import Vocab
doc = Doc(Vocab()).from_disk({str(tmp_path / "doc")!r})
[data] = doc.user_data.values()
print(sorted(data["layers"]), data["layers"]["elmo"].shape, data["n_layers"], doc.tensor.shape)
print(data["tokens"].shape, data["tokens"].dtype)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "['elmo', 'lstm_outputs1', 'lstm_outputs2', 'word_emb'] (5, 16) 2 (5, 16)",
        "(5,) uint64",
    ], done.stderr


def test_retokenizing_makes_the_layers_stale(doc: Doc) -> None:
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    for read in (lambda: doc._.elmo, lambda: doc[0]._.elmo, lambda: doc[0:1]._.elmo):
        with pytest.raises(ValueError, match=r"EL053.*holds 5 rows, but the Doc has 4 tokens"):
            read()


def test_span_as_doc(doc: Doc) -> None:
    part = doc[1:3].as_doc()
    np.testing.assert_array_equal(part.tensor, doc.tensor[1:3])
    assert part._.elmo is None


def test_from_docs(nlp: Language) -> None:
    with pytest.warns(UserWarning, match=r"W101.*elmo"):
        both = Doc.from_docs([nlp("a b"), nlp("c")])
    assert both.tensor.shape == (3, 16)
    assert both._.elmo is None


def test_processing_again_replaces(make: Make, doc: Doc) -> None:
    again = get_embedder(make(pooling_layer="word_emb"))(doc)
    assert again._.elmo.names == ["word_emb"]
    assert again.tensor.shape == (5, 8)


@pytest.mark.parametrize("value", ["something", 0, [], {"elmo": 1}, np.zeros((5, 16))])
def test_layers_cannot_be_set(doc: Doc, value: Any) -> None:
    expected = doc._.elmo.elmo.copy()
    for part in (doc, doc[0:2], doc[1]):
        message = rf"EL190.*{type(part).__name__}._.elmo cannot be set.*got {type(value).__name__}.*= None"
        with pytest.raises(ValueError, match=message):
            part._.elmo = value
        with pytest.raises(ValueError, match=message):
            part._.set("elmo", value)
    np.testing.assert_array_equal(doc._.elmo.elmo, expected)
    # One row cannot go by itself.
    for part in (doc[0:2], doc[1]):
        with pytest.raises(ValueError, match="EL190"):
            part._.elmo = None
    np.testing.assert_array_equal(doc[1]._.elmo.elmo, expected[1])


def test_none_clears(doc: Doc) -> None:
    doc._.elmo = None
    assert doc._.elmo is None
    assert doc[1]._.elmo is None
    assert doc[0:2]._.elmo is None
    assert doc.user_data == {}
    doc._.elmo = None


def test_a_stored_value_for_the_layers_is_refused(doc: Doc) -> None:
    """`Doc.from_json` sets what another program wrote."""
    data = {**doc.to_json(), "_": {"elmo": [1, 2]}}
    with pytest.raises(ValueError, match=r"EL190.*got list"):
        Doc(doc.vocab).from_json(data)


def test_layers_are_no_json(doc: Doc) -> None:
    """As README says."""
    with pytest.raises(ValueError, match=r"E107.*elmo"):
        doc.to_json(underscore=["elmo"])
    assert "elmo" not in str(doc.to_json())


def test_a_mean_that_spacy_kept_is_dropped(make: Make) -> None:
    nlp = make()
    doc = nlp.make_doc("I love NLP")
    assert doc.vector.size == 0
    assert doc.vector_norm == 0
    get_embedder(nlp)(doc)
    np.testing.assert_allclose(np.asarray(doc.vector), doc.tensor.mean(axis=0), atol=1e-6)
    assert doc.vector_norm == pytest.approx(np.linalg.norm(np.asarray(doc.vector)), abs=1e-5)
    # A part brings the mean of its rows in the whole.
    part = nlp("I love NLP very much")[1:3].as_doc()
    before = np.asarray(part.vector)
    get_embedder(nlp)(part)
    after = np.asarray(part.vector)
    assert not np.allclose(after, before, atol=1e-3)
    np.testing.assert_allclose(after, np.asarray(nlp("love NLP").vector), atol=1e-6)


def test_extensions_spare_those_of_others() -> None:
    install_extensions()
    getters = [cls.get_extension("elmo")[2:] for cls in (Doc, Span, Token)]
    install_extensions()
    assert [cls.get_extension("elmo")[2:] for cls in (Doc, Span, Token)] == getters
    # Pickled by name for the workers of nlp.pipe: a lambda would break every component of the pipeline.
    assert pickle.loads(pickle.dumps(getters)) == getters


def test_extensions_come_back(nlp: Language) -> None:
    """Another part of an application may have removed them."""
    for cls in (Doc, Span, Token):
        cls.remove_extension("elmo")
    assert nlp("a")[0]._.elmo.elmo.shape == (16,)


@pytest.mark.parametrize("cls", [Doc, Span, Token])
def test_a_foreign_extension_is_refused(make: Make, cls: Any) -> None:
    original = cls.remove_extension("elmo")
    try:
        cls.set_extension("elmo", default="mine")
        with pytest.raises(ValueError, match=rf"EL059.*extension {cls.__name__}._.elmo"):
            make()
        assert cls.get_extension("elmo")[0] == "mine"
    finally:
        cls.set_extension("elmo", getter=original[2], setter=original[3], force=True)


@pytest.mark.parametrize("taken", [False, True])
def test_foreign_extension_at_import(taken: bool) -> None:
    """spaCy imports the module for every pipeline of every user."""
    first = "Doc.set_extension('elmo', default='mine')" if taken else ""
    code = f"from spacy.tokens import Doc\n{first}\nimport spacy; print(spacy.blank('en')('a')._.elmo)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == ("mine" if taken else "None"), done.stderr


def test_layers_do_not_share_the_tensor(doc: Doc) -> None:
    before = doc._.elmo.elmo.copy()
    doc.tensor *= 2
    np.testing.assert_array_equal(doc._.elmo.elmo, before)


class FakeOps:
    """Stands for Ops of another device: marks what passes through it."""

    @staticmethod
    def asarray2f(array: np.ndarray) -> Any:
        return array.view(np.matrix)


@pytest.mark.parametrize("on_gpu", [False, True])
def test_devices_of_tensor_and_layers(nlp: Language, on_gpu: bool) -> None:
    from spacy_elmo.pipeline.annotations import move_to_ops

    (layers,), tensors = move_to_ops(
        [nlp("a b")._.elmo],
        tensor="elmo",
        keep=["elmo"],
        ops=FakeOps(),  # type: ignore[arg-type]
        layers_on_gpu=on_gpu,
    )
    assert tensors is not None
    assert isinstance(tensors[0], np.matrix)
    assert isinstance(layers.elmo, np.matrix) == on_gpu
