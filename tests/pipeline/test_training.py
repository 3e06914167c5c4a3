"""What learns, when, and what stays as it is."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from thinc.api import Adam, Optimizer

from spacy_elmo.models.listener import get_pooling
from spacy_elmo.models.module import get_module
from tests.components import get_array, get_embedder, get_listener, get_trainable, set_array, update
from tests.data import ROOT, Measured
from tests.pipeline.training import (
    LISTENER,
    TEXTS,
    arrays,
    examples,
    initialize,
    list_changed,
    pipeline,
    tags,
    train,
    train_like_spacy,
)
from tests.platforms import linux_memory

SHARED_MIX = {**LISTENER, "pooling_layer": "elmo"}
MIX = ["scalar_mix.weights", "scalar_mix.gamma"]
# Without the penalty and averages, steps are the same however batches are split.
PLAIN = {**LISTENER, "l2": 0.0}


def start(nlp: Language, rate: float = 0.01) -> Optimizer:
    initialize(nlp)
    sgd: Optimizer = Adam(rate, L2=0.0, use_averages=False)
    return sgd


def get_mix(nlp: Language, pipe: str) -> np.ndarray:
    mix = get_pooling(get_listener(nlp, pipe))
    return np.concatenate([get_array(mix, "weights"), get_array(mix, "gamma")])


@pytest.mark.parametrize("listener", [LISTENER, SHARED_MIX])
@pytest.mark.parametrize("frozen", [True, False])
def test_a_toy_set_is_learnt(listener: Any, frozen: bool, tmp_path: Path) -> None:
    nlp = pipeline("tagger", "ner", listener=listener, frozen=frozen, set_tensor=False)
    sgd = start(nlp, 0.03)
    before = arrays(nlp)
    train_like_spacy(nlp, sgd, steps=150)
    assert tags(nlp) == [gold.get("tags", []) for _, gold in TEXTS]
    assert [[ent.text for ent in nlp(text).ents] for text, _ in TEXTS] == [["green eggs"], ["blue ham"], [], []]
    if listener is LISTENER:
        assert not np.array_equal(get_mix(nlp, "tagger"), get_mix(nlp, "ner"))
    found = list_changed(before, arrays(nlp))
    expected = [] if frozen else [name for name in before if name not in MIX]
    assert set(found) == {*expected, *(MIX if listener is SHARED_MIX else [])}
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert tags(loaded) == tags(nlp)
    for text, _ in TEXTS:
        np.testing.assert_array_equal(loaded(text)._.elmo.elmo, nlp(text)._.elmo.elmo)
    assert list_changed(arrays(nlp), arrays(loaded)) == []


def test_the_shared_mix_is_what_doc_tensor_shows() -> None:
    nlp = pipeline("tagger", listener=SHARED_MIX)
    sgd = start(nlp)
    before = nlp("I like it").tensor
    train(nlp, sgd, steps=3)
    doc = nlp("I like it")
    assert not np.allclose(doc.tensor, before)
    mix = get_embedder(nlp).elmo.mix
    shares = np.exp(mix.weights.detach().numpy())
    expected = float(mix.gamma.detach()) * np.tensordot(shares / shares.sum(), doc._.elmo.stack(), 1)
    np.testing.assert_allclose(doc.tensor, expected, atol=1e-5)


def differentiate(
    nlp: Language, parameters: list[np.ndarray], gradients: list[np.ndarray], d: np.ndarray
) -> list[tuple[float, float]]:
    """(loss(p + eps v) - loss(p - eps v)) / 2 eps for the listener's output times d, and the gradient times v."""
    listener, docs = get_listener(nlp), [example.predicted for example in examples(nlp)]
    embedder = get_embedder(nlp)
    numbers = np.random.default_rng(3)
    ratios = []
    for parameter, gradient in zip(parameters, gradients):
        v, eps = numbers.normal(size=parameter.shape), 1e-4
        before, found = parameter.copy(), []
        for sign in (1, -1):
            parameter[...] = before + sign * eps * v
            get_module(embedder.model).mark_changed()
            for doc in docs:
                embedder(doc)
            found.append(float((np.concatenate(listener.predict(docs)).astype("d") * d).sum()))
        parameter[...] = before
        ratios.append(((found[0] - found[1]) / (2 * eps), float((gradient * v).sum())))
    return ratios


