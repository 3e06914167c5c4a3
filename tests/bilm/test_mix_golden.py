"""Several mixes over one biLM, as AllenNLP's Elmo has them: outputs and all gradients."""

import numpy as np
import pytest
import torch
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.characters import CLOSING, OPENING, character_ids
from spacy_elmo.bilm.scalar_mix import ScalarMix
from tests.data import Measured
from tests.mix.golden import MixGolden, read_golden


def run(golden: MixGolden, bilm: BiLM) -> tuple[list[ScalarMix], Tensor]:
    """The mixes, and their outputs of the tokens: (2, n_rows, 2P)."""
    sentences = [[OPENING, *sentence, CLOSING] for sentence in golden.sentences]
    tokens = [token for sentence in sentences for token in sentence]
    words = bilm.char_encoder(torch.from_numpy(character_ids(tokens)))
    layers = [torch.cat([words, words], dim=1), *bilm(words, [len(sentence) for sentence in sentences]).layers]
    kept = torch.tensor([k not in (0, len(s) - 1) for s in sentences for k in range(len(s))])
    mixes, outputs = [], []
    for weights, gamma in zip(golden.weights, golden.gamma):
        mix = ScalarMix(n_layers=len(weights)).to(words.dtype)
        mix.load_state_dict({"weights": torch.tensor(weights), "gamma": torch.tensor(gamma)})
        mixes.append(mix)
        outputs.append(mix([layer[kept] for layer in layers]))
    return mixes, torch.stack(outputs)


def difference(got: Tensor, expected: np.ndarray) -> float:
    return float(np.abs(got.detach().numpy() - expected).max())


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_two_mixes(measured: Measured, bilm: BiLM, precision: str, tolerance: float) -> None:
    golden = read_golden(precision)
    mixes, outputs = run(golden, bilm.to(getattr(torch, precision)))
    outputs.backward(torch.from_numpy(golden.upstream).to(outputs.dtype))
    worst = {"out": difference(outputs, golden.out), "weights": 0.0, "gamma": 0.0}
    for k, mix in enumerate(mixes):
        assert mix.weights.grad is not None
        assert mix.gamma.grad is not None
        worst["weights"] = max(worst["weights"], difference(mix.weights.grad, golden.d_weights[k]))
        worst["gamma"] = max(worst["gamma"], difference(mix.gamma.grad, golden.d_gamma[k]))
    shown = ", ".join(f"{name} {value:.1e}" for name, value in worst.items())
    measured(f"AllenNLP's two mixes, {precision}: differences of {shown}")
    assert max(worst.values()) <= tolerance


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 5e-5), ("float64", 1e-12)])
def test_gradients_of_the_bilm(measured: Measured, bilm: BiLM, precision: str, tolerance: float) -> None:
    """Every parameter; relative to the largest number of each gradient, which are from 3 to 40."""
    golden = read_golden(precision)
    bilm.to(getattr(torch, precision))
    _, outputs = run(golden, bilm)
    outputs.backward(torch.from_numpy(golden.upstream).to(outputs.dtype))
    parameters = dict(bilm.named_parameters())
    assert golden.d_bilm.keys() == parameters.keys()
    worst = 0.0
    for name, expected in golden.d_bilm.items():
        gradient = parameters[name].grad
        assert gradient is not None
        assert gradient.shape == expected.shape
        worst = max(worst, difference(gradient, expected) / np.abs(expected).max())
    measured(f"AllenNLP's gradients of the biLM, {precision}: relative differences up to {worst:.1e}")
    assert worst <= tolerance


def test_the_batch_is_as_told() -> None:
    golden = read_golden()
    lengths = [len(sentence) for sentence in golden.sentences]
    assert [len(rows) for rows in golden.per_sentence(golden.out[1])] == lengths
    assert 1 in lengths
    assert not np.allclose(golden.out[0], golden.out[1], atol=0.1)
