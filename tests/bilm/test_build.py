from pathlib import Path

import numpy as np
import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.build import build_bilm, build_parts, named_arrays
from spacy_elmo.bilm.lstm import LSTMState
from spacy_elmo.weights.arrays import encoder_shapes, mix_shapes, warm_state_shapes
from spacy_elmo.weights.source import read_weights


def test_parameters(parity: Path) -> None:
    """The shapes that readers promise are those that the modules have, for every kind of model."""
    for path in sorted([*parity.glob("bilm/*"), *parity.glob("bilm_tf_only/*")]):
        options = read_weights(path).options
        state = BiLM(options=options).state_dict()
        assert {name: tuple(tensor.shape) for name, tensor in state.items()} == encoder_shapes(options), path


def test_there_and_back(tiny: Path) -> None:
    weights = read_weights(tiny)
    parts = build_parts(weights.options, weights.arrays)
    back = named_arrays(parts)
    assert back.keys() == encoder_shapes(weights.options).keys() | mix_shapes(weights.options).keys()
    for name, array in weights.arrays.items():
        np.testing.assert_array_equal(back[name], array)
    assert back["scalar_mix.weights"].tolist() == [0, 0, 0]
    assert back["scalar_mix.gamma"] == 1


def test_mix_and_warm_state(tiny: Path) -> None:
    weights = read_weights(tiny)
    extra = {name: np.full(shape, 0.5, np.float32) for name, shape in mix_shapes(weights.options).items()}
    extra |= {name: np.full(shape, 0.25, np.float32) for name, shape in warm_state_shapes(weights.options).items()}
    parts = build_parts(weights.options, {**weights.arrays, **extra})
    assert parts.mix.gamma.item() == 0.5
    assert isinstance(parts.warm_state, LSTMState)
    assert parts.warm_state.cell.shape == (2, 2, 24)
    back = named_arrays(parts)
    assert all((back[name] == extra[name]).all() for name in extra)


def test_arrays_are_used_in_place(tiny: Path) -> None:
    weights = read_weights(tiny)
    parts = build_parts(weights.options, weights.arrays)
    for name, parameter in build_bilm(weights.options, parts.bilm).named_parameters():
        assert parameter.data_ptr() == weights.arrays[name].ctypes.data, name
        assert parameter.requires_grad


def test_other_precision(tiny: Path) -> None:
    weights = read_weights(tiny)
    parts = build_parts(weights.options, weights.arrays, dtype=torch.float64)
    assert {t.dtype for t in [*parts.bilm.values(), *parts.mix.parameters()]} == {torch.float64}
