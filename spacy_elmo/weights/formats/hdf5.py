"""Reader and writer of the HDF5 weights that bilm-tf dumps and AllenNLP publishes."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from ...bilm.fields import show
from ...bilm.options import OPTIONS_NAME, Options
from ...errors import ElmoError, Errors
from ...util.atomic import atomic_write
from ...util.files import check_readable, reading_error
from ...util.hdf5_file import write_hdf5 as hdf5_file
from ..arrays import Arrays, Shape, Weights, cast_array, warn_if_not_finite
from ..sniff import WEIGHTS_NAMES
from .dump import CHARACTERS, cell_name, check_dump, convert, dump_shapes, swap_gates
from .sizes import infer_dump_options, warn_of_inferred
from .unused import find_unused_arrays, warn_of_unused

FORMAT = "HDF5"

# Weights hardly compress. A file that claims so many times its size would fill the memory with zeros.
MOST_COMPRESSION = 100
# Constant biases compress better; up to this size they are harmless.
SMALL = 1 << 20
# The most groups and arrays in a file, and levels of groups; a biLM of 1000 layers has fewer. HDF5's time grows
# with the square of the depth.
MOST_ITEMS = 20_000
MOST_DEPTH = 20

WEIGHTS_NAME = WEIGHTS_NAMES["hdf5"]


def read(options_path: Path | None, weights_path: Path) -> Weights:
    """Read a pair of bilm-tf or AllenNLP. Names, shapes, dtypes and sizes are checked before any array is read.

    options_path (Path | None): The file of the options; None: the arrays determine the sizes, and the rest is as
        in published models.
    weights_path (Path): The HDF5 file.
    RETURNS (Weights): Options and arrays.
    RAISES (ElmoError): If a file is damaged, is not a biLM, contradicts the options or points to other files.
    """
    options, path = None if options_path is None else Options.from_file(options_path), str(weights_path)
    with ExitStack() as stack:
        with explain_errors(weights_path):
            file = stack.enter_context(h5py.File(weights_path, "r"))
            datasets, foreign = _walk(file)
        if foreign:
            raise ElmoError(Errors.EL131.format(path=path, name=show(foreign[0])))
        if "embedding" in datasets and CHARACTERS not in datasets:
            raise ElmoError(
                Errors.EL250.format(path=path, why="it has an array 'embedding' in place of 'char_embed'")
            )
        if options is None:
            with explain_errors(weights_path):
                shapes = {name: _describe(dataset) for name, dataset in datasets.items()}
            options = infer_dump_options(shapes, path=path)
        options = options.match_projection(datasets)
        names = dump_shapes(options)
        # Of a file without a biLM, the message says what is there.
        unused = find_unused_arrays(datasets, options) if CHARACTERS in datasets else set()
        datasets = {name: dataset for name, dataset in datasets.items() if name not in unused}
        with explain_errors(weights_path):
            # Looked up by name, because links inside the file are allowed.
            linked = {name: file[name] for name in names if isinstance(file.get(name), h5py.Dataset)}
            datasets = {**datasets, **linked}
            described = {name: _describe(dataset) for name, dataset in datasets.items()}
        check_dump(described, options, path=path, options_path=str(options_path or path), format=FORMAT)
        # The largest claim first, because the first error is the one that is reported.
        for name, facts in sorted(described.items(), key=lambda item: -item[1].n_bytes):
            _check_storage(name, facts, path)
        if options_path is None:
            warn_of_inferred(options, path=path)
        warn_of_unused(unused, path=path)
        with explain_errors(weights_path):
            arrays: Arrays = {name: _to_native(dataset[()]) for name, dataset in datasets.items()}
    warn_if_not_finite(arrays, path=path)
    return Weights(options=options, arrays=convert(arrays, options), source=path, format=FORMAT)


def holds_bilm(path: Path) -> bool | None:
    """Check for a biLM's weights by the name of an array; HDF5 files may hold anything.

    path (Path): An HDF5 file.
    RETURNS (bool | None): Whether the file looks like a biLM's weights; None if it is damaged, and may be one.
    """
    try:
        check_readable(path)
        with h5py.File(path, "r") as file:
            # A link to another file is not followed.
            return isinstance(file.get(CHARACTERS, getlink=True), (h5py.HardLink, h5py.SoftLink))
    except Exception as error:  # damaged files fail in many ways
        # Another process may be writing what it has embedded.
        return None if reading_error(path, error) is None else False


class _RefusedError(ElmoError):
    """A file with a structure that no program would write."""


class _Facts(NamedTuple):
    """A dataset that has not been read yet.

    shape (Shape): Its shape.
    dtype (np.dtype): Its dtype.
    n_bytes (int): Its size in memory.
    stored (int): Its size in the file.
    is_whole (bool): Whether all of it was written.
    is_foreign (bool): Whether its numbers are in another file.
    """

    shape: Shape
    dtype: "np.dtype[np.generic]"
    n_bytes: int
    stored: int
    is_whole: bool
    is_foreign: bool


@contextmanager
def explain_errors(path: Path) -> Iterator[None]:
    """Turn whatever h5py raises in this block into a message.

    path (Path): The file.
    RAISES (ElmoError): If the file is damaged.
    RAISES (OSError): If the system refuses access.
    """
    try:
        yield
    except _RefusedError:
        raise
    except Exception as error:  # damaged files fail in many ways
        refused = reading_error(path, error)
        if refused is not None:
            raise refused from error
        reason, size = str(error).strip() or type(error).__name__, path.stat().st_size
        raise ElmoError(Errors.EL018.format(path=path, reason=reason, size=size)) from error


def _walk(file: h5py.File) -> tuple[dict[str, h5py.Dataset], list[str]]:
    """List the datasets of a file by bilm-tf's names, and the links to other files. No link is followed.

    RAISES (ElmoError): If the file holds far more than a biLM has.
    """
    found: dict[str, h5py.Dataset] = {}
    foreign: list[str] = []
    waiting: list[tuple[str, h5py.Group, int]] = [("", file, 0)]
    # An object may have several names, and a group may contain itself.
    seen = {hash(file.id)}
    while waiting:
        place, group, depth = waiting.pop()
        for key in group:
            name = f"{place}/{key}".lstrip("/")
            link = group.get(key, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                foreign.append(name)
            if not isinstance(link, h5py.HardLink):
                continue
            item = group[key]
            if hash(item.id) in seen:
                continue
            seen.add(hash(item.id))
            if isinstance(item, h5py.Dataset):
                # A single layer has no MultiRNNCell in its name.
                found[name.replace("/RNN/LSTMCell/", "/RNN/MultiRNNCell/Cell0/LSTMCell/")] = item
            elif isinstance(item, h5py.Group):
                waiting.append((name, item, depth + 1))
            if len(seen) > MOST_ITEMS or depth + 1 > MOST_DEPTH:
                sizes = {"items": MOST_ITEMS, "depth": MOST_DEPTH}
                raise _RefusedError(Errors.EL265.format(path=file.filename, **sizes))
    return dict(sorted(found.items())), foreign


def _describe(dataset: h5py.Dataset) -> _Facts:
    is_foreign = dataset.is_virtual or bool(dataset.external)
    # A dataset may have no shape.
    shape = () if dataset.shape is None else dataset.shape
    n_bytes = 0 if dataset.shape is None else dataset.nbytes
    stored = dataset.id.get_storage_size()
    is_whole = stored >= n_bytes
    if dataset.chunks is not None and dataset.shape is not None:
        n_chunks = math.prod(-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks))
        # Chunks are counted only if the file has room for all of them.
        is_whole = n_chunks <= stored and dataset.id.get_num_chunks() >= n_chunks
    return _Facts(shape, dataset.dtype, n_bytes, stored, is_whole, is_foreign)


def _check_storage(name: str, facts: _Facts, path: str) -> None:
    """Refuse numbers that are in another file, are far more than this file has room for, or were never written."""
    if facts.is_foreign:
        raise ElmoError(Errors.EL131.format(path=path, name=show(name)))
    sizes = {"path": path, "name": name, "shape": facts.shape, "claimed": facts.n_bytes, "stored": facts.stored}
    if facts.n_bytes > max(MOST_COMPRESSION * facts.stored, SMALL):
        raise ElmoError(Errors.EL132.format(**sizes))
    if not facts.is_whole:
        raise ElmoError(Errors.EL261.format(**sizes))


def _to_native(array: NDArray[np.floating]) -> NDArray[np.floating]:
    return array.astype(np.dtype(array.dtype).newbyteorder("="), copy=False)


def write_pair(folder: Path, options: Options, arrays: Mapping[str, NDArray[np.floating]]) -> None:
    """Write options.json and weights.hdf5.

    Each file appears complete or not at all, and replaces a file of the same name.

    folder (Path): The folder; it is created if it does not exist. Its other files stay.
    options (Options): The options of the model.
    arrays (Mapping[str, NDArray]): The arrays of the model.
    RAISES (ElmoError): As `write_hdf5`.
    RAISES (OSError): If a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_hdf5(folder / WEIGHTS_NAME, options, arrays)
    with atomic_write(folder / OPTIONS_NAME) as temporary:
        temporary.write_text(inference_options(options).to_json(), "utf-8")


