import ctypes
import subprocess
import sys
from typing import Any

import pytest
import torch

from spacy_elmo.runtime.memory import Workspace, keep_freed_memory
from tests.data import ROOT
from tests.platforms import linux_memory

CPU = torch.device("cpu")


def test_the_same_memory_again() -> None:
    workspace = Workspace()
    first = workspace.get("a", 3, 4, dtype=torch.float32, device=CPU)
    for shape in [(3, 4), (4, 3), (2, 5), (12,), (1, 1, 1)]:
        again = workspace.get("a", *shape, dtype=torch.float32, device=CPU)
        assert tuple(again.shape) == shape
        assert again.is_contiguous()
        assert again.data_ptr() == first.data_ptr()


def test_a_smaller_one_between_does_not_lose_it() -> None:
    workspace = Workspace()
    first = workspace.get("a", 100, dtype=torch.float32, device=CPU)
    workspace.get("a", 3, dtype=torch.float32, device=CPU)
    assert workspace.get("a", 100, dtype=torch.float32, device=CPU).data_ptr() == first.data_ptr()


def test_grows_when_it_must() -> None:
    workspace = Workspace()
    small = workspace.get("a", 2, 3, dtype=torch.float32, device=CPU).fill_(1)
    large = workspace.get("a", 5, 7, dtype=torch.float32, device=CPU).fill_(2)
    assert large.shape == (5, 7)
    # What was handed out before keeps its numbers: it has memory of its own.
    assert small.tolist() == [[1, 1, 1]] * 2
    assert workspace.get("a", 35, dtype=torch.float32, device=CPU).data_ptr() == large.data_ptr()


def test_names_are_apart() -> None:
    workspace = Workspace()
    one = workspace.get("a", 4, dtype=torch.float32, device=CPU).fill_(1)
    other = workspace.get("b", 4, dtype=torch.float32, device=CPU).fill_(2)
    assert one.tolist() == [1] * 4
    assert other.tolist() == [2] * 4


def test_another_dtype_or_device() -> None:
    workspace = Workspace()
    full = workspace.get("a", 4, dtype=torch.float32, device=CPU).fill_(1)
    half = workspace.get("a", 4, dtype=torch.bfloat16, device=CPU).fill_(2)
    assert half.dtype == torch.bfloat16
    assert full.tolist() == [1] * 4
    assert workspace.get("a", 4, dtype=torch.bfloat16, device=torch.device("meta")).device.type == "meta"
    assert half.tolist() == [2] * 4


def test_workspaces_are_apart() -> None:
    one = Workspace().get("a", 4, dtype=torch.float32, device=CPU).fill_(1)
    other = Workspace().get("a", 4, dtype=torch.float32, device=CPU).fill_(2)
    assert one.tolist() == [1] * 4
    assert other.tolist() == [2] * 4


# Takes 64 MB from the C library, touches them and gives them back; prints by how many MB the process grew.
CODE = """
import ctypes, os
from spacy_elmo.runtime.memory import keep_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

def growth():
    before = resident()
    memory = ctypes.c_void_p(libc.malloc(64_000_000))
    ctypes.memset(memory, 1, 64_000_000)
    libc.free(memory)
    return resident() - before

given_back = growth()
keep_freed_memory()
print(given_back, growth(), growth())
"""


@linux_memory
def test_freed_memory_stays() -> None:
    if not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
        pytest.skip("the C library is not glibc")
    command = [sys.executable, "-W", "error", "-c", CODE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    given_back, kept, used_again = map(float, done.stdout.split())
    assert given_back < 5
    assert kept > 60
    assert used_again < 5


def test_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another system or C library: nothing is called, nothing fails."""
    called: list[tuple[Any, ...]] = []

    class WithoutIt:
        pass

    class WithIt:
        def mallopt(self, *numbers: int) -> None:
            called.append(numbers)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: WithoutIt())
    keep_freed_memory()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: WithIt())
    with monkeypatch.context() as patch:
        for system in ("darwin", "win32"):
            patch.setattr(sys, "platform", system)
            keep_freed_memory()
    assert called == []
    keep_freed_memory()
    # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_TOP_PAD of malloc.h.
    assert [number for number, _ in called] == [-3, -1, -2]
