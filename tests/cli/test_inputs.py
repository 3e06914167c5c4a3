from pathlib import Path
from typing import Any, List

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_elmo.cli.inputs import read_sentences
from tests.data import shared_path


def write(path: Path, content: Any) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def tokens(path: Path, **settings: Any) -> List[List[str]]:
    return [sentence.tokens for sentence in read_sentences(path, **settings)]


def test_txt(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "\ufeffOne two.\r\n\n  three\u2028four \nlast")
    sentences = list(read_sentences(path))
    assert [one.tokens for one in sentences] == [["One", "two."], [], ["three", "four"], ["last"]]
    assert [one.text for one in sentences] == ["One two.", "", "three\u2028four", "last"]
    assert sentences[-1].done == 1
    assert tokens(path, lang="en")[0] == ["One", "two", "."]
    assert tokens(path.rename(tmp_path / "B.TXT"))[0] == ["One", "two."]


def test_jsonl(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl", '{"text": "I don\'t."}\n\n{"tokens": ["a", " b"], "text": "x"}\n{"tokens": []}\n'
    )
    sentences = list(read_sentences(path))
    assert [one.tokens for one in sentences] == [["I", "do", "n't", "."], ["a", " b"], []]
    assert [one.text for one in sentences] == ["I don't.", "a  b", ""]
    assert tokens(path, lang="xx")[0] == ["I", "don't", "."]


def test_whitespace_tokens_are_hidden(tmp_path: Path) -> None:
    [sentence] = read_sentences(write(tmp_path / "a.jsonl", '{"text": "a  \\n b"}'))
    assert [token.isspace() for token in sentence.tokens].count(True) == 1
    assert sentence.visible == ["a", "b"]
    [given] = read_sentences(write(tmp_path / "b.jsonl", '{"tokens": ["a", " ", "b"]}'))
    assert given.visible == ["a", " ", "b"]


CONLLU = """# text = don't go
1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tdo\t_\t_\t_\t_\t_\t_\t_\t_
2\tn't\t_\t_\t_\t_\t_\t_\t_\t_
2.1\tempty\t_\t_\t_\t_\t_\t_\t_\t_
3\tgo\t_\t_\t_\t_\t_\t_\t_\t_

1\tLast\t_\t_\t_\t_\t_\t_\t_\t_
"""


def test_conllu(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", CONLLU)
    sentences = list(read_sentences(path))
    assert [one.tokens for one in sentences] == [["do", "n't", "go"], ["Last"]]
    assert sentences[0].text == "do n't go"


def test_conllu_of_a_treebank() -> None:
    read = tokens(shared_path("corpora/ud_ewt/en_ewt-ud-test.conllu"))
    assert (len(read), sum(map(len, read))) == (2077, 25094)


def test_spacy(tmp_path: Path) -> None:
    vocab = spacy.blank("en").vocab
    docs = [
        Doc(vocab, words=["a", "b", "c"], sent_starts=[True, False, True]),
        Doc(vocab, words=["d", "e"]),
    ]
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    sentences = list(read_sentences(tmp_path / "a.spacy"))
    assert [one.tokens for one in sentences] == [["a", "b"], ["c"], ["d", "e"]]
    assert sentences[-1].done == 1


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.txt", b"good\n\xff\xfe bad\n", r"EL061.*line 2: not UTF-8 .*at byte 0"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', r"EL061.*line 2: not JSON"),
        ("a.jsonl", '{"words": ["a"]}', r"EL061.*line 1: neither"),
        ("a.jsonl", '{"tokens": ["a", 3]}', r"EL061.*line 1: neither"),
        ("a.jsonl", '{"text": "\\ud800"}', r"EL061.*line 1: text that is not Unicode"),
        ("a.jsonl", '["a"]', r"EL061.*line 1: neither"),
        ("a.conllu", "1\tword\n", r"EL061.*line 1: 2 columns, but CoNLL-U has 10"),
        ("a.conllu", "x" + "\t_" * 9, r"EL061.*line 1: 'x' is no word number"),
        ("a.spacy", b"no docbin", r"EL023.*no DocBin"),
        ("a.csv", "a,b", r"EL060.*'.csv'.*Allowed: .txt, .jsonl, .conllu, .spacy"),
    ],
)
def test_bad_input(tmp_path: Path, name: str, content: Any, match: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(ValueError, match=match):
        list(read_sentences(path))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="EL026"):
        read_sentences(tmp_path / "a.txt")
