from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from spacy_elmo.bilm.characters import CLOSING, OPENING
from spacy_elmo.bilm.lstm import LSTMState
from spacy_elmo.bilm.options import Options
from spacy_elmo.language_model.model import LanguageModel
from tests.pretraining.tiny import lm_bilm, lm_error, lm_ids, lm_options

MODELS: dict[str, Any] = {
    "two_layers": {},
    "one_layer": {"n_layers": 1},
    "three_layers": {"n_layers": 3},
    "three_layers_no_skip": {"n_layers": 3, "use_skip_connections": False},
    "no_projection_no_clip": {"dim": 4, "cell_clip": None, "proj_clip": None},
}
models = pytest.mark.parametrize("settings", MODELS.values(), ids=MODELS)
SENTENCES = [["I", "love", "NLP"], ["Hello"], ["a", "rather", "long", "sentence", "this", "is"], []]


def make(options: Options, *, dtype: torch.dtype = torch.float64, **settings: Any) -> LanguageModel:
    softmax: Any = nn.Identity()
    model = LanguageModel(bilm=lm_bilm(options, dtype=dtype), softmax=softmax, **{"dtype": dtype, **settings})
    return model.eval()


def make_rows(options: Options) -> tuple[Tensor, Tensor]:
    """Make character ids of the types, and inputs of one sentence a row."""
    types = [*sorted({token for sentence in SENTENCES for token in sentence}), OPENING, CLOSING]
    longest = max(len(sentence) for sentence in SENTENCES) + 1
    inputs = torch.zeros(longest, 2, len(SENTENCES), dtype=torch.int64)
    for row, sentence in enumerate(SENTENCES):
        for direction, read in enumerate([[OPENING, *sentence], [CLOSING, *reversed(sentence)]]):
            inputs[: len(read), direction, row] = torch.tensor([types.index(token) for token in read])
    return lm_ids(options, types), inputs


def by_bilm(model: LanguageModel) -> list[tuple[Tensor, Tensor]]:
    """Compute the softmax' inputs of each sentence, both directions in reading order, by the biLM itself."""
    bilm, found = model.bilm, []
    for sentence in SENTENCES:
        words = bilm.char_encoder(lm_ids(bilm.options, [OPENING, *sentence, CLOSING]))
        top = bilm(words, [len(words)]).layers[-1]
        forward, backward = top.chunk(2, dim=1)
        # The last step, on the mark that is predicted, is never made.
        found.append((forward[:-1], backward.flip(0)[:-1]))
    return found


