"""The biLM with gradients, in parts or whole."""

import subprocess
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import spacy_elmo
from spacy_elmo.gradients import trainable
from spacy_elmo.gradients.batch import GradientSums, TrainingPass
from spacy_elmo.gradients.trainable import TrainableEngine
from spacy_elmo.inference.base import BatchOutputs
from spacy_elmo.inference.cpu import features
from spacy_elmo.inference.sentences import find_token_rows
from spacy_elmo.inference.settings import InitialState, PrecisionName
from spacy_elmo.runtime import processors
from tests.at_work import at_work
from tests.data import TINY, Measured
from tests.platforms import resources

SENTENCES = [["I", "like", "it"], [], ["Eat", "green", "eggs", "and", "ham", "!"], ["x"], ["I", "do", "not"]]


def engine(
    source: Path = TINY, *, dropout: float = 0.0, precision: PrecisionName = "fp64", **settings: Any
) -> TrainableEngine:
    return spacy_elmo.load(source, precision=precision, **settings).trainable(dropout=dropout)


def gradients(made: TrainableEngine, *, n_layers: int = 2) -> dict[str, Tensor]:
    """Compute the gradients of a weighted sum of all layers."""
    torch.manual_seed(7)
    layers, _, backprop = made.begin_update(SENTENCES, n_layers=n_layers)
    return by_name(
        made, backprop([torch.arange(layer.numel()).to(layer).sin().reshape(layer.shape) for layer in layers])
    )


def by_name(made: TrainableEngine, found: Mapping[Tensor, Tensor]) -> dict[str, Tensor]:
    return {name: found[p] for name, p in made.bilm.named_parameters() if p in found}


def add_up(made: TrainableEngine, *every: Mapping[Tensor, Tensor]) -> dict[str, Tensor]:
    sums = GradientSums()
    for found in every:
        sums.add([*found], [[*found.values()]])
    return by_name(made, sums.by_parameter)


@pytest.mark.parametrize("initial_state", ["zero", "warm"])
def test_equal_to_inference(warm_tiny: Path, initial_state: InitialState) -> None:
    elmo = spacy_elmo.load(warm_tiny, initial_state=initial_state)
    layers, _, _ = elmo.trainable(dropout=0.0).begin_update(SENTENCES, n_layers=2)
    expected = elmo.embed(SENTENCES)
    for layer, name in zip(layers, ["word_emb", "lstm_outputs1", "lstm_outputs2"]):
        np.testing.assert_allclose(layer, np.concatenate([getattr(e, name) for e in expected]), atol=1e-5)
        assert not layer.requires_grad


def test_gradients_in_parts() -> None:
    whole, parts = gradients(engine()), gradients(engine(max_batch_tokens=6))
    assert whole.keys() == parts.keys()
    assert len(whole) == len(list(engine().bilm.parameters()))
    for name in whole:
        np.testing.assert_allclose(parts[name], whole[name], atol=1e-10, err_msg=name)


def test_same_dropout_when_recomputed() -> None:
    made = engine(dropout=0.5, max_batch_tokens=6)
    torch.manual_seed(3)
    layers, _, backprop = made.begin_update(SENTENCES, n_layers=1)
    kept = layers[1] != 0
    # d(sum of y^2 / 2)/dy = y: a second, different mask would not give the first one's result.
    again = by_name(made, backprop([None, layers[1]]))
    other = engine(dropout=0.5)
    torch.manual_seed(3)
    parts = [other.begin_update([sentence], n_layers=1) for sentence in SENTENCES]
    np.testing.assert_array_equal(torch.cat([part.layers[1] for part in parts]) != 0, kept)
    found = add_up(other, *(part.backprop([None, part.layers[1]]) for part in parts))
    assert found.keys() == again.keys()
    for name, gradient in found.items():
        np.testing.assert_allclose(again[name], gradient, atol=1e-10, err_msg=name)


