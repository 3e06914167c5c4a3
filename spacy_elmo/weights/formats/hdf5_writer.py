"""The HDF5 weights that bilm-tf dumps and AllenNLP publishes, written: the inverse of `hdf5`."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bilm.options import OPTIONS_NAME, Options
from ...util.atomic import atomic_write
from ...util.hdf5_file import write_hdf5 as hdf5_file
from ..rounding import rounded
from .dump import cell_name, dump_shapes, swap_gates

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
            writer.add(name, rounded(array, np.float32, name=name))


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
            yield f"{cell}/B", _without_one(swap_gates(arrays[f"{layer}.input_linear.bias"]), lstm.dim)
            if lstm.has_projection:
                yield f"{cell}/W_P_0", arrays[f"{layer}.projection.weight"].T


def _without_one(bias: NDArray[Any], cells: int) -> NDArray[Any]:
    # Exact here, whatever the dtype: it is rounded once, when it is written.
    bias = bias.astype(np.float64)
    bias[2 * cells : 3 * cells] -= 1
    return bias
