"""Readers: one module for each format, with a `read`; those of weights beside an options file also have a
`holds_bilm`. The other modules are what several readers share.

A reader is imported when a file needs it, so that a package is required only by its own format.
"""

import importlib
from pathlib import Path
from typing import Protocol, cast

from ...errors import ElmoError, ElmoImportError, Errors
from ...util.files import check_readable
from ..arrays import Weights
from ..sniff import ALLENNLP, DESCRIPTIONS, INDEX, MANYLANGS, WEIGHTS, sniff, unpack_command
from .refused_pickles import find_refusal

# The reader of each kind of weights file, and the package that it needs.
_READERS = {
    "hdf5": ("hdf5", "h5py"),
    "safetensors": ("folder", "safetensors"),
    "checkpoint": ("checkpoint", "tensorflow"),
}
# Pickles are distinguished by their names; others that PyTorch wrote are read as AllenNLP's. Nothing but tensors
# is read from them.
_PICKLES = {MANYLANGS[0]: ("manylangs", "torch"), ALLENNLP: ("allennlp", "torch")}
# What other programs' files are, and what to use instead.
_FOREIGN = {"sqlite": Errors.EL290, "mxnet": Errors.EL291}


class Reader(Protocol):
    """A module of this package that reads one format."""

    def read(self, options_path: Path | None, weights_path: Path, /) -> Weights:
        """Read a model.

        options_path (Path | None): The file of the options; None if the format has none.
        weights_path (Path): The file of the weights.
        RETURNS (Weights): Options and arrays.
        RAISES (ElmoError): If a file is damaged, is not a biLM, or the two contradict each other.
        """

    def holds_bilm(self, path: Path, /) -> bool | None:
        """Check for a biLM's weights.

        path (Path): A file of the format.
        RETURNS (bool | None): Whether it looks like the weights of a biLM; None if it is damaged, and may be one.
        """


def import_reader(path: Path) -> Reader:
    """Import the module that reads a weights file.

    path (Path): The file.
    RETURNS (Reader): The module.
    RAISES (ElmoError): If no format matches.
    RAISES (ImportError): If the package that the format needs is not installed.
    """
    kind = sniff(path)
    if kind in ("empty", "unknown") and path.name.endswith(INDEX):
        # A truncated index lacks the end by which it is recognised.
        kind = "checkpoint"
    if kind == "pickle" and path.name not in _PICKLES and not holds_bilm(path):
        refusal = find_refusal(path)
        if refusal is not None:
            raise refusal
    if kind == "pointer":
        check_readable(path)
    if kind in _FOREIGN:
        raise ElmoError(_FOREIGN[kind].format(path=path))
    command = unpack_command(path, kind)
    if command:
        raise ElmoError(Errors.EL258.format(path=path, kind=kind, command=command))
    if kind not in _READERS and kind != "pickle":
        raise ElmoError(Errors.EL016.format(path=path, what=DESCRIPTIONS[kind]))
    module, package = _PICKLES.get(path.name, _PICKLES[ALLENNLP]) if kind == "pickle" else _READERS[kind]
    return _import(module, package, path)


def holds_bilm(path: Path) -> bool | None:
    """Check for a biLM's weights by the names of arrays.

    path (Path): A file.
    RETURNS (bool | None): Whether it looks like the weights of a biLM; None if it is damaged, and may be one. Of
        formats of several files, false.
    RAISES (ImportError): If the package that the format needs is not installed.
    """
    kind = sniff(path)
    module, package = _PICKLES[ALLENNLP] if kind == "pickle" else _READERS.get(kind, ("", ""))
    return _import(module, package, path).holds_bilm(path) if kind in (*WEIGHTS, "pickle") else False


def _import(module: str, package: str, path: Path) -> Reader:
    try:
        return cast(Reader, importlib.import_module(f".{module}", __package__))
    except ImportError as error:
        raise ElmoImportError(Errors.EL024.format(path=path, package=package)) from error
