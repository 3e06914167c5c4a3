from typing import Any

import pytest
import torch
from torch import Tensor

from spacy_elmo.bilm.char_encoder import CharEncoder
from spacy_elmo.gradients import encoder as encoder_module
from spacy_elmo.gradients.encoder import encode
from spacy_elmo.runtime.memory import Workspace
from tests.pretraining.tiny import lm_error, lm_ids, lm_options, lm_randomise

OPTIONS: dict[str, dict[str, Any]] = {
    "tanh": {},
    "relu": {"activation": "relu", "n_highway": 2},
    "no_highway": {"n_highway": 0},
    "no_projection": {"projection_dim": 9, "dim": 9},
    "bare": {"n_highway": 0, "projection_dim": 9, "dim": 9, "activation": "relu"},
    "long": {"max_characters_per_token": 50},
    "wide_filters": {"filters": [[7, 3], [2, 2], [5, 4]], "max_characters_per_token": 50},
    "as_wide_as_a_token": {"filters": [[1, 3], [5, 2]], "max_characters_per_token": 5},
}
WORDS = {
    "very_different": ["a", "of", "banana", "aaaaaaaaaaaaaaaaaa", "", "<S>", "</S>", "é" * 12, "x" * 80, "ab" * 7],
    "all_full": ["x" * 80, "abc" * 30, "é" * 60],
    "all_short": ["a", "b", "at", "it", "a"],
    "one": ["word"],
    "one_empty": [""],
    "one_full": ["y" * 80],
    "every_length": [chr(97 + n % 26) * n for n in range(60)],
    "a_step": [f"w{n}" for n in range(encoder_module.N_GROUPS * encoder_module.GROUP_STEP)],
    "more_than_a_step": [
        f"word{n}" * (n % 4) for n in range(encoder_module.N_GROUPS * encoder_module.GROUP_STEP + 1)
    ],
}


def make(options: dict[str, Any], words: list[str], dtype: torch.dtype) -> tuple[CharEncoder, Tensor]:
    parsed = lm_options(**options)
    encoder = CharEncoder(options=parsed).to(dtype)
    lm_randomise(encoder)
    return encoder, lm_ids(parsed, words)


def gradients(encoder: CharEncoder, words: Tensor) -> dict[str, Tensor]:
    """Compute the gradients of a sum in which all numbers have different weights."""
    weights = torch.randn(words.shape, dtype=words.dtype, generator=torch.Generator().manual_seed(1))
    found = torch.autograd.grad((words * weights).sum(), list(encoder.parameters()))
    return dict(zip((name for name, _ in encoder.named_parameters()), found, strict=True))


def run(encoder: CharEncoder, ids: Tensor, **settings: Any) -> Tensor:
    dtype = encoder.embedding.weight.dtype
    return encode(encoder, ids, **{"dtype": dtype, "workspace": Workspace(), **settings})


@pytest.mark.parametrize("step", [1, encoder_module.GROUP_STEP])
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_equal_to_the_module(options: dict[str, Any], words: list[str], step: int) -> None:
    """Outputs and the gradients of every parameter are equal."""
    encoder, ids = make(options, words, torch.float64)
    expected, got = encoder(ids), run(encoder, ids, step=step)
    assert got.dtype == torch.float64
    torch.testing.assert_close(got, expected, atol=1e-12, rtol=1e-12)
    wanted = gradients(encoder, expected)
    for name, gradient in gradients(encoder, got).items():
        assert wanted[name].any(), name
        torch.testing.assert_close(gradient, wanted[name], atol=1e-12, rtol=1e-10)


def test_equal_in_float32() -> None:
    encoder, ids = make(OPTIONS["relu"], WORDS["every_length"], torch.float32)
    got = run(encoder, ids)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, encoder(ids), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_convolution_as_a_product(bias: bool) -> None:
    """A GPU computes words that fill all characters this way."""
    conv = torch.nn.Conv1d(3, 5, kernel_size=4, bias=bias).double()
    characters = torch.randn(2, 3, 9, dtype=torch.float64)
    got = encoder_module._convolve(conv, characters, torch.float64)
    torch.testing.assert_close(got, conv(characters).transpose(1, 2), atol=1e-12, rtol=1e-12)


def test_independent_of_other_words() -> None:
    encoder, ids = make(OPTIONS["long"], WORDS["every_length"], torch.float64)
    together = run(encoder, ids)
    backwards = run(encoder, ids.flip(0)).flip(0)
    alone = torch.cat([run(encoder, row) for row in ids.split(1)])
    torch.testing.assert_close(backwards, together, atol=1e-14, rtol=0)
    torch.testing.assert_close(alone, together, atol=1e-14, rtol=0)


class Counting(Workspace):
    """Records the rows of the requested buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, int] = {}

    def get(self, name: str, *shape: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        self.rows[name] = shape[0]
        return super().get(name, *shape, dtype=dtype, device=device)


def test_padding() -> None:
    """A word of n characters, boundaries included, has n windows and one of padding, rounded up."""
    encoder, ids = make(OPTIONS["long"], ["abc"] * 256, torch.float64)
    workspace = Counting()
    run(encoder, ids, workspace=workspace)
    assert workspace.rows == {f"windows.{group}": 64 * 9 for group in range(4)}


def test_width_of_groups() -> None:
    encoder, ids = make(OPTIONS["long"], ["a" * n for n in (1, 6, 14, 80) for _ in range(64)], torch.float64)
    workspace = Counting()
    run(encoder, ids, workspace=workspace)
    # Those that fill all characters are taken as they are.
    assert workspace.rows == {f"windows.{group}": 64 * n for group, n in enumerate((5, 9, 17))}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_used_workspace(dtype: torch.dtype) -> None:
    used = Workspace()
    for name in ("very_different", "more_than_a_step", "all_short", "every_length", "all_full", "very_different"):
        encoder, ids = make(OPTIONS["long"], WORDS[name], torch.float32)
        found = []
        for workspace in (used, Workspace()):
            words = run(encoder, ids, dtype=dtype, workspace=workspace)
            found.append({"words": words, **gradients(encoder, words)})
        for part, other in found[1].items():
            assert torch.equal(found[0][part], other), part


def test_bf16_is_near() -> None:
    """bfloat16 has 8 bits, 0.4% of a number. Gradients lose more: rounding moves the maximum of some filters to
    another window, and some numbers over the bound of relu."""
    options = {"filters": [[1, 16], [2, 16], [3, 32]], "n_highway": 2, "projection_dim": 32, "dim": 64}
    encoder, ids = make(
        {**options, "embedding": {"dim": 16}, "activation": "relu"}, WORDS["more_than_a_step"], torch.float32
    )
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.mul_(0.3)
    expected, got = run(encoder, ids), run(encoder, ids, dtype=torch.bfloat16)
    assert got.dtype == torch.float32
    assert 1e-4 < lm_error(got, expected) < 0.01
    wanted = gradients(encoder, expected)
    for name, gradient in gradients(encoder, got).items():
        assert gradient.dtype == torch.float32
        assert lm_error(gradient, wanted[name]) < 0.1, name
