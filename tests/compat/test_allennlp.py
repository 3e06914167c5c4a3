"""`compat.allennlp` against AllenNLP's own outputs, and a page of its published usage."""

import copy
import io
import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spacy_elmo.compat.allennlp import (
    ConfigurationError,
    Elmo,
    ElmoEmbedder,
    ELMoTokenCharactersIndexer,
    ElmoTokenEmbedder,
    ScalarMix,
    _ElmoBiLm,
    _ElmoCharacterEncoder,
    add_sentence_boundary_token_ids,
    batch_to_ids,
    remove_sentence_boundaries,
)
from tests.data import TINY, Measured, shared_path
from tests.module import golden
from tests.module.golden import difference

FILES: dict[str, Any] = {"options_file": str(TINY / "options.json"), "weight_file": str(TINY / "weights.hdf5")}
SENTENCES = golden.batches()[0]
ALL = [sentence for batch in golden.batches() for sentence in batch]


def make(**settings: Any) -> Elmo:
    """With the golden's two mixes."""
    elmo = Elmo(**{**FILES, "num_output_representations": 2, "dropout": 0.0, **settings})
    with torch.no_grad():
        for mix, weights, gamma in zip(
            elmo._scalar_mixes, golden.arrays()["weights"], golden.arrays()["gamma"], strict=True
        ):
            mix.gamma.fill_(float(gamma))
            for parameter, weight in zip(mix.scalar_parameters, weights, strict=True):
                parameter.fill_(float(weight))
    return elmo


def worst(outputs: dict[str, Any], expected: np.ndarray) -> float:
    pairs = zip(outputs["elmo_representations"], expected, strict=True)
    return max(difference(one, array) for one, array in pairs)


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize("do_layer_norm", [True, False])
@pytest.mark.parametrize("keep", [True, False])
def test_elmo(measured: Measured, requires_grad: bool, do_layer_norm: bool, keep: bool) -> None:
    """Padding, too, is AllenNLP's: not zeros with layer norm and boundary tokens."""
    elmo = make(requires_grad=requires_grad, do_layer_norm=do_layer_norm, keep_sentence_boundaries=keep)
    outputs = elmo(batch_to_ids(SENTENCES))
    variant = f"variants.{'boundaries' if keep else 'tokens'}.{'norm' if do_layer_norm else 'plain'}"
    assert outputs["mask"].dtype == torch.bool
    np.testing.assert_array_equal(outputs["mask"], golden.arrays()[f"{variant}.mask"])
    found = worst(outputs, golden.arrays()[f"{variant}.out"])
    measured(f"compat.allennlp.Elmo, {variant}: {found:.1e}")
    assert found <= 1e-5


@pytest.mark.parametrize("carried", [True, False])
def test_state(carried: bool) -> None:
    elmo = make(stateful=carried)
    for number, batch in enumerate(golden.batches()):
        expected = golden.arrays()[f"batches.{number}.{'carried' if carried else 'reset'}"]
        assert worst(elmo(batch_to_ids(batch)), expected) <= 1e-5


def test_gradients() -> None:
    elmo = make(requires_grad=True)
    outputs = elmo(batch_to_ids(SENTENCES))["elmo_representations"]
    upstream = torch.tensor(golden.arrays()["gradients.upstream"])
    sum((one * d).sum() for one, d in zip(outputs, upstream)).backward()
    for number, mix in enumerate(elmo._scalar_mixes):
        for k, parameter in enumerate(mix.scalar_parameters):
            name = f"gradients.float32.scalar_mix_{number}.scalar_parameters.{k}"
            assert difference(parameter.grad, golden.arrays()[name]) <= 1e-5
        assert mix.gamma.grad is not None
        assert difference(mix.gamma.grad, golden.arrays()[f"gradients.float32.scalar_mix_{number}.gamma"]) <= 1e-5
    assert all(parameter.grad is not None for parameter in elmo.parameters())


