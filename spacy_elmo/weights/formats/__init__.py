"""One reader a format: a module with `read(options_path, weights_path)`.

A reader is imported when a file calls for it, so that each package is needed only by its own format.
"""

import importlib
from pathlib import Path
from typing import Any

from ...errors import Errors
from ..sniff import ALLENNLP, DESCRIPTIONS, INDEX, MANYLANGS, sniff, unpack_command

# By the kind of the weights file: the reader, and the package that it needs.
_READERS = {
    "hdf5": ("hdf5", "h5py"),
    "safetensors": ("folder", "safetensors"),
    "checkpoint": ("checkpoint", "tensorflow"),
}
# A pickle's name tells whose it is. It is read with nothing in it but tensors.
_PICKLES = {MANYLANGS[0]: ("manylangs", "torch"), ALLENNLP: ("allennlp", "torch")}


def import_reader(path: Path) -> Any:
    """The module that reads this weights file.

    RAISES: ValueError if there is none; ImportError if the package that it needs is not installed.
    """
    kind = sniff(path)
    if kind in ("empty", "unknown") and path.name.endswith(INDEX):
        # One that is cut short: its end would tell.
        kind = "checkpoint"
    if kind == "pickle" and path.name not in _PICKLES:
        raise ValueError(Errors.EL017.format(path=path))
    command = unpack_command(path, kind)
    if command:
        raise ValueError(Errors.EL258.format(path=path, kind=kind, command=command))
    if kind not in _READERS and kind != "pickle":
        raise ValueError(Errors.EL016.format(path=path, what=DESCRIPTIONS[kind]))
    module, package = _PICKLES[path.name] if kind == "pickle" else _READERS[kind]
    try:
        return importlib.import_module(f".{module}", __package__)
    except ImportError as error:
        raise ImportError(Errors.EL024.format(path=path, package=package)) from error
