"""The biLM with gradients, in parts or whole."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Set

import numpy as np
import pytest
import torch
from torch import Tensor

import spacy_elmo
from spacy_elmo.engine import features, processors, trainable
from spacy_elmo.engine.trainable import TrainableEngine
from tests.data import TINY, Measured

SENTENCES = [["I", "like", "it"], [], ["Eat", "green", "eggs", "and", "ham", "!"], ["x"], ["I", "do", "not"]]


def engine(*, dropout: float = 0.0, max_batch_tokens: int = 8192, initial_state: str = "zero") -> TrainableEngine:
    elmo = spacy_elmo.load(TINY, precision="fp64", max_batch_tokens=max_batch_tokens, initial_state=initial_state)
    return elmo.trainable(dropout=dropout)


def gradients(made: TrainableEngine, *, n_layers: int = 2) -> Dict[str, Tensor]:
    """Of the sum of all layers, each number times another one."""
    torch.manual_seed(7)
    layers, backprop = made.begin_update(SENTENCES, n_layers=n_layers)
    backprop([torch.arange(layer.numel()).to(layer).sin().reshape(layer.shape) for layer in layers])
    return {name: p.grad for name, p in made.bilm.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("initial_state", ["zero", "warm"])
def test_layers_are_those_of_inference(initial_state: str) -> None:
    elmo = spacy_elmo.load(TINY, initial_state=initial_state)
    layers, _ = elmo.trainable(dropout=0.0).begin_update(SENTENCES, n_layers=2)
    expected = elmo.embed(SENTENCES)
    for layer, name in zip(layers, ["word_emb", "lstm_outputs1", "lstm_outputs2"]):
        np.testing.assert_allclose(layer, np.concatenate([getattr(e, name) for e in expected]), atol=1e-5)
        assert not layer.requires_grad


def test_parts_give_the_gradients_of_the_whole() -> None:
    whole, parts = gradients(engine()), gradients(engine(max_batch_tokens=6))
    assert whole.keys() == parts.keys()
    assert len(whole) == len(list(engine().bilm.parameters()))
    for name in whole:
        np.testing.assert_allclose(parts[name], whole[name], atol=1e-10, err_msg=name)


def test_parts_are_dropped_out_alike_when_computed_again() -> None:
    made = engine(dropout=0.5, max_batch_tokens=6)
    torch.manual_seed(3)
    layers, backprop = made.begin_update(SENTENCES, n_layers=1)
    kept = layers[1] != 0
    # d(sum of y^2 / 2)/dy = y: a second, different mask would not give the first one's result.
    backprop([None, layers[1]])
    again = {name: p.grad for name, p in made.bilm.named_parameters() if p.grad is not None}
    other = engine(dropout=0.5, max_batch_tokens=6)
    torch.manual_seed(3)
    parts = [other._run([sentence], 1) for sentence in SENTENCES]
    flat = torch.cat([part[1] for part in parts])
    np.testing.assert_array_equal(flat.detach() != 0, kept)
    (flat * flat / 2).sum().backward()
    for name, parameter in other.bilm.named_parameters():
        if parameter.grad is not None:
            np.testing.assert_allclose(again[name], parameter.grad, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("max_batch_tokens", [8192, 6])
def test_torchs_threads(monkeypatch: pytest.MonkeyPatch, max_batch_tokens: int) -> None:
    """So many as the setting says, forward and backward, and as many as before in between."""
    seen: Set[int] = set()

    def note(function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **settings: Any) -> Any:
            seen.add(torch.get_num_threads())
            return function(*arguments, **settings)

        return noted

    monkeypatch.setattr(trainable, "run_bilm", note(trainable.run_bilm))
    monkeypatch.setattr(torch.autograd, "backward", note(torch.autograd.backward))
    before = torch.get_num_threads()
    elmo = spacy_elmo.load(TINY, precision="fp64", max_batch_tokens=max_batch_tokens, n_threads=3)
    layers, backprop = elmo.trainable(dropout=0.0).begin_update(SENTENCES, n_layers=2)
    assert torch.get_num_threads() == before
    backprop(layers)
    assert torch.get_num_threads() == before
    assert seen == {3}


def test_a_containers_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch knows nothing of it, and would have its threads wait for each other."""
    seen: List[int] = []
    run_bilm = trainable.run_bilm
    monkeypatch.setattr(
        trainable, "run_bilm", lambda *a, **k: seen.append(torch.get_num_threads()) or run_bilm(*a, **k)
    )
    monkeypatch.setattr(processors, "_quota", lambda _: 2.0)
    monkeypatch.setattr(processors, "_allowed", lambda: 64)
    before = torch.get_num_threads()
    torch.set_num_threads(5)
    try:
        engine().begin_update(SENTENCES, n_layers=2)
        assert torch.get_num_threads() == 5
    finally:
        torch.set_num_threads(before)
    assert seen == [2]


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
    layers, backprop = made.begin_update([["word"] * 20] * n, n_layers=2)
    backprop([torch.ones_like(layer) for layer in layers])
run(10)
before = peak()
run(1000)
print(peak() - before)
"""


def test_memory_is_bounded(measured: Measured) -> None:
    parts, whole = (
        int(subprocess.run([sys.executable, "-c", PEAK, str(TINY), n], check=True, capture_output=True).stdout)
        for n in ("2000", "1000000")
    )
    measured(f"fine-tuning on 20,000 tokens at once: {whole:,} KiB, in parts of 2,000: {parts:,} KiB")
    assert parts < whole / 3


def test_dropout_is_on() -> None:
    made = engine(dropout=0.5)
    one, two = (made.begin_update(SENTENCES, n_layers=2)[0] for _ in range(2))
    assert torch.equal(one[0], two[0])  # of the LSTMs' inputs, not of words
    assert not torch.equal(one[1], two[1])


def test_no_lstm_is_run_for_words() -> None:
    found = gradients(engine(), n_layers=0)
    assert {name.split(".")[0] for name in found} == {"char_encoder"}


def test_parameters_that_do_not_learn() -> None:
    made = engine()
    for name, parameter in made.bilm.named_parameters():
        parameter.requires_grad_(name.startswith("backward_stack"))
    assert {name.split(".")[0] for name in gradients(made)} == {"backward_stack"}
    for parameter in made.bilm.parameters():
        parameter.requires_grad_(False)
    made.bilm.zero_grad()
    assert gradients(made) == {}


def test_carried_states_cannot_be_trained() -> None:
    with pytest.raises(ValueError, match=r"EL104.*'carry'"):
        engine(initial_state="carry")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_was_learnt_is_run_and_saved(precision: str, tmp_path: Path) -> None:
    if precision == "bf16" and not features.has_bf16():
        pytest.skip("this processor multiplies no bfloat16 numbers")
    elmo = spacy_elmo.load(TINY, precision=precision)
    before = elmo.embed(SENTENCES)
    trainable = elmo.trainable(dropout=0.0)
    with torch.no_grad():
        trainable.bilm.backward_stack.layers[0].input_linear.weight.mul_(1.1)
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
