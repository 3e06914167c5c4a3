import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from spacy_elmo.language_model import corpus as module
from spacy_elmo.language_model.corpus import LONGEST_TYPE, Corpus, read_fingerprint, verify_corpus, write_corpus
from tests.platforms import resources

SENTENCES = [["the", "cat", "\u2028"], ["cat"], ["a", "the", "the", "ä\ud800"], ["\n"]]
FILES = ["corpus.json", "ends.i64", "tokens.i32", "types.json"]


def read(corpus: Corpus) -> list[list[str]]:
    return [[corpus.types[place] for place in corpus.sentence(k)] for k in range(len(corpus))]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_round_trip(tmp_path: Path) -> None:
    written = write_corpus(tmp_path / "new" / "corpus", iter(SENTENCES), fingerprint="of these")
    opened = Corpus.open(tmp_path / "new" / "corpus")
    in_memory = Corpus.from_sentences(SENTENCES)
    for corpus in (written, opened, in_memory):
        assert read(corpus) == SENTENCES
        # Types in the order in which they first occur.
        assert corpus.types == ["the", "cat", "\u2028", "a", "ä\ud800", "\n"]
        np.testing.assert_array_equal(corpus.tokens, [0, 1, 2, 1, 3, 0, 0, 4, 5])
        np.testing.assert_array_equal(corpus.ends, [3, 4, 8, 9])
        assert (corpus.tokens.dtype, corpus.ends.dtype) == (np.int32, np.int64)
        assert (len(corpus), corpus.n_tokens) == (4, 9)
        np.testing.assert_array_equal(corpus.count_types(), [3, 2, 1, 1, 1, 1])
    assert isinstance(opened.tokens, np.memmap)
    assert read_fingerprint(tmp_path / "new" / "corpus") == "of these"
    assert names(tmp_path / "new" / "corpus") == FILES


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """The size of a block changes neither the corpus nor its counts."""
    rng = np.random.default_rng(3)
    lengths = rng.integers(1, 30, 50)
    sentences = [[f"w{number}" for number in rng.integers(0, 40, length)] for length in lengths]
    monkeypatch.setattr(module, "_BLOCK", block)
    corpus = write_corpus(tmp_path, iter(sentences))
    assert read(corpus) == sentences
    flat = [token for sentence in sentences for token in sentence]
    assert corpus.count_types().tolist() == [flat.count(token) for token in corpus.types]


def test_no_more_than_a_block_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block, length = 10_000, 900
    held: list[int] = []

    def sentences() -> Iterator[list[str]]:
        for number in range(100):
            written = sum(path.stat().st_size for path in tmp_path.iterdir() if "tokens" in path.name)
            held.append(number * length - written // 4)
            yield ["a"] * length

    monkeypatch.setattr(module, "_BLOCK", block)
    write_corpus(tmp_path, sentences())
    assert block - length < max(held) < block + length


def test_empty_sentence(tmp_path: Path) -> None:
    sentences: list[list[str]] = [[], ["a"], [], []]
    assert read(write_corpus(tmp_path, sentences)) == sentences
    assert read(Corpus.from_sentences(sentences)) == sentences


@pytest.mark.parametrize("sentences", [[], [[], []]])
def test_no_tokens(tmp_path: Path, sentences: list[list[str]]) -> None:
    with pytest.raises(ValueError, match=r"EL071.*corpus' contains no tokens"):
        write_corpus(tmp_path / "corpus", sentences)
    assert names(tmp_path / "corpus") == []


def test_replaced_corpus(tmp_path: Path) -> None:
    write_corpus(tmp_path, SENTENCES, fingerprint="old")
    assert read(write_corpus(tmp_path, [["b"]], fingerprint="new")) == [["b"]]
    assert read_fingerprint(tmp_path) == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_incomplete_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type) -> None:
    def sentences() -> Iterator[list[str]]:
        yield from SENTENCES
        raise error("bad line")

    monkeypatch.setattr(module, "_BLOCK", 1)
    for _ in range(2):
        with pytest.raises(error, match="bad line"):
            write_corpus(tmp_path, sentences(), fingerprint="half")
        assert read_fingerprint(tmp_path) == ""
        with pytest.raises(FileNotFoundError, match=r"EL026.*corpus\.json"):
            Corpus.open(tmp_path)
        assert not list(tmp_path.glob(".*"))
        # One that was there before: its numbers may stay, but not as a corpus.
        write_corpus(tmp_path, SENTENCES, fingerprint="old")