@pytest.mark.parametrize("kind", ["reset", "carried", "frozen"])
def test_training(kind: str) -> None:
    elmo = make(requires_grad=kind != "frozen", stateful=kind == "carried")
    classifier = golden.make_classifier()
    optimizer = torch.optim.Adam([*elmo.parameters(), *classifier.parameters()], lr=golden.LEARNING_RATE)
    losses = []
    for step in range(golden.N_STEPS):
        number = step % len(golden.batches())
        outputs = elmo(batch_to_ids(golden.batches()[number]))
        scores = classifier(torch.cat(outputs["elmo_representations"], dim=-1)[outputs["mask"]])
        loss = nn.functional.cross_entropy(scores, golden.labels()[number])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    expected = golden.arrays()[f"training.float32.{kind}"]
    assert np.abs(np.array(losses) - expected).max() <= 1e-4


def test_checkpoint_of_allennlp() -> None:
    """Names and numbers of a state_dict are AllenNLP's, on the way in and out."""
    elmo = make()
    names = json.loads((golden.FOLDER / "state_dict.json").read_text("utf-8"))
    assert sorted(elmo.state_dict()) == sorted(names)
    state = torch.load(golden.FOLDER / "weights.th", weights_only=True)
    found = elmo.load_state_dict(state)
    assert not found.missing_keys
    assert not found.unexpected_keys
    assert worst(elmo(batch_to_ids(SENTENCES)), golden.arrays()["loaded.out"]) <= 1e-5
    for name, tensor in elmo.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    # As a part of a model, with a cache of words, which is left out.
    model = nn.ModuleDict({"embedder": make()})
    inner = {f"embedder.{name}": tensor for name, tensor in state.items()}
    inner["embedder._elmo_lstm._word_embedding.weight"] = torch.zeros(3, 8)
    model.load_state_dict(inner)
    assert worst(model["embedder"](batch_to_ids(SENTENCES)), golden.arrays()["loaded.out"]) <= 1e-5
    del inner["embedder._elmo_lstm._token_embedder._projection.bias"]
    with pytest.raises(RuntimeError, match=r"Missing key.*projection\.bias"):
        nn.ModuleDict({"embedder": make()}).load_state_dict(inner)


def test_names_of_parameters() -> None:
    """As there, so that regular expressions of optimizers and loops over parts find the same."""
    elmo = make(requires_grad=True)
    assert dict(elmo.named_parameters()).keys() == elmo.state_dict().keys()
    names = [name for name, _ in elmo._elmo_lstm._elmo_lstm.named_parameters()]  # type: ignore[union-attr]
    assert len(names) == 16
    assert "forward_layer_0.input_linearity.weight" in names
    for parameter in elmo._elmo_lstm._elmo_lstm.parameters():  # type: ignore[union-attr]
        parameter.requires_grad_(False)
    elmo(batch_to_ids(SENTENCES))["elmo_representations"][0].sum().backward()
    for name, parameter in elmo.named_parameters():
        assert (parameter.grad is None) == ("_elmo_lstm._elmo_lstm" in name or "scalar_mix_1" in name)


def test_state_changed_in_place() -> None:
    """Numbers that are copied into a state_dict reach the model, whatever part they are of."""
    elmo, ids = make(), batch_to_ids(SENTENCES)
    elmo(ids)
    own = elmo.state_dict()
    for name, tensor in torch.load(golden.FOLDER / "weights.th", weights_only=True).items():
        own[name].copy_(tensor)
    assert worst(elmo(ids), golden.arrays()["loaded.out"]) <= 1e-5
    trained = make(requires_grad=True)
    trained(ids)
    for name, tensor in elmo.state_dict().items():
        trained.state_dict()[name].copy_(tensor)
    assert worst(trained(ids), golden.arrays()["loaded.out"]) <= 1e-5


