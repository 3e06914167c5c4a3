import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_elmo.layer_cache.store import DIGEST_BYTES, RECORD, Store, hash_sentences
from spacy_elmo.layer_cache.writer import Writer, open_writer
from tests.platforms import forks

# Every code point, lone halves of surrogate pairs among them, and many texts that differ by their tokens alone.
TEXTS = st.text(st.characters(exclude_categories=[]), max_size=5) | st.text("a \0,\"'", max_size=3)


@given(st.lists(st.lists(TEXTS, max_size=4), max_size=6))
def test_digests(sentences: list[list[str]]) -> None:
    got = hash_sentences(sentences)
    assert all(len(digest) == DIGEST_BYTES for digest in got)
    for one, first in zip(sentences, got):
        for other, second in zip(sentences, got):
            assert (one == other) == (first == second)
    assert hash_sentences([tuple(sentence) for sentence in sentences]) == got


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        (["a b"], ["a", "b"]),
        (["a", ""], ["", "a"]),
        ([""], []),
        ([""], ["", ""]),
        (["\ud83d\ude00"], ["\U0001f600"]),
        (["\ud83d"], ["\ud83e"]),
        (["é"], ["e\u0301"]),
        (["\0"], [""]),
        # What the lengths of one look like as text of the other.
        (["\x01\0\0\0a"], ["a"]),
    ],
)
def test_boundaries(one: list[str], other: list[str]) -> None:
    assert len(set(hash_sentences([one, other]))) == 2


def test_digest_is_stable() -> None:
    """Digests do not depend on the process or the version: files are kept."""
    assert [digest.hex() for digest in hash_sentences([["I", "love", "NLP"], []])] == [
        "0e80fc1f325fa08bf76c1cca1dda1f95",
        "11d2df4e979aa105cf552e9544ebd2b5",
    ]


