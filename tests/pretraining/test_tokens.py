from pathlib import Path
from typing import Any, List

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_elmo.pretraining.tokens import load_pipeline, read_tokens


def tokens(path: Path, **settings: Any) -> List[List[str]]:
    return list(read_tokens([path], load_pipeline("blank:en"), **settings))


def test_tokenizer_and_sentencizer(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("I don't know.  Do you? \u2028 Yes!\n \n\t\n(Mr. Smith)\n", "utf-8")
    assert tokens(path) == [
        ["I", "do", "n't", "know", "."],
        ["Do", "you", "?"],
        ["Yes", "!"],
        ["(", "Mr.", "Smith", ")"],
    ]


def test_whitespace_tokens_and_empty_sentences(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    docs = [
        Doc(
            nlp.vocab,
            words=["a", " ", "b", "\n\n", "\u3000", "c"],
            sent_starts=[True, False, True, True, False, True],
        ),
        Doc(nlp.vocab, words=[]),
        Doc(nlp.vocab, words=["\n"]),
    ]
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    assert tokens(tmp_path / "a.spacy") == [["a"], ["b"], ["c"]]


def test_docs_with_and_without_sentences(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    docs = [
        Doc(nlp.vocab, words=["One", ".", "Two", "."], sent_starts=[True, False, True, False]),
        # Sentences that are not set are not guessed: these Docs are tokenised as their owner wants them.
        Doc(nlp.vocab, words=["Three", ".", "Four", "."]),
        Doc(nlp.vocab, words=["don't"]),
    ]
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    assert tokens(tmp_path / "a.spacy") == [["One", "."], ["Two", "."], ["Three", ".", "Four", "."], ["don't"]]


def test_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("one\n" * 300, "utf-8")
    (tmp_path / "a.jsonl").write_text('{"text": "two. three"}\n', "utf-8")
    paths = [tmp_path / "b.txt", tmp_path / "a.jsonl", tmp_path / "b.txt"]
    found = list(read_tokens(paths, load_pipeline("blank:en")))
    assert found == [["one"]] * 300 + [["two", "."], ["three"]] + [["one"]] * 300


def test_a_long_text(tmp_path: Path) -> None:
    """A blank pipeline takes any. Others have spaCy's limit, and the text's place is told."""
    (tmp_path / "a.txt").write_text("short\n" + "word " * 250_000 + ".\n", "utf-8")
    assert [len(sentence) for sentence in tokens(tmp_path / "a.txt")] == [1, 250_001]
    spacy.blank("en").to_disk(tmp_path / "pipeline")
    sentences = read_tokens([tmp_path / "a.txt"], load_pipeline(str(tmp_path / "pipeline")))
    with pytest.raises(ValueError, match=r"EL061.*a\.txt, line 2: a text of 1,250,001 characters.*1,000,000; cut"):
        list(sentences)


def test_every_file_is_looked_for_before_one_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n", "utf-8")
    for name in ("none.txt", "a.pdf"):
        with pytest.raises((FileNotFoundError, ValueError), match=name):
            next(read_tokens([tmp_path / "a.txt", tmp_path / name], load_pipeline("blank:en")))


def test_read_as_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n", "utf-8")
    (tmp_path / "b.jsonl").write_text("no JSON\n", "utf-8")
    sentences = read_tokens([tmp_path / "a.txt", tmp_path / "b.jsonl"], load_pipeline("blank:en"))
    assert [next(sentences), next(sentences)] == [["one"], ["two"]]
    with pytest.raises(ValueError, match=r"EL061.*b\.jsonl, line 1"):
        next(sentences)


def test_other_languages_and_pipelines(tmp_path: Path) -> None:
    assert load_pipeline("blank:de").lang == "de"
    assert load_pipeline("blank:en").pipe_names == ["sentencizer"]
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer", config={"punct_chars": ["|"]})
    nlp.to_disk(tmp_path / "pipeline")
    (tmp_path / "a.txt").write_text("a . b | c", "utf-8")
    found = read_tokens([tmp_path / "a.txt"], load_pipeline(str(tmp_path / "pipeline")))
    assert list(found) == [["a", ".", "b", "|"], ["c"]]


@pytest.mark.parametrize(
    "name",
    [
        "blank:nolanguage",
        "no_such_pipeline",
        "",
        "en",
        "blank:",
    ],
)
def test_unknown_pipeline(name: str) -> None:
    with pytest.raises(ValueError, match=r"(?s)EL070.*Give 'blank:' with a language code") as caught:
        load_pipeline(name)
    assert f"'{name}' is no pipeline" in str(caught.value)