def of_sentences(hidden: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Compute the same by the model."""
    by_step = hidden.unflatten(1, (-1, len(SENTENCES)))
    return [
        (by_step[0, : len(sentence) + 1, row], by_step[1, : len(sentence) + 1, row])
        for row, sentence in enumerate(SENTENCES)
    ]


def run(model: LanguageModel) -> tuple[Tensor, LSTMState]:
    ids, inputs = make_rows(model.bilm.options)
    found: tuple[Tensor, LSTMState] = model(ids, inputs, model.bilm.zero_state(len(SENTENCES)))
    return found


def gradients(model: LanguageModel, found: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    parts = [half for halves in found for half in halves]
    weighed = [half * torch.randn(half.shape, dtype=half.dtype, generator=generator) for half in parts]
    total = sum((part.sum() for part in weighed), torch.zeros(()))
    names = [name for name, _ in model.bilm.named_parameters()]
    return dict(zip(names, torch.autograd.grad(total, list(model.bilm.parameters())), strict=True))


@models
def test_equal_to_the_bilm(settings: dict[str, Any]) -> None:
    """Outputs and all gradients are equal, in both directions, from the zero state."""
    model = make(lm_options(**settings))
    got, expected = of_sentences(run(model)[0]), by_bilm(model)
    for halves, wanted in zip(got, expected, strict=True):
        for half, other in zip(halves, wanted, strict=True):
            torch.testing.assert_close(half, other, atol=1e-12, rtol=0)
    wanted_gradients = gradients(model, expected)
    for name, gradient in gradients(model, got).items():
        assert wanted_gradients[name].any(), name
        torch.testing.assert_close(gradient, wanted_gradients[name], atol=1e-11, rtol=1e-9)


@models
def test_state_of_every_layer(settings: dict[str, Any]) -> None:
    """The state after the last step equals that of the biLM."""
    model = make(lm_options(**settings))
    bilm = model.bilm
    sentence = ["one", "two", "three"]
    ids = lm_ids(bilm.options, [OPENING, *sentence, CLOSING])
    inputs = torch.tensor([[0, 4], [1, 3], [2, 2], [3, 1]]).unsqueeze(2)
    _, got = model(ids, inputs, bilm.zero_state(1))
    words = bilm.char_encoder(ids)
    expected = bilm(words[:-1], [4]).state, bilm(words[1:], [4]).state
    assert not any(part.requires_grad for part in got)
    for direction in (0, 1):
        for part, wanted in zip(got, expected[direction], strict=True):
            torch.testing.assert_close(part[direction], wanted[direction].detach(), atol=1e-12, rtol=0)


def test_carried_state() -> None:
    model = make(lm_options(n_layers=3))
    ids, inputs = make_rows(model.bilm.options)
    generator = torch.Generator().manual_seed(5)
    zeros = model.bilm.zero_state(len(SENTENCES))
    start = LSTMState(*(torch.randn(part.shape, dtype=part.dtype, generator=generator) for part in zeros))
    whole, final = model(ids, inputs, start)
    first, state = model(ids, inputs[:3], start)
    rest, state = model(ids, inputs[3:], state)
    torch.testing.assert_close(torch.cat([first, rest], dim=1), whole, atol=1e-12, rtol=0)
    for got, expected in zip(state, final, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-12, rtol=0)
    from_zeros, _ = model(ids, inputs, zeros)
    assert lm_error(from_zeros, whole) > 0.1


def reference_with_dropout(model: LanguageModel, ids: Tensor, inputs: Tensor) -> Tensor:
    """Dropout applies to the inputs of every LSTM layer, residuals included, and to the softmax' inputs."""
    bilm, rows = model.bilm, model.bilm.char_encoder(ids)[inputs]
    n_steps, _, n_rows = inputs.shape
    for k in range(bilm.options.lstm.n_layers):
        rows = F.dropout(rows, model.dropout)
        outputs = torch.empty_like(rows)
        for direction, stack in enumerate((bilm.forward_stack, bilm.backward_stack)):
            start = bilm.zero_state(n_rows)
            state = LSTMState(start.hidden[direction, k], start.cell[direction, k])
            found, _ = stack.layers[k](rows[:, direction].flatten(0, 1), [n_rows] * n_steps, state)
            outputs[:, direction] = found.unflatten(0, (n_steps, n_rows))
        rows = outputs + rows if k > 0 and bilm.options.lstm.use_skip_connections else outputs
    return F.dropout(rows, model.dropout).transpose(0, 1).flatten(1, 2)


@models
def test_dropout(settings: dict[str, Any]) -> None:
    model = make(lm_options(**settings), dropout=0.4).train()
    ids, inputs = make_rows(model.bilm.options)
    torch.manual_seed(3)
    with torch.no_grad():
        expected = reference_with_dropout(model, ids, inputs)
    torch.manual_seed(3)
    got, _ = run(model)
    torch.testing.assert_close(got, expected, atol=1e-12, rtol=0)
    assert 0.2 < float((got == 0).double().mean()) < 0.6


def test_dropout_only_in_training() -> None:
    model = make(lm_options(), dropout=0.4)
    assert torch.equal(run(model)[0], run(model)[0])
    torch.testing.assert_close(run(model)[0], run(make(lm_options()))[0])
    model.train()
    assert not torch.equal(run(model)[0], run(model)[0])


def test_used_workspace() -> None:
    """Earlier batches of other sizes have no effect."""
    options = lm_options(n_layers=3)
    used = make(options)
    ids, inputs = make_rows(options)
    for n_steps, n_rows in [(7, 4), (2, 1), (4, 3), (7, 4)]:
        found = []
        for model in (used, make(options)):
            part = inputs[:n_steps, :, :n_rows]
            hidden, state = model(ids[: int(part.max()) + 1], part, model.bilm.zero_state(n_rows))
            grads = torch.autograd.grad(hidden.square().sum(), list(model.bilm.parameters()))
            found.append([hidden, *state, *grads])
        for one, other in zip(*found, strict=True):
            assert torch.equal(one, other)


def test_bf16_is_near() -> None:
    """bfloat16 has 8 bits, 0.4% of a number; errors of encoder and three layers add up. Weights do not change."""
    options = lm_options(
        n_layers=3, dim=64, projection_dim=16, proj_clip=3, cell_clip=3, embedding={"dim": 8}, filters=[[3, 32]]
    )
    model = make(options, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.4)
    exact, final = run(model)
    model.dtype = torch.bfloat16
    rounded, state = run(model)
    for got, expected in zip([rounded, *state], [exact, *final], strict=True):
        assert got.dtype == torch.float32
        assert 1e-4 < lm_error(got, expected) < 0.03
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
