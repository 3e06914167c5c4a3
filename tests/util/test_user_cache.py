"""The cache is where the variable says, else where the system keeps caches, and a lock tells its holder."""

import os
from pathlib import Path

import platformdirs
import pytest

from spacy_elmo.util.user_cache import cache_folder, lock_holder


def test_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert cache_folder() == cache
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))
    for unset in (
        lambda: monkeypatch.setenv("SPACY_ELMO_CACHE", ""),
        lambda: monkeypatch.delenv("SPACY_ELMO_CACHE"),
    ):
        unset()
        assert cache_folder() == tmp_path / "spacy_elmo"


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="needs Linux's /proc")
def test_lock_holder(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="no module fcntl: no locks that the system lists")
    path = tmp_path / ".lock"
    with path.open("w") as file:
        assert lock_holder(path) == "process unknown"
        fcntl.flock(file, fcntl.LOCK_EX)
        assert lock_holder(path) == f"process {os.getpid()}"
    assert lock_holder(tmp_path / "missing") == "process unknown"
