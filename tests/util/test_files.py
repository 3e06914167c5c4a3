"""Only regular files up to a size are read, and the system's errors are not reported as damage."""

import errno
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.errors import ElmoBlockingIOError, ElmoOSError, ElmoPermissionError
from spacy_elmo.util.files import (
    bad_line,
    check_readable,
    check_regular,
    numbered_lines,
    read_bytes,
    read_small,
    reading_error,
)
from tests.platforms import links, named_pipes


def test_a_regular_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert check_regular(path).st_size == 5
    assert read_bytes(path, n_bytes=3) == b"123"
    assert read_small(path, most=5) == b"12345"
    with pytest.raises(ValueError, match=r"EL252.*file' has 5 bytes.*at most 4"):
        read_small(path, most=4)


@links
def test_a_link_to_a_regular_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(path)
    assert read_small(tmp_path / "link", most=5) == b"12345"


@named_pipes
def test_not_a_regular_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a named pipe would block for ever."""
    # A socket has a short name: macOS allows 103 bytes.
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        cases = {"pipe": "a named pipe", "link": "a named pipe", "socket": "a socket", "": "a folder"}
        for name, what in cases.items():
            for read in (check_regular, check_readable, lambda path: read_small(path, most=10)):
                with pytest.raises(ValueError, match=rf"EL251.*{name}' is {what}"):
                    read(tmp_path / name)
    with pytest.raises(ValueError, match=r"EL251.*/dev/zero' is a device"):
        read_bytes(Path("/dev/zero"), n_bytes=1)


@pytest.mark.skipif(not Path("/proc/kmsg").exists(), reason="needs Linux's /proc")
def test_a_file_of_the_kernel() -> None:
    """Its size is 0, and reading it may block for ever."""
    assert read_small(Path("/proc/self/status"), most=10**6) == b""


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check_regular(tmp_path / "none")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (PermissionError(errno.EACCES, "denied"), ElmoPermissionError, r"Permission denied\)\. .*chmod"),
        (BlockingIOError(errno.EAGAIN, "locked"), ElmoBlockingIOError, r"locked.*HDF5_USE_FILE_LOCKING=FALSE"),
        (OSError(errno.ENOLCK, "no locks"), ElmoOSError, r"locked.*HDF5_USE_FILE_LOCKING"),
        (OSError(errno.EMFILE, "many"), ElmoOSError, r"Too many open files\)\. .*ulimit -n"),
        (OSError(errno.EIO, "io"), ElmoOSError, r"Input/output error\)\. The disk"),
        (OSError(errno.ESTALE, "stale"), ElmoOSError, "network file system failed"),
        (
            OSError("Can't read data (file read failed: errno = 5, error message = ...)"),
            ElmoOSError,
            "Input/output",
        ),
        (OSError("No such device (os error 19); (os error 24)"), type(None), ""),
        (MemoryError(), ElmoOSError, "out of memory"),
        (OSError("truncated file"), type(None), ""),
        (ValueError("bad header"), type(None), ""),
    ],
)
def test_errors_of_the_system(error: Exception, kind: Any, words: str) -> None:
    got = reading_error(Path("weights.hdf5"), error)
    assert type(got) is kind
    if got is not None:
        assert str(got).startswith("[EL253] 'weights.hdf5' cannot be read (")
        assert "damaged" not in str(got)
        assert re.search(words, str(got))


PATH = Path("a.txt")


def test_line_ends() -> None:
    found = list(numbered_lines([b"\xef\xbb\xbfa\r\n", "b\u2028c\n".encode(), b"\n", b"d"], PATH))
    assert [(line.number, line.text) for line in found] == [(1, "a"), (2, "b\u2028c"), (3, ""), (4, "d")]
    assert [line.n_bytes for line in found] == [6, 6, 1, 1]


def test_line_not_utf8() -> None:
    lines = numbered_lines([b"a\n", b"b\xff\n"], PATH)
    assert next(lines).text == "a"
    with pytest.raises(ValueError, match=r"EL061.*a\.txt, line 2: not UTF-8 \(invalid start byte at byte 1\)"):
        next(lines)


def test_bad_line() -> None:
    assert "a.txt, line 7: too long" in str(bad_line(PATH, 7, "too long"))