def test_parts_of_a_checkpoint() -> None:
    state = torch.load(golden.FOLDER / "weights.th", weights_only=True)
    del state["_elmo_lstm._token_embedder._char_embedding_weights"]
    elmo = make()
    found = elmo.load_state_dict(state, strict=False)
    assert found.missing_keys == ["_elmo_lstm._token_embedder._char_embedding_weights"]
    assert not found.unexpected_keys
    name = "_elmo_lstm._elmo_lstm.backward_layer_1.state_projection.weight"
    assert torch.equal(elmo.state_dict()[name], state[name])
    half = make().bfloat16()
    half.load_state_dict({name: tensor.bfloat16() for name, tensor in elmo.state_dict().items()})
    assert half(batch_to_ids(SENTENCES))["elmo_representations"][0].dtype == torch.bfloat16


def test_code_of_others_in_its_place() -> None:
    """Subclasses, hooks and other mixes see what AllenNLP's would."""
    calls: list[int] = []

    class Own(_ElmoBiLm):
        def forward(self, inputs: Any, word_inputs: Any = None) -> Any:  # type: ignore[override]
            calls.append(len(inputs))
            return super().forward(inputs, word_inputs)

    ids = batch_to_ids(SENTENCES)
    expected = make()(ids)["elmo_representations"][0]
    bilm = Own(FILES["options_file"], FILES["weight_file"], stateful=False)
    elmo = make(**dict.fromkeys(FILES), module=bilm)
    torch.testing.assert_close(elmo(ids)["elmo_representations"][0], expected, rtol=0, atol=1e-5)
    assert calls == [5]
    hooked = make()
    hooked._elmo_lstm.register_forward_hook(lambda *_: calls.append(0))
    hooked(ids)
    assert calls == [5, 0]

    class Concatenation(nn.Module):
        def forward(self, tensors: list[Tensor], mask: Tensor | None = None) -> Tensor:
            return torch.cat(tensors, dim=-1)

    for keep in (True, False):
        other = make(keep_sentence_boundaries=keep)
        other.scalar_mix_0 = Concatenation()
        assert other(ids)["elmo_representations"][0].shape == (5, 10 if keep else 8, 48)


def test_bilm() -> None:
    bilm = _ElmoBiLm(FILES["options_file"], FILES["weight_file"])
    ids = batch_to_ids(SENTENCES)
    np.testing.assert_array_equal(ids, golden.arrays()["ids"])
    output = bilm(ids)
    assert len(output["activations"]) == bilm.num_layers == 3
    assert difference(torch.stack(output["activations"]), golden.arrays()["bilm.activations"]) <= 1e-5
    np.testing.assert_array_equal(output["mask"], golden.arrays()["bilm.mask"])
    assert bilm.get_output_dim() == 16
    encoder = _ElmoCharacterEncoder(FILES["options_file"], FILES["weight_file"])
    for one in (encoder, bilm._token_embedder):
        words = one(ids)["token_embedding"]
        assert difference(words, golden.arrays()["encoder.token_embedding"]) <= 1e-5
        assert one.get_output_dim() == 8
    # AllenNLP's bare biLM carries its state.
    assert not torch.allclose(bilm(ids)["activations"][2], output["activations"][2], atol=1e-3)
    lstm = bilm._elmo_lstm
    assert lstm.stateful
    assert [part.shape for part in lstm._states] == [(2, 5, 16), (2, 5, 48)]  # type: ignore[union-attr]
    lstm.reset_states(torch.tensor([True, False, True, True, True]))
    kept = lstm._states[0].any(dim=2)  # type: ignore[index]
    assert kept.tolist() == [[False, True, False, False, False]] * 2
    with pytest.raises(ConfigurationError, match=r"EL893.*2 rows.*5 rows.*or None"):
        lstm.reset_states(torch.tensor([True, False]))
    for part in bilm.modules():
        if getattr(part, "stateful", False):
            part.reset_states()  # type: ignore[operator]
    assert lstm._states is None
    assert torch.equal(bilm(ids)["activations"][2], output["activations"][2])
    lstm._states = (torch.zeros(2, 5, 16), torch.zeros(2, 5, 48))
    assert torch.allclose(bilm(ids)["activations"][2], output["activations"][2], atol=1e-5)
    lstm._states = None
    lstm.stateful = False
    for _ in range(2):
        assert torch.allclose(bilm(ids)["activations"][2], output["activations"][2], atol=1e-5)


