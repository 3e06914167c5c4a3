import ctypes
import subprocess
import sys
from typing import Any

import pytest

from spacy_elmo.pretraining.memory import keep_freed_memory
from tests.data import ROOT

# Takes 64 MB from the C library, touches them and gives them back; prints by how many MB the process grew.
CODE = """
import ctypes, os
from spacy_elmo.pretraining.memory import keep_freed_memory

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


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="the C library is not glibc")
def test_freed_memory_stays() -> None:
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

    monkeypatch.setattr(ctypes, "CDLL", lambda name: WithoutIt())
    keep_freed_memory()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: WithIt())
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        keep_freed_memory()
    assert called == []
    keep_freed_memory()
    # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_TOP_PAD of malloc.h.
    assert [number for number, _ in called] == [-3, -1, -2]
