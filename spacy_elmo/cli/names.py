"""What things that are shown together are called."""

from collections.abc import Sequence
from pathlib import Path


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """A short name for each path: its last part, without what all have at their ends, such as model-best.

    RETURNS: the paths as they are, where short names would not tell them apart, or there is one path only.
    """
    whole = [str(path) for path in paths]
    parts = [path.with_suffix("").parts if path.is_file() else path.parts for path in paths]
    if len(paths) == 1 or not all(parts):
        return whole
    while all(len(each) > 1 for each in parts) and len({each[-1] for each in parts}) == 1:
        parts = [each[:-1] for each in parts]
    names = [each[-1] for each in parts]
    return names if len(set(names)) == len(names) else whole
