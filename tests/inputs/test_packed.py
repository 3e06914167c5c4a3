import bz2
import errno
import gzip
import hashlib
import io
import lzma
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spacy_elmo.inputs import packed
from spacy_elmo.inputs.paths import find_inputs
from spacy_elmo.inputs.reader import Inputs
from tests.platforms import named_pipes

LINES = [f"Line {number} of a text that is long enough to fill more than one block." for number in range(2000)]
TEXT = "\n".join(LINES).encode()
Compress = Callable[[bytes], bytes]
COMPRESSIONS: list[tuple[str, Compress]] = [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)]


def texts(path: Path, **settings: Any) -> Any:
    return [sentence.text for sentence in Inputs(path, **settings).read()]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("ending", "compress"), COMPRESSIONS)
def test_packed(tmp_path: Path, ending: str, compress: Any) -> None:
    assert texts(write(tmp_path / f"A.TXT{ending.upper()}", compress(TEXT))) == LINES
    # Concatenated streams are one file.
    assert texts(write(tmp_path / f"a.txt{ending}", compress(b"one\nt") + compress(b"wo\n"))) == ["one", "two"]


@pytest.mark.parametrize(("ending", "compress"), COMPRESSIONS)
def test_damaged_file(tmp_path: Path, ending: str, compress: Any) -> None:
    whole = compress(TEXT)
    for size in (0, len(whole) // 2, len(whole) - 1):
        with pytest.raises(ValueError, match=r"EL023.*a\.txt\..*(ended before|it is empty)"):
            Inputs(write(tmp_path / f"a.txt{ending}", whole[:size])).check()
    for place in (len(whole) // 3, len(whole) // 2, len(whole) - 6):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        with pytest.raises(ValueError, match=r"EL0(23|61).*a\.txt\."):
            Inputs(write(tmp_path / f"a.txt{ending}", bytes(damaged))).check()


@pytest.mark.parametrize(
    ("name", "match"),
    [("a.txt.gz", "[Nn]ot a gzip"), ("a.txt.xz", "not supported"), ("a.txt.bz2", "Invalid data")],
)
def test_wrong_ending(tmp_path: Path, name: str, match: str) -> None:
    with pytest.raises(ValueError, match=rf"EL023.*{name}.*{match}"):
        Inputs(write(tmp_path / name, b"plain text\n")).check()


def test_missing_ending(tmp_path: Path) -> None:
    for ending, compress in COMPRESSIONS:
        with pytest.raises(ValueError, match=rf"EL(205.*{ending}|061)"):
            Inputs(write(tmp_path / "a.txt", compress(TEXT))).check()


def test_every_packed_format(tmp_path: Path) -> None:
    rows = "".join(f"{k}\t{word}{chr(9)}{chr(9).join('_' * 8)}\n" for k, word in enumerate(("a", "b"), start=1))
    records = b'{"tokens": ["a", "b"]}\n'
    for name, content in (("a.conllu.gz", rows.encode()), ("a.jsonl.gz", records), ("a.tokens.gz", b"a b\n")):
        [sentence] = Inputs(write(tmp_path / name, gzip.compress(content))).read()
        assert (sentence.tokens, sentence.done) == (["a", "b"], 1)


@pytest.mark.parametrize("compress", [bytes, *(compress for _, compress in COMPRESSIONS)])
def test_standard_input(monkeypatch: pytest.MonkeyPatch, compress: Any) -> None:
    """Compression is recognised without an ending. The stream is read once, checked, and then used."""
    content = compress(b"one two\nthree\n")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content), closed=False))
    inputs = Inputs("-")
    assert (inputs.paths, inputs.has_streams) == ([], True)
    assert inputs.files[0].sha256() == hashlib.sha256(content).hexdigest()
    for _ in range(2):
        assert [sentence.tokens for sentence in inputs.read()] == [["one", "two"], ["three"]]


def test_damaged_end_of_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO(b"good\n" * 5000 + b"caf\xe9")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=buffer, closed=False))
    sentences = Inputs("-", format="tokens").read()
    with pytest.raises(ValueError, match=r"EL061.*-, line 5001: not UTF-8"):
        next(sentences)


def test_no_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(OSError, match=r"EL203.*'-' cannot be read: standard input is closed\. Connect a pipe"):
        Inputs("-").check()


@named_pipes
def test_a_named_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    content = b'{"tokens": ["a"]}\n' * 20_000
    writer = threading.Thread(target=(tmp_path / "pipe.jsonl").write_bytes, args=(content,))
    writer.start()
    inputs = Inputs(tmp_path / "pipe.jsonl")
    assert sum(len(sentence.tokens) for sentence in inputs.read()) == 20_000
    writer.join()
    assert inputs.files[0].sha256() == hashlib.sha256(content).hexdigest()


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.txt", b"text\n")

    def refuse(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    [file] = find_inputs(path)
    inputs = Inputs(path)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OSError, match=r"EL203.*a\.txt' cannot be read: Permission denied\. Change its"):
        inputs.check()
    with pytest.raises(OSError, match="EL203"):
        file.sha256()


def test_full_disk_for_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(packed, "_copy", full)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(TEXT), closed=False))
    with pytest.raises(OSError, match=r"EL142.*No space left.*TMPDIR"):
        Inputs(Path("-"), format="tokens").check()
