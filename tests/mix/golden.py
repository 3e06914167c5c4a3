"""AllenNLP's two mixes over the tiny model; see README.md for how they were made."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.data import read_npz

FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class MixGolden:
    """sentences: one batch. weights: (2, L+1), before the softmax. gamma: (2,).

    out: (2, n_rows, 2P), a row a token, sentence after sentence. upstream: of the same shape, the gradient of out.
    d_weights, d_gamma: the gradients that follow. d_bilm: those of the biLM's parameters, by our names, float64.
    """

    sentences: list[list[str]]
    weights: np.ndarray
    gamma: np.ndarray
    upstream: np.ndarray
    out: np.ndarray
    d_weights: np.ndarray
    d_gamma: np.ndarray
    d_bilm: dict[str, np.ndarray]

    def per_sentence(self, rows: np.ndarray) -> list[np.ndarray]:
        """rows: (n_rows, width). RETURNS: of each sentence, (n_tokens, width)."""
        ends = np.cumsum([len(sentence) for sentence in self.sentences])
        return np.split(rows, ends[:-1])


def read_golden(precision: str = "float32") -> MixGolden:
    """precision: "float32" or "float64", in which AllenNLP computed outputs and the mixes' gradients."""
    arrays = read_npz(FOLDER / "allennlp.npz")
    found = {name: array for name, array in arrays.items() if name.startswith("d_bilm.")}
    return MixGolden(
        sentences=json.loads((FOLDER / "sentences.json").read_text("utf-8")),
        **{name: arrays[name] for name in ("weights", "gamma", "upstream")},
        **{name: arrays[f"{precision}.{name}"] for name in ("out", "d_weights", "d_gamma")},
        d_bilm=_by_our_names({name[len("d_bilm._elmo_lstm.") :]: array for name, array in found.items()}),
    )


def _by_our_names(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        room, parts = name.split(".")[0], name.split(".")[1:]
        if room == "_token_embedder" and parts[0] == "_highways":
            # One matrix for both, and a gate that is the share of what is not transformed.
            transform, gate = np.split(array, 2)
            found[f"char_encoder.highways.{parts[2]}.transform.{parts[3]}"] = transform
            found[f"char_encoder.highways.{parts[2]}.carry.{parts[3]}"] = -gate
        elif room == "_token_embedder" and parts[0] == "_char_embedding_weights":
            found["char_encoder.embedding.weight"] = array
        elif room == "_token_embedder":
            layer = parts[0].replace("char_conv_", "convolutions.").replace("_projection", "projection")
            found[f"char_encoder.{layer}.{parts[1]}"] = array
        else:
            direction, _, k = parts[0].split("_")
            # Theirs adds the bias to the state's half, ours to the input's.
            part = "input_linear" if parts[2] == "bias" else parts[1].replace("linearity", "linear")
            part = part.replace("state_projection", "projection")
            found[f"{direction}_stack.layers.{k}.{part}.{parts[2]}"] = array
    return found
