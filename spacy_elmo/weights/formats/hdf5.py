"""The HDF5 weights that bilm-tf dumps and AllenNLP publishes: reader and writer."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from ...bilm.fields import show
from ...bilm.options import OPTIONS_NAME, Options
from ...errors import Errors
from ...util.atomic import atomic_write
from ...util.files import check_readable, reading_error
from ...util.hdf5_file import write_hdf5 as hdf5_file
from ..arrays import Shape, Weights, cast_array, warn_if_not_finite
from .dump import CHARACTERS, cell_name, check_dump, convert, dump_shapes, swap_gates

FORMAT = "HDF5"

# Weights hardly shrink when they are compressed. A file that claims so many times what it holds would fill the
# memory with nothing.
MOST_COMPRESSION = 100
# Biases that are all alike shrink more, and are small.
SMALL = 1 << 20
# Groups and arrays in a file, and groups within groups; a biLM of 1000 layers has fewer. HDF5 takes a time that
# grows with the square of the depth.
MOST_ITEMS = 20_000
MOST_DEPTH = 20


def read(options_path: Path, weights_path: Path) -> Weights:
    """Weights of a bilm-tf/AllenNLP pair. Names, shapes, types and sizes are checked before any array is read.

    RAISES: ValueError if the file is damaged, no biLM, contradicts the options or reaches out of itself.
    """
    options, path = Options.from_file(options_path), str(weights_path)
    with ExitStack() as stack:
        with _explain_errors(weights_path):
            file = stack.enter_context(h5py.File(weights_path, "r"))
            datasets, foreign = _walk(file)
        if foreign:
            raise ValueError(Errors.EL131.format(path=path, name=show(foreign[0])))
        options = options.match_projection(datasets)
        names = dump_shapes(options)
        with _explain_errors(weights_path):
            # Looked up, so that links inside the file are followed.
            linked = {name: file[name] for name in names if isinstance(file.get(name), h5py.Dataset)}
            datasets = {**datasets, **linked}
            described = {name: _describe(dataset) for name, dataset in datasets.items()}
        if "embedding" in described and CHARACTERS not in described:
            raise ValueError(
                Errors.EL250.format(path=path, why="it has an array 'embedding' in place of 'char_embed'")
            )
        check_dump(described, options, path=path, options_path=str(options_path), format=FORMAT)
        # The largest claim is named.
        for name, facts in sorted(described.items(), key=lambda item: -item[1].n_bytes):
            _check_storage(name, facts, path)
        with _explain_errors(weights_path):
            arrays = {name: _to_native(dataset[()]) for name, dataset in datasets.items()}
    warn_if_not_finite(arrays, path=path)
    return Weights(options=options, arrays=convert(arrays, options), source=path, format=FORMAT)


def holds_bilm(path: Path) -> bool:
    """Whether the file looks like a biLM's weights, and not like something else that HDF5 is used for."""
    try:
        check_readable(path)
        with h5py.File(path, "r") as file:
            # A link to another file is not followed to find out.
            return isinstance(file.get(CHARACTERS, getlink=True), (h5py.HardLink, h5py.SoftLink))
    except Exception:  # as above
        return False


class _RefusedError(ValueError):
    """A file that is not what an honest one would be."""


class _Facts(NamedTuple):
    """Of a dataset that has not been read yet. stored: bytes that the file has of it. is_whole: whether
    all of it was written. is_foreign: whether its numbers are in another file."""

    shape: Shape
    dtype: "np.dtype[Any]"
    n_bytes: int
    stored: int
    is_whole: bool
    is_foreign: bool


@contextmanager
def _explain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except _RefusedError:
        raise
    except Exception as error:  # damaged files fail in many ways
        refused = reading_error(path, error)
        if refused is not None:
            raise refused from error
        reason, size = str(error).strip() or type(error).__name__, path.stat().st_size
        raise ValueError(Errors.EL018.format(path=path, reason=reason, size=size)) from error


