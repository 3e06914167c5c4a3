"""The user's cache folder, and who has locked a file in it."""

import os
from pathlib import Path

# The environment variable that sets the folder.
CACHE_VARIABLE = "SPACY_ELMO_CACHE"

_LOCKS = Path("/proc/locks")


def cache_folder() -> Path:
    """Find the user's cache.

    RETURNS (Path): The folder of the environment variable, else the system's place for caches.
    """
    if os.environ.get(CACHE_VARIABLE):
        return Path(os.environ[CACHE_VARIABLE]).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("spacy_elmo"))


def lock_holder(path: Path) -> str:
    """Find the process that has locked a file.

    path (Path): The locked file.
    RETURNS (str): The process in words, as far as the system shows it.
    """
    try:
        number = path.stat().st_ino
        for line in _LOCKS.read_text("ascii").splitlines():
            fields = line.split()
            # 1: FLOCK ADVISORY WRITE <process> <device>:<file> 0 EOF; lines of waiting processes have an arrow.
            if "->" not in fields and len(fields) > 5 and fields[5].rpartition(":")[2] == str(number):
                return f"process {fields[4]}"
    except (OSError, ValueError):
        pass
    return "process unknown"
