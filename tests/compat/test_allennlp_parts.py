"""`compat.allennlp`: the parts of a biLM as modules that are called one by one, because of a hook."""

import copy
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spacy_elmo.compat.allennlp import (
    DEFAULT_BATCH_SIZE,
    ConfigurationError,
    Elmo,
    ElmoEmbedder,
    ElmoLstm,
    _ElmoBiLm,
    batch_to_ids,
)
from tests.compat.test_allennlp import ALL, FILES, SENTENCES, make
from tests.data import shared_path
from tests.module import golden
from tests.module.golden import difference
from tests.module.replicas import replicate

IDS = batch_to_ids(SENTENCES)
LAYER, CONVOLUTION = "_elmo_lstm.backward_layer_1", "_token_embedder.char_conv_1"


def do_nothing(*_: object) -> None:
    """A hook that changes nothing."""


def make_bilm(**settings: Any) -> _ElmoBiLm:
    return _ElmoBiLm(FILES["options_file"], FILES["weight_file"], **settings)


def get_part(bilm: nn.Module, name: str) -> Any:
    return bilm.get_submodule(name)


HOOKS: dict[str, Callable[[_ElmoBiLm], object]] = {
    "encoder": lambda bilm: bilm._token_embedder.register_forward_hook(do_nothing),
    "convolution": lambda bilm: get_part(bilm, "_token_embedder.char_conv_1").register_forward_pre_hook(
        do_nothing
    ),
    "lstm": lambda bilm: bilm._elmo_lstm.register_forward_hook(do_nothing),
    "layer": lambda bilm: get_part(bilm, LAYER).register_forward_hook(do_nothing),
    "gates": lambda bilm: get_part(bilm, f"{LAYER}.state_linearity").register_forward_pre_hook(do_nothing),
    "backward": lambda bilm: get_part(bilm, LAYER).register_full_backward_hook(do_nothing),
    "method": lambda bilm: setattr(bilm._elmo_lstm, "forward", ElmoLstm.forward.__get__(bilm._elmo_lstm)),
}


