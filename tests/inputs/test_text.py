import gzip
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.inputs import text as text_module
from spacy_elmo.inputs.reader import Inputs


def write(path: Path, content: Any) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def tokens(path: Path, **settings: Any) -> Any:
    return [sentence.tokens for sentence in Inputs(path, **settings).read()]


def test_txt(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "\ufeffOne two.\r\n\n  three\tfour \nlast")
    sentences = list(Inputs(path).read())
    assert [one.tokens for one in sentences] == [["One", "two."], [], ["three", "four"], ["last"]]
    assert [one.text for one in sentences] == ["One two.", "", "three\tfour", "last"]
    assert sentences[-1].done == 1
    assert tokens(path, pipeline="tokenizer:en") == [["One", "two", "."], [], ["three", "\t", "four"], ["last"]]
    assert tokens(path, format="tokens", pipeline="blank:en")[0] == ["One", "two."]


@pytest.mark.parametrize(
    "space", ["\u00a0", "\u202f", "\u2009", "\u3000", "\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1f"]
)
def test_split_blanks(tmp_path: Path, space: str) -> None:
    path = write(tmp_path / "a.txt", f"10{space}000{space}€ .\n{space}a\n")
    [one, other] = Inputs(path).read()
    assert one.tokens == one.visible == [f"10{space}000{space}€", "."]
    assert other.tokens == [f"{space}a"]
    assert one.text == f"10{space}000{space}€ ."


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("one\ntwo\n", ["one", "two"]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("\n  \none\n\n\r\ntwo\n", ["", "", "one", "", "", "two"]),
        ("\ufeffone\n\ufefftwo", ["one", "\ufefftwo"]),
        ("\ufeff", []),
        ("", []),
        ("näïve 日本語 𝄞\n", ["näïve 日本語 𝄞"]),
    ],
)
def test_lines(tmp_path: Path, content: str, expected: Any) -> None:
    for pipeline in (None, "tokenizer:xx"):
        read = [sentence.text for sentence in Inputs(write(tmp_path / "a.txt", content), pipeline=pipeline).read()]
        assert read == expected


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        (
            "a.txt",
            b"good\n\xc3\xa4 \xff\xfe bad\n",
            r"EL061.*a\.txt, line 2: not UTF-8 .*at byte 3\)\. Convert .*: iconv -f LATIN1 -t UTF-8 OLD >NEW$",
        ),
        ("a.txt.gz", gzip.compress(b"\n\ngood\nb\xe4d\n", mtime=0), r"EL061.*line 4: not UTF-8 .*at byte 1"),
        ("a.txt", "text\n".encode("utf-16"), r"EL205.*in UTF-16.*iconv -f UTF-16 -t UTF-8 OLD >NEW$"),
        ("a.txt", b"\xfe\xff" + "text\n".encode("utf-16-be"), r"EL205.*in UTF-16"),
        ("a.jsonl", "text\n".encode("utf-32"), r"EL205.*in UTF-32"),
        ("a.txt", "He was born .\n".encode("utf-16-le"), r"EL061.*line 1: a NUL character.*iconv .* OLD >NEW$"),
        ("a.conllu", "1\tword\n".encode("utf-16-be"), r"EL061.*line 1: a NUL character"),
        ("a.tokens", b"one .\rtwo .\r", r"EL206.*carriage returns only.*tr "),
        ("a.txt", b"one .\rtwo .", r"EL206"),
        ("a.txt", b"one .\rtwo .\rthree .\r\n", r"EL206"),
        ("a.jsonl", b'{"text": "one"}\r{"text": "two"}\r', r"EL206"),
        ("a.conllu", b"1\tone" + 8 * b"\t_" + b"\r2\ttwo" + 8 * b"\t_" + b"\r", r"EL206"),
    ],
)
def test_encodings_and_line_ends(tmp_path: Path, name: str, content: bytes, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Inputs(write(tmp_path / name, content)).check()


def test_carriage_returns(tmp_path: Path) -> None:
    inputs = Inputs(write(tmp_path / "a.txt", "one\ntwo\rthree\r\nfour\rfive\n"))
    with pytest.warns(UserWarning, match=r"WL037.*a\.txt: 2 lines contain carriage returns.*line 2\.") as caught:
        assert [sentence.tokens for sentence in inputs.read()] == [["one"], ["two\rthree"], ["four\rfive"]]
    assert len(caught) == 1


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "LONGEST_LINE", 1 << 20)
    content = b"ab " * (1 << 20)
    with pytest.raises(ValueError, match=r"EL061.*line 2: longer than 1 MB"):
        Inputs(write(tmp_path / "a.txt.gz", gzip.compress(b"good\n" + content))).check()
