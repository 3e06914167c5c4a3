import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_elmo.inputs.items import InputSentence
from spacy_elmo.inputs.reader import Inputs


def read(path: Path, content: str, **settings: Any) -> list[InputSentence]:
    path.write_text(content, "utf-8")
    return list(Inputs(path, **settings).read())


def test_tokens_and_texts(tmp_path: Path) -> None:
    content = '\ufeff{"text": "I don\'t."}\r\n\n{"tokens": ["a", " b"], "text": "x"}\n{"tokens": []}\n{"text": ""}'
    sentences = read(tmp_path / "a.jsonl", content)
    assert [one.tokens for one in sentences] == [["I", "do", "n't", "."], ["a", " b"], [], []]
    assert [one.text for one in sentences] == ["I don't.", "a  b", "", ""]
    assert sentences[-1].done == 1
    assert read(tmp_path / "a.jsonl", content, pipeline="tokenizer:xx")[0].tokens == ["I", "don't", "."]


def test_a_field_twice(tmp_path: Path) -> None:
    """JSON readers keep only the last one, which would lose a part of the text."""
    with pytest.raises(ValueError, match=r'EL061.*line 2: the field "text" occurs twice'):
        read(tmp_path / "a.jsonl", '{"text": "a", "text": "a"}\n{"text": "a", "text": "b"}\n')


def test_hides_whitespace_tokens(tmp_path: Path) -> None:
    [sentence] = read(tmp_path / "a.jsonl", '{"text": "a  \\n b\u2028c"}', pipeline="tokenizer:en")
    assert [token.isspace() for token in sentence.tokens].count(True) == 2
    assert sentence.visible == ["a", "b", "c"]
    [given] = read(tmp_path / "b.jsonl", '{"tokens": ["a", " ", "b"]}')
    assert given.visible == ["a", " ", "b"]


def make_docs() -> list[Doc]:
    nlp = spacy.blank("en")
    words = ["Hi", "there", ",", "you", "\n", "Two", "."]
    spaces = [True, False, True, False, False, False, True]
    with_sents = Doc(nlp.vocab, words=words, spaces=spaces, sent_starts=[k in (0, 5) for k in range(7)])
    return [with_sents, Doc(nlp.vocab, words=[]), nlp("No sentences. None here.")]


def test_same_as_docs(tmp_path: Path) -> None:
    """`Doc.to_json` and a DocBin give the same sentences."""
    docs = make_docs()
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    expected = list(Inputs(tmp_path / "a.spacy").read())
    found = read(tmp_path / "a.jsonl", "".join(json.dumps(doc.to_json()) + "\n" for doc in docs))
    assert [one.tokens for one in found] == [
        ["Hi", "there", ",", "you", "\n"], ["Two", "."], [], ["No", "sentences", ".", "None", "here", "."],
    ]  # fmt: skip
    assert [(one.text, one.tokens, one.visible) for one in found] == [
        (one.text, one.tokens, one.visible) for one in expected
    ]
    assert found[0].visible == ["Hi", "there", ",", "you"]


def test_prodigy(tmp_path: Path) -> None:
    record = {
        "text": "Hi there, you",
        "tokens": [
            {"text": "Hi", "start": 0, "end": 2, "id": 0, "ws": True},
            {"text": "there", "start": 3, "end": 8, "id": 1, "ws": False},
            {"text": ",", "start": 8, "end": 9, "id": 2, "ws": True},
            {"text": "you", "start": 10, "end": 13, "id": 3, "ws": False},
        ],
        "spans": [],
    }
    [sentence] = read(tmp_path / "a.jsonl", json.dumps(record))
    assert (sentence.tokens, sentence.text) == (["Hi", "there", ",", "you"], "Hi there, you")
    [sentence] = read(tmp_path / "a.jsonl", '{"tokens": [{"text": "a"}, {"text": "b"}]}')
    assert (sentence.tokens, sentence.text) == (["a", "b"], "a b")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ('{"text": "a"}\n\n{"text": \n', r"line 3: not JSON"),
        ('[\n{"text": "a"}\n]', r"line 1: not JSON.*one complete object per line.*jq"),
        ('{\n"text": "a"\n}', r"line 1: not JSON.*one complete object per line"),
        ('[{"text": "a"}, {"text": "b"}]', r"line 1: neither.*but a list.*jq"),
        ('{"words": ["a"]}', r"line 1: neither"),
        ('{"text": ["a"]}', r"line 1: neither"),
        ('{"text": "a"}\n"text"', r"line 2: neither"),
        ('{"text": "a", "tokens": "b"}', r"line 1: neither"),
        ('{"tokens": ["a", 3]}', r"line 1: neither.*token 1 is \"a\"|line 1: neither.*token 2 is 3"),
        ('{"tokens": [3, null]}', r"line 1: neither.*token 1 is 3"),
        ('{"tokens": [["a", "b"]]}', r'line 1: neither.*token 1 is \["a", "b"\]'),
        ('{"tokens": [{"start": 0, "end": 1}]}', r"line 1: neither.*token 1 has no `text`"),
        ('{"text": "ab", "tokens": [{"start": 0, "end": 3}]}', r"token 1 is at 0 to 3.*2 characters"),
        ('{"text": "ab", "tokens": [{"start": "0", "end": 1}]}', r"token 1 has no `text`"),
        ('{"text": "abc", "tokens": [{"start": 0, "end": 2}, {"start": 1, "end": 3}]}', r"token 2 is at 1 to 3"),
        ('{"text": "ab", "tokens": [{"start": 0, "end": 2}], "sents": [{"start": 1}]}', r"`sents` begins at 1"),
        ('{"text": "ab", "tokens": [{"start": 0, "end": 2}], "sents": [1]}', r"`sents` is not a list"),
        ('{"tokens": ["a", ""]}', r"line 1: token 2 is empty"),
        ('{"text": "\\ud800"}', r"line 1: text that is not Unicode"),
        ('{"text": "good"}\n' + "[" * 100_000, r"line 2: JSON that is nested too deeply"),
        ('{"text": "good"}\n{"text": ' + "1" * 5000 + "}", r"line 2: "),
    ],
)
def test_bad_records(tmp_path: Path, content: str, match: str) -> None:
    with pytest.raises(ValueError, match=rf"EL061.*a\.jsonl, {match}" if match.startswith("line") else match):
        read(tmp_path / "a.jsonl", content)
