"""The names of sequences in HDF5 files, which come from their ids."""

import warnings
from array import array
from pathlib import Path

import numpy as np

from ...errors import ElmoError, Errors, Warnings
from ...inputs.reader import Inputs

# What cannot stand in the name of a dataset: it separates groups, and a dot alone is the group itself.
_SLASH, _DOT, _IN_PLACE = "/", ".", "_"


def make_name(id: str) -> str:
    """Make the name of a sequence's dataset.

    id (str): The id of the sequence.
    RETURNS (str): The name.
    """
    return _IN_PLACE if id == _DOT else id.replace(_SLASH, _IN_PLACE)


def check_names(inputs: Inputs, path: Path) -> None:
    """Check that the sequences of inputs have different names, and warn about names that are not the ids.

    Of each name, only a hash is kept: there may be millions.

    inputs (Inputs): The sequences.
    path (Path): The HDF5 file, for messages.
    RAISES (ElmoError): If two sequences have the same name.
    """
    hashes, n_changed, first = array("q"), 0, ""
    for id, _ in inputs.read_ids():
        name = make_name(id)
        hashes.append(hash(name))
        if name != id:
            n_changed, first = n_changed + 1, first or id
    if n_changed:
        warnings.warn(Warnings.WL093.format(n=n_changed, first=first, path=path), stacklevel=2)
    numbers = np.sort(np.frombuffer(hashes, dtype=np.int64))
    repeated = {*numbers[1:][numbers[1:] == numbers[:-1]].tolist()}
    if repeated:
        _find_repeated(inputs, repeated)


def _find_repeated(inputs: Inputs, repeated: set[int]) -> None:
    """Find the first name that occurs again, among those with these hashes; different names may have one."""
    seen: dict[str, tuple[str, str]] = {}
    for id, where in inputs.read_ids():
        name = make_name(id)
        if hash(name) not in repeated:
            continue
        if name in seen:
            one, one_where = seen[name]
            raise ElmoError(
                Errors.EL307.format(name=name, one=one, one_where=one_where, other=id, other_where=where)
            )
        seen[name] = id, where