def _walk(file: h5py.File) -> tuple[dict[str, Any], list[str]]:
    """The datasets of a file, by bilm-tf's names, and what in it points to other files. No link is followed.

    RAISES: ValueError if there is far more in the file than a biLM has.
    """
    found: dict[str, Any] = {}
    foreign: list[str] = []
    waiting: list[tuple[str, Any, int]] = [("", file, 0)]
    # An object may have several names, and a group may be in itself.
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
                # One layer is not wrapped in a MultiRNNCell, and has a shorter name in the dump.
                found[name.replace("/RNN/LSTMCell/", "/RNN/MultiRNNCell/Cell0/LSTMCell/")] = item
            elif isinstance(item, h5py.Group):
                waiting.append((name, item, depth + 1))
            if len(seen) > MOST_ITEMS or depth + 1 > MOST_DEPTH:
                sizes = {"items": MOST_ITEMS, "depth": MOST_DEPTH}
                raise _RefusedError(Errors.EL265.format(path=file.filename, **sizes))
    return dict(sorted(found.items())), foreign


def _describe(dataset: h5py.Dataset) -> _Facts:
    is_foreign = dataset.is_virtual or bool(dataset.external)
    # A dataset may have no shape at all.
    shape = () if dataset.shape is None else dataset.shape
    n_bytes = 0 if dataset.shape is None else dataset.nbytes
    stored = dataset.id.get_storage_size()
    is_whole = stored >= n_bytes
    if dataset.chunks is not None and dataset.shape is not None:
        n_chunks = math.prod(-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks))
        # Where there are more than the file has room for, they are not counted.
        is_whole = n_chunks <= stored and dataset.id.get_num_chunks() >= n_chunks
    return _Facts(shape, dataset.dtype, n_bytes, stored, is_whole, is_foreign)


def _check_storage(name: str, facts: _Facts, path: str) -> None:
    """RAISES: ValueError if the numbers are not in this file, are far more than it has room for, or were never
    written."""
    if facts.is_foreign:
        raise ValueError(Errors.EL131.format(path=path, name=show(name)))
    sizes = {"path": path, "name": name, "shape": facts.shape, "claimed": facts.n_bytes, "stored": facts.stored}
    if facts.n_bytes > max(MOST_COMPRESSION * facts.stored, SMALL):
        raise ValueError(Errors.EL132.format(**sizes))
    if not facts.is_whole:
        raise ValueError(Errors.EL261.format(**sizes))


def _to_native(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.dtype(array.dtype).newbyteorder("="), copy=False)


WEIGHTS_NAME = "weights.hdf5"


def write_pair(folder: Path, options: Options, arrays: Mapping[str, NDArray[np.floating]]) -> None:
    """Write options.json and weights.hdf5 into the folder, which is made if need be.

    Each file appears complete or not at all, and replaces one of its name; others in the folder stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_hdf5(folder / WEIGHTS_NAME, options, arrays)
    with atomic_write(folder / OPTIONS_NAME) as temporary:
        temporary.write_text(inference_options(options).to_json(), "utf-8")


def inference_options(options: Options) -> Options:
    """Options as they are published. bilm-tf counts 261 characters when it trains, and refuses to run a model
    with any other number than 262; AllenNLP looks at the array alone."""
    return dataclasses.replace(options, char_cnn=dataclasses.replace(options.char_cnn, n_characters=262))


def write_hdf5(path: Path, options: Options, arrays: Mapping[str, NDArray[np.floating]]) -> None:
    """Write the biLM's arrays in float32, under bilm-tf's names and in its layout. The scalar mix, the warm state
    and the softmax have no place in the file, and are left out.

    The forget gate's bias is stored without the 1 that programs add when they run, and float32 rounds. What they
    compute with is the same bit for bit where the bias, with its 1, is 0.5 or more, and wherever it was read from
    such a file; else it is off by 6e-8 at most down to a bias of -1. The stored number itself, read and written
    again, may change by as much: its lowest bits were lost when the reader added the 1.
    RAISES: ValueError, with nothing written, if a number is beyond float32, or for a model with a vocabulary of
        its own.
    """
    dump_shapes(options)
    with hdf5_file(path) as writer:
        for name, array in _datasets(options, arrays):
            writer.add(name, cast_array(array, np.float32, name=name))


def _datasets(
    options: Options, arrays: Mapping[str, NDArray[np.floating]]
) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """One after the other, so that the weights are not held twice."""
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


def _subtract_one(bias: NDArray[Any], cells: int) -> NDArray[Any]:
    # Exact here, whatever the dtype: it is rounded once, when it is written.
    bias = bias.astype(np.float64)
    bias[2 * cells : 3 * cells] -= 1
    return bias