@pytest.mark.parametrize("put", HOOKS.values(), ids=HOOKS)
@pytest.mark.parametrize("keep", [True, False])
def test_called_parts_compute_the_same(put: Callable[[_ElmoBiLm], object], keep: bool) -> None:
    elmo = make(keep_sentence_boundaries=keep)
    expected = elmo(IDS)
    bilm: Any = elmo._elmo_lstm
    assert bilm.find_added_code() is None
    put(bilm)
    assert bilm.find_added_code() is not None
    outputs = elmo(IDS)
    assert torch.equal(outputs["mask"], expected["mask"])
    for one, other in zip(outputs["elmo_representations"], expected["elmo_representations"], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_called_parts_against_goldens() -> None:
    bilm = make_bilm()
    bilm._elmo_lstm.register_forward_hook(do_nothing)
    output = bilm(IDS)
    assert difference(torch.stack(output["activations"]), golden.arrays()["bilm.activations"]) <= 1e-5
    np.testing.assert_array_equal(output["mask"], golden.arrays()["bilm.mask"])


@pytest.mark.parametrize("name", ["base", "clipping", "clipping_small", "one_layer", "tanh_deep", "short_chars"])
def test_called_parts_of_other_options(name: str) -> None:
    source = shared_path(f"parity/bilm/{name}")
    plain, called = (_ElmoBiLm(str(source)) for _ in range(2))
    called._token_embedder.register_forward_hook(do_nothing)
    ids = plain.encode(SENTENCES)
    for one, other in zip(called(ids)["activations"], plain(ids)["activations"], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_gradients_of_called_parts() -> None:
    plain, called = make(requires_grad=True), make(requires_grad=True)
    get_part(called._elmo_lstm, LAYER).register_forward_hook(do_nothing)
    assert get_part(called, "_elmo_lstm").find_added_code() == LAYER
    for elmo in (plain, called):
        torch.stack(elmo(IDS)["elmo_representations"]).square().sum().backward()
    others = dict(called.named_parameters())
    for name, parameter in plain.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(others[name].grad, parameter.grad, rtol=1e-4, atol=1e-4)


def test_called_parts_carry_the_state() -> None:
    plain, called = make_bilm(), make_bilm()
    called._elmo_lstm.register_forward_hook(do_nothing)
    # A smaller batch, a larger one, and one with an empty sentence.
    for batch in ([["The", "bank"]], SENTENCES, [[], ["river"]], SENTENCES):
        ids = batch_to_ids(batch)
        expected, got = plain(ids)["activations"], called(ids)["activations"]
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(called._elmo_lstm._states, plain._elmo_lstm._states, rtol=0, atol=1e-5)


@pytest.mark.parametrize("batch", [[], [[]], [[], ["a"]]])
def test_called_parts_of_nothing(batch: list[list[str]]) -> None:
    elmo, calls = make(), []
    expected = elmo(batch_to_ids(batch))["elmo_representations"][0]
    get_part(elmo, "_elmo_lstm._elmo_lstm").register_forward_hook(lambda *_: calls.append(1))
    got = elmo(batch_to_ids(batch))["elmo_representations"][0]
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
    assert calls == [1]


def test_hooks_run_and_change_outputs() -> None:
    steps: list[tuple[int, ...]] = []
    bilm = make_bilm(stateful=False)
    get_part(bilm, f"{LAYER}.state_linearity").register_forward_pre_hook(
        lambda _, args: steps.append(args[0].shape)
    )
    expected = bilm(IDS)["activations"]
    # A step for each column, with the sentences that have it.
    assert [step[0] for step in steps] == expected[0].any(dim=2).sum(dim=0).tolist()
    bilm._elmo_lstm.register_forward_hook(lambda _, args, output: output * 2)
    torch.testing.assert_close(bilm(IDS)["activations"][2], expected[2] * 2)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes_of_called_parts(dtype: torch.dtype) -> None:
    plain, called = make().to(dtype), make().to(dtype)
    get_part(called, "_elmo_lstm._elmo_lstm").register_forward_hook(do_nothing)
    expected, got = plain(IDS)["elmo_representations"][0], called(IDS)["elmo_representations"][0]
    assert got.dtype == dtype
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6 if dtype == torch.float64 else 0.1)


def test_autocast_of_called_parts() -> None:
    """As in AllenNLP, while the fast way stays with float32."""
    plain, called = make(), make()
    get_part(called, "_elmo_lstm._elmo_lstm").register_forward_hook(do_nothing)
    with torch.autocast("cpu", torch.bfloat16):
        expected, got = (elmo(IDS)["elmo_representations"][0] for elmo in (plain, called))
        layer = called._elmo_lstm(IDS)["activations"][1]
    assert (expected.dtype, layer.dtype) == (torch.float32, torch.bfloat16)
    torch.testing.assert_close(got.float(), expected, rtol=0, atol=0.1)


def test_hooks_that_are_removed() -> None:
    """In the middle of a run with state, too."""
    plain, other = make(stateful=True), make(stateful=True)
    lstm = get_part(other, "_elmo_lstm._elmo_lstm")
    for number in range(4):
        hook = lstm.register_forward_hook(do_nothing) if number % 2 else None
        expected, got = (elmo(IDS)["elmo_representations"][0] for elmo in (plain, other))
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
        if hook is not None:
            hook.remove()
    plain, other = make(), make()
    get_part(other, "_elmo_lstm._elmo_lstm").register_forward_hook(do_nothing).remove()
    assert torch.equal(other(IDS)["elmo_representations"][0], plain(IDS)["elmo_representations"][0])


def test_state_of_a_replica() -> None:
    """Replicas of DataParallel are shallow copies."""
    original = make_bilm()
    original._elmo_lstm.register_forward_hook(do_nothing)
    replica = replicate(original)
    expected = replica(IDS)["activations"][2]
    assert original.carried.state is None
    assert replica.carried.state is not None
    torch.testing.assert_close(make_bilm()(IDS)["activations"][2], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda ids: ids.index_fill(1, torch.tensor([1]), 0), "EL871"),
        (lambda ids: ids.masked_fill(ids == 261, 999), "EL872.*999"),
        (lambda ids: ids[:, :, :49], "EL870.*49"),
        (lambda ids: ids.float(), "EL870.*float32"),
    ],
)
def test_wrong_ids_of_called_parts(change: Callable[[Tensor], Tensor], match: str) -> None:
    elmo = make()
    get_part(elmo, "_elmo_lstm._elmo_lstm").register_forward_hook(do_nothing)
    with pytest.raises(ConfigurationError, match=match):
        elmo(change(IDS))
    got = elmo(IDS.to(torch.int16))["elmo_representations"][0]
    assert torch.equal(got, elmo(IDS)["elmo_representations"][0])


