"""FASTA as strangers write it: what is read, what gives a warning, and what is refused."""

import bz2
import gzip
import lzma
import os
import re
import subprocess
import sys
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.inputs import fasta
from spacy_elmo.inputs.fasta import HeaderIds
from spacy_elmo.inputs.reader import Inputs
from spacy_elmo.pretraining.config import CorpusConfig
from tests.platforms import linux_memory, named_pipes


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def read(path: Path, **settings: Any) -> dict[str | None, str]:
    return {sequence.id: "".join(sequence.tokens) for sequence in Inputs(path, **settings).read()}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (">a\nMKV\n>b\nLL\n", {"a": "MKV", "b": "LL"}),
        (">a some protein OS=x\nMK\nV\n\nLA", {"a": "MKVLA"}),
        (">a\r\nMK\r\nV\r\n>b\r\nL\r\n", {"a": "MKV", "b": "L"}),
        ("\ufeff>a\nMKV\n", {"a": "MKV"}),
        (";old comment\n>a\n;another\nMK\n;\nV\n", {"a": "MKV"}),
        ("\n\n>a\n\nMK V\tL\n", {"a": "MKVL"}),
        (">a\nM K\u00a0V \n", {"a": "MKV"}),
        (">sp|P0/1|X_HUMAN b\nUOBZXJ\n", {"sp|P0/1|X_HUMAN": "UOBZXJ"}),
        ("> a b\nM\n", {"a": "M"}),
        (">\u00e4\u65e5 protein\nM\n", {"\u00e4\u65e5": "M"}),
        (">a>b\nM\n", {"a>b": "M"}),
        (f">{'x' * 1000}\nM\n", {"x" * 1000: "M"}),
        (">a\n" + "MKVLA\n" * 7000, {"a": "MKVLA" * 7000}),
        ("", {}),
    ],
)
def test_sequences(tmp_path: Path, content: str, expected: dict[str, str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(write(tmp_path / "a.fasta", content)) == expected


@pytest.mark.parametrize("name", ["a.fasta", "a.fa", "a.FAA", "a.fas", "a.fasta.gz", "a.faa.xz", "a.fa.bz2"])
def test_names(tmp_path: Path, name: str) -> None:
    content = b">a\nMKV\n"
    packed = {".gz": gzip.compress(content), ".xz": lzma.compress(content), ".bz2": bz2.compress(content)}
    assert read(write(tmp_path / name, packed.get(Path(name).suffix, content))) == {"a": "MKV"}
    assert read(write(tmp_path / "b.txt", b">a\nMKV\n"), format="fasta") == {"a": "MKV"}
    # In a folder, too.
    (tmp_path / "b.txt").unlink()
    assert read(tmp_path) == {"a": "MKV"}


def test_items_have_tokens_and_places(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fasta", ">a\nMK\nV\n>empty\n>b\nL\n")
    inputs = Inputs(path)
    with pytest.warns(UserWarning, match="WL092"):
        one, other = inputs.read()
    assert (one.text, one.tokens, one.visible) == ("MKV", ["M", "K", "V"], ["M", "K", "V"])
    assert 0 < one.done < other.done == 1
    assert [*inputs.read_ids()] == [("a", f"{path}, line 1"), ("b", f"{path}, line 5")]


@pytest.mark.parametrize(
    ("content", "match", "expected"),
    [
        (
            ">a\nM\n>b\nMkV\n>c\nl\n",
            r"WL090.*line 3: the sequence 'b'.*upper case.*: 2\. .*by X",
            ["M", "MKV", "L"],
        ),
        (">a\nM\n>b\nMK*\n\n", r"WL091.*line 3: the sequence 'b' ends with a stop.*: 1\. .*remove", ["M", "MK"]),
        (">a\n>b\nM\n>c\n\n>d\n*\n", r"WL092.*line 1: the sequence 'a' has no residues.*: 3\. .*again", ["M"]),
    ],
)
def test_changes(tmp_path: Path, content: str, match: str, expected: list[str]) -> None:
    inputs = Inputs(write(tmp_path / "a.fasta", content))
    with pytest.warns(UserWarning, match="WL09") as given:
        assert [sequence.text for sequence in inputs.read()] == expected
    [own] = [str(one.message) for one in given if match[:5] in str(one.message)]
    assert re.search(match, own)
    # All is said once: warnings are errors here.
    assert len([*inputs.read()]) == len(expected)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("MKV\n>a\nM\n", r"EL305.*a\.fasta, line 1: residues before the first header.*--format tokens"),
        ("\n\nJust a text .\n", r"EL305.*line 3"),
        (">a\nMK-V\n", r"EL306.*line 2: the sequence 'a' contains '-'. Gaps .*sed"),
        (">a\nMK\n>b\nM\nMK..V\n", r"EL306.*line 5: the sequence 'b' contains '\.'"),
        (">a\nM*K\n", r"EL306.*line 2: the sequence 'a' contains '\*'. A stop may only end"),
        (">a\nMK*\nV\n", r"EL306.*line 2: the sequence 'a' contains '\*'"),
        (">a\nMK**\n", r"EL306.*line 2: .* contains '\*'"),
        (">a\n1 MKV 3\n", r"EL306.*contains '1'. Residues are the letters A to Z.*--format tokens"),
        (">a\nM\u00c4K\n", r"EL306.*contains '\u00c4'"),
        (">a\nMK\n >b\nM\n", r"EL306.*line 3: the sequence 'a' contains '>'"),
        (">a\nM\x07K\n", r"EL306.*contains '\\x07'"),
        (">\nMK\n", r"EL309.*line 1: a header with no id"),
        (">a\nMK\n>  \nM\n", r"EL309.*line 3: a header with no id"),
        (f">a\nM\n>{'x' * 1001}\nM\n", r"EL309.*line 3: a header with an id of 1,001 characters, of which 1,000"),
        (b">a\nMK\n>b\xe9\nM\n", r"EL061.*line 3: not UTF-8"),
        (">a\nMK\0\n", r"EL061.*line 2: a NUL"),
        (">a\rMKV\r>b\rM\r", r"EL206"),
        (">a\nMKV\n".encode("utf-16"), r"EL205.*UTF-16"),
        (gzip.compress(b">a\nMKV\n", mtime=0), r"EL205.*compressed"),
    ],
)
def test_refused(tmp_path: Path, content: str | bytes, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Inputs(write(tmp_path / "a.fasta", content)).check()


UNIPROT = ">sp|P00864|CAPP_ECOLI Some name OS=x\nMK\n"


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (HeaderIds(), "sp|P00864|CAPP_ECOLI"),
        (HeaderIds(0), "sp"),
        (HeaderIds(1), "P00864"),
        (HeaderIds(-1), "sp|P00864|CAPP_ECOLI Some name OS=x"),
        (HeaderIds(1, " "), "Some"),
        (HeaderIds(1, "OS="), "x"),
    ],
)
def test_ids(tmp_path: Path, ids: HeaderIds, expected: str) -> None:
    assert read(write(tmp_path / "a.fasta", UNIPROT), ids=ids) == {expected: "MK"}


