import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from spacy_elmo.runtime import processors
from spacy_elmo.runtime.processors import (
    MOST_THREADS,
    count_processors,
    count_workers,
    read_cpu_quota,
    torch_threads,
)
from tests.platforms import affinity, forks

V1, V2 = "cgroup cgroup rw,cpu,cpuacct", "cgroup2 cgroup2 rw"
# The names of the files that hold a limit, and what is in them.
Files = dict[str, str]


@pytest.fixture(autouse=True)
def _forget() -> None:
    processors._get_quota.cache_clear()


def limit_v2(text: str) -> Files:
    return {"cpu.max": text}


def limit_v1(quota: Any, period: Any = 100000) -> Files:
    return {"cpu.cfs_quota_us": f"{quota}\n", "cpu.cfs_period_us": f"{period}\n"}


class Groups:
    """Control groups in a folder, and the folder of a process in /proc that is in them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.proc = folder / "proc"
        self.proc.mkdir()
        self._cgroup = ""
        self._mountinfo = "22 27 0:21 / /proc rw,relatime - proc proc rw\nno line of a table\n"

    def mount(self, kind: str, *, root: str = "/", name: str = "cgroup") -> Path:
        where = self.folder / name
        where.mkdir(parents=True)
        shown = str(where).replace(" ", "\\040")
        self._mountinfo += f"38 31 0:41 {root} {shown} rw,nosuid shared:9 master:2 - {kind}\n"
        (self.proc / "mountinfo").write_text(self._mountinfo)
        return where

    def enter(self, path: str, *, controllers: str | None = None) -> None:
        number = 0 if controllers is None else 4
        self._cgroup += f"{number}:{controllers or ''}:{path}\n"
        (self.proc / "cgroup").write_text("9:name=systemd:/\n8:cpuset:/elsewhere\n" + self._cgroup)

    def quota(self) -> float | None:
        return read_cpu_quota(self.proc)


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    return Groups(tmp_path)


def write(group: Path, files: Files) -> None:
    group.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (group / name).write_text(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("200000 100000\n", 2),
        ("50000 100000\n", 0.5),
        ("150000 100000\n", 1.5),
        ("max 100000\n", None),
        ("max\n", None),
        ("", None),
        ("garbage\n", None),
        ("200000\n", None),
        ("200000 0\n", None),
        ("-1 100000\n", None),
        ("1.5 1\n", None),
        ("\udcff\udcfe 100000", None),
    ],
)
def test_a_limit_of_version_2(groups: Groups, text: str, expected: float | None) -> None:
    top = groups.mount(V2)
    groups.enter("/box")
    (top / "box").mkdir()
    (top / "box" / "cpu.max").write_bytes(os.fsencode(text))
    assert groups.quota() == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (limit_v1(200000), 2),
        (limit_v1(25000, 50000), 0.5),
        (limit_v1(-1), None),
        (limit_v1(200000, 0), None),
        (limit_v1("garbage"), None),
        (limit_v1("max"), None),
        ({"cpu.cfs_quota_us": "200000"}, None),
        ({}, None),
    ],
)
def test_a_limit_of_version_1(groups: Groups, files: Files, expected: float | None) -> None:
    top = groups.mount(V1)
    groups.enter("/box", controllers="cpu,cpuacct")
    write(top / "box", files)
    assert groups.quota() == expected


@pytest.mark.parametrize("kind", [V1, V2])
def test_the_lowest_limit_counts(groups: Groups, kind: str) -> None:
    def limit(n: int) -> Files:
        return limit_v1(n * 100000) if kind == V1 else limit_v2(f"{n * 100000} 100000")

    top = groups.mount(kind)
    groups.enter("/slice/service/run", controllers="cpu" if kind == V1 else None)
    write(top / "slice" / "service" / "run", limit(6))
    assert groups.quota() == 6
    write(top / "slice", limit(3))
    assert groups.quota() == 3
    write(top / "slice" / "service", limit(5))
    # Another's.
    write(top / "slice" / "other", limit(1))
    assert groups.quota() == 3
    write(top, limit(2))
    assert groups.quota() == 2


def test_both_versions_at_once(groups: Groups) -> None:
    write(groups.mount(V1, name="v1") / "a", limit_v1(400000))
    write(groups.mount(V2, name="v2") / "b", limit_v2("300000 100000"))
    groups.enter("/a", controllers="cpu")
    groups.enter("/b")
    assert groups.quota() == 3


@pytest.mark.parametrize(
    ("root", "path"),
    [
        # The container has a namespace of control groups.
        ("/", "/"),
        # It has none, and sees its own part of the tree.
        ("/docker/8f2c", "/docker/8f2c"),
        # The tree was mounted from outside the namespace, or the process came from there.
        ("/../..", "/"),
        ("/", "/../other"),
        ("/kubepods/pod7", "/elsewhere/8f2c"),
    ],
)
@pytest.mark.parametrize("kind", [V1, V2])
def test_in_a_container(groups: Groups, kind: str, root: str, path: str) -> None:
    top = groups.mount(kind, root=root)
    groups.enter(path, controllers="cpu" if kind == V1 else None)
    write(top, limit_v1(200000) if kind == V1 else limit_v2("200000 100000"))
    assert groups.quota() == 2


def test_a_group_inside_a_container(groups: Groups) -> None:
    write(groups.mount(V2, root="/docker/8f2c") / "job", limit_v2("100000 100000"))
    groups.enter("/docker/8f2c/job")
    assert groups.quota() == 1


def test_another_mount_of_the_tree(groups: Groups) -> None:
    """Only of a part that this process is not in."""
    write(groups.mount(V2) / "box", limit_v2("400000 100000"))
    write(groups.mount(V2, root="/other", name="bound"), limit_v2("100000 100000"))
    groups.enter("/box")
    assert groups.quota() == 4


def test_blanks_in_names(groups: Groups) -> None:
    write(groups.mount(V2, name="c group") / "a:b c", limit_v2("400000 100000"))
    groups.enter("/a:b c")
    assert groups.quota() == 4


def test_other_trees_say_nothing(groups: Groups) -> None:
    for name, kind in (
        ("set", "cgroup cgroup rw,cpuset"),
        ("acct", "cgroup cgroup rw,cpuacct"),
        ("t", "tmpfs x rw"),
    ):
        write(groups.mount(kind, name=name), {**limit_v1(100000), **limit_v2("100000 100000")})
    groups.enter("/", controllers="cpuset")
    groups.enter("/", controllers="cpuacct")
    groups.enter("/", controllers="cpu")
    assert groups.quota() is None


def test_without_control_groups(tmp_path: Path) -> None:
    assert read_cpu_quota(tmp_path) is None
    assert read_cpu_quota(tmp_path / "nothing") is None


@pytest.mark.parametrize(("quota", "expected"), [(None, 8), (0.01, 1), (1.0, 1), (1.5, 2), (2.0, 2), (64.0, 8)])
def test_the_smallest_bound_counts(monkeypatch: pytest.MonkeyPatch, quota: float | None, expected: int) -> None:
    monkeypatch.setattr(processors, "read_cpu_quota", lambda: quota)
    monkeypatch.setattr(processors, "_count_allowed", lambda: 16)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert count_processors() == expected
    assert count_workers(None) == expected


def test_a_quota_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [1000.0], []
    monkeypatch.setattr(processors.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(processors, "read_cpu_quota", lambda: asked.append(now[0]))
    for seconds in (0.0, 1.0, 8.0, 3.0, 1.0):
        now[0] += seconds
        count_processors()
    assert asked == [1000.0, 1012.0]


def test_a_given_number_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "count_processors", lambda: pytest.fail("asked"))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert [count_workers(n) for n in (1, 2, 3, 8)] == [1, 2, 3, 8]
    assert count_workers(10**9) == 2 * MOST_THREADS


def count_in(code: str, **variables: str) -> Any:
    code = f"import json, os, torch\nfrom spacy_elmo.runtime.processors import count_processors\n{code}"
    env = {**os.environ, **variables}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def test_the_environment() -> None:
    assert count_in("print(count_processors())", OMP_NUM_THREADS="1") == 1


@affinity
def test_affinity_at_any_time() -> None:
    one = "one = [*os.sched_getaffinity(0)][:1]; torch.set_num_threads(64); all = count_processors()\n"
    n_all, n_one = count_in(one + "os.sched_setaffinity(0, one); print(json.dumps([all, count_processors()]))")
    quota = read_cpu_quota()
    if quota is None:
        assert n_all == len(os.sched_getaffinity(0))
    assert n_one == 1


def test_torch_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "_count_allowed", lambda: 16)
    monkeypatch.setattr(processors, "read_cpu_quota", lambda: None)
    before = torch.get_num_threads()
    try:
        for number in (3, 1, 5):
            torch.set_num_threads(number)
            assert count_processors() == number
    finally:
        torch.set_num_threads(before)


def test_torchs_own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "_count_allowed", lambda: 2)
    monkeypatch.setattr(processors, "read_cpu_quota", lambda: None)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        with torch_threads(None):
            assert torch.get_num_threads() == 2
            with torch_threads(3):
                assert torch.get_num_threads() == 3
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 4
        with pytest.raises(KeyError), torch_threads(1):
            raise KeyError
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


@forks
def test_torchs_own_threads_in_a_fork() -> None:
    """Those of the parent are gone: a product among several threads would wait for them for ever."""
    code = """
from spacy_elmo.runtime.isolation import computation
from spacy_elmo.runtime.processors import torch_threads
torch.set_num_threads(4)
big = torch.ones(1000, 1000)
with computation():
    big @ big
child = os.fork()
if not child:
    with computation(), torch_threads(4):
        big @ big
        os._exit(torch.get_num_threads())
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert count_in(code) == 1