def test_finite_differences() -> None:
    """Through listener, mix and biLM, computed in float64."""
    model = {"@architectures": "spacy-elmo.Elmo.v1", "precision": "fp64"}
    nlp = pipeline("tagger", listener=PLAIN, frozen=False, model=model)
    start(nlp)
    embedder, listener = get_embedder(nlp), get_listener(nlp)
    gold = examples(nlp)
    set_array(get_pooling(listener), "weights", [0.3, -0.4, 0.1])
    d = np.random.default_rng(0).normal(size=(sum(len(eg.predicted) for eg in gold), 16)).astype("f")
    embedder.update(gold)
    outputs, backprop = listener.begin_update([eg.predicted for eg in gold])
    lengths = np.cumsum([len(output) for output in outputs])[:-1]
    backprop(np.split(d, lengths))
    embedder._updates.apply_pending()
    names, parameters, gradients = [], [], []
    for name, parameter, _ in get_module(embedder.model).trained_parameters():
        if name.startswith("bilm."):
            assert parameter.grad is not None
            names.append(name)
            parameters.append(parameter.data.numpy())
            gradients.append(parameter.grad.numpy())
    assert len(names) == 29
    for name, (difference, expected) in zip(names, differentiate(nlp, parameters, gradients, d)):
        assert difference == pytest.approx(expected, rel=0.01, abs=0.05), name


