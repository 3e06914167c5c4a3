"""Saving, loading, other processes, spaCy's own commands."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from thinc.api import Config

import spacy_elmo
from spacy_elmo.models.module import get_module
from tests.components import get_embedder
from tests.pipeline.conftest import Make
from tests.platforms import forks

TEXT = "Saved and loaded , all is as it was ."


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


@pytest.fixture
def own_model(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to take away after it was read."""
    shutil.copytree(tiny, tmp_path / "source")
    return tmp_path / "source"


def test_disk(make: Make, own_model: Path, tmp_path: Path) -> None:
    nlp = make(source=str(own_model))
    expected = nlp(TEXT).tensor
    nlp.to_disk(tmp_path / "nlp")
    shutil.rmtree(own_model)  # a saved pipeline holds its own weights
    loaded = spacy.load(tmp_path / "nlp")
    np.testing.assert_array_equal(loaded(TEXT).tensor, expected)
    loaded.to_disk(tmp_path / "again")
    files = sorted(path.relative_to(tmp_path / "nlp") for path in (tmp_path / "nlp" / "elmo_embedder").rglob("*"))
    assert files
    for file in files:
        one, two = tmp_path / "nlp" / file, tmp_path / "again" / file
        assert one.is_dir() or one.read_bytes() == two.read_bytes(), file
    assert (tmp_path / "nlp" / "config.cfg").read_text() == (tmp_path / "again" / "config.cfg").read_text()


def test_bytes(make: Make, own_model: Path) -> None:
    nlp = make(source=str(own_model))
    expected = nlp(TEXT).tensor
    data = nlp.to_bytes()
    shutil.rmtree(own_model)
    loaded = make(source="nowhere").from_bytes(data)
    np.testing.assert_array_equal(loaded(TEXT).tensor, expected)
    one, two = (get_embedder(pipeline).to_bytes(exclude=["vocab"]) for pipeline in (nlp, loaded))
    assert one == two


def test_a_saved_embedder_is_a_source(make: Make, tmp_path: Path) -> None:
    nlp = make()
    nlp.initialize()
    nlp.to_disk(tmp_path / "nlp")
    output = spacy_elmo.load(tmp_path / "nlp" / "elmo_embedder" / "model").embed([TEXT.split()])[0]
    np.testing.assert_array_equal(output.elmo, nlp(TEXT).tensor)


def test_initialize_keeps_loaded_weights(make: Make, own_model: Path, tmp_path: Path) -> None:
    nlp = make(source=str(own_model))
    expected = nlp(TEXT).tensor
    nlp.to_disk(tmp_path / "nlp")
    shutil.rmtree(own_model)
    loaded = spacy.load(tmp_path / "nlp")
    loaded.initialize()
    np.testing.assert_array_equal(loaded(TEXT).tensor, expected)


def save_without_weights(make: Make, save: Callable[[Language], Any]) -> Any:
    with pytest.warns(UserWarning, match="WL023"):
        return save(make(source="nowhere"))


def test_saved_without_weights(make: Make, tiny: Path, tmp_path: Path) -> None:
    """Weights that were never read are not saved, and come from the source later."""
    save_without_weights(make, lambda nlp: nlp.to_disk(tmp_path / "nlp"))
    assert size(tmp_path / "nlp" / "elmo_embedder") < 1000
    config = {"components": {"elmo_embedder": {"source": str(tiny)}}}
    loaded = spacy.load(tmp_path / "nlp", config=config)
    assert not get_module(get_embedder(loaded).model).has_weights
    loaded.initialize()
    np.testing.assert_array_equal(loaded(TEXT).tensor, make()(TEXT).tensor)


def test_loading_takes_weights_away(make: Make, tmp_path: Path) -> None:
    """The uninitialised state comes back, not the weights of before."""
    save_without_weights(make, lambda nlp: nlp.to_disk(tmp_path / "nlp"))
    data = save_without_weights(make, lambda nlp: nlp.to_bytes())
    for load in (
        lambda nlp: nlp.from_bytes(data),
        lambda nlp: get_embedder(nlp).from_disk(tmp_path / "nlp" / "elmo_embedder", exclude=["vocab"]),
    ):
        nlp = make()
        nlp.initialize()
        load(nlp)
        module = get_module(get_embedder(nlp).model)
        assert not module.has_weights
        assert list(module.parameters()) == []


