"""The file of token embeddings that a model reads in place of characters."""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ...errors import ElmoError, Errors
from ...util.files import check_readable
from ...weights.formats.hdf5 import MOST_COMPRESSION, SMALL, explain_errors

# The name of the dataset, as bilm-tf writes it.
EMBEDDING = "embedding"


def read_token_embeddings(path: Path, *, width: int) -> NDArray[np.float32]:
    """Read the embeddings that `dump_token_embeddings`, or bilm-tf's, has written.

    path (Path): The HDF5 file.
    width (int): The width of the model's token embeddings, P.
    RETURNS (NDArray[np.float32]): (n_words + 1, P), with a row of zeros for padding before the others.
    RAISES (FileNotFoundError): If there is no such file.
    RAISES (ElmoError): If it is damaged, or its embeddings are not those of such a model.
    RAISES (OSError): If the system refuses access.
    """
    check_readable(path)
    table: NDArray[np.float32] | None = None
    with explain_errors(path), h5py.File(path, "r") as file:
        stored = _find(file)
        facts = "no such dataset" if stored is None else f"shape {stored.shape}, {stored.dtype}"
        if stored is not None and stored.ndim == 2 and stored.shape[1] == width and stored.dtype.kind == "f":
            table = np.zeros((len(stored) + 1, width), dtype=np.float32)
            table[1:] = stored[()]
    if table is None:
        allowed = f"floating-point numbers of shape (n_words, {width})"
        raise ElmoError(
            Errors.EL882.format(name=f"The dataset '{EMBEDDING}' of '{path}'", allowed=allowed, got=facts)
        )
    return table


def _find(file: h5py.File) -> h5py.Dataset | None:
    # A link may lead to another file, and so may the parts of a dataset.
    if not isinstance(file.get(EMBEDDING, getlink=True), h5py.HardLink):
        return None
    stored = file[EMBEDDING]
    if not isinstance(stored, h5py.Dataset) or stored.is_virtual or stored.external:
        return None
    # A damaged file may claim a size that would fill the memory.
    is_whole = stored.nbytes <= max(SMALL, MOST_COMPRESSION * stored.id.get_storage_size())
    return stored if is_whole else None
