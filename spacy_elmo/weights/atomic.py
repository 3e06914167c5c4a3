"""Files that appear under their final name only when they are complete."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Set

_unfinished: Set[Path] = set()


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; rename it to `path` when the block ends well.

    If the block fails, the temporary file is removed and whatever was at `path` stays as it was. A link is
    followed: what it points to is replaced, not the link.
    """
    path = path.resolve()
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    _unfinished.add(temporary)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner can read; others get what the umask grants.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        _unfinished.discard(temporary)


def remove_unfinished() -> None:
    """Remove the temporary files of every `atomic_write` that is under way: for a process about to end."""
    for temporary in _unfinished:
        temporary.unlink(missing_ok=True)
