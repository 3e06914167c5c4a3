"""Names, shapes and layout of bilm-tf's arrays, which its HDF5 dump and TensorFlow's checkpoints share."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...bilm.characters import N_IDS
from ...bilm.options import Options
from ...errors import ElmoError, Errors
from ..arrays import ArrayInfo, Arrays, Shape, check_arrays

CHARACTERS = "char_embed"


def dump_shapes(options: Options) -> dict[str, Shape]:
    """List the arrays of bilm-tf's dump.

    Matrices are (inputs, outputs), with input rows before recurrent rows. Gates are in the order input, candidate,
    forget, output (allenai/bilm-tf, bilm/training.py).

    options (Options): The options of the model.
    RETURNS (dict[str, Shape]): The shape of each array by its name.
    RAISES (ElmoError): If the model has its own vocabulary, which the dump has no place for.
    """
    if options.has_own_vocabulary:
        raise ElmoError(Errors.EL129)
    cnn, lstm = options.char_cnn, options.lstm
    filters, width, cells = cnn.n_filters, lstm.projection_dim, lstm.dim
    shapes: dict[str, Shape] = {CHARACTERS: (N_IDS - 1, cnn.embedding_dim)}
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


def check_dump(
    found: Mapping[str, ArrayInfo], options: Options, *, path: str, options_path: str, format: str
) -> None:
    """Compare the arrays of a file with those that its options call for.

    found (Mapping[str, ArrayInfo]): The arrays under the dump's names.
    options (Options): The options of the model.
    path (str): The file, for messages.
    options_path (str): The file of the options, for messages.
    format (str): The file's format, for messages.
    RAISES (ElmoError): As `check_arrays`.
    """
    expected = dump_shapes(options)
    if _has_zero_row(found.get(CHARACTERS)):
        expected[CHARACTERS] = (N_IDS, *expected[CHARACTERS][1:])
    check_arrays(found, expected, path=path, options_path=options_path, format=format)


def _has_zero_row(embedding: ArrayInfo | None) -> bool:
    """Check for the row of zeros for id 0, which a dump of an inference graph has before the trained rows."""
    return embedding is not None and embedding.shape[:1] == (N_IDS,)


def cell_name(direction: int, layer: int) -> str:
    """Name the group of an LSTM layer in the dump.

    direction (int): 0 for forward, 1 for backward.
    layer (int): The number of the layer, from 0.
    RETURNS (str): The start of the names of its arrays.
    """
    return f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"


def convert(arrays: Arrays, options: Options) -> Arrays:
    """Convert bilm-tf's arrays to our names and layout.

    Each array is removed as it is converted, so that memory never holds the weights twice.

    arrays (Arrays): The arrays under the dump's names, which `check_dump` has accepted.
    options (Options): The options of the model.
    RETURNS (Arrays): The arrays under the names of `encoder_shapes`.
    """
    cnn, lstm = options.char_cnn, options.lstm
    cells, width = lstm.dim, lstm.projection_dim
    embedding = arrays.pop(CHARACTERS)
    if _has_zero_row(embedding):
        embedding = embedding[1:]
    out: Arrays = {"char_encoder.embedding.weight": np.vstack([np.zeros_like(embedding[:1]), embedding])}
    for i in range(len(cnn.filters)):
        # (1, span, dim, filters) -> (filters, dim, span)
        kernel = arrays.pop(f"CNN/W_cnn_{i}")[0].transpose(2, 1, 0)
        out[f"char_encoder.convolutions.{i}.weight"] = np.ascontiguousarray(kernel)
        out[f"char_encoder.convolutions.{i}.bias"] = arrays.pop(f"CNN/b_cnn_{i}")
    for i in range(cnn.n_highway):
        for part in ("transform", "carry"):
            out[f"char_encoder.highways.{i}.{part}.weight"] = _transpose(arrays.pop(f"CNN_high_{i}/W_{part}"))
            out[f"char_encoder.highways.{i}.{part}.bias"] = arrays.pop(f"CNN_high_{i}/b_{part}")
    if options.has_char_projection:
        out["char_encoder.projection.weight"] = _transpose(arrays.pop("CNN_proj/W_proj"))
        out["char_encoder.projection.bias"] = arrays.pop("CNN_proj/b_proj")
    for direction, stack in enumerate(("forward_stack", "backward_stack")):
        for k in range(lstm.n_layers):
            cell, layer = cell_name(direction, k), f"{stack}.layers.{k}"
            kernel = swap_gates(arrays.pop(f"{cell}/W_0"))
            out[f"{layer}.input_linear.weight"] = _transpose(kernel[:width])
            out[f"{layer}.state_linear.weight"] = _transpose(kernel[width:])
            bias = arrays.pop(f"{cell}/B")
            # In float16 the sum would lose digits of the bias.
            bias = swap_gates(bias.astype(np.promote_types(bias.dtype, np.float32)))
            bias[cells : 2 * cells] += 1
            out[f"{layer}.input_linear.bias"] = bias
            if lstm.has_projection:
                out[f"{layer}.projection.weight"] = _transpose(arrays.pop(f"{cell}/W_P_0"))
    return out


def swap_gates(array: NDArray[np.floating]) -> NDArray[np.floating]:
    """Swap the candidate and forget gates on the last axis, between bilm-tf's order and ours.

    array (NDArray): The gates in either order.
    RETURNS (NDArray): A copy in the other order.
    """
    parts: list[NDArray[np.floating]] = np.split(array, 4, axis=-1)
    first, second, third, last = parts
    return np.concatenate([first, third, second, last], axis=-1)


def _transpose(matrix: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.ascontiguousarray(matrix.T)
