from pathlib import Path

import numpy as np
import pytest
import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.build import build_bilm, build_parts
from spacy_elmo.bilm.characters import character_ids
from spacy_elmo.bilm.scalar_mix import MOST_NUMBERS, ScalarMix
from spacy_elmo.weights.source import read_weights
from tests.data import Measured, read_case, read_npz


def make(weights: np.ndarray, gamma: float, layer_norm: bool) -> ScalarMix:
    mix = ScalarMix(n_layers=len(weights), layer_norm=layer_norm)
    mix.load_state_dict({"weights": torch.tensor(weights), "gamma": torch.tensor(float(gamma))})
    return mix


def test_equal_to_allennlp(measured: Measured, parity: Path) -> None:
    data = read_npz(parity / "mix" / "scalar_mix.npz")
    worst = 0.0
    for i in range(10):
        case = {
            name: data[f"c{i}_{name}"] for name in ("layers", "weights", "gamma", "do_layer_norm", "mask", "out")
        }
        mix = make(case["weights"], float(case["gamma"]), bool(case["do_layer_norm"]))
        with torch.no_grad():
            out = mix(list(torch.tensor(case["layers"])), torch.tensor(case["mask"]))
        worst = max(worst, float((out - torch.tensor(case["out"])).abs().max()))
    measured(f"{'mix/scalar_mix':<42}fp32  max abs difference: {worst:.1e}")
    assert worst <= 1e-5


@pytest.mark.parametrize("variant", ["default", "weighted", "norm", "keep_boundaries", "norm_keep_boundaries"])
def test_equal_to_elmo_module(measured: Measured, parity: Path, variant: str) -> None:
    """One padded batch, sentence marks included, as AllenNLP's Elmo mixes it."""
    data = read_npz(parity / "mix" / "elmo_module.npz")
    case = read_case(parity / "bilm" / "base")
    weights = read_weights(parity / "bilm" / "base")
    bilm = build_bilm(weights.options, build_parts(weights.options, weights.arrays).bilm)
    sentences = [["<S>", *case.sentences[i], "</S>"] for i in data["sentence_indices"]]
    layers = with_marks(bilm, sentences)
    lengths = [len(sentence) for sentence in sentences]
    padded = [torch.nn.utils.rnn.pad_sequence(list(layer.split(lengths)), batch_first=True) for layer in layers]
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    layer_norm = bool(data[f"{variant}_do_layer_norm"])
    mix = make(data[f"{variant}_weights"], float(data[f"{variant}_gamma"]), layer_norm)
    with torch.no_grad():
        out = mix(padded, mask)
    expected = data[f"{variant}_out"]
    if "keep_boundaries" not in variant:
        out = torch.stack([row.roll(-1, 0) for row in out])[:, : expected.shape[1]]
    kept = data[f"{variant}_mask"]
    worst = np.abs(out.numpy() - expected)[kept].max()
    measured(f"{f'mix/elmo_module {variant}':<42}fp32  max abs difference: {worst:.1e}")
    assert worst <= 1e-4


def with_marks(bilm: BiLM, sentences: list) -> list:
    """Layers of sentences that bring their own marks, flat."""
    with torch.no_grad():
        ids = character_ids([token for sentence in sentences for token in sentence])
        words = bilm.char_encoder(torch.from_numpy(ids))
        layers = bilm(words, [len(sentence) for sentence in sentences]).layers
    return [torch.cat([words, words], dim=1), *layers]


def test_gradients_of_all_parameters() -> None:
    torch.manual_seed(0)
    layers = [torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    mask = torch.tensor([[True, True, False], [True, True, True]])
    for layer_norm in (False, True):
        mix = ScalarMix(n_layers=3, layer_norm=layer_norm).double()

        def run(
            weights: torch.Tensor, gamma: torch.Tensor, *hs: torch.Tensor, mix: ScalarMix = mix
        ) -> torch.Tensor:
            output: torch.Tensor = torch.func.functional_call(
                mix, {"weights": weights, "gamma": gamma}, (hs, mask)
            )
            return output

        assert torch.autograd.gradcheck(run, (mix.weights, mix.gamma, *layers))


def test_without_mask() -> None:
    layers = [torch.randn(5, 4) for _ in range(2)]
    mix = ScalarMix(n_layers=2, layer_norm=True)
    assert torch.equal(mix(layers), mix(layers, torch.ones(5, dtype=torch.bool)))


@pytest.mark.parametrize("n_layers", [1, 2, 4])
def test_wrong_number_of_layers(n_layers: int) -> None:
    layers = [torch.ones(2, 4)] * n_layers
    for mix in (ScalarMix(n_layers=3), ScalarMix(n_layers=3, layer_norm=True)):
        with pytest.raises(ValueError, match=rf"EL241.*3 weights, but {n_layers} layers"):
            mix(layers)


@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 4), (2, 4), (3, 4)],
        # These would be broadcast.
        [(2, 4), (2, 4), (1, 4)],
        [(2, 4), (2, 4), (4,)],
        [(2, 4), (2, 1), (2, 4)],
        [(2, 8), (2, 2), (2, 8)],
    ],
)
def test_layers_of_other_shapes(shapes: list[tuple[int, ...]]) -> None:
    for mix in (ScalarMix(n_layers=3), ScalarMix(n_layers=3, layer_norm=True)):
        with pytest.raises(ValueError, match=r"EL259.*\(\.\.\., 2P\).*shapes \(2, "):
            mix([torch.ones(shape) for shape in shapes])


def test_arrays() -> None:
    with pytest.raises(TypeError, match=r"EL262.*array.*output='torch'"):
        ScalarMix(n_layers=2)([np.ones((2, 4)), np.ones((2, 4))])


def test_a_narrow_layer_is_used_twice() -> None:
    mix = make(np.array([0.5, -0.25], dtype=np.float32), 1.5, False)
    words, layer = torch.randn(5, 4, requires_grad=True), torch.randn(5, 8)
    mixed, expected = mix([words, layer]), mix([torch.cat([words, words], dim=1), layer])
    assert torch.equal(mixed, expected)
    both = [torch.autograd.grad(one.sin().sum(), words)[0] for one in (mixed, expected)]
    torch.testing.assert_close(*both)


def test_gradients_of_gradients() -> None:
    torch.manual_seed(0)
    layers = [torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    mix = ScalarMix(n_layers=3).double()

    def run(weights: torch.Tensor, gamma: torch.Tensor, *hs: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = torch.func.functional_call(mix, {"weights": weights, "gamma": gamma}, (hs,))
        return output

    assert torch.autograd.gradgradcheck(run, (mix.weights, mix.gamma, *layers))


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("n_tokens", [0, 3, MOST_NUMBERS // 10, MOST_NUMBERS // 2 + 7])
def test_in_blocks_of_rows(n_tokens: int, layer_norm: bool) -> None:
    mix = make(np.array([0.3, -1.0, 0.5], dtype=np.float32), 1.5, layer_norm)
    word_emb = torch.randn(n_tokens, 5)
    lstm = [torch.randn(n_tokens, 10) for _ in range(2)]
    with torch.no_grad():
        expected = mix([torch.cat([word_emb, word_emb], dim=1), *lstm])
    mixed = mix.mix_bilm(word_emb, lstm)
    assert torch.equal(mixed, expected)
    assert not mixed.requires_grad


def test_wrong_number_of_layers_in_blocks() -> None:
    mix = make(np.zeros(3, dtype=np.float32), 1.0, False)
    with pytest.raises(ValueError, match="EL241"):
        mix.mix_bilm(torch.randn(MOST_NUMBERS, 2), [torch.randn(MOST_NUMBERS, 4)])
