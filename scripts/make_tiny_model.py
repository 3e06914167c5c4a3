"""Make tests/tiny: a model of the published architecture, at a small size and with random weights.

Its weights are spread widely, so that both clips are at work. Run from the repository's root; the result is
committed, and changes only when this script does.
"""

import json
from pathlib import Path

import h5py
import numpy as np

FOLDER = Path(__file__).parent.parent / "tests" / "tiny"
OPTIONS = {
    "lstm": {
        "use_skip_connections": True,
        "projection_dim": 8,
        "cell_clip": 3,
        "proj_clip": 1.5,
        "dim": 24,
        "n_layers": 2,
    },
    "char_cnn": {
        "activation": "relu",
        "filters": [[1, 4], [2, 6], [3, 10]],
        "n_highway": 1,
        "embedding": {"dim": 4},
        "n_characters": 262,
        "max_characters_per_token": 50,
    },
}


def main() -> None:
    random = np.random.default_rng(20180615)

    def normal(*shape: int, scale: float) -> np.ndarray:
        return (random.standard_normal(shape) * scale).astype(np.float32)

    width, cells = OPTIONS["lstm"]["projection_dim"], OPTIONS["lstm"]["dim"]
    filters = OPTIONS["char_cnn"]["filters"]
    n_filters = sum(number for _, number in filters)
    arrays = {"char_embed": normal(261, 4, scale=0.6)}
    for i, (span, number) in enumerate(filters):
        arrays[f"CNN/W_cnn_{i}"] = normal(1, span, 4, number, scale=0.5)
        arrays[f"CNN/b_cnn_{i}"] = normal(number, scale=0.2)
    for part in ("carry", "transform"):
        arrays[f"CNN_high_0/W_{part}"] = normal(n_filters, n_filters, scale=0.2)
        arrays[f"CNN_high_0/b_{part}"] = normal(n_filters, scale=0.3)
    arrays["CNN_proj/W_proj"] = normal(n_filters, width, scale=0.3)
    arrays["CNN_proj/b_proj"] = normal(width, scale=0.2)
    for direction in (0, 1):
        for k in range(OPTIONS["lstm"]["n_layers"]):
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{k}/LSTMCell"
            arrays[f"{cell}/W_0"] = normal(2 * width, 4 * cells, scale=0.4)
            arrays[f"{cell}/B"] = normal(4 * cells, scale=0.5)
            arrays[f"{cell}/W_P_0"] = normal(cells, width, scale=0.45)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "options.json").write_text(json.dumps(OPTIONS, indent=2) + "\n", "utf-8")
    with h5py.File(FOLDER / "weights.hdf5", "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)


if __name__ == "__main__":
    main()