def inference_options(options: Options) -> Options:
    """Make the options that are published with a model.

    bilm-tf trains with 261 characters, but runs only models with 262. AllenNLP reads the array alone.

    options (Options): The options of the model.
    RETURNS (Options): The options with 262 characters.
    """
    return dataclasses.replace(options, char_cnn=dataclasses.replace(options.char_cnn, n_characters=262))


def write_hdf5(path: Path, options: Options, arrays: Mapping[str, NDArray[np.floating]]) -> None:
    """Write the biLM's arrays in float32, under bilm-tf's names and in its layout.

    The format has no place for the scalar mix, the warm state and the softmax.

    The forget gate's bias is stored without the 1 that programs add when they run, and float32 rounds. The bias
    with its 1 is reproduced bit for bit if it is 0.5 or more, or was read from such a file; down to -1 the error
    is at most 6e-8. The stored number may change as much when it is read and written again, because the reader's
    addition of the 1 loses its lowest bits.

    path (Path): The file.
    options (Options): The options of the model.
    arrays (Mapping[str, NDArray]): The arrays of the model.
    RAISES (ElmoError): If a number is too large for float32, or the model has its own vocabulary. Nothing is
        written then.
    RAISES (OSError): If the file cannot be written.
    """
    dump_shapes(options)
    with hdf5_file(path) as writer:
        for name, array in _datasets(options, arrays):
            writer.add(name, cast_array(array, np.float32, name=name))