def test_fields_that_are_missing(tmp_path: Path) -> None:
    for header, reason in ((">a", r"no field 1 between '\|'"), (">a|", "no id"), (">a| |b", "no id")):
        inputs = Inputs(write(tmp_path / "a.fasta", f"{UNIPROT}{header}\nM\n"), ids=HeaderIds(1))
        with pytest.raises(ValueError, match=rf"EL309.*line 3: a header with {reason}"):
            inputs.check()


def test_longest_sequence(tmp_path: Path) -> None:
    most = fasta.MOST_RESIDUES
    assert len(read(write(tmp_path / "a.fasta", ">a\n" + "M" * most))["a"]) == most
    for text in ("M" * (most + 1), ("M" * 99 + "\n") * 1100):
        with pytest.raises(ValueError, match=r"EL308.*line \d+: the sequence 'a' has more than 100,000 residues"):
            Inputs(write(tmp_path / "a.fasta", ">a\n" + text)).check()


# Reads standard input in a process that may take no more memory, and says what it took.
_BOUNDED = """
import resource, sys
from pathlib import Path
from spacy_elmo.inputs.reader import Inputs
from spacy_elmo.pretraining.config import CorpusConfig
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    inputs = Inputs(Path(sys.argv[1]))
    inputs.check()
    print(len([*inputs.read()]))
except ValueError as error:
    print(str(error))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def check_bounded(path: Path, most_mib: int = 16) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _BOUNDED, str(path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    text, memory = done.stdout.strip().rsplit("\n", 1)
    assert int(memory) < most_mib, (text, memory)
    return text


@linux_memory
@pytest.mark.parametrize(
    ("start", "match"),
    [
        (b">a\n", "[EL308] {path}, line 2: this sequence has more than 100,000 residues"),
        (b"", "[EL309] {path}, line 1: a header with more than 1 MB"),
    ],
)
def test_one_line_of_a_gigabyte(tmp_path: Path, start: bytes, match: str) -> None:
    path = tmp_path / "a.fasta"
    with path.open("wb") as file:
        # A sparse file: after these bytes, zeros that no one writes.
        file.write(start + (b"M" if start else b">") + b"A" * (2 << 20))
        file.truncate(1 << 30)
    assert check_bounded(path).startswith(match.format(path=path))


@named_pipes
def test_pipe_without_end(tmp_path: Path) -> None:
    """It is read up to the longest line that is allowed, and neither kept nor waited for."""
    path = tmp_path / "pipe.fasta"
    os.mkfifo(path)
    written = 0

    def produce() -> None:
        nonlocal written
        with suppress(BrokenPipeError), path.open("wb", buffering=0) as pipe:
            pipe.write(b">a\n")
            while True:
                written += pipe.write(b"M" * (1 << 16)) or 0

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    with pytest.raises(ValueError, match=r"EL308.*pipe\.fasta, line 2"):
        Inputs(path).check()
    producer.join(timeout=30)
    assert not producer.is_alive()
    assert written < 8 << 20


def test_packed_bomb(tmp_path: Path) -> None:
    """Some hundred kilobytes of gzip that are 100 MB on one line."""
    packed = gzip.compress(b">a\n" + b"M" * (100 << 20), compresslevel=9)
    assert len(packed) < 1 << 20
    path = write(tmp_path / "a.fasta.gz", packed)
    assert check_bounded(path).startswith(f"[EL308] {path}, line 2: this sequence has more than 100,000 residues")


@pytest.mark.slow
def test_ten_million_empty_sequences(tmp_path: Path) -> None:
    path = tmp_path / "a.fasta"
    with path.open("wb") as file:
        for start in range(0, 10_000_000, 100_000):
            file.write(b"".join(b">%d\n" % number for number in range(start, start + 100_000)))
        file.write(b"M\n")
    assert check_bounded(path) == "1"


def test_every_command_knows_the_format(tmp_path: Path) -> None:
    """What trains or evaluates a language model reads sequences as sentences, too."""
    path = write(tmp_path / "a.fasta", ">a\nMKV\n")
    section = CorpusConfig(train=[path], format="fasta")
    assert [sentence.tokens for sentence in Inputs(section.train, format=section.format).read()] == [
        ["M", "K", "V"]
    ]
