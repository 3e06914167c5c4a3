"""A batch in parts, compared with the modules under autograd."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from spacy_elmo.bilm.lstm import LSTMState
from spacy_elmo.bilm.options import Options
from spacy_elmo.bilm.vocabularies import CHARACTER_SYMBOLS, WORD_SYMBOLS
from spacy_elmo.gradients.trainable import TrainableEngine, _Part
from tests.pretraining.tiny import lm_bilm, lm_options

SENTENCES = [["I", "like", "it"], [], ["Eat", "x" * 60, "", "é", "I", "!"], ["x"], ["I", "I"]]


def own_vocabulary(*, words: bool) -> Options:
    """Models of characters, and of characters and words."""
    data = lm_options(max_characters_per_token=12).to_dict()
    data["char_cnn"]["characters"] = numbered([*CHARACTER_SYMBOLS, *"Iliket"])
    data["char_cnn"]["n_characters"] = len(data["char_cnn"]["characters"])
    if words:
        vocabulary = numbered([*WORD_SYMBOLS, "it", "I", "<bos>"])
        data["words"] = {"embedding": {"dim": 3}, "n_words": len(vocabulary), "vocabulary": vocabulary}
    return Options.from_dict(data)


def numbered(symbols: Sequence[str]) -> dict[str, int]:
    return {symbol: number for number, symbol in enumerate(symbols)}


KINDS = {
    "two-layers": lm_options(),
    "one-layer": lm_options(n_layers=1),
    "three-layers": lm_options(n_layers=3),
    "no-skips": lm_options(use_skip_connections=False),
    "no-projection": lm_options(dim=4),
    "no-clips": lm_options(cell_clip=None, proj_clip=None),
    "no-char-projection": lm_options(projection_dim=9, dim=11),
    "characters-of-its-own": own_vocabulary(words=False),
    "words": own_vocabulary(words=True),
}
kinds = pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)


def make(options: Options, *, learns: str = "", starts: bool = True) -> TrainableEngine:
    """Make a biLM. learns: in the names of trainable parameters. starts: with an initial state."""
    lstm, generator = options.lstm, torch.Generator().manual_seed(1)

    def numbers(width: int) -> Tensor:
        return torch.rand(2, lstm.n_layers, width, dtype=torch.float64, generator=generator) / 2

    made = TrainableEngine(
        bilm=lm_bilm(options),
        dropout=0.0,
        initial_state=LSTMState(numbers(lstm.projection_dim), numbers(lstm.dim)) if starts else None,
        max_batch_tokens=1000,
        n_threads=2,
    )
    for name, parameter in made.bilm.named_parameters():
        parameter.requires_grad_(bool(re.search(learns, name)))
    return made


def run(made: TrainableEngine, way: Any, *, n_layers: int, given: Sequence[int] | None = None) -> list[Any]:
    """Compute the layers, and the gradients given those of some layers; None: of all."""
    part = _Part(SENTENCES, made._get_start(None, 0, len(SENTENCES)), n_layers, False)
    with torch.enable_grad():
        layers, state, backprop = way(part)
    assert not any(layer.requires_grad for layer in layers)
    found = backprop([
        torch.arange(layer.numel()).to(layer).sin().view_as(layer) if given is None or k in given else None
        for k, layer in enumerate(layers)
    ])  # fmt: skip
    return [layers, state, {name: found[p] for name, p in made.bilm.named_parameters() if p in found}]


def check(made: TrainableEngine, **settings: Any) -> int:
    """Compare gradients, and return how many parameters have one."""
    expected = run(made, made._run_whole, **settings)
    got = run(made, made._run, **settings)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)
    return len(expected[2])


@kinds
@pytest.mark.parametrize("starts", [True, False])
def test_equal_to_the_modules(options: Options, starts: bool) -> None:
    made = make(options, starts=starts)
    assert check(made, n_layers=options.lstm.n_layers) == len(list(made.bilm.parameters()))


@pytest.mark.parametrize(
    "learns",
    [
        "char_encoder", "embedding", "char_encoder.projection", "^forward_stack", "backward_stack.*projection",
        r"forward_stack\.layers\.1", "bias", "state_linear", "nothing",
    ],
)  # fmt: skip
@pytest.mark.parametrize("options", [KINDS["two-layers"], KINDS["words"]], ids=["two-layers", "words"])
def test_partly_frozen(options: Options, learns: str) -> None:
    found = check(make(options, learns=learns), n_layers=2)
    assert bool(found) == (learns != "nothing")


@pytest.mark.parametrize("n_layers", [0, 1, 2, 3])
@pytest.mark.parametrize("given", [[], [0], [1], [2], [0, 1], [0, 3]])
def test_gradients_of_some_layers(n_layers: int, given: list[int]) -> None:
    check(make(KINDS["three-layers"]), n_layers=n_layers, given=given)
