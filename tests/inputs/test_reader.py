import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_elmo.inputs import reader
from spacy_elmo.inputs.reader import Inputs
from tests.data import shared_path

# An empty sentence is in the middle, and another is the last one.
SENTENCES = [["The", "U.S.", "dollar"], [], ["don't", "go"], []]


def as_conllu(path: Path) -> None:
    with path.open("w") as file:
        for number, sentence in enumerate(SENTENCES):
            rows = [f"{k}\t{token}" + "\t_" * 8 for k, token in enumerate(sentence, start=1)]
            file.write("\n".join([f"# sent_id = {number}", *rows]) + "\n\n")


def as_docs(path: Path) -> None:
    vocab = spacy.blank("en").vocab
    DocBin(docs=[Doc(vocab, words=words) for words in SENTENCES]).to_disk(path)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "a.txt": lambda path: path.write_text("".join(" ".join(tokens) + "\n" for tokens in SENTENCES)),
    "a.jsonl": lambda path: path.write_text("\n".join(json.dumps({"tokens": tokens}) for tokens in SENTENCES)),
    "a.conllu": as_conllu,
    "a.spacy": as_docs,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("pipeline", [None, "blank:en"])
def test_same_numbers_in_every_container(tmp_path: Path, name: str, pipeline: Any) -> None:
    """Tokens do not depend on the pipeline for texts either."""
    WRITERS[name](tmp_path / name)
    settings: dict[str, Any] = {"format": "tokens"} if name == "a.txt" else {}
    sentences = list(Inputs(tmp_path / name, pipeline=pipeline, **settings).read())
    assert [sentence.tokens for sentence in sentences] == SENTENCES
    assert [sentence.visible for sentence in sentences] == SENTENCES
    assert sentences[-1].done == 1


def test_same_treebank_in_every_format(tmp_path: Path) -> None:
    path = shared_path("corpora/ud_ewt/en_ewt-ud-test.conllu")
    expected = [sentence.tokens for sentence in Inputs(path).read()]
    lines = [" ".join(token.replace(" ", "_") for token in tokens) for tokens in expected]
    (tmp_path / "ewt-00001-of-00002").write_text("\n".join(lines[:1000]) + "\n", "utf-8")
    (tmp_path / "ewt-00002-of-00002").write_text("\n".join(lines[1000:]) + "\n", "utf-8")
    shards = Inputs(tmp_path / "ewt-*", format="tokens", pipeline="blank:en")
    found = [sentence.visible for sentence in shards.read()]
    assert (len(found), sum(map(len, found))) == (2077, 25094)
    assert found == [[token.replace(" ", "_") for token in tokens] for tokens in expected]


def read(path: Path, pipeline: str) -> list[list[str]]:
    return [sentence.visible for sentence in Inputs(path, pipeline=pipeline).read()]


def test_pipeline_sentences(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("I don't know.  Do you? \u2028 Yes!\n \n\t\n(Mr. Smith)\n", "utf-8")
    expected = [
        ["I", "do", "n't", "know", "."],
        ["Do", "you", "?"],
        ["Yes", "!"],
        [],
        [],
        ["(", "Mr.", "Smith", ")"],
    ]
    assert read(tmp_path / "a.txt", "blank:en") == expected
    # A tokenizer alone: each line is a sentence.
    assert [len(tokens) for tokens in read(tmp_path / "a.txt", "tokenizer:en")] == [10, 0, 0, 4]
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer", config={"punct_chars": ["|"]})
    nlp.to_disk(tmp_path / "pipeline")
    (tmp_path / "a.txt").write_text("a . b | c", "utf-8")
    assert read(tmp_path / "a.txt", str(tmp_path / "pipeline")) == [["a", ".", "b", "|"], ["c"]]


def test_order(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("one\n" * 300, "utf-8")
    records = [{"text": "two. three"}, {"tokens": ["four.", "five"]}, {"text": "six"}, {"tokens": []}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records)), "utf-8")
    inputs = Inputs([tmp_path / "b.txt", tmp_path / "a.jsonl", tmp_path / "b.txt"], pipeline="blank:en")
    sentences = list(inputs.read())
    middle = [["two", "."], ["three"], ["four.", "five"], ["six"], []]
    assert [sentence.tokens for sentence in sentences] == [["one"]] * 300 + middle + [["one"]] * 300
    done = [sentence.done for sentence in sentences]
    assert done == sorted(done)
    assert done[-1] == 1
    assert inputs.shown == f"{tmp_path / 'b.txt'} and 2 more"


