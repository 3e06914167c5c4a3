"""`Elmo.embed(..., output="torch")` and `embed_flat`: the same numbers as arrays, ready for gradients."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spacy_elmo
from spacy_elmo.bilm.layers import LayerOutputs
from spacy_elmo.bilm.lstm import CarriedState
from spacy_elmo.inference.base import split_tensors
from tests.data import TINY

SENTENCES = [["The", "bank", "by", "the", "river"], [], ["Hello"], ["x"] * 70]


def tensors(outputs: LayerOutputs) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = dict(outputs.items())
    assert all(isinstance(tensor, torch.Tensor) for tensor in found.values())
    return found


@pytest.mark.parametrize("precision", ["fp32", "fp64"])
@pytest.mark.parametrize("initial_state", ["zero", "warm", "carry"])
@pytest.mark.parametrize("max_batch_tokens", [None, 20])
def test_equal_to_arrays(
    warm_tiny: Path, precision: Any, initial_state: Any, max_batch_tokens: int | None
) -> None:
    settings = {"precision": precision, "initial_state": initial_state, "max_batch_tokens": max_batch_tokens}
    one, other = (spacy_elmo.load(warm_tiny, **settings) for _ in range(2))
    for _ in range(2):
        for arrays, outputs in zip(one.embed(SENTENCES), other.embed(SENTENCES, output="torch"), strict=True):
            for name, tensor in tensors(outputs).items():
                assert not tensor.is_inference()
                assert not tensor.requires_grad
                assert np.array_equal(tensor.numpy(), arrays[name])
                assert tensor.numpy().dtype == arrays[name].dtype


@pytest.mark.parametrize("layers", [["elmo"], ["word_emb", "lstm_outputs1"], []])
def test_some_layers(layers: Any) -> None:
    outputs = spacy_elmo.load(TINY).embed(SENTENCES, layers=layers, output="torch")
    assert [output.names for output in outputs] == [layers] * len(SENTENCES)


def test_outputs_as_arrays_have_them() -> None:
    elmo = spacy_elmo.load(TINY)
    for arrays, outputs in zip(elmo.embed(SENTENCES), elmo.embed(SENTENCES, output="torch")):
        stacked: Any = outputs.stack()
        assert isinstance(stacked, torch.Tensor)
        assert np.array_equal(stacked, arrays.stack())
        np.testing.assert_allclose(outputs.mean(), arrays.mean(), atol=1e-6)
        assert len(outputs) == len(arrays)
        if len(arrays):
            assert np.array_equal(outputs[0].elmo, arrays[0].elmo)
            assert np.array_equal(outputs[[0, -1]].word_emb, arrays[[0, -1]].word_emb)
            assert np.array_equal(np.asarray(outputs), np.asarray(arrays))
        for twin in (pickle.loads(pickle.dumps(outputs)), copy.deepcopy(outputs)):
            assert torch.equal(tensors(twin)["elmo"], tensors(outputs)["elmo"])


def test_pickle_without_other_sentences() -> None:
    """Also where tensors are parts of one, as on a GPU."""
    shared = torch.zeros(10_000, 16)
    outputs = LayerOutputs({"elmo": shared[5:7]}, n_layers=2)
    assert len(pickle.dumps(outputs)) < 2000


def test_gradients_beyond() -> None:
    """They are constants in a computation with gradients."""
    [outputs] = spacy_elmo.load(TINY).embed([SENTENCES[0]], output="torch")
    weight = torch.ones(16, requires_grad=True)
    elmo: Any = outputs.elmo
    (elmo @ weight).sum().backward()
    assert weight.grad is not None
    assert torch.allclose(weight.grad, elmo.sum(dim=0))


def test_gradients_beyond_nothing() -> None:
    for outputs in spacy_elmo.load(TINY).embed([[], ["a"]], output="torch", max_batch_tokens=2):
        assert not any(tensor.is_inference() for tensor in tensors(outputs).values())


def test_memory_of_one_sentence() -> None:
    """A sentence that is kept does not keep its batch."""
    layer = torch.arange(40.0).view(10, 4)
    parts = split_tensors({"elmo": layer}, [3, 0, 7], n_layers=2)
    sizes = [tensors(part)["elmo"].untyped_storage().nbytes() for part in parts]
    assert sizes == [48, 0, 112]


def test_wrong_output() -> None:
    with pytest.raises(ValueError, match=r"EL030.*output 'tf'.*numpy, torch"):
        spacy_elmo.load(TINY).embed(SENTENCES, output="tf")  # type: ignore[arg-type]


@pytest.mark.parametrize("boundaries", [True, False])
@pytest.mark.parametrize("max_batch_tokens", [None, 20])
def test_flat(boundaries: bool, max_batch_tokens: int | None) -> None:
    elmo = spacy_elmo.load(TINY, max_batch_tokens=max_batch_tokens)
    found = elmo.embed_flat(SENTENCES, boundaries=boundaries)
    expected = elmo.embed(SENTENCES)
    start = 0
    for outputs in expected:
        start += boundaries
        end = start + len(outputs)
        for name, array in outputs.items():
            np.testing.assert_allclose(found[name][start:end], array, atol=1e-5)
        start = end + boundaries
    assert {len(tensor) for tensor in found.values()} == {start}


@pytest.mark.parametrize("boundaries", [True, False])
def test_flat_with_carried_state(boundaries: bool) -> None:
    elmo, carries = spacy_elmo.load(TINY), spacy_elmo.load(TINY, initial_state="carry", max_batch_tokens=20)
    carried = CarriedState()
    for _ in range(2):
        found = elmo.embed_flat(SENTENCES, layers=["lstm_outputs2"], boundaries=boundaries, carried=carried)
        last = found["lstm_outputs2"][-2 if boundaries else -1]
        np.testing.assert_allclose(last, carries.embed(SENTENCES)[-1].lstm_outputs2[-1], atol=1e-5)


@pytest.mark.parametrize("carried", [None, CarriedState()])
def test_flat_of_nothing(carried: CarriedState | None) -> None:
    found = spacy_elmo.load(TINY).embed_flat([], carried=carried)
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == {
        "word_emb": (0, 8), "lstm_outputs1": (0, 16), "lstm_outputs2": (0, 16), "elmo": (0, 16),
    }  # fmt: skip