def test_backward_hooks_of_the_whole() -> None:
    """As in AllenNLP: torch says that they are not called, because a biLM returns a dict."""
    elmo = make(requires_grad=True)
    elmo._elmo_lstm.register_full_backward_hook(do_nothing)
    with pytest.warns(UserWarning, match="should be a Tensor or a tuple of Tensors"):
        elmo(IDS)


def test_parts_by_hand() -> None:
    """As in AllenNLP's own forward."""
    bilm = make_bilm(stateful=False)
    expected = bilm(IDS)
    encoded = bilm._token_embedder(IDS)
    layers = bilm._elmo_lstm(encoded["token_embedding"], encoded["mask"])
    assert layers.shape == (2, 5, 10, 16)
    for number in range(2):
        torch.testing.assert_close(layers[number], expected["activations"][number + 1], rtol=0, atol=1e-5)
    layer: Any = bilm._elmo_lstm.forward_layers[0]
    assert (layer.input_size, layer.hidden_size, layer.cell_size, layer.go_forward) == (8, 8, 24, True)
    clips = bilm.options.lstm
    assert (layer.memory_cell_clip_value, layer.state_projection_clip_value) == (clips.cell_clip, clips.proj_clip)
    lengths, order = encoded["mask"].sum(dim=1).sort(descending=True, stable=True)
    outputs, (hidden, cell) = layer(encoded["token_embedding"][order], lengths.tolist())
    torch.testing.assert_close(outputs, layers[0, order, :, :8], rtol=0, atol=1e-5)
    assert (hidden.shape, cell.shape) == ((1, 5, 8), (1, 5, 24))
    for row, length in enumerate(lengths.tolist()):
        assert torch.equal(hidden[0, row], outputs[row, length - 1])
    # In any order, and without tokens: such a sentence keeps its state.
    start = (torch.rand(1, 5, 8), torch.rand(1, 5, 24))
    lengths[order[0]] = 0
    for one in (layer, bilm._elmo_lstm.backward_layers[0]):
        mixed, ends = one(encoded["token_embedding"], lengths.tolist(), start)
        for row, length in enumerate(lengths.tolist()):
            part = encoded["token_embedding"][row : row + 1, :length]
            alone, end = one(part, [length], tuple(value[:, row : row + 1] for value in start))
            torch.testing.assert_close(mixed[row, :length], alone[0], rtol=0, atol=1e-5)
            assert not mixed[row, length:].any()
            for value, other in zip(ends, end):
                torch.testing.assert_close(value[:, row : row + 1], other, rtol=0, atol=1e-5)
    assert bilm._token_embedder._options == bilm.options.to_dict()


CALLS: list[int] = []


def count(*_: object) -> None:
    CALLS.append(1)


def test_copies_with_hooks() -> None:
    elmo = make()
    get_part(elmo, "_elmo_lstm._elmo_lstm").register_forward_hook(count)
    expected = elmo(IDS)["elmo_representations"][0]
    CALLS.clear()
    for other in (copy.deepcopy(elmo), pickle.loads(pickle.dumps(elmo))):
        assert torch.equal(other(IDS)["elmo_representations"][0], expected)
    assert len(CALLS) == 2


def test_embedder_with_another_method() -> None:
    class Doubled(ElmoEmbedder):
        def batch_to_embeddings(self, batch: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
            layers, mask = super().batch_to_embeddings(batch)
            return layers * 2, mask

    plain, doubled = ElmoEmbedder(**FILES), Doubled(**FILES)
    for one, other in zip(doubled.embed_sentences(ALL), plain.embed_sentences(ALL), strict=True):
        np.testing.assert_array_equal(one, other * 2)
    layers, mask = plain.batch_to_embeddings([["a", "b"], ["c"]])
    assert layers.shape == (2, 3, 2, 16)
    assert (1 - mask).tolist() == [[0, 0], [0, 1]]
    assert DEFAULT_BATCH_SIZE == 64
    # A sentence does not keep the memory of its batch.
    assert all(one.base is None for one in plain.embed_batch([["a", "b"], ["c"]]))


def test_a_bilm_of_another_in_elmo() -> None:
    elmo = Elmo(None, None, 1, dropout=0.0, module=make_bilm(stateful=False))
    elmo._elmo_lstm.register_forward_hook(do_nothing)
    expected = Elmo(**FILES, num_output_representations=1, dropout=0.0)(IDS)["elmo_representations"][0]
    torch.testing.assert_close(elmo(IDS)["elmo_representations"][0], expected, rtol=0, atol=1e-5)
