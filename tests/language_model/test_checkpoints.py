import errno
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from spacy_elmo.language_model.checkpoints import Checkpoint, Checkpoints
from tests.data import ROOT
from tests.platforms import resources

Damage = Callable[[Path], Any]


def tensors(batch: int) -> dict[str, Tensor]:
    return {
        "model.weight": torch.arange(12.0).view(3, 4).t() * batch,
        "streams.next": torch.tensor(batch),
        "log.pending": torch.empty(0, 3),
        "state.hidden": torch.full((2, 5), float(batch), dtype=torch.bfloat16),
    }


def same(checkpoint: Any, batch: int) -> bool:
    assert isinstance(checkpoint, Checkpoint)
    expected = tensors(batch)
    assert checkpoint.tensors.keys() == expected.keys()
    assert checkpoint.meta == {"batch": batch, "text": "ä"}
    equal = [
        torch.equal(checkpoint.tensors[name], expected[name])
        and checkpoint.tensors[name].dtype == expected[name].dtype
        for name in expected
    ]
    return checkpoint.batch == batch and all(equal)


def write(folder: Path, *batches: int, keep: int = 2) -> Checkpoints:
    checkpoints = Checkpoints(folder, keep=keep)
    for batch in batches:
        path = checkpoints.write(batch, tensors(batch), {"batch": batch, "text": "ä"})
        assert path == folder / f"batch-{batch:09d}.safetensors"
    return checkpoints


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def files(*batches: int) -> list[str]:
    return [f"batch-{batch:09d}.{ending}" for batch in sorted(batches) for ending in ("safetensors", "sha256")]


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def without_checksum(path: Path) -> None:
    path.with_suffix(".sha256").unlink()


def empty_checksum(path: Path) -> None:
    path.with_suffix(".sha256").write_text("")


def replaced(path: Path) -> None:
    safetensors.torch.save_file({"a": torch.zeros(1)}, path)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def test_no_checkpoints(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        assert Checkpoints(folder, keep=1).paths() == []
        assert Checkpoints(folder, keep=1).newest() is None
    assert names(tmp_path) == []


def test_round_trip_and_keep(tmp_path: Path) -> None:
    checkpoints = write(tmp_path / "made", 5, 10, 1000, 999, 2000, keep=3)
    # 999 was written after 1000: it is of a run that went back, and 1000 is not of it.
    assert names(tmp_path / "made") == files(10, 999, 2000)
    newest_first = [f"batch-{batch:09d}.safetensors" for batch in (2000, 999, 10)]
    assert [path.name for path in checkpoints.paths()] == newest_first
    assert same(checkpoints.newest(), 2000)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    others = ["batch-000000009.safetensors.bak", "best.safetensors", "batch-9.safetensors", "notes.txt"]
    for name in others:
        (tmp_path / name).write_text("mine")
    checkpoints = write(tmp_path, 1, 2, 3, keep=1)
    assert len(checkpoints.paths()) == 1
    assert names(tmp_path) == sorted([*files(3), *others])
    assert same(checkpoints.newest(), 3)


@pytest.mark.parametrize("damage", [cut, flip, without_checksum, empty_checksum, replaced, empty])
def test_damaged_newest(tmp_path: Path, damage: Damage) -> None:
    checkpoints = write(tmp_path, 10, 20, 30, keep=3)
    damage(tmp_path / "batch-000000030.safetensors")
    with pytest.warns(UserWarning, match=r"WL002.*batch-000000030\.safetensors' is damaged.*the previous one"):
        assert same(checkpoints.newest(), 20)
    damage(tmp_path / "batch-000000020.safetensors")
    with pytest.warns(UserWarning, match="WL002") as warned:
        assert same(checkpoints.newest(), 10)
    assert [f"batch-0000000{batch}" in str(one.message) for one, batch in zip(warned, (30, 20))] == [True, True]
    damage(tmp_path / "batch-000000010.safetensors")
    with pytest.warns(UserWarning, match="WL002"), pytest.raises(ValueError, match=r"EL076.*3 checkpoint\(s\) in"):
        checkpoints.newest()


def test_one_bit_flipped(tmp_path: Path) -> None:
    """A change in any part of the file is found: header, names, numbers."""
    checkpoints = write(tmp_path, 10, 20)
    path = tmp_path / "batch-000000020.safetensors"
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x20]) + whole[place + 1 :])
        with pytest.warns(UserWarning, match=r"WL002.*checksum"):
            assert same(checkpoints.newest(), 10)
    path.write_bytes(whole)
    assert same(checkpoints.newest(), 20)


def test_continue_before_a_damaged_one(tmp_path: Path) -> None:
    """A damaged checkpoint neither hides later ones nor replaces an intact one."""
    for damage in (flip, without_checksum):
        write(tmp_path, 30, 40, keep=2)
        damage(tmp_path / "batch-000000040.safetensors")
        checkpoints = Checkpoints(tmp_path, keep=1)
        with pytest.warns(UserWarning, match="WL002"):
            assert same(checkpoints.newest(), 30)
        write(tmp_path, 35, keep=1)
        assert names(tmp_path) == files(35)
        assert same(checkpoints.newest(), 35)
        shutil.rmtree(tmp_path)


