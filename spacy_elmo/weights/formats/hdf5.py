"""The HDF5 weights that bilm-tf dumps and AllenNLP publishes."""

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

import h5py
import numpy as np
from numpy.typing import NDArray

from ...bilm.options import Options
from ...errors import Errors
from ..arrays import Shape, Weights, warn_if_not_finite
from .dump import CHARACTERS, check_dump, convert, dump_shapes

FORMAT = "HDF5"

# Weights hardly shrink when they are compressed. A file that claims so many times what it holds would fill the
# memory with nothing.
MOST_COMPRESSION = 100
# Biases that are all alike shrink more, and are small.
SMALL = 1 << 20


def read(options_path: Path, weights_path: Path) -> Weights:
    """Weights of a bilm-tf/AllenNLP pair. Names, shapes, types and sizes are checked before any array is read.

    RAISES: ValueError if the file is damaged, no biLM, contradicts the options or reaches out of itself.
    """
    options, path = Options.from_file(options_path), str(weights_path)
    names = dump_shapes(options)
    with ExitStack() as stack:
        with _reading(weights_path):
            file = stack.enter_context(h5py.File(weights_path, "r"))
            datasets, foreign = _walk(file)
        if foreign:
            raise ValueError(Errors.EL131.format(path=path, name=foreign[0]))
        with _reading(weights_path):
            # Looked up, so that links inside the file are followed.
            linked = {name: file[name] for name in names if isinstance(file.get(name), h5py.Dataset)}
            datasets = {**datasets, **linked}
            described = {name: _describe(dataset) for name, dataset in datasets.items()}
        check_dump(described, options, path=path, options_path=str(options_path), format=FORMAT)
        for name, facts in described.items():
            _check_storage(name, facts, path)
        with _reading(weights_path):
            arrays = {name: _native(dataset[()]) for name, dataset in datasets.items()}
    warn_if_not_finite(arrays, path=path)
    return Weights(options=options, arrays=convert(arrays, options), source=path, format=FORMAT)


def holds_bilm(path: Path) -> bool:
    """Whether the file looks like a biLM's weights, and not like something else that HDF5 is used for."""
    try:
        with h5py.File(path, "r") as file:
            # A link to another file is not followed to find out.
            return isinstance(file.get(CHARACTERS, getlink=True), (h5py.HardLink, h5py.SoftLink))
    except Exception:  # as above
        return False


class _Facts(NamedTuple):
    """Of a dataset that has not been read yet. stored: bytes that the file has of it. is_foreign: whether its
    numbers are in another file."""

    shape: Shape
    dtype: "np.dtype[Any]"
    n_bytes: int
    stored: int
    is_foreign: bool


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # damaged files fail in many ways
        reason, size = str(error).strip() or type(error).__name__, path.stat().st_size
        raise ValueError(Errors.EL018.format(path=path, reason=reason, size=size)) from error


def _walk(file: h5py.File) -> Tuple[Dict[str, Any], List[str]]:
    """The datasets of a file, by bilm-tf's names, and what in it points to other files. No link is followed."""
    found: Dict[str, Any] = {}
    foreign: List[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            # One layer is not wrapped in a MultiRNNCell, and has a shorter name in the dump.
            found[name.replace("/RNN/LSTMCell/", "/RNN/MultiRNNCell/Cell0/LSTMCell/")] = item
        elif isinstance(item, h5py.Group):
            links = {key: item.get(key, getlink=True) for key in item}
            foreign.extend(
                f"{name}/{key}".lstrip("/") for key, link in links.items() if isinstance(link, h5py.ExternalLink)
            )

    visit("", file)
    file.visititems(visit)
    return found, foreign


def _describe(dataset: h5py.Dataset) -> _Facts:
    is_foreign = dataset.is_virtual or bool(dataset.external)
    return _Facts(dataset.shape, dataset.dtype, dataset.nbytes, dataset.id.get_storage_size(), is_foreign)


def _check_storage(name: str, facts: _Facts, path: str) -> None:
    """RAISES: ValueError if the numbers are not in this file, or are far more than it has room for."""
    if facts.is_foreign:
        raise ValueError(Errors.EL131.format(path=path, name=name))
    if facts.n_bytes > max(MOST_COMPRESSION * facts.stored, SMALL):
        raise ValueError(
            Errors.EL132.format(
                path=path, name=name, shape=facts.shape, claimed=facts.n_bytes, stored=facts.stored
            )
        )


def _native(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.dtype(array.dtype).newbyteorder("="), copy=False)
