"""A model of the published architecture with random weights: speed depends on its sizes only.

Its gates and projections are spread so that both clips are at work and states stay within the range of a trained
model; errors of rounding then look as they do there.
"""

import json
from pathlib import Path
from typing import Any, Dict

import h5py
import numpy as np
from numpy.typing import NDArray

# Peters et al. 2018, as in the options file that AllenNLP published with the original model.
OPTIONS: Dict[str, Any] = {
    "lstm": {
        "use_skip_connections": True,
        "projection_dim": 512,
        "cell_clip": 3,
        "proj_clip": 3,
        "dim": 4096,
        "n_layers": 2,
    },
    "char_cnn": {
        "activation": "relu",
        "filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]],
        "n_highway": 2,
        "embedding": {"dim": 16},
        "n_characters": 262,
        "max_characters_per_token": 50,
    },
}


def make_model(folder: Path) -> Path:
    """Write options.json and model.hdf5 into the folder, unless they are there. RETURNS: the folder."""
    weights = folder / "model.hdf5"
    if weights.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "options.json").write_text(json.dumps(OPTIONS, indent=2) + "\n", "utf-8")
    unfinished = weights.with_suffix(".unfinished")
    with h5py.File(unfinished, "w") as file:
        for name, array in _arrays().items():
            file.create_dataset(name, data=array)
    unfinished.rename(weights)
    return folder


def lstm_flops() -> int:
    """Floating-point operations of both LSTM stacks for one token: the matrix products, two each weight."""
    width, cells, n_layers = (int(OPTIONS["lstm"][name]) for name in ("projection_dim", "dim", "n_layers"))
    weights_of_layer = 2 * width * 4 * cells + cells * width
    return 2 * 2 * n_layers * weights_of_layer


def _arrays() -> Dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(20180615)

    def normal(*shape: int, scale: float) -> NDArray[np.float32]:
        array: NDArray[np.float32] = random.standard_normal(shape, dtype=np.float32) * np.float32(scale)
        return array

    lstm, cnn = OPTIONS["lstm"], OPTIONS["char_cnn"]
    width, cells, n_chars = lstm["projection_dim"], lstm["dim"], cnn["embedding"]["dim"]
    n_filters = sum(number for _, number in cnn["filters"])
    arrays = {"char_embed": normal(261, n_chars, scale=1.0)}
    for i, (span, number) in enumerate(cnn["filters"]):
        arrays[f"CNN/W_cnn_{i}"] = normal(1, span, n_chars, number, scale=0.2)
        arrays[f"CNN/b_cnn_{i}"] = normal(number, scale=0.1)
    for k in range(cnn["n_highway"]):
        for part in ("carry", "transform"):
            arrays[f"CNN_high_{k}/W_{part}"] = normal(n_filters, n_filters, scale=0.01)
            arrays[f"CNN_high_{k}/b_{part}"] = normal(n_filters, scale=0.1)
    arrays["CNN_proj/W_proj"] = normal(n_filters, width, scale=0.02)
    arrays["CNN_proj/b_proj"] = normal(width, scale=0.1)
    for direction in (0, 1):
        for k in range(lstm["n_layers"]):
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{k}/LSTMCell"
            arrays[f"{cell}/W_0"] = normal(2 * width, 4 * cells, scale=0.06)
            arrays[f"{cell}/B"] = normal(4 * cells, scale=0.3)
            arrays[f"{cell}/W_P_0"] = normal(cells, width, scale=0.03)
    return arrays
