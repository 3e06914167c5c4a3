"""The number of processors for this process, by the limits of the system, of its container and of torch."""

import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import torch

from . import threads
from .forks import is_forked
from .threads import fix_thread_number, own_threads

# Seconds until control groups are read again: a container's limit seldom changes, and to read it takes too
# long to do for every sentence.
QUOTA_LASTS = 10.0
# The most threads for each processor of the machine: more would only take memory.
MOST_THREADS = 4
CPU = torch.device("cpu")


def count_processors() -> int:
    """Count the processors that this thread may keep busy.

    It is the smallest of: those that the system lets it run on (`taskset`, cpusets); the time that control groups
    give to its container or service (`docker --cpus`, Kubernetes' limits, systemd's CPUQuota), rounded up; and
    `torch.get_num_threads()`, which is OMP_NUM_THREADS where that is set, else the number of physical cores, until
    somebody calls `torch.set_num_threads`. Spark sets OMP_NUM_THREADS to `spark.task.cpus` in its workers, and
    torchrun to 1.

    RETURNS (int): 1 or more; it may change, so ask when work begins.
    """
    if not threads.local.is_fixed:
        fix_thread_number()
    count = min(_count_allowed(), torch.get_num_threads())
    quota = _get_quota(int(time.monotonic() / QUOTA_LASTS))
    return count if quota is None else min(count, math.ceil(quota))


def count_workers(n_threads: int | None) -> int:
    """Count the threads that a setting `n_threads` means.

    n_threads (int | None): None: as many as `count_processors`. A number overrides the limits of torch and of the
        container; it is only limited to what the machine could use.
    RETURNS (int): 1 or more.
    """
    if n_threads is None:
        return count_processors()
    return min(int(n_threads), MOST_THREADS * (os.cpu_count() or 1))


@contextmanager
def torch_threads(n_threads: int | None, device: torch.device = CPU) -> Iterator[None]:
    """Use as many of torch's threads for this thread as a setting means, in the block. For operations that
    torch divides among threads: it does not respect a container's quota.

    n_threads (int | None): See `count_workers`.
    device (torch.device): Where the work is done. On others than the CPU, nothing changes.
    """
    if device.type != "cpu":
        yield
        return
    # In a forked process there are none left but this one.
    number = 1 if is_forked() else count_workers(n_threads)
    if number == torch.get_num_threads():
        yield
        return
    with own_threads(number):
        yield


def read_cpu_quota(proc: Path = Path("/proc/self")) -> float | None:
    """Read the processor time that the control groups of this process allow, of version 1 and version 2: its
    group, and all groups above that are visible.

    proc (Path): The folder of the process in /proc.
    RETURNS (float | None): The lowest limit, in processors; None if no limit can be read.
    """
    limits = [limit for group in _find_groups(proc) if (limit := _read_limit(group)) is not None]
    return min(limits, default=None)


# The argument is the time, by which the cached answer expires.
@lru_cache(maxsize=1)
def _get_quota(_period: int) -> float | None:
    return read_cpu_quota()


def _count_allowed() -> int:
    # From Python 3.13 on; it also knows PYTHON_CPU_COUNT.
    count = getattr(os, "process_cpu_count", None)
    if count is not None:
        return count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Mount(NamedTuple):
    """A mounted tree of control groups.

    root (PurePosixPath): The group that is mounted.
    folder (Path): The folder where it is mounted.
    """

    root: PurePosixPath
    folder: Path

    def groups(self, path: PurePosixPath) -> Iterator[Path]:
        """Yield the folders of a group and of the groups above it.

        path (PurePosixPath): The name of the group.
        YIELDS (Path): The folders, lowest first.
        """
        group = self.folder / path.relative_to(self.root)
        while group != self.folder:
            yield group
            group = group.parent
        yield group

    def has(self, path: PurePosixPath) -> bool:
        return path.is_relative_to(self.root) and ".." not in path.parts


def _find_groups(proc: Path) -> Iterator[Path]:
    """Yield the folders of the control groups that this process is in, of any version."""
    for line in _read_lines(proc / "cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        is_v2 = number == "0" and not controllers
        if not (is_v2 or "cpu" in controllers.split(",")):
            continue
        path, mounts = PurePosixPath(name), list(_read_mounts(proc, is_v2=is_v2))
        inside = [mount for mount in mounts if mount.has(path)]
        for mount in inside:
            yield from mount.groups(path)
        if mounts and not inside:
            # The name belongs to another namespace; in this one, the container's group is at the top.
            yield mounts[0].folder


def _read_mounts(proc: Path, *, is_v2: bool) -> Iterator[_Mount]:
    for line in _read_lines(proc / "mountinfo"):
        # See proc_pid_mountinfo(5): any number of optional fields stand before the dash.
        left, _, right = line.partition(" - ")
        where, what = left.split(" "), right.split(" ")
        if len(where) < 5 or len(what) < 3:
            continue
        kind, options = what[0], what[2].split(",")
        if kind == "cgroup2" if is_v2 else kind == "cgroup" and "cpu" in options:
            yield _Mount(PurePosixPath(_unescape(where[3])), Path(_unescape(where[4])))


def _read_limit(group: Path) -> float | None:
    """Read the processor time of a group; None if it has no valid limit."""
    try:
        # "max" is no number: there is no limit.
        quota, period = map(int, (group / "cpu.max").read_bytes().split())
    except (OSError, ValueError):
        try:
            quota, period = (
                int((group / name).read_bytes()) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            )
        except (OSError, ValueError):
            return None
    return quota / period if quota > 0 and period > 0 else None


def _read_lines(path: Path) -> Iterator[str]:
    try:
        text = os.fsdecode(path.read_bytes())
    except OSError:
        return
    yield from text.split("\n")


def _unescape(name: str) -> str:
    """Decode blanks and the like, which are written as \\040 in the system's tables."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), name)
