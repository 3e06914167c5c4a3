"""Embedding of texts without tokens."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language

import spacy_elmo
from spacy_elmo import splitter
from spacy_elmo.elmo import Elmo
from spacy_elmo.texts import TextOutputs

TEXT = "I love NLP.  It is\nfun!"
SENTENCES = [["I", "love", "NLP", "."], ["It", "is", "fun", "!"]]
WORDS = [*SENTENCES[0], *SENTENCES[1]]


def test_split_into_sentences(elmo: Elmo) -> None:
    """A text gives the outputs of its sentences, without whitespace tokens."""
    outputs = elmo.embed_texts([TEXT, "", " \n", "Hello"])
    assert [output.tokens for output in outputs] == [WORDS, [], [], ["Hello"]]
    assert [len(output) for output in outputs] == [8, 0, 0, 1]
    expected = elmo.embed([*SENTENCES, ["Hello"]])
    for name in elmo.layer_names:
        np.testing.assert_allclose(
            outputs[0][name], np.concatenate([one[name] for one in expected[:2]]), atol=1e-6
        )
        np.testing.assert_allclose(outputs[3][name], expected[2][name], atol=1e-6)
        assert outputs[1][name].shape == (0, elmo.width(name))


def test_one_text(elmo: Elmo) -> None:
    output = elmo(TEXT, layers=["elmo"])
    assert (output.tokens, output.names) == (WORDS, ["elmo"])
    np.testing.assert_array_equal(output.elmo, elmo.embed_texts([TEXT])[0].elmo)
    assert elmo("¿Qué?", lang="es").tokens == ["¿", "Qué", "?"]


def test_own_pipeline(elmo: Elmo) -> None:
    nlp = spacy.blank("en")
    whole = elmo.embed_texts([TEXT], nlp=nlp)[0]
    np.testing.assert_allclose(whole.elmo, elmo.embed([WORDS])[0].elmo, atol=1e-6)
    nlp.add_pipe("sentencizer")
    np.testing.assert_array_equal(elmo.embed_texts([TEXT], nlp=nlp)[0].elmo, elmo(TEXT).elmo)


def test_pipeline_that_loses_texts(elmo: Elmo) -> None:
    class Losing:
        def pipe(self, texts: list[str]) -> Any:
            return spacy.blank("en").pipe(texts[1:])

    with pytest.raises(ValueError, match=r"EL254.*1 Docs for 2 texts"):
        elmo.embed_texts(["a", "b"], nlp=Losing())  # type: ignore[arg-type]


def test_memory_of_words(elmo: Elmo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline that remembers too many words is replaced, in the middle of a stream, too."""
    monkeypatch.setattr(splitter, "_WORDS", 1000)
    monkeypatch.setattr(splitter, "_TEXTS", 10)
    made: list[str] = []
    make = splitter.make_splitter

    def note(lang: str) -> Language:
        made.append(lang)
        return make(lang)

    monkeypatch.setattr(splitter, "make_splitter", note)
    splitter._blank.__dict__.clear()
    texts = [f"new{i} words{i} here{i}" for i in range(300)]
    assert [len(output) for output in elmo.embed_texts(texts, layers=["word_emb"])] == [3] * 300
    assert 2 < len(made) < 20


def test_what_is_no_pipeline(elmo: Elmo) -> None:
    with pytest.raises(ValueError, match=r"EL249.*got 'en'"):
        elmo.embed_texts([TEXT], nlp="en")  # type: ignore[arg-type]


def test_texts_of_numpy(elmo: Elmo) -> None:
    [output] = elmo.embed_texts(np.array([TEXT]))
    np.testing.assert_array_equal(output.elmo, elmo(TEXT).elmo)


def test_nothing_to_embed(elmo: Elmo) -> None:
    assert elmo.embed_texts([]) == []


@pytest.mark.parametrize("texts", [TEXT, b"text", {"a": 1}, {"a"}, 3, None])
def test_wrong_types(elmo: Elmo, texts: Any) -> None:
    with pytest.raises(ValueError, match=r"EL245.*elmo.embed_texts\(\[text\]\)"):
        elmo.embed_texts(texts)


@pytest.mark.parametrize("text", [["I", "love"], None, 3, b"a"])
def test_what_is_no_text(elmo: Elmo, text: Any) -> None:
    with pytest.raises(ValueError, match="EL245"):
        elmo.embed_texts(["good", text])
    with pytest.raises(ValueError, match=r"EL248.*elmo.embed\(\[tokens\]\)"):
        elmo(text)


@pytest.mark.parametrize("lang", ["xxx", "", 3, None])
def test_no_language(elmo: Elmo, lang: Any) -> None:
    with pytest.raises(ValueError, match=r"EL246.*such as 'en'"):
        elmo(TEXT, lang=lang)


def test_unknown_layer(elmo: Elmo) -> None:
    with pytest.raises(ValueError, match="EL031"):
        elmo(TEXT, layers=["lstm_outputs3"])


def test_rows_keep_tokens(elmo: Elmo) -> None:
    output = elmo(TEXT)
    part = output[2::-1]
    assert isinstance(part, TextOutputs)
    assert part.tokens == ["NLP", "love", "I"]
    np.testing.assert_array_equal(part.elmo, output.elmo[2::-1])
    chosen = output[np.array([token.isalpha() for token in output.tokens])]
    assert isinstance(chosen, TextOutputs)
    assert chosen.tokens == ["I", "love", "NLP", "It", "is", "fun"]
    assert output[1].elmo.shape == (16,)
    for twin in (copy.deepcopy(output), pickle.loads(pickle.dumps(output))):
        assert twin.tokens == output.tokens
        np.testing.assert_array_equal(twin.elmo, output.elmo)


def test_no_spacy_without_texts(tiny: Path) -> None:
    code = f"""
import sys, spacy_elmo
spacy_elmo.load({str(tiny)!r}).embed([["a"]])
print("spacy" in sys.modules, "rich" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_exported() -> None:
    assert spacy_elmo.TextOutputs is TextOutputs