def test_token_embedder() -> None:
    embedder = ElmoTokenEmbedder(**FILES, dropout=0.0, projection_dim=5)
    assert embedder.get_output_dim() == embedder.output_dim == 5
    projection: Any = embedder._projection
    with torch.no_grad():
        for name in ("weight", "bias"):
            getattr(projection, name).copy_(torch.tensor(golden.arrays()[f"token_embedder.projection.{name}"]))
    ids = batch_to_ids(SENTENCES)
    assert difference(embedder(ids), golden.arrays()["token_embedder.projected"]) <= 1e-5
    assert torch.equal(embedder(inputs=ids), embedder(elmo_tokens=ids))
    weights = golden.arrays()["weights"][0].tolist()
    fixed = ElmoTokenEmbedder(**FILES, dropout=0.0, scalar_mix_parameters=weights)
    assert difference(fixed(ids), golden.arrays()["token_embedder.mixed"]) <= 1e-5
    assert not any(parameter.requires_grad for parameter in fixed.parameters())
    made = ElmoTokenEmbedder.from_params(None, {**FILES, "type": "elmo_token_embedder", "projection_dim": 3})
    assert made(ids).shape == (5, 8, 3)
    assert ElmoTokenEmbedder.from_params({**FILES, "projection_dim": 3})(ids).shape == (5, 8, 3)
    with pytest.raises(ConfigurationError, match=r"EL894.*projection_dims.*Allowed: options_file"):
        ElmoTokenEmbedder.from_params(None, {**FILES, "projection_dims": 3})


