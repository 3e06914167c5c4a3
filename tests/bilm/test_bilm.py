from typing import Any

import pytest
import torch
from torch import Tensor

from spacy_elmo.bilm import lstm as lstm_module
from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.characters import character_ids
from spacy_elmo.bilm.lstm import LSTMState
from spacy_elmo.bilm.options import Options


def make_options(**lstm: Any) -> Options:
    """A model small enough for finite differences."""
    base = {"dim": 4, "projection_dim": 3, "n_layers": 2, "cell_clip": 0.6, "proj_clip": 0.4}
    return Options.from_dict({
        "lstm": {**base, "use_skip_connections": True, **lstm},
        "char_cnn": {
            "activation": "tanh", "filters": [[1, 2], [2, 3]], "n_highway": 1,
            "embedding": {"dim": 2}, "n_characters": 262, "max_characters_per_token": 6,
        },
    })  # fmt: skip


def make(options: Options) -> tuple[BiLM, Tensor, list[int]]:
    torch.manual_seed(1)
    bilm = BiLM(options=options).double()
    for parameter in bilm.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    with torch.no_grad():
        bilm.char_encoder.embedding.weight[0] = 0
    ids = torch.from_numpy(character_ids(["<S>", "ab", "</S>", "<S>", "c", "ab", "d", "</S>"], max_characters=6))
    return bilm, ids, [3, 5]


@pytest.mark.slow
@pytest.mark.parametrize(
    "lstm",
    [{}, {"use_skip_connections": False}, {"dim": 3}, {"n_layers": 1, "cell_clip": None, "proj_clip": None}],
    ids=["full", "no_skip", "no_projection", "one_layer_no_clip"],
)
def test_gradients(lstm: dict[str, Any]) -> None:
    bilm, ids, lengths = make(make_options(**lstm))
    names = [name for name, _ in bilm.named_parameters()]
    state = LSTMState(*(torch.randn_like(part) * 0.1 for part in bilm.zero_state(2)))

    class Run(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bilm = bilm

        def forward(self) -> Tensor:
            return torch.cat(self.bilm(self.bilm.char_encoder(ids), lengths, state=state).layers, dim=1)

    module = Run()

    def run(*parameters: Tensor) -> Tensor:
        table = {f"bilm.{name}": value for name, value in zip(names, parameters)}
        output: torch.Tensor = torch.func.functional_call(module, table, ())
        return output

    # The row of "no token" gets no gradient by design, and no id points to it: both sides say zero.
    assert torch.autograd.gradcheck(run, tuple(bilm.parameters()), eps=1e-6, atol=1e-5)
    run(*bilm.parameters()).square().sum().backward()
    assert [name for name, p in bilm.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_gradient_of_the_initial_state() -> None:
    bilm, ids, lengths = make(make_options())
    words = bilm.char_encoder(ids).detach()
    state = LSTMState(*(torch.randn_like(part).requires_grad_() for part in bilm.zero_state(2)))
    sum(layer.sum() for layer in bilm(words, lengths, state=state).layers).backward()
    assert all(part.grad is not None and part.grad.any() for part in state)


def test_a_state_carries_a_sentence_on() -> None:
    """The forward direction over a sentence in two parts equals the forward direction over the whole."""
    bilm, ids, _ = make(make_options())
    words = bilm.char_encoder(ids)
    whole = bilm(words, [8])
    first = bilm(words[:3], [3])
    second = bilm(words[3:], [5], state=first.state)
    width = bilm.options.lstm.projection_dim
    for k in range(2):
        halves = torch.cat([first.layers[k], second.layers[k]])[:, :width]
        torch.testing.assert_close(halves, whole.layers[k][:, :width])
    torch.testing.assert_close(second.state.hidden[0], whole.state.hidden[0])
    torch.testing.assert_close(second.state.cell[0], whole.state.cell[0])


def test_state_order() -> None:
    bilm, ids, lengths = make(make_options())
    words = bilm.char_encoder(ids)
    state = LSTMState(*(torch.randn_like(part) for part in bilm.zero_state(2)))
    together = bilm(words, lengths, state=state)
    start = 0
    for row, length in enumerate(lengths):
        alone = bilm(words[start : start + length], [length], state=state.rows(torch.tensor([row])))
        for k in range(2):
            torch.testing.assert_close(together.layers[k][start : start + length], alone.layers[k])
        torch.testing.assert_close(together.state.hidden[:, :, row], alone.state.hidden[:, :, 0])
        torch.testing.assert_close(together.state.cell[:, :, row], alone.state.cell[:, :, 0])
        start += length


def test_state_without_residuals() -> None:
    bilm, ids, _ = make(make_options(proj_clip=0.4))
    output = bilm(bilm.char_encoder(ids), [8])
    width = bilm.options.lstm.projection_dim
    assert output.state.hidden.abs().max() <= 0.4
    assert output.layers[1].abs().max() > 0.4
    # Layer 1 has no residual: its state is its last output.
    torch.testing.assert_close(output.state.hidden[0, 0, 0], output.layers[0][-1, :width])


def test_fewer_layers() -> None:
    bilm, ids, lengths = make(make_options())
    words = bilm.char_encoder(ids)
    all_layers, one = bilm(words, lengths), bilm(words, lengths, n_layers=1)
    assert len(one.layers) == 1
    assert torch.equal(one.layers[0], all_layers.layers[0])
    assert one.state.hidden.shape == (2, 1, 2, 3)


def test_dropout_only_in_training() -> None:
    bilm, ids, lengths = make(make_options())
    bilm.forward_stack.dropout = bilm.backward_stack.dropout = 0.5
    words = bilm.char_encoder(ids)
    bilm.eval()
    assert torch.equal(bilm(words, lengths).layers[1], bilm(words, lengths).layers[1])
    bilm.train()
    assert not torch.equal(bilm(words, lengths).layers[0], bilm(words, lengths).layers[0])


def test_blocks_do_not_change_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    bilm, ids, _ = make(make_options())
    words = bilm.char_encoder(ids).repeat(5, 1)
    lengths = [8, 3, 17, 12]
    expected = bilm(words, lengths)
    for rows in (1, 2, 7):
        monkeypatch.setattr(lstm_module, "BLOCK_ROWS", rows)
        got = bilm(words, lengths)
        for one, two in zip(got.layers, expected.layers):
            torch.testing.assert_close(one, two)


def test_blocks_cover_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lstm_module, "BLOCK_ROWS", 4)
    assert list(lstm_module._blocks([3, 2, 2, 1, 1])) == [(0, [3, 2]), (5, [2, 1, 1])]
    assert list(lstm_module._blocks([])) == []
