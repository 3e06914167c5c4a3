"""ElmoModule against AllenNLP's Elmo, and against this package's own `embed`."""

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils import parametrize
from torch.utils.checkpoint import checkpoint

import spacy_elmo
from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.torch import ElmoModule
from tests.data import TINY, Measured, read_case, shared_path
from tests.mix.golden import _by_our_names
from tests.module import golden

SENTENCES = golden.batches()[0]
frozen_or_not = pytest.mark.parametrize("frozen", [True, False])
as_ids_or_texts = pytest.mark.parametrize("as_ids", [True, False])


def run(module: ElmoModule, sentences: list[list[str]], *, as_ids: bool = False) -> Any:
    return module(module.encode(sentences) if as_ids else sentences)


@frozen_or_not
@as_ids_or_texts
@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("keep_boundaries", [True, False])
def test_equal_to_allennlp(
    measured: Measured, frozen: bool, as_ids: bool, layer_norm: bool, keep_boundaries: bool
) -> None:
    module = golden.make_module(frozen=frozen, layer_norm=layer_norm, keep_boundaries=keep_boundaries)
    outputs = run(module, SENTENCES, as_ids=as_ids)
    variant = f"variants.{'boundaries' if keep_boundaries else 'tokens'}.{'norm' if layer_norm else 'plain'}"
    expected, mask = golden.arrays()[f"{variant}.out"], golden.arrays()[f"{variant}.mask"]
    np.testing.assert_array_equal(outputs.mask.numpy(), mask)
    np.testing.assert_array_equal(outputs.lengths.numpy(), mask.sum(axis=1))
    # Padding is zeros here, always.
    worst = max(
        golden.difference(mix, np.where(mask[..., None], one, 0)) for mix, one in zip(outputs.mixes, expected)
    )
    measured(f"ElmoModule, {variant}, {'frozen' if frozen else 'with gradients'}: {worst:.1e}")
    assert worst <= 1e-5


@frozen_or_not
@pytest.mark.parametrize("carried", [True, False])
def test_batches_in_a_row(frozen: bool, carried: bool) -> None:
    module = golden.make_module(frozen=frozen, initial_state="carry" if carried else "zero")
    for number, batch in enumerate(golden.batches()):
        expected = golden.arrays()[f"batches.{number}.{'carried' if carried else 'reset'}"]
        outputs = module(batch)
        assert max(golden.difference(mix, one) for mix, one in zip(outputs.mixes, expected)) <= 1e-5
    module.reset_state()
    expected = golden.arrays()["batches.0.carried"]
    assert golden.difference(module(golden.batches()[0]).mixes[1], expected[1]) <= 1e-5


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize("max_batch_tokens", [None, 12])
def test_gradients(measured: Measured, precision: str, tolerance: float, max_batch_tokens: int | None) -> None:
    """Absolute differences of all gradients, the biLM's relative to the largest number of each."""
    module = golden.make_module(frozen=False, max_batch_tokens=max_batch_tokens).to(getattr(torch, precision))
    upstream = torch.tensor(golden.arrays()["gradients.upstream"]).to(getattr(torch, precision))
    outputs = module(SENTENCES)
    sum((mix * d).sum() for mix, d in zip(outputs.mixes, upstream)).backward()
    start = f"gradients.{precision}."
    found = {name[len(start) :]: array for name, array in golden.arrays().items() if name.startswith(start)}
    worst = 0.0
    for number, mix in enumerate(module.mixes):
        weights = [found[f"scalar_mix_{number}.scalar_parameters.{k}"] for k in range(3)]
        worst = max(worst, golden.difference(mix.weights.grad, np.concatenate(weights)))  # type: ignore
        worst = max(worst, golden.difference(mix.gamma.grad.view(1), found[f"scalar_mix_{number}.gamma"]))  # type: ignore
    theirs = {name.removeprefix("_elmo_lstm."): array for name, array in found.items() if "scalar_mix" not in name}
    expected = _by_our_names(theirs)
    parameters = dict(module.bilm.named_parameters())
    assert expected.keys() == parameters.keys()
    for name, array in expected.items():
        assert parameters[name].grad is not None
        scale = max(1.0, float(np.abs(array).max()))
        worst = max(worst, golden.difference(parameters[name].grad, array) / scale)  # type: ignore[arg-type]
    measured(f"ElmoModule, gradients, {precision}, budget {max_batch_tokens}: {worst:.1e}")
    assert worst <= tolerance


