"""A model with random weights, of the published architecture or another: speed depends on its sizes only.

Its gates and projections are spread so that both clips are at work and states stay within the range of a trained
model; errors of rounding then look as they do there.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spacy_elmo.bilm.options import Options
from spacy_elmo.pretraining.config import SIZES
from spacy_elmo.weights.formats.dump import dump_shapes
from spacy_elmo.weights.formats.hdf5 import inference_options

# Peters et al. 2018, as in the options file that AllenNLP published with the original model.
OPTIONS: dict[str, Any] = inference_options(Options.from_dict(SIZES["original"])).to_dict()
# Of the bundled en_sm.
SMALL_OPTIONS: dict[str, Any] = inference_options(Options.from_dict(SIZES["sm"])).to_dict()

# Deviation of each kind of weight.
_SCALES = {
    "char_embed": 1.0, "W_cnn": 0.2, "b_cnn": 0.1, "W_carry": 0.01, "W_transform": 0.01, "b_carry": 0.1,
    "b_transform": 0.1, "W_proj": 0.02, "b_proj": 0.1, "W": 0.06, "B": 0.3, "W_P": 0.03,
}  # fmt: skip


def make_model(folder: Path, options: Mapping[str, Any] = OPTIONS) -> Path:
    """Write options.json and model.hdf5 into the folder, unless they are there. RETURNS: the folder."""
    weights = folder / "model.hdf5"
    if weights.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "options.json").write_text(json.dumps(options, indent=2) + "\n", "utf-8")
    unfinished = weights.with_suffix(".unfinished")
    with h5py.File(unfinished, "w") as file:
        for name, array in _arrays(options).items():
            file.create_dataset(name, data=array)
    unfinished.rename(weights)
    return folder


def lstm_flops(options: Mapping[str, Any] = OPTIONS) -> int:
    """Floating-point operations of both LSTM stacks for one token: the matrix products, two each weight."""
    width, cells, n_layers = (int(options["lstm"][name]) for name in ("projection_dim", "dim", "n_layers"))
    weights_of_layer = 2 * width * 4 * cells + cells * width
    return 2 * 2 * n_layers * weights_of_layer


def _arrays(options: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(20180615)
    arrays: dict[str, NDArray[np.float32]] = {}
    for name, shape in dump_shapes(Options.from_dict(options)).items():
        arrays[name] = random.standard_normal(shape, dtype=np.float32) * np.float32(_scale(name))
    return arrays


def _scale(name: str) -> float:
    part = name.rpartition("/")[2].rstrip("_0123456789")
    return _SCALES[name if name in _SCALES else part]
