from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.inputs.reader import Inputs
from tests.data import shared_path


def row(number: Any, form: str = "x") -> str:
    return f"{number}\t{form}" + "\t_" * 8 + "\n"


def read(path: Path, content: str) -> Any:
    path.write_text(content, "utf-8")
    return list(Inputs(path).read())


def test_words(tmp_path: Path) -> None:
    first = [("1-2", "don't"), (1, "do"), (2, "n't"), ("2.1", "empty"), ("2.2", "empty"), (3, "go")]
    second = [("0.1", "empty"), (1, "10 000"), ("2-2", "x"), (2, "Last")]
    rows = ["".join(row(*one) for one in part) for part in (first, second)]
    content = f"# newdoc\n# text = don't go\n{rows[0]}\n\n  \n# a comment alone\n\n{rows[1]}"
    sentences = read(tmp_path / "a.conllu", content)
    assert [one.tokens for one in sentences] == [["do", "n't", "go"], ["10 000", "Last"]]
    assert [one.text for one in sentences] == ["do n't go", "10 000 Last"]
    assert sentences[-1].done == 1
    windows = read(tmp_path / "a.conllu", content.replace("\n", "\r\n"))
    assert [one.tokens for one in windows] == [one.tokens for one in sentences]


def test_sentence_without_words(tmp_path: Path) -> None:
    content = (
        "# sent_id = 1\n# text = \n\n" + row(1, "a") + "\n" + row("0.1", "elided") + "\n" + row(1, "b") + "\n"
    )
    assert [one.tokens for one in read(tmp_path / "a.conllu", content)] == [[], ["a"], [], ["b"]]


def test_a_treebank() -> None:
    read = [sentence.tokens for sentence in Inputs(shared_path("corpora/ud_ewt/en_ewt-ud-test.conllu")).read()]
    assert (len(read), sum(map(len, read))) == (2077, 25094)


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([1, 2, 3, 1, 2], r"line 4: word 1 after word 3; a blank line, .*missing"),
        ([1, 2, 4], r"line 3: word 4 after word 2; words are numbered"),
        ([1, 2, 2], r"line 3: word 2 after word 2; words are numbered"),
        ([2], r"line 1: word 2 at the start of a sentence"),
        ([0], r"line 1: '0' is not a word number"),
        (["01"], r"line 1: '01' is not a word number"),
        (["x"], r"line 1: 'x' is not a word number"),
        (["1 "], r"line 1: '1 ' is not a word number"),
        (["\u0661"], r"line 1: .* is not a word number"),
        (["2-3", 1], r"line 1: multiword token 2-3 is not placed before its first word"),
        ([1, "1-2", 2], r"line 2: multiword token 1-2 is not placed before its first word"),
        (["2-1"], r"line 1: multiword token 2-1 is not placed"),
        (["1-2", 1, "2-3", 2, 3], r"line 3: multiword token 2-3 is reversed, or overlaps"),
        ([1, "2-1", 2], r"line 2: multiword token 2-1 is reversed"),
        (["1-3", 1, 2], r"a multiword token extends to word 3, but the last word is 2"),
        ([1, "3.1"], r"line 2: empty node 3\.1 after word 1"),
    ],
)
def test_wrong_numbers(tmp_path: Path, rows: list[Any], match: str) -> None:
    content = "".join(map(row, rows))
    with pytest.raises(ValueError, match=rf"EL061.*a\.conllu, .*{match}"):
        read(tmp_path / "a.conllu", content)
    with pytest.raises(ValueError, match="EL061"):
        read(tmp_path / "a.conllu", f"{content}\n{row(1)}")


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("1\tword", "2 columns, but CoNLL-U has 10"),
        ("1 word _ _ _ _ _ _ _ _", "1 columns"),
        (row(1).strip() + "\t_", "11 columns"),
        (row(1, "").strip("\n"), "word 1 has no form"),
        ("plain text", "1 columns"),
    ],
)
def test_lines_that_cannot_be(tmp_path: Path, line: str, match: str) -> None:
    with pytest.raises(ValueError, match=rf"EL061.*line 3: {match}"):
        read(tmp_path / "a.conllu", f"{row(1)}\n{line}\n")
