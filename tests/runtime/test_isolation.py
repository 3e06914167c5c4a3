"""Vectors and learning do not depend on settings of the process or the thread, and leave them as they are."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.training import Example
from thinc.api import Adam, Model, fix_random_seed

import spacy_elmo
from spacy_elmo.cli.export import export
from spacy_elmo.cli.perplexity import perplexity
from spacy_elmo.inference.cpu.features import has_bf16
from spacy_elmo.inference.settings import InitialState, PrecisionName
from spacy_elmo.language_model.substitutes import substitutes
from spacy_elmo.models.bilstm import build_bilstm_encoder_v1
from spacy_elmo.runtime.isolation import isolate
from spacy_elmo.weights.source import read_weights
from tests.data import TINY
from tests.language_models import load_language_model
from tests.pipeline.training import arrays, initialize, pipeline, train
from tests.pretraining.runs import checkpoint_tensors, entries, make_config
from tests.pretraining.runs import train as pretrain
from tests.settings import SETTINGS, snapshot

TEXT = "I like green eggs, ham and Wörter"
TOK2VEC = {
    "@architectures": "spacy-elmo.ElmoTok2Vec.v1",
    "source": str(TINY),
    "elmo": {
        "@architectures": "spacy-elmo.Elmo.v1",
        "get_spans": {"@misc": "spacy-elmo.sent_spans.v1"},
        "precision": "fp32",
        "initial_state": "zero",
        "max_batch_tokens": None,
    },
    "listener": {"@architectures": "spacy-elmo.ElmoListener.v1", "layer_norm": True},
}


def assert_close(got: dict[str, Any], expected: dict[str, Any], *, atol: float) -> None:
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        assert got[name].dtype == array.dtype, name
        np.testing.assert_allclose(got[name], array, rtol=0, atol=atol, err_msg=name)


def embed(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    sentences = [TEXT.split(), [], ["eggs"]]
    precisions: list[PrecisionName] = ["fp32", "fp64"]
    if has_bf16():
        precisions.append("bf16")
    states: list[InitialState] = ["zero", "carry"]
    for precision in precisions:
        for state in states:
            elmo = spacy_elmo.load(TINY, precision=precision, initial_state=state)
            for number, outputs in enumerate(elmo.embed(sentences)):
                found.update((f"{precision} {state} {number} {name}", array) for name, array in outputs.items())
    elmo.save(folder / "saved")
    found["read"] = next(spacy_elmo.load(folder / "saved").stream(sentences)).elmo
    return found


def run_component(folder: Path) -> dict[str, Any]:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": str(TINY)})
    found = {"call": nlp(TEXT).tensor, "pipe": next(iter(nlp.pipe([TEXT, "", "ham"])))._.elmo.stack()}
    nlp.to_disk(folder)
    found["read"] = spacy.load(folder)(TEXT).tensor
    return found


def run_tok2vec(folder: Path) -> dict[str, Any]:
    nlp = spacy.blank("en")
    tagger: Any = nlp.add_pipe("tagger", config={"model": {"tok2vec": TOK2VEC}})
    tagger.add_label("A")
    nlp.initialize()
    return {"vectors": tagger.model.get_ref("tok2vec").predict([nlp.make_doc(TEXT)])[0]}


def run_encoder(folder: Path) -> dict[str, Any]:
    fix_random_seed(0)
    model: Model[Any, Any] = build_bilstm_encoder_v1(8, depth=2, dropout=0.25)
    model.initialize()
    sgd = Adam(0.1)
    inputs = [np.linspace(-1, 1, 8 * n, dtype=np.float32).reshape(n, 8) for n in (3, 5)]
    found = {"before": np.concatenate(model.predict(inputs))}
    for _ in range(3):
        outputs, backprop = model.begin_update(inputs)
        found["gradient"] = np.concatenate(backprop(outputs))
        model.finish_update(sgd)
    found["after"] = np.concatenate(model.predict(inputs))
    other: Model[Any, Any] = build_bilstm_encoder_v1(8, depth=2)
    found["read"] = np.concatenate(other.from_bytes(model.to_bytes()).predict(inputs))
    return found


def fine_tune(folder: Path) -> dict[str, Any]:
    """The biLM and the mixes, its own and the component's, with memory for parts only."""
    found: dict[str, Any] = {}
    configs: dict[str, dict[str, Any]] = {
        "biLM": {"frozen": False, "dropout": 0.1, "model": {"max_batch_tokens": 8}},
        "mix": {"frozen": True, "cache": {"@misc": "spacy-elmo.layer_cache.v1", "folder": str(folder / "cache")}},
    }
    for kind, config in configs.items():
        layer = {
            "@architectures": "spacy-elmo.ElmoListener.v1",
            "pooling_layer": "elmo" if kind == "mix" else None,
        }
        nlp = pipeline("tagger", listener=layer, **config)
        sgd = initialize(nlp)
        train(nlp, sgd, steps=3)
        found.update((f"{kind} {name}", array) for name, array in arrays(nlp).items())
        found[kind] = nlp(TEXT).tensor
    return found


