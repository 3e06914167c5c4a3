"""Which process holds a lock, for messages."""

from pathlib import Path

_LOCKS = Path("/proc/locks")


def lock_holder(path: Path) -> str:
    """The process that has locked the file, where the system tells."""
    try:
        number = path.stat().st_ino
        for line in _LOCKS.read_text("ascii").splitlines():
            fields = line.split()
            # 1: FLOCK ADVISORY WRITE <process> <device>:<file> 0 EOF; lines of those that wait have an arrow.
            if "->" not in fields and len(fields) > 5 and fields[5].rpartition(":")[2] == str(number):
                return f"process {fields[4]}"
    except (OSError, ValueError):
        pass
    return "which one is not known"