def test_saving_over_an_older_pipeline(make: Make, tmp_path: Path) -> None:
    """Weights of the save before must not pass for those of a pipeline that has none."""
    first = make()
    first.initialize()
    first.to_disk(tmp_path / "nlp")
    save_without_weights(make, lambda nlp: nlp.to_disk(tmp_path / "nlp"))
    with pytest.raises(FileNotFoundError, match="EL010"):
        spacy.load(tmp_path / "nlp")(TEXT)


def test_settings_come_from_the_config(make: Make, tmp_path: Path) -> None:
    """An edited config wins over what was saved."""
    nlp = make()
    nlp.initialize()
    nlp.to_disk(tmp_path / "nlp")
    config = {"components": {"elmo_embedder": {"pooling_layer": "word_emb", "model": {"max_batch_tokens": 99}}}}
    loaded = spacy.load(tmp_path / "nlp", config=config)
    assert loaded("a b").tensor.shape == (2, 8)
    assert get_module(get_embedder(loaded).model).settings.max_batch_tokens == 99


def test_threads_are_in_the_config(make: Make, tmp_path: Path) -> None:
    nlp = make(model={"n_threads": 2})
    nlp.initialize()
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    assert loaded.config["components"]["elmo_embedder"]["model"]["n_threads"] == 2
    module = get_module(get_embedder(loaded).model)
    assert (
        module.settings.n_threads
        == module.sync().settings.n_threads
        == module.sync().engine.workers.n_threads
        == 2
    )
    # As an earlier version has saved it.
    config = Config().from_disk(tmp_path / "nlp" / "config.cfg", interpolate=False)
    del config["components"]["elmo_embedder"]["model"]["n_threads"]
    config.to_disk(tmp_path / "nlp" / "config.cfg")
    old = spacy.load(tmp_path / "nlp")
    assert get_module(get_embedder(old).model).settings.n_threads is None
    np.testing.assert_allclose(old(TEXT).tensor, loaded(TEXT).tensor, atol=2e-6)


def test_exclude(make: Make, tmp_path: Path) -> None:
    nlp = make()
    nlp.initialize()
    embedder = get_embedder(nlp)
    embedder.to_disk(tmp_path / "pipe", exclude=["model", "vocab"])
    assert os.listdir(tmp_path / "pipe") == ["cfg"]
    embedder.to_disk(tmp_path / "whole")
    assert sorted(os.listdir(tmp_path / "whole")) == ["cfg", "model", "vocab"]
    fresh = get_embedder(make(source="nowhere")).from_disk(tmp_path / "whole", exclude=["vocab"])
    assert fresh.elmo.n_layers == 2


def test_damaged_weights(make: Make, tmp_path: Path) -> None:
    nlp = make()
    nlp.initialize()
    nlp.to_disk(tmp_path / "nlp")
    path = tmp_path / "nlp" / "elmo_embedder" / "model" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"EL023.*weights.safetensors' is truncated"):
        spacy.load(tmp_path / "nlp")


def test_pickle(make: Make) -> None:
    for has_weights in (False, True):
        nlp = make()
        if has_weights:
            nlp(TEXT)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(nlp))(TEXT).tensor, nlp(TEXT).tensor)