def test_checks_before_reading(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n", "utf-8")
    for name, content in (("b.jsonl", b'{"tokens": []}\nno JSON\n'), ("b.txt", b"good\nb\xe4d\n")):
        (tmp_path / name).write_bytes(content)
        for pipeline in (None, "blank:en"):
            sentences = Inputs([tmp_path / "a.txt", tmp_path / name], pipeline=pipeline).read()
            with pytest.raises(ValueError, match=rf"EL061.*{name}, line 2"):
                next(sentences)


def test_finds_all_files_first(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n", "utf-8")
    (tmp_path / "a.pdf").write_text("?")
    for name in ("none.txt", "a.pdf"):
        with pytest.raises((FileNotFoundError, ValueError), match=name):
            Inputs([tmp_path / "a.txt", tmp_path / name])


def test_no_pipeline_for_tokens(tmp_path: Path) -> None:
    (tmp_path / "a.tokens").write_text("one two\n", "utf-8")
    assert read(tmp_path / "a.tokens", "no_such_pipeline") == [["one", "two"]]
    (tmp_path / "a.txt").write_text("one two\n", "utf-8")
    with pytest.raises(ValueError, match="EL070"):
        Inputs(tmp_path / "a.txt", pipeline="no_such_pipeline").check()


def test_a_long_text(tmp_path: Path) -> None:
    """A blank pipeline takes texts of any length. Others have spaCy's limit, and the error names the line."""
    (tmp_path / "a.txt").write_text("short\n" + "word " * 250_000 + ".\n", "utf-8")
    assert [len(tokens) for tokens in read(tmp_path / "a.txt", "blank:en")] == [1, 250_001]
    spacy.blank("en").to_disk(tmp_path / "pipeline")
    inputs = Inputs(tmp_path / "a.txt", pipeline=str(tmp_path / "pipeline"))
    with pytest.raises(
        ValueError, match=r"EL061.*a\.txt, line 2: a text of 1,250,001 characters.*1,000,000; split"
    ):
        inputs.check()


def test_warns_once_of_long_sentences(tmp_path: Path) -> None:
    many = reader.LONG_SENTENCE + 1
    (tmp_path / "a.txt").write_text("short\n" + ("word " * many + "\n") * 2, "utf-8")
    with pytest.warns(UserWarning, match=rf"WL038.*a\.txt, line 2: {many:,} tokens") as caught:
        Inputs(tmp_path / "a.txt").check()
    assert len(caught) == 1
    with pytest.warns(UserWarning, match=r"WL038.*a\.txt, line 2: 100,004 characters"):
        Inputs(tmp_path / "a.txt", pipeline="tokenizer:en").check()
    Inputs(tmp_path / "a.txt", pipeline="blank:en").check()


def test_nothing_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    assert list(Inputs([tmp_path / "a.txt", tmp_path / "a.txt"]).read()) == []


def test_empty_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    (tmp_path / "b.txt").write_text("one\n", "utf-8")
    with pytest.warns(UserWarning, match=r"WL039.*a\.txt\.$"):
        assert [one.tokens for one in Inputs(tmp_path).read()] == [["one"]]


def test_already_tokenized(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("He was born in mid-July , they say .\n\nYes .\nNo\n", "utf-8")
    with pytest.warns(
        UserWarning,
        match=r"WL052.*a\.txt seems to be tokenized.* 2 of 3 lines.*blank:en tokenizes.*--format tokens",
    ):
        Inputs(path, pipeline="blank:en").check()
    Inputs(path).check()
    Inputs(path, format="tokens").check()
    path.write_text("He was born in mid-July, they say.\nYes.\n", "utf-8")
    Inputs(path, pipeline="blank:en").check()