@pytest.mark.parametrize("kind", ["reset", "carried", "frozen"])
def test_training(measured: Measured, kind: str) -> None:
    """20 steps of Adam over the mixes, a classifier and the biLM have AllenNLP's losses."""
    module = golden.make_module(frozen=kind == "frozen", initial_state="carry" if kind == "carried" else "zero")
    classifier = golden.make_classifier()
    optimizer = torch.optim.Adam([*module.parameters(), *classifier.parameters()], lr=golden.LEARNING_RATE)
    losses = []
    for step in range(golden.N_STEPS):
        number = step % len(golden.batches())
        outputs = module(module.encode(golden.batches()[number]))
        scores = classifier(torch.cat(outputs.mixes, dim=-1)[outputs.mask])
        loss = torch.nn.functional.cross_entropy(scores, golden.labels()[number])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    expected = golden.arrays()[f"training.float32.{kind}"]
    worst = float(np.abs(np.array(losses) - expected).max())
    measured(f"ElmoModule, {golden.N_STEPS} steps of Adam, {kind}: losses differ by {worst:.1e}")
    assert worst <= 1e-4


@frozen_or_not
@pytest.mark.parametrize(
    "case", ["base", "tanh_deep", "one_layer", "clipping_small", "short_chars", "../bilm_tf_only/no_projection"]
)
def test_layers_of_goldens(frozen: bool, case: str) -> None:
    folder = shared_path(f"parity/bilm/{case}")
    sentences, expected = read_case(folder)
    module = ElmoModule(folder, n_mixes=0, frozen=frozen)
    outputs = module(module.encode(sentences))
    for row, array in enumerate(expected):
        n_tokens = array.shape[1]
        words, *lstm = (layer[row, :n_tokens].detach().numpy() for layer in outputs.layers.values())
        assert np.abs(np.concatenate([words, words], axis=1) - array[0]).max(initial=0) <= 1e-5
        for layer, one in zip(lstm, array[1:], strict=True):
            assert np.abs(layer - one).max(initial=0) <= 1e-4


@pytest.mark.parametrize("case", ["char", "word_char"])
def test_models_of_manylangs(case: str) -> None:
    """Ids of characters and of words, of vocabularies that the model brings."""
    folder = shared_path(f"parity/manylangs/{case}")
    sentences, expected = read_case(folder)
    module = ElmoModule(folder).eval()
    ids = module.encode(sentences)
    outputs, again = module(ids), module(sentences)
    assert all(torch.equal(one, other) for one, other in zip(outputs.mixes, again.mixes))
    for row, array in enumerate(expected):
        got = outputs.layers["lstm_outputs2"][row, : array.shape[1]].numpy()
        assert np.abs(got - array[2]).max(initial=0) <= 1e-4


@as_ids_or_texts
@pytest.mark.parametrize("initial_state", ["zero", "warm", "carry"])
def test_the_numbers_of_embed(as_ids: bool, initial_state: Any) -> None:
    module = ElmoModule("en_sm", dropout=0.0, initial_state=initial_state)
    elmo = spacy_elmo.load("en_sm", initial_state=initial_state)
    for batch in golden.batches():
        outputs = run(module, batch, as_ids=as_ids)
        for row, one in enumerate(elmo.embed(batch)):
            for name, layer in outputs.layers.items():
                assert np.array_equal(layer[row, : len(one)].numpy(), one[name])
                assert not layer[row, len(one) :].any()
            # The first mix is the one that is stored with the model.
            np.testing.assert_allclose(outputs.mixes[0][row, : len(one)].detach(), one.elmo, atol=1e-6)


