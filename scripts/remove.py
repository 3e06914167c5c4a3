"""Remove files and folders of this project, where there are any: `python scripts/remove.py PATH...`.

weasel runs commands without a shell, and spaCy's logger writes no log where there is one.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path


def remove(paths: Sequence[str]) -> None:
    """RAISES: SystemExit, before anything is removed, for a path that is not below the folder this runs in."""
    here = Path.cwd()
    for path in paths:
        if here not in Path(path).resolve().parents:
            raise SystemExit(f"{path} is not below {here}, and stays.")
    for target in map(Path, paths):
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)


if __name__ == "__main__":
    remove(sys.argv[1:])