def test_inputs_of_any_rank() -> None:
    elmo = make()
    flat = elmo(batch_to_ids(SENTENCES))
    ids = batch_to_ids(SENTENCES).unsqueeze(1).expand(-1, 4, -1, -1)
    outputs = elmo(ids)
    assert outputs["mask"].shape == (5, 4, 8)
    for one, expected in zip(outputs["elmo_representations"], flat["elmo_representations"]):
        assert one.shape == (5, 4, 8, 16)
        torch.testing.assert_close(one[:, 2], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("first", [["@@PADDING@@", "@@UNKNOWN@@"], ["<pad>"], ["<pad>", "<unk>", "<s>", "</s>"]])
def test_words_by_number(first: list[str]) -> None:
    """A word's number is its place in the list, whatever words come first; the first one is padding."""
    words = [*first, "The", "bank", "river"]
    elmo = make(vocab_to_cache=words)
    ids = batch_to_ids([["bank", "river", "The"], ["The"]])
    n = len(first)
    numbers = torch.tensor([[n + 1, n + 2, n], [n, 0, 0]])
    expected = make()(ids)
    outputs = elmo(torch.zeros_like(ids), numbers)
    assert torch.equal(outputs["elmo_representations"][0], expected["elmo_representations"][0])
    # Many give them twice.
    twice = elmo(numbers, numbers)
    assert torch.equal(twice["elmo_representations"][0], expected["elmo_representations"][0])
    assert torch.equal(twice["mask"], expected["mask"])
    # Several dimensions; a number beyond the words; and no cache at all: characters.
    assert elmo(ids.unsqueeze(1), numbers.unsqueeze(1))["mask"].shape == (2, 1, 3)
    for one, given in ((elmo, numbers + 90), (make(), numbers)):
        assert torch.equal(one(ids, given)["elmo_representations"][0], expected["elmo_representations"][0])


def test_another_module() -> None:
    bilm = _ElmoBiLm(FILES["options_file"], FILES["weight_file"])
    elmo = Elmo(None, None, 1, dropout=0.0, module=bilm)
    expected = Elmo(**FILES, num_output_representations=1, dropout=0.0)(batch_to_ids(SENTENCES))
    got = elmo(batch_to_ids(SENTENCES))["elmo_representations"][0]
    torch.testing.assert_close(got, expected["elmo_representations"][0], rtol=0, atol=1e-5)
    with pytest.raises(ConfigurationError, match=r"EL892.*either `module`.*or options_file and weight_file"):
        Elmo(**FILES, num_output_representations=1, module=bilm)


def test_scalar_mix() -> None:
    with pytest.raises(ConfigurationError, match=r"EL891.*2.*mixture_size: 3"):
        ScalarMix(3, initial_scalar_parameters=[0.0, 1.0])
    with pytest.raises(ConfigurationError, match=r"EL241.*3 weights, but 2 layers"):
        ScalarMix(3)([torch.ones(2, 4)] * 2)
    mix = ScalarMix(2, initial_scalar_parameters=[0.0, -1e9], trainable=False)
    assert torch.equal(mix([torch.ones(2, 4), torch.zeros(2, 4)]), torch.ones(2, 4))


def test_boundaries() -> None:
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    rows = torch.arange(8.0).view(2, 4, 1).requires_grad_()
    inner, less = remove_sentence_boundaries(rows, mask)
    assert inner.squeeze(2).tolist() == [[1, 2], [5, 0]]
    assert less.tolist() == [[True, True], [True, False]]
    inner.sum().backward()
    assert rows.grad is not None
    assert rows.grad.squeeze(2).tolist() == [[0, 1, 1, 0], [0, 1, 0, 0]]
    ids = torch.tensor([[[5, 6], [7, 8]], [[5, 6], [0, 0]]])
    more, longer = add_sentence_boundary_token_ids(
        ids, (ids > 0).any(dim=2), torch.tensor([1, 1]), torch.tensor([2, 2])
    )
    assert more.tolist() == [[[1, 1], [5, 6], [7, 8], [2, 2]], [[1, 1], [5, 6], [2, 2], [0, 0]]]
    assert longer.tolist() == [[True] * 4, [True] * 3 + [False]]
    words = torch.tensor([[5, 6], [7, 0]])
    more, longer = add_sentence_boundary_token_ids(words, words > 0, 1, 2)
    assert more.tolist() == [[1, 5, 6, 2], [1, 7, 2, 0]]
    assert longer.tolist() == [[True] * 4, [True] * 3 + [False]]


@pytest.mark.parametrize("batch", [[], [[]], [[], []]])
def test_ids_of_nothing(batch: list[list[str]]) -> None:
    ids = batch_to_ids(batch)
    assert ids.shape == (len(batch), 0, 50)
    assert make()(ids)["elmo_representations"][0].shape == (len(batch), 0, 16)


def test_indexer() -> None:
    class Token:
        def __init__(self, text: str | None):
            self.text = text

    indexer = ELMoTokenCharactersIndexer()
    indices = indexer.tokens_to_indices([Token("bank"), Token("<S>")])
    assert torch.equal(torch.tensor(indices["elmo_tokens"]), batch_to_ids([["bank", "<S>"]])[0])
    assert indexer.get_padding_lengths(indices) == {"elmo_tokens": 2}
    padded = indexer.as_padded_tensor_dict(indices, {"elmo_tokens": 3})["elmo_tokens"]
    assert padded.shape == (3, 50)
    assert not padded[2].any()
    assert indexer == ELMoTokenCharactersIndexer()
    assert indexer != ELMoTokenCharactersIndexer(tokens_to_add={"x": 1})
    with pytest.raises(ConfigurationError, match=r"EL890.*`text`"):
        indexer.tokens_to_indices([Token(None)])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda elmo: pickle.loads(pickle.dumps(elmo))])
def test_copies(duplicate: Any) -> None:
    elmo = make(stateful=True)
    ids = batch_to_ids(SENTENCES)
    elmo(ids)
    twin = duplicate(elmo)
    assert torch.equal(twin(ids)["elmo_representations"][0], elmo(ids)["elmo_representations"][0])
    twin._elmo_lstm._elmo_lstm.reset_states()
    assert twin._elmo_lstm._elmo_lstm._states is None
    assert elmo._elmo_lstm._elmo_lstm._states is not None  # type: ignore[union-attr]