@pytest.mark.parametrize("name", ["tokens.i32", "ends.i64"])
def test_truncated_numbers(tmp_path: Path, name: str) -> None:
    write_corpus(tmp_path, SENTENCES)
    for size in (0, 4, (tmp_path / name).stat().st_size - 1):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:size])
        with pytest.raises(ValueError, match=r"EL023.*versions of its files differ"):
            Corpus.open(tmp_path)


@pytest.mark.parametrize("name", ["corpus.json", "types.json"])
def test_truncated_metadata(tmp_path: Path, name: str) -> None:
    write_corpus(tmp_path, SENTENCES)
    content = (tmp_path / name).read_bytes()
    for size in (0, 1, len(content) // 2):
        (tmp_path / name).write_bytes(content[:size])
        with pytest.raises(ValueError, match="EL023"):
            Corpus.open(tmp_path)
    (tmp_path / "corpus.json").write_text("[]")
    assert read_fingerprint(tmp_path.parent) == ""
    with pytest.raises(ValueError, match="EL023"):
        Corpus.open(tmp_path)


@pytest.mark.parametrize("name", FILES[1:])
def test_files_of_two_corpora(tmp_path: Path, name: str) -> None:
    write_corpus(tmp_path / "one", SENTENCES)
    write_corpus(tmp_path / "two", [*SENTENCES, ["another"]])
    (tmp_path / "two" / name).replace(tmp_path / "one" / name)
    with pytest.raises(ValueError, match=r"EL023.*one' is .*sizes or versions of its files differ"):
        Corpus.open(tmp_path / "one")


def test_another_version(tmp_path: Path) -> None:
    write_corpus(tmp_path, SENTENCES)
    meta = json.loads((tmp_path / "corpus.json").read_text())
    (tmp_path / "corpus.json").write_text(json.dumps({**meta, "version": 2}))
    with pytest.raises(ValueError, match=r"EL023.*sizes or versions"):
        Corpus.open(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "corpus.json",
        "types.json",
        "tokens.i32",
        "ends.i64",
    ],
)
def test_missing_files(tmp_path: Path, name: str) -> None:
    write_corpus(tmp_path, SENTENCES)
    (tmp_path / name).unlink()
    with pytest.raises((ValueError, FileNotFoundError), match=r"EL02[36]"):
        Corpus.open(tmp_path)


def test_no_corpus(tmp_path: Path) -> None:
    assert read_fingerprint(tmp_path) == ""
    with pytest.raises(FileNotFoundError, match=r"EL026.*corpus\.json"):
        Corpus.open(tmp_path)


@resources
def test_full_disk(tmp_path: Path) -> None:
    """A limit on the size of files makes writing fail, as a full disk does."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(OSError, match=r"EL092.*corpus' could not be written: File too large\..*ulimit -f"):
            write_corpus(tmp_path / "corpus", (["a"] * 1000 for _ in range(600)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path / "corpus") == []


@pytest.mark.parametrize("name", ["tokens.i32", "ends.i64", "types.json"])
def test_one_changed_byte(tmp_path: Path, name: str) -> None:
    write_corpus(tmp_path, SENTENCES)
    verify_corpus(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    place = content.index(b"cat") if name == "types.json" else 0
    content[place] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"EL023.*{name}.*checksum"):
        verify_corpus(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("tokens.i32", 99), ("tokens.i32", -1), ("ends.i64", 99), ("ends.i64", -1)]
)
def test_impossible_numbers_without_checksums(tmp_path: Path, name: str, value: int) -> None:
    """A corpus of an earlier version."""
    write_corpus(tmp_path, SENTENCES)
    meta = json.loads((tmp_path / "corpus.json").read_text("utf-8"))
    del meta["sha256"]
    (tmp_path / "corpus.json").write_text(json.dumps(meta), "utf-8")
    verify_corpus(tmp_path)
    numbers = np.memmap(tmp_path / name, dtype=np.int32 if name == "tokens.i32" else np.int64, mode="r+")
    numbers[1] = value
    numbers.flush()
    with pytest.raises(ValueError, match=rf"EL023.*{name}"):
        verify_corpus(tmp_path)


def test_long_types(tmp_path: Path) -> None:
    """Two tokens with the same first characters are one type."""
    long = "x" * LONGEST_TYPE
    corpus = write_corpus(tmp_path / "cut", [[long + "a", "b"], [long + "c" * 10**6, long, long[1:]]])
    assert corpus.types == [long, "b", long[1:]]
    assert read(corpus) == [[long, "b"], [long, long, long[1:]]]
    assert write_corpus(tmp_path / "longer", [[long + "a"]], longest=LONGEST_TYPE + 1).types == [long + "a"]