def test_two_listeners_add_up() -> None:
    def compute_gradients(*pipes: str) -> dict[str, np.ndarray]:
        nlp = pipeline("tagger", "ner", listener=PLAIN, frozen=False)
        start(nlp)
        embedder = get_embedder(nlp)
        gold = examples(nlp)
        embedder.update(gold)
        for pipe in pipes:
            outputs, backprop = get_listener(nlp, pipe).begin_update([eg.predicted for eg in gold])
            backprop([(k + len(pipe)) * output for k, output in enumerate(outputs)])
        embedder._updates.apply_pending()
        return {
            name: p.grad.numpy()
            for name, p, _ in get_module(embedder.model).trained_parameters()
            if p.grad is not None
        }

    one, two, both = compute_gradients("tagger"), compute_gradients("ner"), compute_gradients("tagger", "ner")
    assert len(both) == 29
    for name, gradient in both.items():
        np.testing.assert_allclose(gradient, one[name] + two[name], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("excluded", ["tagger", "ner"])
def test_one_listener_excluded(excluded: str) -> None:
    nlp = pipeline("tagger", "ner", frozen=False)
    sgd = start(nlp)
    before, mixes = arrays(nlp), get_mix(nlp, excluded)
    train_like_spacy(nlp, sgd, steps=2, exclude=[excluded])
    assert list_changed(before, arrays(nlp)) == [name for name in before if name not in MIX]
    assert np.array_equal(get_mix(nlp, excluded), mixes)


@pytest.mark.parametrize("listener", [PLAIN, {**PLAIN, "pooling_layer": "elmo"}])
@pytest.mark.parametrize("frozen", [True, False])
def test_both_ways_to_train_are_the_same(listener: Any, frozen: bool) -> None:
    """`nlp.update(sgd=...)` asks the embedder for its step before the listeners had their turn."""
    trained = []
    for way in (train, train_like_spacy):
        nlp = pipeline("tagger", "ner", listener=listener, frozen=frozen)
        sgd = start(nlp)
        way(nlp, sgd, steps=4)
        trained.append({**arrays(nlp), "tagger": get_trainable(nlp).model.get_ref("softmax").get_param("W")})
    assert list_changed(*trained) == []


def test_losses_tell_what_came_back() -> None:
    # A tagger's last matrix starts from zeros, so that nothing comes back from its first step.
    nlp = pipeline("tagger", frozen=False)
    assert train(nlp, start(nlp), steps=2)["elmo_embedder"] > 0
    nlp = pipeline("tagger")
    assert train(nlp, start(nlp), steps=2)["elmo_embedder"] == 0


@pytest.mark.parametrize("frozen", [True, False])
def test_accumulated_gradients(frozen: bool) -> None:
    trained = []
    for parts in (1, 3):
        # The textcat's gradient is divided by its batch's size, a tagger's is not.
        nlp = pipeline("tagger", listener=LISTENER, frozen=frozen)
        sgd = start(nlp)
        for _ in range(3):
            gold = examples(nlp)
            for part in range(parts):
                update(nlp, gold[part::parts], sgd=False)
            for name in nlp.pipe_names:
                get_trainable(nlp, name).finish_update(sgd)
        trained.append({**arrays(nlp), "mix": get_mix(nlp, "tagger")})
    for name, array in trained[0].items():
        np.testing.assert_allclose(trained[1][name], array, atol=2e-4, err_msg=name)
    assert list_changed(*trained) or frozen


@pytest.mark.parametrize(
    ("trainable", "expected"),
    [
        (r"^forward_stack\.", {"forward_stack"}),
        (["backward_stack", r"char_encoder\.projection"], {"backward_stack", "char_encoder.projection"}),
        (".*", {"forward_stack", "backward_stack", "char_encoder"}),
    ],
)
def test_chosen_parts_learn(trainable: Any, expected: Any) -> None:
    nlp = pipeline("tagger", frozen=False, trainable=trainable)
    sgd = start(nlp)
    before = arrays(nlp)
    train(nlp, sgd, steps=2)
    found = set(list_changed(before, arrays(nlp)))
    assert found == {name for name in before if name.startswith(tuple(expected))}


def test_a_pattern_that_fits_nothing() -> None:
    nlp = pipeline("tagger", frozen=False, trainable=["layer_7"])
    with pytest.raises(ValueError, match=r"EL099.*'layer_7'.*char_encoder\.embedding\.weight"):
        train(nlp, start(nlp), steps=1)


def test_a_learning_rate_of_its_own() -> None:
    steps = []
    for factor in (1.0, 0.1):
        nlp = pipeline("tagger", frozen=False, listener=PLAIN, learn_rate_factor=factor, warmup_steps=0)
        sgd = start(nlp)
        before, mix = arrays(nlp), get_mix(nlp, "tagger")
        train(nlp, sgd, steps=2)
        name = "forward_stack.layers.1.projection.weight"
        steps.append((np.abs(arrays(nlp)[name] - before[name]).max(), np.abs(get_mix(nlp, "tagger") - mix).max()))
    assert steps[0][0] > 0.001
    assert steps[1][0] == pytest.approx(steps[0][0] / 10, rel=1e-3)
    assert steps[0][1] == steps[1][1]


def test_averages_reach_the_bilm() -> None:
    nlp = pipeline("tagger", frozen=False, learn_rate_factor=1.0, warmup_steps=0)
    initialize(nlp)
    sgd = Adam(0.05, L2=0.0, use_averages=True)
    seen = []
    for _ in range(3):
        train(nlp, sgd, steps=1)
        seen.append(arrays(nlp))
    name = "backward_stack.layers.0.state_linear.weight"
    with nlp.use_params(sgd.averages):
        averaged, tensor = arrays(nlp)[name], nlp("I like it").tensor
        data = nlp.to_bytes()
    assert list_changed(seen[-1], arrays(nlp)) == []
    assert not np.array_equal(averaged, seen[-1][name])
    low, high = (bound(np.stack([one[name] for one in seen]), axis=0) for bound in (np.min, np.max))
    assert ((averaged > low - 1e-6) & (averaged < high + 1e-6)).mean() > 0.95
    assert not np.allclose(nlp("I like it").tensor, tensor)
    loaded = pipeline("tagger", frozen=False).from_bytes(data)
    np.testing.assert_array_equal(arrays(loaded)[name], averaged)


def test_dropout_in_training_alone() -> None:
    nlp = pipeline("tagger", frozen=False, dropout=0.5, listener={**PLAIN, "pooling_layer": "lstm_outputs1"})
    start(nlp)
    embedder, listener = get_embedder(nlp), get_listener(nlp)
    found: list[np.ndarray] = []
    for _ in range(2):
        gold = examples(nlp)
        embedder.update(gold)
        found.append(np.concatenate(listener.begin_update([eg.predicted for eg in gold])[0]))
    assert not np.allclose(found[0], found[1])
    np.testing.assert_array_equal(nlp("I like it").tensor, nlp("I like it").tensor)


def test_no_word_table_while_the_encoder_learns() -> None:
    nlp = pipeline("tagger", frozen=False, trainable="char_encoder")
    sgd = start(nlp)
    before = nlp("I like it")._.elmo.word_emb
    train(nlp, sgd, steps=2)
    assert not np.allclose(nlp("I like it")._.elmo.word_emb, before)


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_components_that_annotate(frozen: bool) -> None:
    """The training config's `frozen_components` and `annotating_components`; also after a phase without."""
    nlp = pipeline("tagger", frozen=frozen)
    sgd = start(nlp)
    train_like_spacy(nlp, sgd, steps=2)
    before, mix = arrays(nlp), get_mix(nlp, "tagger")
    train_like_spacy(nlp, sgd, steps=2, exclude=["elmo_embedder"], annotates=["elmo_embedder"])
    assert list_changed(before, arrays(nlp)) == []
    assert not np.array_equal(mix, get_mix(nlp, "tagger"))


@pytest.mark.parametrize("source", [True, False])
def test_frozen_components_in_a_config(source: bool, tmp_path: Path) -> None:
    """Where a component is frozen, spaCy does not initialise it: its weights come all the same."""
    from spacy.training.initialize import init_nlp
    from spacy.training.loop import train as train_loop

    nlp = pipeline("tagger")
    initialize(nlp)
    nlp.to_disk(tmp_path / "nlp")
    spacy.tokens.DocBin(docs=[eg.reference for eg in examples(nlp, empty=False)]).to_disk(tmp_path / "train.spacy")
    config = nlp.config.copy()
    if source:
        config["components"]["elmo_embedder"] = {"source": str(tmp_path / "nlp")}
    config["paths"].update(train=str(tmp_path / "train.spacy"), dev=str(tmp_path / "train.spacy"))
    config["corpora"] = {
        name: {"@readers": "spacy.Corpus.v1", "path": "${paths." + name + "}"} for name in ("train", "dev")
    }
    config["training"].update(
        frozen_components=["elmo_embedder"], annotating_components=["elmo_embedder"], max_steps=4, eval_frequency=2
    )
    made = init_nlp(config.interpolate())
    mix = get_mix(made, "tagger")
    with open(os.devnull, "w") as nowhere:
        train_loop(made, None, stdout=nowhere, stderr=nowhere)
    assert not np.array_equal(mix, get_mix(made, "tagger"))
    assert list_changed(arrays(nlp), arrays(made)) == []


def test_a_component_that_annotates_for_others() -> None:
    """A tagger's predictions within a training step come from the batch, not from zeros."""
    nlp = pipeline("tagger", "ner")
    sgd = start(nlp, 0.03)
    train_like_spacy(nlp, sgd, steps=150)
    gold = examples(nlp)
    get_embedder(nlp).update(gold)
    docs = list(get_trainable(nlp).pipe([eg.predicted for eg in gold]))
    assert [[token.tag_ for token in doc] for doc in docs] == tags(nlp)


def test_saved_before_it_was_initialised(tmp_path: Path) -> None:
    nlp = pipeline("tagger", frozen=False)
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    train(loaded, initialize(loaded), steps=2)


def test_a_cache_needs_a_frozen_bilm(tmp_path: Path) -> None:
    cache = {"@misc": "spacy-elmo.layer_cache.v1", "folder": str(tmp_path)}
    with pytest.raises(ValueError, match=r"EL052.*`frozen = false`"):
        pipeline("tagger", frozen=False, cache=cache)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_cached_layers_teach_the_same(dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = {"@misc": "spacy-elmo.layer_cache.v1", "folder": str(tmp_path / "cache"), "dtype": dtype}
    found: list[np.ndarray] = []
    configs: list[dict[str, Any]] = [{}, {"cache": cache}, {"cache": cache}]
    for config in configs:
        nlp = pipeline("tagger", "ner", listener=PLAIN, **config)
        sgd = start(nlp)
        if len(found) == 2:
            embedder = get_embedder(nlp)
            # In a second epoch, or a second run, the biLM is not asked.
            monkeypatch.setattr(type(embedder.elmo), "embed", None)
        train_like_spacy(nlp, sgd, steps=3)
        found.append(np.concatenate([get_mix(nlp, "tagger"), get_mix(nlp, "ner")]))
    np.testing.assert_allclose(found[1], found[0], atol=1e-6 if dtype == "float32" else 1e-3)
    np.testing.assert_array_equal(found[2], found[1])


def test_a_pipeline_does_not_need_its_cache(tmp_path: Path) -> None:
    cache = {"@misc": "spacy-elmo.layer_cache.v1", "folder": str(tmp_path / "cache")}
    nlp = pipeline("tagger", cache=cache)
    train(nlp, start(nlp), steps=2)
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    before = sorted((tmp_path / "cache").iterdir())
    loaded("Words that were in no training text .")
    assert sorted((tmp_path / "cache").iterdir()) == before


STEPS = """
from pathlib import Path
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from tests.pipeline.training import initialize, pipeline

nlp = pipeline("tagger", frozen=False)
sgd = initialize(nlp)
gold = [Example.from_dict(Doc(nlp.vocab, words=["word"] * 200), {"tags": ["N"] * 200})] * 5

def resident():
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line]
    return int(line.split()[1])

def steps(n):
    for _ in range(n):
        nlp.update(gold, sgd=sgd)

steps(10)
before = resident()
steps(40)
print(resident() - before)
"""


@pytest.mark.slow
@linux_memory
def test_memory_of_training(measured: Measured) -> None:
    """No graph and no batch is left over from step to step."""
    done = subprocess.run([sys.executable, "-c", STEPS], cwd=ROOT, check=True, capture_output=True, text=True)
    grown = int(done.stdout)
    measured(f"fine-tuning, 40 more steps of 1,000 tokens: {grown:,} KiB more")
    # One graph of such a batch has some 6,000 KiB.
    assert grown < 30_000