@pytest.mark.parametrize("stateful", [True, False])
def test_embedder(measured: Measured, stateful: bool) -> None:
    embedder = ElmoEmbedder(**FILES, stateful=stateful)
    layers = np.concatenate([one for one in embedder.embed_sentences(ALL, 3) if one.shape[1]], axis=1)
    expected = golden.arrays()["embedder.carried" if stateful else "embedder.reset"]
    found = float(np.abs(layers - expected).max())
    measured(f"compat.allennlp.ElmoEmbedder, stateful={stateful}: {found:.1e}")
    assert layers.dtype == np.float32
    assert found <= 1e-5
    if not stateful:
        first = embedder.embed_sentence(ALL[0])
        assert np.array_equal(embedder.embed_sentence(ALL[0]), first)
        assert np.abs(embedder.embed_batch(ALL)[0] - first).max() <= 1e-5


def test_fixture_of_allennlp() -> None:
    """The test data that AllenNLP published: thirty sentences in batches of three, with carried state."""
    folder = shared_path("parity/allennlp_fixture")
    lists = json.loads((folder / "sentences.json").read_text("utf-8"))
    sentences = [sentence.split() for batch in zip(*lists) for sentence in batch]
    embedder = ElmoEmbedder(folder / "options.json", folder / "lm_weights.hdf5", stateful=True)
    found = list(embedder.embed_sentences(sentences, 3))
    for k in range(3):
        with h5py.File(folder / f"lm_embeddings_{k}.hdf5") as file:
            for i in range(10):
                forward, backward = file[str(i)][...]
                expected = np.concatenate([forward, backward], axis=1)
                np.testing.assert_allclose(found[3 * i + k][2], expected, atol=1e-6)


def test_empty_sentences() -> None:
    embedder = ElmoEmbedder(**FILES)
    assert embedder.embed_sentence([]).shape == (3, 0, 1024)
    embedded = embedder.embed_batch([["a", "b"], [], ["c"]])
    assert [one.shape for one in embedded] == [(3, 2, 16), (3, 0, 1024), (3, 1, 16)]
    assert list(embedder.embed_sentences([])) == []
    activations, mask = embedder.batch_to_embeddings([["a", "b"], ["c"]])
    assert activations.shape == (2, 3, 2, 16)
    assert mask.tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize("output_format", ["all", "top", "average"])
def test_file(output_format: str, tmp_path: Path) -> None:
    embedder = ElmoEmbedder(**FILES)
    lines = ["The bank by the river .", "Hello", "The bank by the river ."]
    source = io.StringIO("\n".join(lines) + "\n")
    embedder.embed_file(source, str(tmp_path / "out.h5"), output_format, batch_size=2)
    assert source.closed
    with h5py.File(tmp_path / "out.h5") as file:
        assert set(file) == {"0", "1", "2", "sentence_to_index"}
        assert json.loads(file["sentence_to_index"][0]) == {lines[0]: "2", "Hello": "1"}
        layers = embedder.embed_sentence(lines[1].split())
        expected = {"all": layers, "top": layers[-1], "average": layers.mean(axis=0)}[output_format]
        assert file["1"].dtype == np.float32
        np.testing.assert_allclose(file["1"][...], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "settings", "match"),
    [
        ("a b\n\nc\n \n", {}, r"EL896.* 2 empty .*line 2\."),
        (
            "a\nb\na\n",
            {"use_sentence_keys": True},
            r"EL897.*Line 3 of the input, 'a', occurs before.*use_sentence_keys=False",
        ),
        ("and/or\n", {"use_sentence_keys": True}, r"EL898.*'and/or'.*slash"),
        ("a\n.\n", {"use_sentence_keys": True}, r"EL898.*Line 2 of the input, '\.'.* it is '\.'"),
        ("a\0b\n", {"use_sentence_keys": True}, r"EL898.*Line 1 of the input.*NUL"),
        ("a\n", {"output_format": "best"}, r"EL895.*'best'.*all, top, average"),
    ],
)
def test_files_that_are_refused(text: str, settings: dict[str, Any], match: str, tmp_path: Path) -> None:
    """Before anything is written."""
    with pytest.raises(ConfigurationError, match=match):
        ElmoEmbedder(**FILES).embed_file(io.StringIO(text), str(tmp_path / "out.h5"), **settings)
    assert list(tmp_path.iterdir()) == []