def test_shapes() -> None:
    outputs = ElmoModule(TINY, n_mixes=3)([["a", "b"], [], ["c"]])
    assert [mix.shape for mix in outputs.mixes] == [(3, 2, 16)] * 3
    assert {name: layer.shape for name, layer in outputs.layers.items()} == {
        "word_emb": (3, 2, 8),
        "lstm_outputs1": (3, 2, 16),
        "lstm_outputs2": (3, 2, 16),
    }
    assert outputs.mask.tolist() == [[True, True], [False, False], [True, False]]
    assert outputs.lengths.tolist() == [2, 0, 1]
    assert outputs.layers["word_emb"] is outputs.layers["word_emb"]
    with pytest.raises(KeyError, match=r"EL874.*'elmo'.*word_emb, lstm_outputs1, lstm_outputs2.*`mixes`"):
        outputs.layers["elmo"]


@frozen_or_not
@as_ids_or_texts
@pytest.mark.parametrize("keep_boundaries", [True, False])
@pytest.mark.parametrize("sentences", [[], [[]], [[], []]])
def test_nothing_to_embed(frozen: bool, as_ids: bool, keep_boundaries: bool, sentences: Any) -> None:
    module = ElmoModule(TINY, frozen=frozen, keep_boundaries=keep_boundaries)
    outputs = run(module, sentences, as_ids=as_ids)
    longest = 2 if keep_boundaries else 0
    assert [mix.shape for mix in outputs.mixes] == [(len(sentences), longest, 16)] * 2
    assert outputs.mask.shape == (len(sentences), longest)
    sum(mix.sum() for mix in outputs.mixes).backward()


def test_padding_beyond_the_batch() -> None:
    """Ids may be padded further, as those of a data set are."""
    module = ElmoModule(TINY, dropout=0.0)
    ids = module.encode(SENTENCES)
    more = torch.cat([ids, ids.new_zeros(len(ids), 4, ids.size(2))], dim=1)
    for ids_of_any_kind in (more, more.int(), more.numpy()):
        outputs = module(ids_of_any_kind)
        assert outputs.mask.shape == (len(ids), ids.size(1) + 4)
        assert torch.equal(outputs.mixes[0][:, : ids.size(1)], module(ids).mixes[0])


def test_equal_in_any_batch() -> None:
    module = ElmoModule("en_sm").eval()
    together = module(SENTENCES).mixes[0]
    assert torch.equal(together, module(SENTENCES).mixes[0])
    for row, sentence in enumerate(SENTENCES):
        alone = module([sentence]).mixes[0][0]
        torch.testing.assert_close(together[row, : len(sentence)], alone, rtol=0, atol=1e-5)


def test_dropout() -> None:
    module = ElmoModule(TINY, dropout=0.5)
    one, two = module(SENTENCES).mixes
    kept = module(SENTENCES).mask
    assert 0.3 < float((one[kept] == 0).float().mean()) < 0.7
    assert not torch.equal(one == 0, two == 0)
    module.eval()
    assert not (module(SENTENCES).mixes[0][kept] == 0).any()
    # Of the mixes alone.
    assert torch.equal(
        module.train()(SENTENCES).layers["lstm_outputs2"], module(SENTENCES).layers["lstm_outputs2"]
    )


@pytest.mark.parametrize("trainable", ["^backward_stack", "char_encoder", ["bias", r"layers\.1"]])
def test_some_parameters(trainable: Any) -> None:
    module = ElmoModule(TINY, frozen=False, trainable=trainable)
    module(SENTENCES).mixes[0].sum().backward()
    patterns = [trainable] if isinstance(trainable, str) else trainable
    for name, parameter in module.bilm.named_parameters():
        learns = any(re.search(pattern, name) for pattern in patterns)
        assert parameter.requires_grad == learns
        assert (parameter.grad is not None) == learns


def test_thawed_later() -> None:
    module = ElmoModule(TINY, dropout=0.0)
    assert not module(SENTENCES).layers["lstm_outputs1"].requires_grad
    for name, parameter in module.bilm.named_parameters():
        parameter.requires_grad_("layers.1" in name)
    module(SENTENCES).mixes[0].sum().backward()
    trained = {name for name, parameter in module.bilm.named_parameters() if parameter.grad is not None}
    assert trained == {name for name, _ in module.bilm.named_parameters() if "layers.1" in name}