@pytest.mark.parametrize(("n_threads", "each"), [(2, 1), (4, 2), (5, 2)])
@pytest.mark.parametrize("name", ["_encode_half", "_run_direction", "_backprop_direction", "_backprop_half"])
def test_parts_run_side_by_side(name: str, n_threads: int, each: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's threads are divided among the parts, and the caller's number does not change."""
    found = at_work(monkeypatch, TrainingPass, name)
    before = torch.get_num_threads()
    gradients(engine(n_threads=n_threads))
    assert found == [each] * 2
    assert torch.get_num_threads() == before


def test_quota_of_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch does not know the quota, and its threads would wait for each other."""
    found = at_work(monkeypatch, TrainingPass, "_backprop_direction")
    monkeypatch.setattr(processors, "_get_quota", lambda _: 2.0)
    monkeypatch.setattr(processors, "_count_allowed", lambda: 64)
    before = torch.get_num_threads()
    torch.set_num_threads(5)
    try:
        gradients(engine())
        assert torch.get_num_threads() == 5
    finally:
        torch.set_num_threads(before)
    assert found == [1, 1]


@pytest.mark.parametrize("max_batch_tokens", [8192, 6])
def test_number_of_threads(max_batch_tokens: int) -> None:
    """Results are equal, bit for bit, whichever thread draws the random numbers."""
    made = [
        engine(precision="fp32", dropout=0.3, max_batch_tokens=max_batch_tokens, n_threads=n) for n in (1, 2, 2)
    ]
    first, *others = (gradients(one) for one in made)
    for other in others:
        assert first.keys() == other.keys()
        for name, gradient in first.items():
            assert torch.equal(gradient, other[name]), name


@pytest.mark.parametrize("name", ["_run_direction", "_backprop_direction"])
def test_error_in_a_part(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = getattr(TrainingPass, name)

    def broken(self: TrainingPass, k: int, *arguments: Any) -> Any:
        if k == 1:
            raise MemoryError("no memory left")
        return whole(self, k, *arguments)

    monkeypatch.setattr(TrainingPass, name, broken)
    with pytest.raises(MemoryError, match="no memory left"):
        gradients(engine(n_threads=2))


def test_undivided_batch(warm_tiny: Path) -> None:
    """As on a GPU, which divides operations by itself."""
    made, other = (engine(warm_tiny, initial_state="warm") for _ in range(2))
    expected = gradients(made)
    other._run = other._run_whole  # type: ignore[method-assign]
    found = gradients(other)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=0, atol=1e-10)


def test_one_part_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU, one part is in memory at a time, also if a layer gets no gradient and keeps its graph."""
    made = engine(max_batch_tokens=6)
    made._run = made._run_whole  # type: ignore[method-assign]
    layers, _, backprop = made.begin_update(SENTENCES, n_layers=2)
    before: list[weakref.ref[Tensor]] = []
    run_bilm = trainable.run_bilm

    def noted(*arguments: Any, **settings: Any) -> BatchOutputs:
        assert [layer for layer in before if layer() is not None] == []
        outputs = run_bilm(*arguments, **settings)
        before.append(weakref.ref(outputs.lstm[1]))
        return outputs

    monkeypatch.setattr(trainable, "run_bilm", noted)
    backprop([None, layers[1], None])
    assert len(before) > 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_gradients_of_any_kind(dtype: torch.dtype) -> None:
    """Gradients may have another dtype, be expanded, or not contiguous."""
    made, other = engine(), engine()
    (words, *others), _, backprop = made.begin_update(SENTENCES, n_layers=2)
    turned = torch.full(words.shape[::-1], 0.5, dtype=dtype).t()
    found = by_name(
        made, backprop([turned, *(torch.tensor(0.5, dtype=dtype).expand(layer.shape) for layer in others)])
    )
    layers, _, backprop = other.begin_update(SENTENCES, n_layers=2)
    expected = by_name(other, backprop([torch.full_like(layer, 0.5) for layer in layers]))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_no_dropout_no_random_numbers() -> None:
    """Other code gets the same random numbers as before."""
    torch.manual_seed(4)
    engine().begin_update(SENTENCES, n_layers=2)
    drawn = torch.rand(3)
    torch.manual_seed(4)
    assert torch.equal(drawn, torch.rand(3))


def test_updates_may_overlap() -> None:
    """A second batch may begin before the backward pass of the first."""
    made, one_by_one = engine(), engine()
    batches = [SENTENCES, SENTENCES[:2], []]
    begun = [made.begin_update(batch, n_layers=2) for batch in batches]
    every = [backprop([layer + 1 for layer in layers]) for layers, _, backprop in begun]
    alone = []
    for batch in batches:
        layers, _, backprop = one_by_one.begin_update(batch, n_layers=2)
        alone.append(backprop([layer + 1 for layer in layers]))
    expected = add_up(one_by_one, *alone)
    for name, gradient in add_up(made, *every).items():
        assert torch.equal(gradient, expected[name]), name


@pytest.mark.parametrize("max_batch_tokens", [8192, 6])
@pytest.mark.parametrize("whole", [False, True])
def test_carried(max_batch_tokens: int, whole: bool) -> None:
    """A batch may start from any states, and gives the states that it ends with."""
    made = engine(max_batch_tokens=max_batch_tokens)
    if whole:
        made._run = made._run_whole  # type: ignore[method-assign]
    elmo = spacy_elmo.load(TINY, precision="fp64", initial_state="carry")
    start = None
    for _ in range(2):
        layers, start, _ = made.begin_update(SENTENCES, n_layers=2, start=start)
        expected = elmo.embed(SENTENCES)
        for layer, name in zip(layers, ["word_emb", "lstm_outputs1", "lstm_outputs2"]):
            np.testing.assert_allclose(layer, np.concatenate([getattr(e, name) for e in expected]), atol=1e-10)


@pytest.mark.parametrize("whole", [False, True])
def test_boundary_tokens(whole: bool) -> None:
    made = engine()
    if whole:
        made._run = made._run_whole  # type: ignore[method-assign]
    layers, _, backprop = made.begin_update(SENTENCES, n_layers=2, boundaries=True)
    inner = made.begin_update(SENTENCES, n_layers=2).layers
    shown = torch.from_numpy(find_token_rows([len(sentence) + 2 for sentence in SENTENCES]))
    for layer, less in zip(layers, inner):
        torch.testing.assert_close(layer[shown], less, rtol=0, atol=1e-12)
    rows = torch.ones(len(layers[0]), dtype=torch.bool)
    rows[shown] = False
    d_layers = [torch.where(rows.unsqueeze(1), 1.0, 0.0).to(layer).expand(layer.shape) for layer in layers]
    found = by_name(made, backprop(d_layers))
    assert len(found) == len(list(made.bilm.parameters()))
    assert all(gradient.any() for gradient in found.values())


PEAK = """
import resource, sys
from pathlib import Path
import spacy_elmo, torch

def peak():
    # Of this program alone: what getrusage tells has the parent's peak in it, from before the program began.
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    own = [line.split()[1] for line in lines if "VmHWM" in line]
    return int(own[0]) if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

elmo = spacy_elmo.load(sys.argv[1], max_batch_tokens=int(sys.argv[2]))
made = elmo.trainable(dropout=0.0)
def run(n):
    layers, _, backprop = made.begin_update([["word"] * 20] * n, n_layers=2)
    backprop([torch.ones_like(layer) for layer in layers])
run(10)
before = peak()
run(1000)
print(peak() - before)
"""


@pytest.mark.slow
@resources
def test_memory_is_bounded(measured: Measured) -> None:
    parts, whole = (
        int(subprocess.run([sys.executable, "-c", PEAK, str(TINY), n], check=True, capture_output=True).stdout)
        for n in ("2000", "1000000")
    )
    measured(f"fine-tuning on 20,000 tokens at once: {whole:,} KiB, in parts of 2,000: {parts:,} KiB")
    assert parts < whole / 3


def test_dropout_is_on() -> None:
    made = engine(dropout=0.5)
    one, two = (made.begin_update(SENTENCES, n_layers=2).layers for _ in range(2))
    assert torch.equal(one[0], two[0])  # of the LSTMs' inputs, not of words
    assert not torch.equal(one[1], two[1])


def test_words_without_lstm() -> None:
    found = gradients(engine(), n_layers=0)
    assert {name.split(".")[0] for name in found} == {"char_encoder"}


def test_frozen_parameters() -> None:
    made = engine()
    for name, parameter in made.bilm.named_parameters():
        parameter.requires_grad_(name.startswith("backward_stack"))
    assert {name.split(".")[0] for name in gradients(made)} == {"backward_stack"}
    for parameter in made.bilm.parameters():
        parameter.requires_grad_(False)
    assert gradients(made) == {}


def test_carried_state() -> None:
    with pytest.raises(ValueError, match=r"EL104.*'carry'"):
        engine(initial_state="carry")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_trained_weights_are_used_and_saved(precision: PrecisionName, tmp_path: Path) -> None:
    if precision == "bf16" and not features.has_bf16():
        pytest.skip("this processor multiplies no bfloat16 numbers")
    elmo = spacy_elmo.load(TINY, precision=precision)
    before = elmo.embed(SENTENCES)
    trainable = elmo.trainable(dropout=0.0)
    with torch.no_grad():
        trainable.bilm.get_parameter("backward_stack.layers.0.input_linear.weight").mul_(1.1)
    elmo.learn(trainable.bilm)
    after = elmo.embed(SENTENCES)
    assert np.array_equal(after[0].word_emb, before[0].word_emb)
    assert not np.allclose(after[0].lstm_outputs1, before[0].lstm_outputs1)
    name = "backward_stack.layers.0.input_linear.weight"
    np.testing.assert_array_equal(elmo.named_arrays()[name], trainable.bilm.state_dict()[name])
    elmo.save(tmp_path)
    np.testing.assert_array_equal(
        spacy_elmo.load(tmp_path, precision=precision).embed(SENTENCES)[2].elmo, after[2].elmo
    )