def test_sentences_as_keys(tmp_path: Path) -> None:
    ElmoEmbedder(**FILES).embed_file(io.StringIO("a b\nc\n"), str(tmp_path / "out.h5"), use_sentence_keys=True)
    with h5py.File(tmp_path / "out.h5") as file:
        assert set(file) == {"a b", "c"}


def test_sources_of_this_package() -> None:
    """In place of two files, any source."""
    expected = Elmo("en_sm", None, 1, dropout=0.0)(batch_to_ids(SENTENCES))["elmo_representations"][0]
    assert expected.shape == (5, 8, 256)
    assert ElmoEmbedder("en_sm").embed_sentence(["a"]).shape == (3, 1, 256)
    assert ElmoTokenEmbedder("en_sm")(batch_to_ids(SENTENCES)).shape == (5, 8, 256)
    folder = shared_path("parity/manylangs/char")
    for make_one in (lambda: Elmo(folder), lambda: _ElmoCharacterEncoder(folder)):
        with pytest.raises(ConfigurationError, match=r"EL899.*vocabulary of characters.*ElmoModule"):
            make_one()


@pytest.mark.parametrize(
    ("batch", "match"), [(["abc"], "EL033"), ("abc", "EL240"), ([[b"a"]], "EL034"), ([["a", None]], "EL034")]
)
def test_what_are_no_sentences(batch: Any, match: str) -> None:
    for read in (batch_to_ids, ElmoEmbedder(**FILES).embed_batch):
        with pytest.raises(ConfigurationError, match=match):
            read(batch)


def test_usage() -> None:
    """A page of what AllenNLP's users write, the import changed."""
    options_file, weight_file = FILES["options_file"], FILES["weight_file"]
    elmo = Elmo(options_file, weight_file, 2, dropout=0)
    sentences = [["First", "sentence", "."], ["Another", "."]]
    character_ids = batch_to_ids(sentences)
    embeddings = elmo(character_ids)
    assert embeddings["elmo_representations"][0].shape == (2, 3, elmo.get_output_dim())
    assert embeddings["mask"].long().sum(dim=1).tolist() == [3, 2]

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.elmo = Elmo(options_file, weight_file, 1, requires_grad=True, dropout=0.2)
            self.rnn = nn.LSTM(self.elmo.get_output_dim(), 8, batch_first=True, bidirectional=True)
            self.output = nn.Linear(16, 2)

        def forward(self, ids: Tensor) -> Tensor:
            embedded = self.elmo(ids)
            encoded, _ = self.rnn(embedded["elmo_representations"][0])
            mask = embedded["mask"].unsqueeze(2)
            scores: Tensor = self.output((encoded * mask).sum(dim=1) / mask.sum(dim=1))
            return scores

    torch.manual_seed(0)
    model = Classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    labels, losses = torch.tensor([0, 1]), []
    for _ in range(30):
        loss = nn.functional.cross_entropy(model(character_ids), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    state = model.state_dict()
    assert "elmo._elmo_lstm._token_embedder._char_embedding_weights" in state
    again = Classifier()
    again.load_state_dict(state)
    assert torch.equal(again.eval()(character_ids), model.eval()(character_ids))

    ee = ElmoEmbedder(options_file, weight_file, cuda_device=-1)
    vectors = ee.embed_sentence(["I", "ate", "an", "apple", "for", "breakfast"])
    assert vectors.shape == (3, 6, 16)
    assert np.array_equal(vectors, ee.embed_sentence(["I", "ate", "an", "apple", "for", "breakfast"]))
    two = list(ee.embed_sentences([["I", "ate"], ["an", "apple"]], batch_size=1))
    assert [one.shape for one in two] == [(3, 2, 16)] * 2