def test_source_of_any_kind(tmp_path: Path) -> None:
    elmo = spacy_elmo.load(TINY)
    elmo.mix = ScalarMix(n_layers=3)
    with torch.no_grad():
        elmo.mix.weights.copy_(torch.tensor([1.0, 2.0, 3.0]))
    elmo.save(tmp_path)
    expected = elmo.embed(SENTENCES)[0].elmo
    for source in (elmo, tmp_path, str(tmp_path), [tmp_path / "options.json", tmp_path / "weights.safetensors"]):
        module = ElmoModule(source, dropout=0.0)
        got = module(SENTENCES).mixes[0][0].detach()
        np.testing.assert_allclose(got[: len(expected)], expected, atol=1e-6)
        assert not module.mixes[1].weights.any()  # type: ignore[operator]
    # The module trains a copy.
    module = ElmoModule(elmo)
    with torch.no_grad():
        module.bilm.char_encoder.embedding.weight.zero_()
    assert np.array_equal(elmo.embed(SENTENCES)[0].elmo, expected)


def test_saved_for_load(warm_tiny: Path, tmp_path: Path) -> None:
    module = golden.make_module(warm_tiny, frozen=False, initial_state="warm")
    with torch.no_grad():
        module.bilm.get_parameter("backward_stack.layers.1.projection.weight").mul_(1.5)
    module.save(tmp_path)
    elmo = spacy_elmo.load(tmp_path, initial_state="warm")
    outputs, expected = module.eval()(SENTENCES), elmo.embed(SENTENCES)
    for row, one in enumerate(expected):
        np.testing.assert_allclose(outputs.mixes[0][row, : len(one)].detach(), one.elmo, atol=1e-5)
    elmo.mix = elmo.more_mixes[0]
    np.testing.assert_allclose(outputs.mixes[1][0].detach(), elmo.embed(SENTENCES)[0].elmo, atol=1e-5)
    loaded = ElmoModule(tmp_path, dropout=0.0, initial_state="warm")
    torch.testing.assert_close(loaded(SENTENCES).mixes, outputs.mixes, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"n_mixes": -1}, r"EL873.*n_mixes.*-1"),
        ({"n_mixes": True}, "EL873"),
        ({"n_mixes": 1.5}, "EL873"),
        ({"dropout": 1.0}, r"EL098.*dropout.*1\.0"),
        ({"frozen": False, "trainable": "encoders"}, r"EL099.*'encoders'.*no parameter name"),
        ({"trainable": "("}, r"EL099.*not a valid regular expression"),
        ({"frozen": False, "trainable": []}, "EL099"),
        ({"initial_state": "hot"}, r"EL030.*initial_state 'hot'.*zero, warm, carry"),
        ({"precision": "fp8"}, r"EL030.*precision 'fp8'"),
        ({"max_batch_tokens": 0}, r"EL038.*max_batch_tokens"),
        ({"source": "nowhere"}, r"EL010.*nowhere"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], match: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=match):
        ElmoModule(**{"source": TINY, **settings})


def test_trainable_of_a_frozen_module() -> None:
    with pytest.warns(UserWarning, match=r"WL062.*layers, bias.*frozen = False"):
        module = ElmoModule(TINY, trainable=["layers", "bias"])
    assert not any(parameter.requires_grad for parameter in module.bilm.parameters())
    ElmoModule(TINY, trainable=[".*"])


def test_code_that_is_not_called() -> None:
    """One warning for each part, which shows the line of the call."""
    module = golden.make_module()
    expected = module(SENTENCES).mixes[0]
    linear = module.bilm.backward_stack.layers[1].input_linear
    hook = linear.register_forward_hook(lambda *_: None)
    match = r"WL063.*`bilm\.backward_stack\.layers\.1\.input_linear`.*compat\.allennlp"
    with pytest.warns(UserWarning, match=match) as found:
        assert torch.equal(module(SENTENCES).mixes[0], expected)
    assert found[0].filename == __file__
    module(SENTENCES)
    hook.remove()
    other: Any = copy.deepcopy(module)
    other.bilm.char_encoder.forward = lambda *_: None
    with pytest.warns(UserWarning, match=r"WL063.*`bilm\.char_encoder`"):
        other(SENTENCES)
    other = golden.make_module()
    other.bilm.forward_stack.layers[0].state_linear = torch.nn.Linear(8, 96)
    with pytest.warns(UserWarning, match=r"WL063.*`bilm\.forward_stack\.layers\.0\.state_linear`"):
        other(SENTENCES)


