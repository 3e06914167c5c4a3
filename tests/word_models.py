"""A small model of ELMoForManyLangs' that reads words alone, and what it computes, in plain numpy and float64."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from spacy_elmo.elmo import Elmo
from spacy_elmo.gradients.trainable import TrainableEngine
from tests import reference

WORDS = ["<oov>", "<bos>", "<eos>", "<pad>", "the", "captain", "keeps", "a", "letter", "Ж", "new york", "."]
WIDTH, WORD_DIM, CELLS, N_LAYERS = 6, 5, 9, 2
MOST_CHARACTERS = 12
CONFIG = {
    "encoder": {
        "name": "elmo", "projection_dim": WIDTH, "cell_clip": 3, "proj_clip": 3, "dim": CELLS,
        "n_layers": N_LAYERS,
    },
    "token_embedder": {
        "name": "cnn", "activation": "relu", "filters": [[1, 4], [2, 8]], "n_highway": 2, "word_dim": WORD_DIM,
        "char_dim": 0, "max_characters_per_token": MOST_CHARACTERS,
    },
    "classifier": {"name": "sampled_softmax", "n_samples": 8192},
    "dropout": 0.1,
}  # fmt: skip
CONFIG_NAME = "cnn_0_100_512_4096.json"
SENTENCES = [
    ["the", "captain", "keeps", "a", "letter", "."],
    ["unknown"],
    ["The", "the", "Ж", "<pad>", "<bos>", "<eos>"],
    # Cut to ten code points before it is looked up.
    ["new yorker", "new york", "captaincaptain", "x"],
    [],
]

Arrays = dict[str, np.ndarray]


def make_arrays(seed: int = 3) -> tuple[Arrays, Arrays]:
    """The tensors of token_embedder.pkl and encoder.pkl, large enough for the clips to matter."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 1.5).astype(np.float32)

    embedder = {
        "word_emb_layer.embedding.weight": draw(len(WORDS), WORD_DIM),
        "projection.weight": draw(WIDTH, WORD_DIM),
        "projection.bias": draw(WIDTH),
    }
    encoder = {}
    for k in range(N_LAYERS):
        for direction in ("forward", "backward"):
            layer = f"{direction}_layer_{k}."
            encoder[f"{layer}input_linearity.weight"] = draw(4 * CELLS, WIDTH)
            encoder[f"{layer}state_linearity.weight"] = draw(4 * CELLS, WIDTH)
            encoder[f"{layer}state_linearity.bias"] = draw(4 * CELLS)
            encoder[f"{layer}state_projection.weight"] = draw(WIDTH, CELLS)
    return embedder, encoder


def write_model(folder: Path, arrays: tuple[Arrays, Arrays] | None = None) -> Path:
    """The folder that ELMoForManyLangs' training leaves: no char.dic."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in zip(("token_embedder.pkl", "encoder.pkl"), arrays or make_arrays()):
        tensors = {key: torch.from_numpy(array) for key, array in part.items()}
        torch.save(tensors, folder / name, _use_new_zipfile_serialization=False)
    lines = "".join(f"{word}\t{number}\n" for number, word in enumerate(WORDS))
    (folder / "word.dic").write_text(lines, "utf-8")
    (folder / CONFIG_NAME).write_text(json.dumps(CONFIG), "utf-8")
    config = {"config_path": f"/home/somebody/configs/{CONFIG_NAME}", "seed": 1, "max_epoch": 10}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder


def expect_layers(tokens: Sequence[str], arrays: tuple[Arrays, Arrays] | None = None) -> np.ndarray:
    """(L + 1, n_tokens, 2P): a word's vector, projected; then the LSTMs."""
    embedder, encoder = arrays or make_arrays()
    numbers = {word: number for number, word in enumerate(WORDS)}
    # read_list cuts a token before create_one_batch looks it up, whole, also a boundary token.
    cut = [token[: MOST_CHARACTERS - 2] for token in ["<bos>", *tokens, "<eos>"]]
    vectors = embedder["word_emb_layer.embedding.weight"].astype(np.float64)[[numbers.get(t, 0) for t in cut]]
    words = vectors @ embedder["projection.weight"].astype(np.float64).T + embedder["projection.bias"]
    layers, inputs = [np.concatenate([words, words], axis=1)], [words, words[::-1]]
    options = {"lstm": {"cell_clip": 3, "proj_clip": 3}}
    for k in range(N_LAYERS):
        for d, direction in enumerate(("forward", "backward")):
            cell = _as_dumped(encoder, f"{direction}_layer_{k}.")
            start = np.zeros(WIDTH), np.zeros(CELLS)
            outputs, _ = reference.lstm(inputs[d], "cell", options, cell, start)
            inputs[d] = outputs + inputs[d] if k else outputs
        layers.append(np.concatenate([inputs[0], inputs[1][::-1]], axis=1))
    return np.array(layers)[:, 1:-1]


def _as_dumped(encoder: Arrays, layer: str) -> Arrays:
    """The arrays of a layer as bilm-tf has them: another order of gates, and 1 less for the forget gate."""

    def swap(array: np.ndarray) -> np.ndarray:
        i, f, c, o = np.split(array.astype(np.float64), 4)
        return np.concatenate([i, c, f, o])

    kernel = np.concatenate([encoder[f"{layer}{part}_linearity.weight"] for part in ("input", "state")], axis=1)
    bias = swap(encoder[f"{layer}state_linearity.bias"])
    bias[2 * CELLS : 3 * CELLS] -= 1
    projection = encoder[f"{layer}state_projection.weight"].astype(np.float64).T
    return {"cell/W_0": swap(kernel).T, "cell/B": bias, "cell/W_P_0": projection}


def check_new_weights(elmo: Elmo, engine: TrainableEngine) -> None:
    """Change every parameter, and check that the model's vectors change when it takes them over."""
    with torch.no_grad():
        for parameter in engine.bilm.parameters():
            parameter.add_(0.01)
    before = elmo.embed([["the"]])[0].elmo
    elmo.learn(engine.bilm)
    assert np.abs(elmo.embed([["the"]])[0].elmo - before).max() > 1e-3