@pytest.mark.parametrize(
    ("sentences", "match"),
    [
        ("I love NLP", r"EL033.*sentence 0 is 'I'"),
        ([["a"], "I love NLP"], r"EL033.*sentence 1 is 'I love NLP'.*text.split\(\)"),
        ([["a"], None], r"EL033.*sentence 1 is None"),
        ([["a"], ["b", 3]], r"EL034.*token 1 of sentence 1 is 3"),
        ([[b"a"]], r"EL034.*token 0 of sentence 0 is b'a'"),
        ([b"ab"], r"EL033.*sentence 0 is b'ab'"),
    ],
)
def test_invalid_sentences(sentences: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        hash_sentences(sentences)


WIDTH = 5
Rows = dict[bytes, np.ndarray]


def name(i: int) -> bytes:
    return bytes([i]) * 16


def some_rows(lengths: list[int], *, first: int = 0, dtype: str = "float16") -> Rows:
    random = np.random.default_rng(first)
    sizes = enumerate(lengths, start=first)
    return {name(i): random.standard_normal((n, WIDTH)).astype(dtype) for i, n in sizes}


def open_store(folder: Path, dtype: str = "float16") -> Store:
    return Store.open(folder / "key.layers", width=WIDTH, dtype=dtype)


def writer_of(store: Store, limit: int = 10**9) -> Writer:
    writer = open_writer(store, about={"what": "a test"}, limit=limit)
    assert writer is not None
    return writer


def fill(folder: Path, *batches: Rows) -> None:
    store = open_store(folder)
    writer = writer_of(store)
    for batch in batches:
        writer.append(batch)
    writer.close()


def found(store: Store, rows: Rows) -> dict[bytes, np.ndarray | None]:
    return {digest: store.find(digest) for digest in rows}


def assert_holds(store: Store, rows: Rows) -> None:
    for digest, got in found(store, rows).items():
        assert got is not None
        np.testing.assert_array_equal(got, rows[digest])
        assert got.dtype == rows[digest].dtype


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_round_trip(tmp_path: Path, dtype: str) -> None:
    first, second = some_rows([3, 1, 4], dtype=dtype), some_rows([2, 9], first=3, dtype=dtype)
    store = open_store(tmp_path / "new" / "folder", dtype)
    writer = writer_of(store)
    writer.append(first)
    assert_holds(store, first)
    writer.append(second)
    writer.append({})
    assert_holds(store, {**first, **second})
    assert store.find(name(9)) is None
    writer.close()
    again = open_store(tmp_path / "new" / "folder", dtype)
    assert_holds(again, {**first, **second})
    assert (len(again), again.n_rows, again.size) == (5, 19, 19 * WIDTH * np.dtype(dtype).itemsize + 5 * 32)
    assert sum(p.stat().st_size for p in (again.path, again.index_path)) == again.size
    assert sorted(os.listdir(again.path.parent)) == ["key.index", "key.json", "key.layers", "key.lock"]


def test_read_only(tmp_path: Path) -> None:
    fill(tmp_path, some_rows([3]))
    got = open_store(tmp_path).find(name(0))
    assert got is not None
    with pytest.raises(ValueError, match="read-only"):
        got[0] = 1


def test_reader_sees_additions(tmp_path: Path) -> None:
    store, reader = open_store(tmp_path), open_store(tmp_path)
    writer = writer_of(store)
    rows = some_rows([3, 1, 4])
    assert not reader.has_changed
    for digest, array in rows.items():
        writer.append({digest: array})
        assert reader.find(digest) is None
        assert reader.has_changed
        assert reader.refresh()
        assert not reader.has_changed
        assert not reader.refresh()
        assert_holds(reader, {digest: array})
    assert_holds(reader, rows)
    writer.close()


FILLED = some_rows([3, 1, 4, 2, 6])
DATA_SIZE = 16 * WIDTH * 2
INDEX_SIZE = 5 * RECORD.itemsize


@given(
    data=st.integers(0, DATA_SIZE),
    index=st.integers(0, INDEX_SIZE),
    tail=st.binary(max_size=70),
    which=st.booleans(),
)
@settings(deadline=None, max_examples=300)
def test_truncated_anywhere(
    tmp_path_factory: pytest.TempPathFactory, data: int, index: int, tail: bytes, which: bool
) -> None:
    """With any part of the files, and anything after it in one of them, sentences are complete or missing, and
    what is written then is found by the next process."""
    folder = tmp_path_factory.mktemp("cut")
    fill(folder, dict(list(FILLED.items())[:2]), dict(list(FILLED.items())[2:]))
    os.truncate(folder / "key.layers", data)
    os.truncate(folder / "key.index", index)
    with (folder / ("key.layers" if which else "key.index")).open("ab") as file:
        file.write(tail)

    store = open_store(folder)
    there = [digest for digest, rows in found(store, FILLED).items() if rows is not None]
    assert_holds(store, {digest: FILLED[digest] for digest in there})
    ends = np.cumsum([len(rows) for rows in FILLED.values()]) * WIDTH * 2
    whole = sum(int(end <= data and 32 * (i + 1) <= index) for i, end in enumerate(ends))
    assert len(there) >= whole

    writer = writer_of(store)
    writer.append({digest: rows for digest, rows in FILLED.items() if digest not in there})
    writer.append(some_rows([2], first=7))
    writer.close()
    again = open_store(folder)
    assert_holds(again, {**FILLED, **some_rows([2], first=7)})
    assert (folder / "key.layers").stat().st_size == again.n_rows * WIDTH * 2
    assert (folder / "key.index").stat().st_size == again.n_records * RECORD.itemsize


@given(place=st.integers(0, DATA_SIZE + INDEX_SIZE - 1), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=300)
def test_one_bit_flipped(tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    """A bit in the rows or in the index never gives another sentence's rows or other numbers."""
    folder = tmp_path_factory.mktemp("bit")
    fill(folder, FILLED)
    path, place = (
        (folder / "key.layers", place) if place < DATA_SIZE else (folder / "key.index", place - DATA_SIZE)
    )
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)
    store = open_store(folder)
    lost = []
    for digest, rows in found(store, FILLED).items():
        if rows is None:
            lost.append(digest)
        else:
            np.testing.assert_array_equal(rows, FILLED[digest])
    assert lost
    writer = writer_of(store)
    writer.append({digest: FILLED[digest] for digest in lost})
    assert_holds(store, FILLED)
    writer.close()
    assert_holds(open_store(folder), FILLED)


def test_damage(tmp_path: Path) -> None:
    fill(tmp_path, FILLED)
    with (tmp_path / "key.layers").open("r+b") as file:
        file.write(b"\xff\xff")
    store = open_store(tmp_path)
    assert_holds(store, {name(1): FILLED[name(1)]})
    assert not store.is_damaged
    assert store.find(name(0)) is None
    assert store.is_damaged
    assert len(store) == 4


def test_truncated_in_use(tmp_path: Path) -> None:
    """A process that reads a map beyond the end of its file is killed."""
    fill(tmp_path, FILLED)
    store = open_store(tmp_path)
    writer = writer_of(store)
    assert_holds(store, FILLED)
    os.truncate(store.path, 7)
    store.check_size()
    assert store.is_damaged
    assert [store.find(digest) for digest in FILLED] == [None] * 5
    assert store.path.stat().st_size == 7
    with pytest.warns(UserWarning, match=r"WL011.*another program has shortened the file"):
        writer.append(some_rows([1], first=6))
    writer.append(some_rows([1], first=7))
    assert not writer.is_active
    assert store.path.stat().st_size == 7
    writer.close()
    fill(tmp_path, FILLED)
    assert_holds(open_store(tmp_path), FILLED)


def test_removed_in_use(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    writer = writer_of(store)
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.warns(UserWarning, match="WL011"):
        writer.append(FILLED)
    store.check_size()
    assert found(store, FILLED) == dict.fromkeys(FILLED)
    writer.close()


def test_limit(tmp_path: Path) -> None:
    rows = some_rows([3, 1, 40, 1])
    store = open_store(tmp_path)
    writer = writer_of(store, limit=2 * 32 + 4 * WIDTH * 2)
    writer.append({digest: rows[digest] for digest in list(rows)[:2]})
    assert not writer.is_full
    writer.append(rows)
    assert writer.is_full
    assert [digest for digest, got in found(store, rows).items() if got is not None] == list(rows)[:2]
    assert store.path.stat().st_size + store.index_path.stat().st_size == 2 * 32 + 4 * WIDTH * 2
    writer.close()


def test_shorter_sentence_fits(tmp_path: Path) -> None:
    rows = some_rows([3, 40, 1])
    store = open_store(tmp_path)
    writer = writer_of(store, limit=200)
    writer.append(rows)
    assert [got is not None for got in found(store, rows).values()] == [True, False, True]
    assert_holds(store, {digest: rows[digest] for digest in (name(0), name(2))})
    writer.close()


class FullDisk:
    """A file that accepts a number of bytes."""

    def __init__(self, file: Any, room: int):
        self._file, self._room = file, room

    def __enter__(self) -> "FullDisk":
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.close()

    def write(self, data: Any) -> None:
        data = memoryview(data).cast("B")
        self._file.write(data[: self._room])
        if len(data) > self._room:
            raise OSError(28, "No space left on device")
        self._room -= len(data)


@pytest.mark.parametrize("file", ["key.layers", "key.index"])
@pytest.mark.parametrize("room", [0, 1, 33, 64, 70])
def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, room: int) -> None:
    from spacy_elmo.layer_cache import writer as module

    fill(tmp_path, FILLED)
    more = some_rows([5, 5, 5], first=10)
    store, reader = open_store(tmp_path), open_store(tmp_path)
    writer = writer_of(store)
    open_at = module._open_at
    with monkeypatch.context() as patch:
        patch.setattr(
            module,
            "_open_at",
            lambda path, size: FullDisk(open_at(path, size), room if path.name == file else 10**6),
        )
        with pytest.warns(UserWarning, match=r"WL011.*No space left.*Free disk space, or lower max_gb") as caught:
            writer.append(more)
        assert len(caught) == 1
        writer.append(more)
    assert not writer.is_active
    if file == "key.layers":
        # The part that was written takes no room.
        assert store.path.stat().st_size == DATA_SIZE
    # Records that went to the file before it was full may have been read, and stand.
    reader.refresh()
    seen = {digest: more[digest] for digest, rows in found(reader, more).items() if rows is not None}
    assert len(seen) == (room // 32 if file == "key.index" else 0)
    writer.close()
    fill(tmp_path, {digest: rows for digest, rows in more.items() if digest not in seen})
    for one in (reader, open_store(tmp_path)):
        one.refresh()
        assert_holds(one, {**FILLED, **more})


def test_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process continues after Ctrl-C, as in a notebook."""
    store = open_store(tmp_path)
    writer = writer_of(store)
    more = some_rows([5, 2], first=10)
    for where in ("key.index", "after"):
        with monkeypatch.context() as patch:
            if where == "after":
                patch.setattr(store, "add", interrupt)
            else:
                patch.setattr("spacy_elmo.layer_cache.writer.pack_record", interrupt)
            with pytest.raises(KeyboardInterrupt):
                writer.append(more)
    reader = open_store(tmp_path)
    assert_holds(reader, more)
    writer.append(FILLED)
    assert_holds(store, {**more, **FILLED})
    reader.refresh()
    assert_holds(reader, {**more, **FILLED})
    writer.close()


def interrupt(*arguments: Any) -> None:
    raise KeyboardInterrupt


def test_one_writer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(tmp_path)
    writer = writer_of(store)
    assert open_writer(open_store(tmp_path), about={}, limit=10**9) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "writes the layer cache" in caplog.text
    writer.append(FILLED)
    writer.close()
    writer.append(some_rows([1], first=20))
    late = writer_of(open_store(tmp_path))
    late.append(some_rows([1], first=21))
    late.close()
    assert len(open_store(tmp_path)) == 6


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    writer = writer_of(store)
    writer.append(FILLED)
    pid = os.fork()
    if pid == 0:
        failed = 1
        try:
            writer.append(some_rows([1], first=20))
            assert_holds(store, FILLED)
            writer.close()
            failed = int(writer.is_active)
        finally:
            os._exit(failed)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert open_writer(open_store(tmp_path), about={}, limit=10**9) is None
    writer.append(some_rows([1], first=21))
    assert_holds(open_store(tmp_path), {**FILLED, **some_rows([1], first=21)})
    assert len(open_store(tmp_path)) == 6
    writer.close()


def test_impossible_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = open_store(tmp_path / "file")
    with pytest.warns(UserWarning, match=r"WL010.*cannot be written.*Give a writable folder") as caught:
        assert open_writer(store, about={}, limit=10**9) is None
    assert len(caught) == 1
    assert store.find(name(0)) is None


@pytest.mark.parametrize(
    "what", ["pathlib.Path.mkdir", "filelock.FileLock.acquire", "spacy_elmo.util.atomic._make"]
)
def test_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    fill(tmp_path, FILLED)

    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(what, refuse)
        store = open_store(tmp_path)
        with pytest.warns(UserWarning, match=r"WL010.*Permission denied"):
            assert open_writer(store, about={}, limit=10**9) is None
    assert_holds(store, FILLED)
    writer_of(store).close()


def test_unmappable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, FILLED)
    store = open_store(tmp_path)
    monkeypatch.setattr("mmap.mmap", lambda *a, **k: (_ for _ in ()).throw(OSError(12, "Cannot allocate memory")))
    assert found(store, FILLED) == dict.fromkeys(FILLED)
