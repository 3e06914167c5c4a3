import gzip
import json
import lzma
from pathlib import Path
from typing import Any, List

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_elmo.pretraining.text import KINDS, check_text_file, read_texts

VOCAB = spacy.blank("en").vocab
LINES = [f"Line {number} of a text that is long enough to fill more than one block." for number in range(2000)]


def texts(path: Path) -> List[Any]:
    return list(read_texts(path, VOCAB))


def write(path: Path, content: Any) -> Path:
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("one\ntwo\n", ["one", "two"]),
        ("one\ntwo", ["one", "two"]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("\n  \none\n\n\r\ntwo\n", ["one", "two"]),
        ("\ufeffone\n\ufefftwo", ["one", "\ufefftwo"]),
        ("\ufeff", []),
        ("", []),
        # Only a line feed ends a line: Unicode and ASCII know other separators.
        ("one\u2028two\u2029three\x0bfour\x0c\x1c\x85five\rsix\nseven", None),
        (" kept as it stands \t\n", [" kept as it stands \t"]),
        ("näïve 日本語 𝄞\n", ["näïve 日本語 𝄞"]),
    ],
)
def test_lines(tmp_path: Path, content: str, expected: Any) -> None:
    assert texts(write(tmp_path / "a.txt", content)) == (content.split("\n") if expected is None else expected)


def test_json_lines(tmp_path: Path) -> None:
    content = '\ufeff{"text": "one\\ntwo"}\r\n\n{"n": 3, "text": "dr\\u00fcben\u2028hier"}\n{"text": ""}'
    assert texts(write(tmp_path / "a.jsonl", content)) == ["one\ntwo", "drüben\u2028hier", ""]


@pytest.mark.parametrize(("ending", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed(tmp_path: Path, ending: str, compress: Any) -> None:
    plain = "".join(f"{line}\r\n" for line in LINES).encode("utf-8-sig")
    assert texts(write(tmp_path / f"A.TXT{ending.upper()}", compress(plain))) == LINES
    # Two streams one after the other are one file, as `cat` makes them.
    assert texts(write(tmp_path / f"a.txt{ending}", compress(b"one\nt") + compress(b"wo\n"))) == ["one", "two"]
    records = "\n".join(json.dumps({"text": line}) for line in LINES).encode()
    assert texts(write(tmp_path / f"a.jsonl{ending}", compress(records))) == LINES


def test_docs(tmp_path: Path) -> None:
    docs = [Doc(VOCAB, words=["a", "b"], spaces=[False, True]), Doc(VOCAB, words=[]), Doc(VOCAB, words=["c\n"])]
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    assert [[token.text for token in doc] for doc in texts(tmp_path / "a.spacy")] == [["a", "b"], [], ["c\n"]]
    assert all(doc.vocab is VOCAB for doc in texts(tmp_path / "a.spacy"))


def test_read_as_asked_for(tmp_path: Path) -> None:
    reader = read_texts(write(tmp_path / "a.txt", b"good\n\xff\n"), VOCAB)
    assert next(reader) == "good"
    with pytest.raises(ValueError, match="EL061"):
        next(reader)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.txt", b"good\n\xc3\xa4 \xff\xfe bad\n", r"EL061.*a\.txt, line 2: not UTF-8 .*at byte 3"),
        ("a.txt", "text\n".encode("utf-16"), r"EL061.*line 1: not UTF-8"),
        ("a.txt.gz", gzip.compress(b"\n\ngood\nb\xe4d\n"), r"EL061.*line 4: not UTF-8 .*at byte 1"),
        ("a.jsonl", '{"text": "a"}\n\n{"text": \n', r"EL061.*line 3: not JSON"),
        ("a.jsonl", '{"texts": "a"}', r'EL061.*line 1: no \{"text": text\}'),
        ("a.jsonl", '{"text": ["a"]}', r'EL061.*line 1: no \{"text": text\}'),
        ("a.jsonl", '{"text": "a"}\n"text"', r'EL061.*line 2: no \{"text": text\}'),
        ("a.spacy", b"no docbin", r"EL023.*a\.spacy.*no DocBin"),
        ("a.spacy", b"", r"EL023.*no DocBin"),
        ("a.txt.gz", b"no gzip", r"EL023.*a\.txt\.gz.*[Nn]ot a gzip"),
        ("a.txt.xz", b"no xz file", r"EL023.*a\.txt\.xz.*not supported"),
        ("a.txt.xz", b"", r"EL023.*a\.txt\.xz.*ended before"),
    ],
)
def test_bad_content(tmp_path: Path, name: str, content: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        texts(write(tmp_path / name, content))


@pytest.mark.parametrize(("ending", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_compressed_file_that_is_cut(tmp_path: Path, ending: str, compress: Any) -> None:
    whole = compress("\n".join(LINES).encode())
    for size in (len(whole) // 2, len(whole) - 1):
        read = []
        with pytest.raises(ValueError, match=r"EL023.*a\.txt\..*ended before"):
            read.extend(read_texts(write(tmp_path / f"a.txt{ending}", whole[:size]), VOCAB))
        assert read == LINES[: len(read)]


@pytest.mark.parametrize(("ending", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_compressed_file_with_a_wrong_bit(tmp_path: Path, ending: str, compress: Any) -> None:
    whole = bytearray(compress("\n".join(LINES).encode()))
    for place in (len(whole) // 3, len(whole) // 2, len(whole) - 6):
        damaged = whole.copy()
        damaged[place] ^= 0x10
        with pytest.raises(ValueError, match=r"EL0(23|61).*a\.txt\."):
            texts(write(tmp_path / f"a.txt{ending}", bytes(damaged)))


def test_a_damaged_gz_that_cannot_be_unpacked(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress("\n".join(LINES).encode(), mtime=0))
    for place in range(10, len(whole), 7):
        damaged = whole.copy()
        damaged[place] ^= 0xFF
        with pytest.raises(ValueError, match=r"EL0(23|61).*a\.txt\.gz"):
            texts(write(tmp_path / "a.txt.gz", bytes(damaged)))


def test_text_that_is_not_unicode(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "good"}\n{"text": "a \\ud800"}\n')
    with pytest.raises(ValueError, match=r"EL061.*line 2"):
        texts(path)


def test_an_ending_in_the_middle(tmp_path: Path) -> None:
    assert texts(write(tmp_path / "news.jsonl.txt", "one\n")) == ["one"]


@pytest.mark.parametrize("name", ["a.csv", "a", "a.txt.bz2", "a.gz", "a.xz", "a.spacy.gz"])
def test_unknown_ending(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, "text")
    suffix = path.suffix
    with pytest.raises(ValueError, match="EL060") as caught:
        check_text_file(path)
    assert repr(suffix) in str(caught.value)
    assert all(kind in str(caught.value) for kind in KINDS)
    with pytest.raises(ValueError, match="EL060"):
        texts(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"EL026.*a\.txt.*Give a text file"):
        texts(tmp_path / "a.txt")
    (tmp_path / "b.txt").mkdir()
    with pytest.raises(FileNotFoundError, match=r"EL026.*b\.txt"):
        check_text_file(tmp_path / "b.txt")
