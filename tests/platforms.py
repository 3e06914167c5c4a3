"""What not every system has: marks of the tests that need it. Linux has all of it.

A case of several is marked as `pytest.param("fork", marks=forks)`. A module that a system does not have
is imported in the test that needs it, since the modules of tests are imported on every system.
"""

import os
import signal
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

# As `signal` names it; on Windows, any number ends a process at once.
KILL = getattr(signal, "SIGKILL", 9)
# The network interface of this computer alone.
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


def can_link() -> bool:
    """Check whether this user may make symbolic links. On Windows, that is a right."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            Path(folder, "link").symlink_to("target")
        except (OSError, NotImplementedError):
            return False
    return True


# Processes
signals = pytest.mark.skipif(
    os.name != "posix", reason="no signals between processes: one that is sent a signal is ended at once"
)
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no os.fork")
resources = pytest.mark.skipif(
    find_spec("resource") is None, reason="no module resource: neither limits nor figures of a process"
)
linux_memory = pytest.mark.skipif(
    sys.platform != "linux", reason="the memory of a process is read from /proc or in KiB, as on Linux"
)
proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc to read about processes")
affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="no os.sched_setaffinity: a process has all processors"
)

# Files
named_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no os.mkfifo: pipes have no names in folders")
links = pytest.mark.skipif(not can_link(), reason="no right to make symbolic links")
modes = pytest.mark.skipif(os.name != "posix", reason="files have no modes and owners as of POSIX")
file_locks = pytest.mark.skipif(
    find_spec("fcntl") is None, reason="no module fcntl: temporary files of killed processes are not recognised"
)
