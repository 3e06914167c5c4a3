import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from spacy_elmo.util.atomic import atomic_write, remove_unfinished, temporary_folder
from tests.platforms import file_locks, forks, links, modes, named_pipes, signals


def test_appears_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_changes_nothing(tmp_path: Path, error: type) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@modes
def test_new_file_follows_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "file") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(old)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_umask_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The umask belongs to the process: a change would affect files of other threads."""

    def refuse(mask: int) -> None:
        raise AssertionError(mask)

    monkeypatch.setattr(os, "umask", refuse)
    for in_folder in (False, True):
        with atomic_write(tmp_path / "file", in_folder=in_folder) as temporary:
            temporary.write_text("x")
    (tmp_path / "another").touch()
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "another").stat().st_mode
    assert sorted(os.listdir(tmp_path)) == ["another", "file"]


@links
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    with atomic_write(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


@modes
def test_keeps_mode_and_owner(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(path, 12345, 12346)
    before = path.stat()
    with atomic_write(path) as temporary:
        temporary.write_text("new")
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert path.read_text() == "new"


@named_pipes
def test_not_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link", "."):
        with pytest.raises(OSError, match=r"EL220.*not a regular file.*Remove it"), atomic_write(tmp_path / name):
            pytest.fail("nothing is to be written")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe"]


def test_failed_write(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(OSError, match=r"EL221.*[/\\]file' could not be written: .*full"), atomic_write(path):
        raise OSError(errno.ENOSPC, "the disk is full")
    with (
        pytest.raises(OSError, match=r"EL221.*[/\\]no[/\\]file' .*Create the folder"),
        atomic_write(tmp_path / "no/file"),
    ):
        pass
    # An error about a file that is read in the meantime.
    with pytest.raises(FileNotFoundError, match="input"), atomic_write(path):
        (tmp_path / "input").read_text()
    assert os.listdir(tmp_path) == []


@file_locks
def test_race_with_removal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process removes the file before it is locked."""
    close = os.close
    lost: list[Path] = []

    def close_and_lose(handle: int) -> None:
        close(handle)
        if not lost:
            lost.extend(tmp_path.iterdir())
            lost[0].unlink()

    monkeypatch.setattr(os, "close", close_and_lose)
    with atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    assert len(lost) == 1
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_the_longest_name(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 127)
    with atomic_write(path) as temporary:
        temporary.write_text("x")
    assert path.read_text() == "x"


@file_locks
def test_removes_only_stale_files(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from spacy_elmo.util.atomic import atomic_write\n"
        "with atomic_write(Path(sys.argv[1])):\n    os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=False)
    assert len(list(tmp_path.glob(".a.*.tmp"))) == 1
    (tmp_path / ".other.abcd1234.tmp").write_text("of another program")
    with atomic_write(tmp_path / "b") as one:
        assert not list(tmp_path.glob(".a.*.tmp"))
        with atomic_write(tmp_path / "c"):
            assert one.exists()
    assert sorted(os.listdir(tmp_path)) == [".other.abcd1234.tmp", "b", "c"]


@pytest.mark.parametrize("in_folder", [False, True])
def test_library_renames_file(tmp_path: Path, in_folder: bool) -> None:
    path = tmp_path / "a"
    with atomic_write(path, in_folder=True) as temporary:
        (temporary.parent / ".of-the-library").write_text("new")
        os.replace(temporary.parent / ".of-the-library", temporary)
        # Removes stale files.
        with atomic_write(tmp_path / "b", in_folder=in_folder) as other:
            other.write_text("b")
    assert path.read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]

    def fail() -> None:
        with atomic_write(path, in_folder=True) as temporary:
            temporary.with_name(".of-the-library").write_text("half")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


@forks
def test_fork_keeps_parents_files(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a") as temporary:
        child = os.fork()
        if not child:
            remove_unfinished()
            os._exit(0)
        os.waitpid(child, 0)
        temporary.write_text("x")
    assert (tmp_path / "a").read_text() == "x"


@file_locks
def test_killed_while_writing_weights(tmp_path: Path) -> None:
    """safetensors writes to another file beside the given one."""
    code = (
        "import os, sys; import numpy as np; from pathlib import Path\n"
        "from spacy_elmo.util.atomic import atomic_write\n"
        "from safetensors.numpy import save_file\n"
        "def kill():\n"
        "    while not list(Path(sys.argv[1]).rglob('*.*')): pass\n"
        "    os.kill(os.getpid(), 9)\n"
        "with atomic_write(Path(sys.argv[1], 'w'), in_folder=True) as temporary:\n"
        "    save_file({'a': np.zeros(100)}, temporary.with_name('.tmpAbCdEf'))\n"
        "    os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert len(os.listdir(tmp_path)) == 1
    with atomic_write(tmp_path / "w", in_folder=True) as temporary:
        temporary.write_text("x")
    assert os.listdir(tmp_path) == ["w"]


@signals
@pytest.mark.parametrize("number", [15, 9])
def test_killed_while_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    code = (
        "import os, signal, sys\n"
        "from spacy_elmo import cli\n"
        "from spacy_elmo.util.atomic import temporary_folder\n"
        "signal.signal(signal.SIGTERM, cli._terminate)\n"
        "with temporary_folder() as folder:\n"
        "    (folder / 'weights').write_text('x')\n"
        "    os.kill(os.getpid(), int(sys.argv[1]))"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code, str(number)], env=environment, check=False)
    assert done.returncode == -number
    assert len(os.listdir(tmp_path)) == (number == 9)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder() as folder:
        assert os.listdir(tmp_path) == [folder.name]
        with temporary_folder():
            assert folder.is_dir()
    assert os.listdir(tmp_path) == []


@forks
def test_folder_stays_at_the_end_of_a_forked_process() -> None:
    """It closes what is open in it, without removing what its parent uses."""
    program = (
        "import os, sys\n"
        "from spacy_elmo.util.atomic import temporary_folder\n"
        "block = temporary_folder()\n"
        "folder = block.__enter__()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    sys.exit()\n"
        "os.waitpid(pid, 0)\n"
        "print(folder.is_dir())\n"
        "block.__exit__(None, None, None)\n"
        "print(folder.is_dir())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\nFalse\n"
