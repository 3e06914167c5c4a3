"""ELMo in plain numpy, float64, one sentence and one step at a time.

Written from the published formulas against bilm-tf's own array names, with nothing shared with the package: what
the tests hold the package against where no other program's outputs are at hand.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Arrays = dict[str, np.ndarray]
State = tuple[np.ndarray, np.ndarray]


def read_hdf5(path: Path) -> Arrays:
    arrays: Arrays = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = np.asarray(item[()], dtype=np.float64)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return arrays


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def clip(x: np.ndarray, bound: float | None) -> np.ndarray:
    return np.clip(x, -bound, bound) if bound else x


def characters(token: str, most: int) -> list[int]:
    if token == "<S>":
        inner = [256]
    elif token == "</S>":
        inner = [257]
    else:
        inner = list(token.encode("utf-8", "ignore"))[: most - 2]
    ids = [258, *inner, 259]
    return ids + [260] * (most - len(ids))


def word_embedding(token: str, options: dict[str, Any], a: Arrays) -> np.ndarray:
    cnn = options["char_cnn"]
    x = a["char_embed"][characters(token, cnn["max_characters_per_token"])]
    activation = np.tanh if cnn["activation"] == "tanh" else lambda y: np.maximum(y, 0)
    pooled = []
    for i, (width, _) in enumerate(cnn["filters"]):
        kernel, bias = a[f"CNN/W_cnn_{i}"][0], a[f"CNN/b_cnn_{i}"]
        windows = [np.einsum("wd,wdf->f", x[t : t + width], kernel) for t in range(len(x) - width + 1)]
        pooled.append(activation(np.max(windows, axis=0) + bias))
    y = np.concatenate(pooled)
    for i in range(cnn.get("n_highway") or 0):
        high = f"CNN_high_{i}"
        carry = sigmoid(y @ a[f"{high}/W_carry"] + a[f"{high}/b_carry"])
        transform = np.maximum(y @ a[f"{high}/W_transform"] + a[f"{high}/b_transform"], 0)
        y = carry * transform + (1 - carry) * y
    return y @ a["CNN_proj/W_proj"] + a["CNN_proj/b_proj"] if "CNN_proj/W_proj" in a else y


def lstm(xs: np.ndarray, cell: str, options: dict[str, Any], a: Arrays, state: State) -> tuple[np.ndarray, State]:
    h, c = state
    project = a.get(f"{cell}/W_P_0")
    outputs = []
    for x in xs:
        i, j, f, o = np.split(np.concatenate([x, h]) @ a[f"{cell}/W_0"] + a[f"{cell}/B"], 4)
        c = clip(sigmoid(f + 1.0) * c + sigmoid(i) * np.tanh(j), options["lstm"].get("cell_clip"))
        h = sigmoid(o) * np.tanh(c)
        if project is not None:
            h = clip(h @ project, options["lstm"].get("proj_clip"))
        outputs.append(h)
    return np.array(outputs), (h, c)


def layers(
    tokens: Sequence[str], options: dict[str, Any], a: Arrays, states: dict[str, State] | None = None
) -> np.ndarray:
    """(L + 1, n_tokens, 2P). states: by cell name, read and replaced; a missing one is zero."""
    states = {} if states is None else states
    size = options["lstm"]["projection_dim"], options["lstm"]["dim"]
    words = np.array([word_embedding(token, options, a) for token in ["<S>", *tokens, "</S>"]])
    out = [np.concatenate([words, words], axis=1)]
    inputs = [words, words[::-1]]
    for k in range(options["lstm"].get("n_layers", 1)):
        for d in (0, 1):
            cell = f"RNN_{d}/RNN/MultiRNNCell/Cell{k}/LSTMCell"
            start = states.get(cell, (np.zeros(size[0]), np.zeros(size[1])))
            outputs, states[cell] = lstm(inputs[d], cell, options, a, start)
            residual = k > 0 and options["lstm"].get("use_skip_connections")
            inputs[d] = outputs + inputs[d] if residual else outputs
        out.append(np.concatenate([inputs[0], inputs[1][::-1]], axis=1))
    return np.array(out)[:, 1:-1]