def run_pretraining(folder: Path) -> dict[str, Any]:
    """A run, what its model makes of a text, and what the log says."""
    config = make_config(folder, training__n_epochs=1)
    pretrain(config, folder / "run").export()
    found = {name: tensor.numpy() for name, tensor in checkpoint_tensors(folder / "run").items()}
    numbers = [entry[name] for entry in entries(folder / "run") for name in entry if name != "event"]
    found["log"] = np.asarray([number for number in numbers if isinstance(number, (int, float))], dtype="d")
    source = folder / "run" / "model"
    for state in ("carry", "zero"):
        texts = [folder / "dev.txt"]
        output = folder / f"{state}.jsonl"
        summary = perplexity(source, texts, initial_state=state, pipeline="blank:xx", output=output)
        found[f"perplexity {state}"] = np.asarray(summary, dtype="d")
        lines = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
        found[f"lines {state}"] = np.asarray([line["forward"] for line in lines], dtype="d")
    model, vocabulary = load_language_model(source)
    ((first, *_),) = substitutes(model, vocabulary, [["wx3", "wy1"]], 3)
    found["substitutes"] = np.asarray([score for _, score in first.both])
    return found


def convert(folder: Path) -> dict[str, Any]:
    """Saved, read, converted, packed, and read again."""
    spacy_elmo.load(TINY).save(folder / "saved")
    export(folder / "saved", folder / "half", dtype="float16")
    export(TINY, folder / "hdf5", format="hdf5")
    archive = shutil.make_archive(str(folder / "packed"), "zip", folder / "hdf5")
    found: dict[str, Any] = {}
    for name in ("saved", "half", "hdf5"):
        arrays = read_weights(folder / name).arrays
        found.update((f"{name} {key}", np.array(array)) for key, array in arrays.items())
    found.update((f"packed {key}", array) for key, array in read_weights(archive).arrays.items())
    return found


WORK = [embed, run_component, run_tok2vec, run_encoder, fine_tune, run_pretraining, convert]
LEARNING = (fine_tune, run_encoder, run_pretraining)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, dict[str, Any]]:
    return {work: work(tmp_path_factory.mktemp("expected")) for work in WORK}


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_others(setting: str, work: Any, expected: Any, tmp_path: Path) -> None:
    with SETTINGS[setting]():
        before = snapshot()
        got = work(tmp_path)
        assert snapshot() == before
    # What threads add up in another order, and the optimizer makes larger.
    assert_close(got, expected[work], atol=2e-4 if work in LEARNING else 2e-6)


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("where", ["around the thread", "in the thread"])
def test_in_another_thread(where: str, work: Any, expected: Any, tmp_path: Path) -> None:
    """Some settings are the thread's, some the process's; the main thread's must do no harm in others."""

    def in_thread() -> dict[str, Any]:
        with SETTINGS["several" if where == "in the thread" else "one thread"]():
            before = snapshot()
            got: dict[str, Any] = work(tmp_path)
            assert snapshot() == before
        return got

    with SETTINGS["several"](), ThreadPoolExecutor(1) as pool:
        got = pool.submit(in_thread).result()
    assert_close(got, expected[work], atol=2e-4 if work in LEARNING else 2e-6)


def test_filled_tensors() -> None:
    """Thinc makes one, of a number that float16 does not have."""
    with SETTINGS["default dtype float16"](), isolate():
        assert torch.full((1,), 65536.0).tolist() == [65536.0]
        assert torch.full((1,), fill_value=2).dtype == torch.int64


@pytest.mark.parametrize("frozen", [False, True])
def test_learning_without_gradient_mode(frozen: bool) -> None:
    """It learns, though the process has no gradients."""
    layer = {"@architectures": "spacy-elmo.ElmoListener.v1", "pooling_layer": "elmo"}
    nlp = pipeline("tagger", listener=layer, frozen=frozen, learn_rate_factor=1.0, warmup_steps=0)
    sgd = initialize(nlp)
    before = arrays(nlp)
    with SETTINGS["no gradients"](), SETTINGS["inference mode"]():
        nlp.update([Example.from_dict(nlp.make_doc("I like"), {"tags": ["N", "V"]})], sgd=sgd)
        after = arrays(nlp)
    same = [name for name in before if np.array_equal(before[name], after[name])]
    assert ("gamma" in " ".join(same)) is False
    assert any("stack" in name for name in same) is frozen