def test_damaged_ones_do_not_count(tmp_path: Path) -> None:
    write(tmp_path, 10, 20, keep=2)
    flip(tmp_path / "batch-000000020.safetensors")
    checkpoints = Checkpoints(tmp_path, keep=2)
    with pytest.warns(UserWarning, match="WL002"):
        assert same(checkpoints.newest(), 10)
    checkpoints.write(30, tensors(30), {"batch": 30, "text": "ä"})
    assert names(tmp_path) == files(10, 30)
    flip(tmp_path / "batch-000000030.safetensors")
    with pytest.warns(UserWarning, match="WL002"):
        assert same(checkpoints.newest(), 10)
    # The run comes to the same batch again.
    checkpoints.write(30, tensors(30), {"batch": 30, "text": "ä"})
    assert names(tmp_path) == files(10, 30)
    assert same(checkpoints.newest(), 30)


def test_overwritten_damage(tmp_path: Path) -> None:
    checkpoints = write(tmp_path, 10, 20)
    flip(tmp_path / "batch-000000020.safetensors")
    write(tmp_path, 20)
    assert same(checkpoints.newest(), 20)
    assert names(tmp_path) == files(10, 20)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("half", [b"", b"half"])
def test_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, half: bytes) -> None:
    def save_file(tensors: Any, path: Path, **_: Any) -> None:
        path.write_bytes(half)
        raise error

    checkpoints = write(tmp_path, 10, 20)
    before = {name: (tmp_path / name).read_bytes() for name in files(10, 20)}
    monkeypatch.setattr(safetensors.torch, "save_file", save_file)
    with pytest.raises(type(error)) as caught:
        write(tmp_path, 30)
    if isinstance(error, OSError):
        message = str(caught.value)
        assert "[EL075]" in message
        assert "batch-000000030.safetensors' could not be written" in message
        assert "No space left on device" in message
        assert "--resume" in message
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before
    assert same(checkpoints.newest(), 20)


def test_failed_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full after the large file: no checkpoint without a checksum is left."""
    checkpoints = write(tmp_path, 10, 20)

    def write_text(path: Path, *_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", write_text)
        with pytest.raises(OSError, match=r"EL075.*No space left"):
            write(tmp_path, 30)
    assert names(tmp_path) == files(10, 20)
    assert same(checkpoints.newest(), 20)


def test_a_file_that_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where it cannot be removed: training continues, and a later call removes it."""
    checkpoints = write(tmp_path, 10, 20)
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name == files(10)[0]:
            raise PermissionError(errno.EACCES, "in use", str(path))
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        write(tmp_path, 30)
    assert names(tmp_path) == files(10, 20, 30)
    assert same(checkpoints.newest(), 30)
    write(tmp_path, 40)
    assert names(tmp_path) == files(30, 40)


CODE = """
import json, resource, sys, torch
from pathlib import Path
from spacy_elmo.language_model.checkpoints import Checkpoints

def fill(folder, limit):
    checkpoints = Checkpoints(folder, keep=2)
    for batch in (10, 20):
        checkpoints.write(batch, {"a": torch.full((50_000,), float(batch))}, {})
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        checkpoints.write(30, {"a": torch.zeros(200_000)}, {})
    except OSError as error:
        newest = checkpoints.newest()
        names = sorted(path.name for path in folder.iterdir())
        return str(error), names, newest.batch, newest.tensors["a"].sum().item()

found = {Path(name).name: fill(Path(name), 300_000 * name.endswith("limit")) for name in sys.argv[1:]}
print(json.dumps(found))
"""


@resources
def test_full_disk(tmp_path: Path) -> None:
    """A limit on the size of files and, where mounting is allowed, a disk of 600 kB that only the child sees."""
    disk, limit = tmp_path / "disk", tmp_path / "limit"
    disk.mkdir()
    expected = {"limit": "File too large"}
    command = [sys.executable, "-W", "error", "-c", CODE]
    own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=600k none "$0"'
    if (
        shutil.which("unshare")
        and not subprocess.run([*own, mount, disk], capture_output=True, check=False).returncode
    ):
        expected = {"disk": "No space left on device", "limit": "File too large"}
        command = [*own, f'{mount} && exec "$@"', str(disk), *command]
    arguments = [str(tmp_path / name) for name in expected]
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert list(results) == list(expected)
    for name, (message, found, batch, total) in results.items():
        assert "[EL075]" in message
        assert expected[name] in message
        assert {"disk": "Free disk space", "limit": "ulimit -f"}[name] in message
        assert found == files(10, 20)
        assert (batch, total) == (20, 20 * 50_000)
    assert names(limit) == files(10, 20)
    # What was written was on the disk that is gone with the child.
    assert names(disk) == []


def test_leftovers_of_a_killed_process(tmp_path: Path) -> None:
    checkpoints = write(tmp_path, 10)
    (tmp_path / ".batch-000000020.safetensors.x1y2.tmp").write_bytes(b"half")
    # Of one that was killed between the checksum and the checkpoint.
    (tmp_path / "batch-000000015.sha256").write_text("0" * 64 + "\n", "utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(checkpoints.newest(), 10)
    write(tmp_path, 20)
    assert names(tmp_path) == files(10, 20)