def test_checkpoint_of_torch() -> None:
    module = ElmoModule(TINY, dropout=0.0, frozen=False)
    ids = module.encode(SENTENCES)
    scale = torch.ones(1, requires_grad=True)

    def run(scale: Tensor) -> Tensor:
        mixed: Tensor = module(ids).mixes[0]
        return mixed * scale

    run(scale).square().sum().backward()
    expected = {name: parameter.grad for name, parameter in module.named_parameters()}
    module.zero_grad()
    checkpoint(run, scale, use_reentrant=True).square().sum().backward()
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name])


class Halved(torch.nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight / 2


@pytest.mark.parametrize("frozen", [True, False])
def test_computed_parameters(frozen: bool) -> None:
    """What torch computes is used, without a warning; what it is computed from is left alone."""
    module = ElmoModule(TINY, dropout=0.0, frozen=frozen)
    expected = module(SENTENCES).mixes[0]
    linear: Any = module.bilm.backward_stack.layers[1].input_linear
    before = linear.weight.detach().clone()
    parametrize.register_parametrization(linear, "weight", Halved())
    halved = module(SENTENCES).mixes[0]
    halved.sum().backward()
    assert torch.equal(linear.parametrizations.weight.original, before)
    plain = ElmoModule(TINY, dropout=0.0)
    with torch.no_grad():
        plain.bilm.backward_stack.layers[1].input_linear.weight /= 2
    torch.testing.assert_close(plain(SENTENCES).mixes[0], halved, rtol=0, atol=1e-5)
    parametrize.remove_parametrizations(linear, "weight", leave_parametrized=False)
    torch.testing.assert_close(module(SENTENCES).mixes[0], expected, rtol=0, atol=1e-5)


def test_change_of_the_initial_state() -> None:
    module = golden.make_module()
    first = module(SENTENCES).mixes[0]
    module.initial_state = "carry"
    torch.testing.assert_close(module(SENTENCES).mixes[0], first, rtol=0, atol=1e-5)
    assert not torch.allclose(module(SENTENCES).mixes[0], first, atol=1e-3)
    module.initial_state = "zero"
    assert torch.equal(module(SENTENCES).mixes[0], first)
    with pytest.raises(ValueError, match=r"EL875.*'warm'.*ElmoModule"):
        module.initial_state = "warm"
    with pytest.raises(ValueError, match="EL030"):
        module.initial_state = "cold"  # type: ignore[assignment]


def test_repr() -> None:
    text = repr(ElmoModule(TINY))
    assert "n_layers=2, projection_dim=8, dim=24, initial_state='zero'" in text
    assert "shares=" in text


def test_gradients_of_the_same_mix_as_a_listener() -> None:
    """The mix of `ElmoListener` and that of the module are one code: equal to the last bit."""
    from spacy_elmo.models.pooling import mix

    module = golden.make_module(n_mixes=1)
    outputs = module(SENTENCES)
    rows = [layer[outputs.mask].numpy() for layer in outputs.layers.values()]
    own = module.mixes[0]
    gamma: Tensor = own.gamma  # type: ignore[assignment]
    weights: Tensor = own.weights  # type: ignore[assignment]
    mixed, backprop = mix(np, rows, weights.detach().numpy(), float(gamma.detach()))  # type: ignore[arg-type]
    got = outputs.mixes[0][outputs.mask]
    assert np.array_equal(np.asarray(mixed), got.detach().numpy())
    upstream = torch.tensor(golden.arrays()["gradients.upstream"])[0][outputs.mask]
    got.backward(upstream)
    found = backprop(upstream.numpy())  # type: ignore[arg-type]
    assert weights.grad is not None
    assert gamma.grad is not None
    assert np.array_equal(np.asarray(found.weights), weights.grad.numpy())
    assert found.gamma == float(gamma.grad)