WORKERS = """
import multiprocessing, sys
import numpy as np, spacy

def main():
    multiprocessing.set_start_method(sys.argv[1])
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": sys.argv[2]})
    texts = [f"text number {i} of {'many ' * (i % 7)}" for i in range(40)]
    # The threads of torch have run before the fork, and there is state of a past update.
    one = [doc.tensor for doc in nlp.pipe(texts)]
    nlp.update([spacy.training.Example.from_dict(nlp.make_doc("a"), {})])
    if sys.argv[3] == "unread":
        nlp = spacy.blank("en")
        nlp.add_pipe("elmo_embedder", config={"source": sys.argv[2]})
    two = list(nlp.pipe(texts, n_process=2, batch_size=7))
    assert [doc.text for doc in two] == texts
    worst = max(np.abs(a - b.tensor).max() for a, b in zip(one, two))
    kept = max(np.abs(doc._.elmo.elmo - doc.tensor).max() for doc in two)
    print(worst <= 2e-5, kept == 0)

if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "weights"),
    [pytest.param("fork", "read", marks=forks), pytest.param("fork", "unread", marks=forks), ("spawn", "read")],
)
def test_two_processes(parity: Path, tmp_path: Path, method: str, weights: str) -> None:
    """A model large enough that torch uses threads: a forked worker must not wait for lost ones, whether the
    weights were read before the fork or after it."""
    (tmp_path / "workers.py").write_text(WORKERS)
    command = [
        sys.executable,
        "-W",
        "error",
        str(tmp_path / "workers.py"),
        method,
        str(parity / "bilm" / "realistic"),
        weights,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.stdout.split() == ["True", "True"], done.stderr


def run_spacy(*arguments: Any, env: Any = None) -> str:
    command = [sys.executable, "-m", "spacy", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def saved(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": str(tiny)})
    nlp.initialize()
    nlp.meta.update(name="with_elmo", version="0.0.1")
    nlp.to_disk(folder / "nlp")
    DocBin(docs=[nlp.make_doc(text) for text in (TEXT, "", "One more")]).to_disk(folder / "dev.spacy")
    return folder


@pytest.mark.slow
def test_package_loads_elsewhere(saved: Path, tmp_path: Path) -> None:
    """What `spacy package` builds, installed apart from everything, holds its weights and names us."""
    run_spacy("package", saved / "nlp", tmp_path, "--build", "none")
    [package] = tmp_path.iterdir()
    meta = json.loads((package / "meta.json").read_text("utf-8"))
    assert any(requirement.startswith("spacy-elmo>=") for requirement in meta["requirements"])
    site = tmp_path / "site"
    install = ["install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", site, package]
    subprocess.run([sys.executable, "-m", "pip", *map(str, install)], capture_output=True, check=True, timeout=300)
    code = f"import spacy; nlp = spacy.load('en_with_elmo'); print(nlp({TEXT!r}).tensor.shape)"
    env = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=site, env=env, check=False)
    assert done.stdout.strip() == str(spacy.load(saved / "nlp")(TEXT).tensor.shape), done.stderr


@pytest.mark.slow
def test_spacys_commands(saved: Path, tmp_path: Path) -> None:
    """`init fill-config`, `debug config`, `evaluate` and `benchmark speed` take the pipeline."""
    config = tmp_path / "config.cfg"
    nlp = spacy.load(saved / "nlp")
    short = {"nlp": nlp.config["nlp"], "components": {"elmo_embedder": {"factory": "elmo_embedder"}}}
    from thinc.api import Config

    Config(short).to_disk(config)
    run_spacy("init", "fill-config", config, tmp_path / "filled.cfg")
    filled = Config().from_disk(tmp_path / "filled.cfg")
    assert filled["components"]["elmo_embedder"]["model"]["@architectures"] == "spacy-elmo.Elmo.v1"
    corpus = ["--paths.train", saved / "dev.spacy", "--paths.dev", saved / "dev.spacy"]
    run_spacy("debug", "config", tmp_path / "filled.cfg", *corpus)
    assert "TOK" in run_spacy("evaluate", saved / "nlp", saved / "dev.spacy")
    run_spacy("benchmark", "speed", saved / "nlp", saved / "dev.spacy", "--batches", 30, "--warmup", 1)


def test_vocab_is_shared(make: Make) -> None:
    nlp: Language = make()
    assert get_embedder(nlp).vocab is nlp.vocab


def test_a_named_model_is_fetched_once(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On first use; a saved pipeline holds the weights, and asks neither the cache nor the network."""
    mirror = tmp_path / "mirror"
    shutil.copytree(tiny, mirror / "2x2048_256_2048cnn_1xhighway")
    for name in ("options.json", "weights.hdf5"):
        folder = mirror / "2x2048_256_2048cnn_1xhighway"
        (folder / name).rename(folder / f"elmo_2x2048_256_2048cnn_1xhighway_{name}")
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SPACY_ELMO_MIRROR", mirror.as_uri())
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": "medium"})
    assert not (tmp_path / "cache").exists()
    expected = nlp(TEXT).tensor
    assert (tmp_path / "cache/models/medium").is_dir()
    nlp.to_disk(tmp_path / "saved")
    shutil.rmtree(tmp_path / "cache")
    shutil.rmtree(mirror)
    loaded = spacy.load(tmp_path / "saved")
    np.testing.assert_array_equal(loaded(TEXT).tensor, expected)
    np.testing.assert_array_equal(get_embedder(loaded).elmo.embed([["a"]])[0].word_emb.shape, (1, 8))
    assert not (tmp_path / "cache").exists()
