"""The HDF5 weights that bilm-tf dumps and AllenNLP publishes."""

from pathlib import Path
from typing import Any, Dict, List, Mapping

import h5py
import numpy as np
from numpy.typing import NDArray

from ...bilm.characters import N_IDS
from ...bilm.options import Options
from ...errors import Errors
from ..arrays import Arrays, Shape, Weights, check_arrays, warn_if_not_finite

FORMAT = "HDF5"


def read(options_path: Path, weights_path: Path) -> Weights:
    """Weights of a bilm-tf/AllenNLP pair. Names, shapes and types are checked before any array is read.

    RAISES: ValueError if the file is damaged, no biLM, or contradicts the options.
    """
    options = Options.from_file(options_path)
    expected = hdf5_shapes(options)
    try:
        with h5py.File(weights_path, "r") as file:
            datasets = _datasets(file, expected)
            # A dump of an inference graph has a row of zeros for id 0 before the learnt ones.
            embedding = datasets.get("char_embed")
            has_zero_row = embedding is not None and embedding.shape[:1] == (N_IDS,)
            if has_zero_row:
                expected["char_embed"] = (N_IDS, *expected["char_embed"][1:])
            check_arrays(datasets, expected, path=str(weights_path), options_path=str(options_path), format=FORMAT)
            arrays = {name: _native(dataset[()]) for name, dataset in datasets.items()}
    except (OSError, RuntimeError, KeyError) as error:
        size = weights_path.stat().st_size
        raise ValueError(Errors.EL018.format(path=weights_path, reason=str(error).strip(), size=size)) from error
    if has_zero_row:
        arrays["char_embed"] = arrays["char_embed"][1:]
    warn_if_not_finite(arrays, path=str(weights_path))
    return Weights(options=options, arrays=_convert(arrays, options), source=str(weights_path), format=FORMAT)


def holds_bilm(path: Path) -> bool:
    """Whether the file looks like a biLM's weights, and not like something else that HDF5 is used for."""
    try:
        with h5py.File(path, "r") as file:
            return "char_embed" in file
    except (OSError, RuntimeError, KeyError):
        return False


def hdf5_shapes(options: Options) -> Dict[str, Shape]:
    """Name and shape of each array of bilm-tf's dump: matrices are (inputs, outputs), gates in the order
    input, candidate, forget, output, input rows before recurrent rows (allenai/bilm-tf, bilm/training.py)."""
    cnn, lstm = options.char_cnn, options.lstm
    filters, width, cells = cnn.n_filters, lstm.projection_dim, lstm.dim
    shapes: Dict[str, Shape] = {"char_embed": (N_IDS - 1, cnn.embedding_dim)}
    for i, (span, number) in enumerate(cnn.filters):
        shapes[f"CNN/W_cnn_{i}"] = (1, span, cnn.embedding_dim, number)
        shapes[f"CNN/b_cnn_{i}"] = (number,)
    for i in range(cnn.n_highway):
        for part in ("carry", "transform"):
            shapes[f"CNN_high_{i}/W_{part}"] = (filters, filters)
            shapes[f"CNN_high_{i}/b_{part}"] = (filters,)
    if options.has_char_projection:
        shapes["CNN_proj/W_proj"] = (filters, width)
        shapes["CNN_proj/b_proj"] = (width,)
    for direction in (0, 1):
        for k in range(lstm.n_layers):
            cell = cell_name(direction, k)
            shapes[f"{cell}/W_0"] = (2 * width, 4 * cells)
            shapes[f"{cell}/B"] = (4 * cells,)
            if lstm.has_projection:
                shapes[f"{cell}/W_P_0"] = (cells, width)
    return shapes


def cell_name(direction: int, layer: int) -> str:
    """Where the dump has an LSTM layer. direction: 0 for forward, 1 for backward."""
    return f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"


def _datasets(file: h5py.File, expected: Mapping[str, Shape]) -> Dict[str, Any]:
    """What the file holds, by bilm-tf's names. The expected ones are looked up, so that links are followed; the
    walk, which follows none, finds what else there is."""
    found: Dict[str, Any] = {}
    file.visititems(lambda name, item: found.__setitem__(name, item) if isinstance(item, h5py.Dataset) else None)
    # One layer is not wrapped in a MultiRNNCell, and has a shorter name in the dump.
    short = {name: name.replace("/RNN/LSTMCell/", "/RNN/MultiRNNCell/Cell0/LSTMCell/") for name in found}
    found = {short[name]: item for name, item in found.items()}
    for name in expected:
        if name not in found and isinstance(file.get(name), h5py.Dataset):
            found[name] = file[name]
    return found


def _native(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _convert(arrays: Dict[str, NDArray[Any]], options: Options) -> Arrays:
    """bilm-tf's arrays under our names, in our layout. Each is taken out as it is converted, so that the
    weights are not held twice."""
    cnn, lstm = options.char_cnn, options.lstm
    cells, width = lstm.dim, lstm.projection_dim
    embedding = arrays.pop("char_embed")
    out: Arrays = {"char_encoder.embedding.weight": np.vstack([np.zeros_like(embedding[:1]), embedding])}
    for i in range(len(cnn.filters)):
        # (1, span, dim, filters) -> (filters, dim, span)
        kernel = arrays.pop(f"CNN/W_cnn_{i}")[0].transpose(2, 1, 0)
        out[f"char_encoder.convolutions.{i}.weight"] = np.ascontiguousarray(kernel)
        out[f"char_encoder.convolutions.{i}.bias"] = arrays.pop(f"CNN/b_cnn_{i}")
    for i in range(cnn.n_highway):
        for part in ("transform", "carry"):
            out[f"char_encoder.highways.{i}.{part}.weight"] = _turned(arrays.pop(f"CNN_high_{i}/W_{part}"))
            out[f"char_encoder.highways.{i}.{part}.bias"] = arrays.pop(f"CNN_high_{i}/b_{part}")
    if options.has_char_projection:
        out["char_encoder.projection.weight"] = _turned(arrays.pop("CNN_proj/W_proj"))
        out["char_encoder.projection.bias"] = arrays.pop("CNN_proj/b_proj")
    for direction, stack in enumerate(("forward_stack", "backward_stack")):
        for k in range(lstm.n_layers):
            cell, layer = cell_name(direction, k), f"{stack}.layers.{k}"
            kernel = swap_gates(arrays.pop(f"{cell}/W_0"))
            out[f"{layer}.input_linear.weight"] = _turned(kernel[:width])
            out[f"{layer}.state_linear.weight"] = _turned(kernel[width:])
            bias = arrays.pop(f"{cell}/B")
            # At float16 the sum would lose digits of the bias.
            bias = swap_gates(bias.astype(np.promote_types(bias.dtype, np.float32)))
            bias[cells : 2 * cells] += 1
            out[f"{layer}.input_linear.bias"] = bias
            if lstm.has_projection:
                out[f"{layer}.projection.weight"] = _turned(arrays.pop(f"{cell}/W_P_0"))
    return out


def swap_gates(array: NDArray[Any]) -> NDArray[Any]:
    """Last axis from input, candidate, forget, output to input, forget, candidate, output, or back; always a
    copy."""
    parts: List[NDArray[Any]] = np.split(array, 4, axis=-1)
    first, second, third, last = parts
    return np.concatenate([first, third, second, last], axis=-1)


def _turned(matrix: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(matrix.T)