def _datasets(
    options: Options, arrays: Mapping[str, NDArray[np.floating]]
) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """Yield one array at a time, so that memory never holds the weights twice."""
    cnn, lstm = options.char_cnn, options.lstm
    yield "char_embed", arrays["char_encoder.embedding.weight"][1:]
    for i in range(len(cnn.filters)):
        # (filters, dim, span) -> (1, span, dim, filters)
        yield f"CNN/W_cnn_{i}", arrays[f"char_encoder.convolutions.{i}.weight"].transpose(2, 1, 0)[np.newaxis]
        yield f"CNN/b_cnn_{i}", arrays[f"char_encoder.convolutions.{i}.bias"]
    for i in range(cnn.n_highway):
        for part in ("carry", "transform"):
            yield f"CNN_high_{i}/W_{part}", arrays[f"char_encoder.highways.{i}.{part}.weight"].T
            yield f"CNN_high_{i}/b_{part}", arrays[f"char_encoder.highways.{i}.{part}.bias"]
    if options.has_char_projection:
        yield "CNN_proj/W_proj", arrays["char_encoder.projection.weight"].T
        yield "CNN_proj/b_proj", arrays["char_encoder.projection.bias"]
    for direction, stack in enumerate(("forward_stack", "backward_stack")):
        for k in range(lstm.n_layers):
            cell, layer = cell_name(direction, k), f"{stack}.layers.{k}"
            parts = [arrays[f"{layer}.{part}_linear.weight"].T for part in ("input", "state")]
            yield f"{cell}/W_0", swap_gates(np.concatenate(parts))
            yield f"{cell}/B", _subtract_one(swap_gates(arrays[f"{layer}.input_linear.bias"]), lstm.dim)
            if lstm.has_projection:
                yield f"{cell}/W_P_0", arrays[f"{layer}.projection.weight"].T


def _subtract_one(bias: NDArray[np.floating], cells: int) -> NDArray[np.float64]:
    # Exact in float64: the only rounding is that of writing.
    exact = bias.astype(np.float64)
    exact[2 * cells : 3 * cells] -= 1
    return exact
