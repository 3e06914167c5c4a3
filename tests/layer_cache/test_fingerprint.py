import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spacy_elmo
from spacy_elmo.elmo import Elmo, Settings
from spacy_elmo.layer_cache import fingerprint
from spacy_elmo.layer_cache.fingerprint import list_cached_layers, make_key
from spacy_elmo.weights.arrays import Weights, warm_state_shapes


def key(elmo: Elmo, dtype: str = "float16") -> str:
    return make_key(fingerprint.describe_layers(elmo, dtype=dtype))


def rebuilt(elmo: Elmo, options: Any = None, changes: Any = (), **settings: Any) -> Elmo:
    """Make the model with other options, arrays or settings."""
    arrays = {name: array.copy() for name, array in elmo.named_arrays().items()}
    arrays.update(changes)
    weights = Weights(options=options or elmo.options, arrays=arrays, source="elsewhere", format="memory")
    return Elmo.from_weights(weights, device=torch.device("cpu"), settings=Settings(**settings))


def warm_arrays(elmo: Elmo, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    shapes = warm_state_shapes(elmo.options)
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def test_same_key(elmo: Elmo, tmp_path: Path) -> None:
    first = key(elmo)
    elmo.save(tmp_path / "copy")
    same = [
        rebuilt(elmo),
        spacy_elmo.load(tmp_path / "copy"),
        rebuilt(elmo, max_batch_tokens=5),
        # Sentences start from zeros: a state that is there all the same says nothing.
        rebuilt(elmo, changes=warm_arrays(elmo, 1)),
    ]
    assert {key(other) for other in same} == {first}
    assert len(first) == 32


def test_mix_is_not_in_the_key(elmo: Elmo) -> None:
    first = key(elmo)
    with torch.no_grad():
        elmo.mix.weights.add_(torch.tensor([1.0, -1.0, 0.5]))
        elmo.mix.gamma.mul_(2)
    assert key(elmo) == first


def test_other_keys(elmo: Elmo, monkeypatch: pytest.MonkeyPatch) -> None:
    bias = elmo.named_arrays()["forward_stack.layers.1.input_linear.bias"].copy()
    bias[3] = np.nextafter(bias[3], np.float32(9))
    clipped = dataclasses.replace(elmo.options.lstm, cell_clip=2.5)
    others = [
        elmo,
        rebuilt(elmo, changes={"forward_stack.layers.1.input_linear.bias": bias}),
        rebuilt(elmo, options=dataclasses.replace(elmo.options, lstm=clipped)),
        rebuilt(elmo, precision="fp64"),
        rebuilt(elmo, initial_state="warm", changes=warm_arrays(elmo, 1)),
        rebuilt(elmo, initial_state="warm", changes=warm_arrays(elmo, 2)),
    ]
    keys = [key(other) for other in others] + [key(elmo, "float32")]
    monkeypatch.setattr(fingerprint, "FORMAT", fingerprint.FORMAT + 1)
    keys.append(key(elmo))
    assert len(set(keys)) == 8


def test_is_json(elmo: Elmo) -> None:
    about = fingerprint.describe_layers(elmo, dtype="float16")
    assert make_key(json.loads(json.dumps(about))) == make_key(about)


def test_layers(elmo: Elmo) -> None:
    assert list_cached_layers(elmo) == ["word_emb", "lstm_outputs1", "lstm_outputs2"]
