import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import spacy_elmo
from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.cli.init_pretrain import init_pretrain
from spacy_elmo.language_model.softmax import Softmax
from spacy_elmo.language_model.vocabulary import Vocabulary
from spacy_elmo.pretraining.config import PretrainingConfig, read_config
from spacy_elmo.pretraining.run import Run
from spacy_elmo.pretraining.start import create_model, init_weights
from spacy_elmo.weights.arrays import SOFTMAX_PREFIX, encoder_shapes
from spacy_elmo.weights.formats.folder import write_folder
from spacy_elmo.weights.source import read_weights
from tests.data import TINY, shared_path
from tests.pretraining.runs import a_run, checkpoint_tensors, entries, equal, make_config, train, write_text

SAME: dict[str, Any] = {"softmax__kind": "adaptive", "softmax__cutoffs": [8, 16], "softmax__div_value": 2.0}
SENTENCES = [["wx0", "wy1", "wz2"], ["unseen"]]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("first")
    run = train(make_config(folder), folder / "run")
    run.export()
    return run.folder


@pytest.fixture
def source(first: Path, tmp_path: Path) -> Path:
    """A copy of its model, with softmax and vocabulary."""
    shutil.copytree(first / "model", tmp_path / "source")
    return tmp_path / "source"


def continuing(folder: Path, source: Path, **settings: Any) -> PretrainingConfig:
    return make_config(folder, model__source=str(source), model__options=None, **settings)


def start_of(run: Run) -> str:
    """Read what the log says about the start."""
    found = [entry["start"] for entry in entries(run.folder) if "start" in entry]
    assert len(found) == 1
    return str(found[0])


def softmax_of(run: Run) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in run.model.softmax.state_dict().items()}


def fresh_softmax(run: Run) -> dict[str, Tensor]:
    """Draw the softmax that the run would have without a source."""
    torch.manual_seed(run.config.training.seed)
    return create_model(run.options, run.config, n_words=len(run.vocabulary)).softmax.state_dict()


def source_softmax(source: Path) -> dict[str, Tensor]:
    arrays = read_weights(source).arrays
    return {
        name.removeprefix(SOFTMAX_PREFIX): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(SOFTMAX_PREFIX)
    }


def assert_same_bilm(run: Run, source: Any) -> None:
    arrays = read_weights(source).arrays
    for name in encoder_shapes(run.options):
        np.testing.assert_array_equal(run.model.bilm.state_dict()[name].numpy(), arrays[name], err_msg=name)


def rewrite(source: Path, *, without: Sequence[str] = (), **more: np.ndarray) -> None:
    """Change the arrays of a folder."""
    weights = read_weights(source)
    arrays = {name: array.copy() for name, array in weights.arrays.items() if not name.startswith(tuple(without))}
    write_folder(source, weights.options, {**arrays, **more})


def test_new_weights(tmp_path: Path) -> None:
    """Random numbers are drawn in a fixed order: biLM, initial weights, softmax."""
    with a_run(make_config(tmp_path, training__seed=5), tmp_path / "run") as run:
        torch.manual_seed(5)
        bilm = BiLM(options=run.options)
        init_weights(bilm)
        softmax = Softmax(n_words=len(run.vocabulary), width=8, sparse=True)
        assert equal(run.model.bilm.state_dict(), bilm.state_dict())
        assert equal(run.model.softmax.state_dict(), softmax.state_dict())
    assert not (tmp_path / "run" / "log.jsonl").exists()


def test_bilm_softmax_and_vocabulary(source: Path, tmp_path: Path) -> None:
    """The weights of the source are copied, though text and settings differ."""
    write_text(tmp_path / "train.txt", seed=7)
    (tmp_path / "train.txt").write_text((tmp_path / "train.txt").read_text() + "new new new words words\n")
    config = continuing(tmp_path, source, softmax__kind="full", training__dropout=0.0)
    with a_run(config, tmp_path / "run") as run:
        assert_same_bilm(run, source)
        assert equal(run.model.softmax.state_dict(), source_softmax(source))
        assert run.vocabulary == Vocabulary.read(source / "vocab.txt")
        n = len(run.vocabulary)
        assert start_of(run) == f"biLM of {source / 'weights.safetensors'}, with its softmax over {n} words"
        assert (run.model.dropout, run.trainer.batch) == (0.0, 0)
        run.export()
    assert (tmp_path / "run" / "vocab.txt").read_bytes() == (source / "vocab.txt").read_bytes()
    ours, theirs = (spacy_elmo.load(folder).embed(SENTENCES) for folder in (run.folder / "model", source))
    for one, two in zip(ours, theirs):
        np.testing.assert_array_equal(one.stack(), two.stack())


def test_perplexity_of_the_start(first: Path, source: Path, tmp_path: Path) -> None:
    """The perplexity of held-out text depends on every number of the language model."""
    last = [entry for entry in entries(first) if "dev_perplexity" in entry][-1]
    with a_run(continuing(tmp_path, source), tmp_path / "run") as run:
        found = run.perplexity()
    assert (found.forward, found.backward) == pytest.approx((last["dev_forward"], last["dev_backward"]), rel=1e-6)


def test_adapted_to_a_domain(source: Path, tmp_path: Path) -> None:
    """The perplexity of the domain's held-out text falls (Peters et al. 2018, supplement)."""
    for name, count in (("train", 80), ("dev", 10)):
        (tmp_path / f"{name}.txt").write_text("wx0 wz5 wy10 wz20\nwy10 wx0\n" * count)
    with a_run(continuing(tmp_path, source, training__n_epochs=1), tmp_path / "run") as run:
        before = run.perplexity()
        assert run.train()
        after = run.perplexity()
    assert after.average < before.average / 2


def test_only_weights_are_copied(source: Path, tmp_path: Path) -> None:
    with a_run(continuing(tmp_path, source), tmp_path / "run") as run:
        found = run.trainer.tensors()
    with a_run(make_config(tmp_path, vocabulary__path=str(source / "vocab.txt")), tmp_path / "fresh") as fresh:
        expected = fresh.trainer.tensors()
    rest = [name for name in expected if not name.startswith("model.")]
    assert {name.partition(".")[0] for name in rest} == {"streams", "state"}
    assert equal({name: found[name] for name in rest}, {name: expected[name] for name in rest})
    assert found.keys() == expected.keys()


def test_published_model(tmp_path: Path) -> None:
    """Without softmax and vocabulary in the source, both are new."""
    with a_run(continuing(tmp_path, TINY), tmp_path / "run") as run:
        assert_same_bilm(run, TINY)
        assert equal(run.model.softmax.state_dict(), fresh_softmax(run))
        assert start_of(run) == f"biLM of {TINY / 'weights.hdf5'}; a new softmax, because it has none"
        options = json.loads((tmp_path / "run" / "options.json").read_text("utf-8"))
        assert options == json.loads((TINY / "options.json").read_text("utf-8"))
    with a_run(make_config(tmp_path), tmp_path / "other") as fresh:
        assert fresh.vocabulary == run.vocabulary


def test_vocabulary_without_softmax(source: Path, tmp_path: Path) -> None:
    rewrite(source, without=["softmax."])
    write_text(tmp_path / "train.txt", seed=9, n_sentences=5)
    with a_run(continuing(tmp_path, source), tmp_path / "run") as run:
        assert run.vocabulary == Vocabulary.read(source / "vocab.txt")
        assert equal(run.model.softmax.state_dict(), fresh_softmax(run))


def test_softmax_without_vocabulary(source: Path, tmp_path: Path) -> None:
    (source / "vocab.txt").unlink()
    with a_run(continuing(tmp_path, source), tmp_path / "run") as run:
        assert_same_bilm(run, source)
        assert equal(run.model.softmax.state_dict(), fresh_softmax(run))
        assert start_of(run).endswith("; a new softmax, because its own has no vocab.txt beside it")


def test_rows_of_shared_words(source: Path, tmp_path: Path) -> None:
    theirs = Vocabulary.read(source / "vocab.txt")
    # Other order, other words, fewer of the old ones.
    words = ["new", "</S>", *theirs.words[20:5:-1], "<UNK>", "newer", "<S>", "Zoë"]
    Vocabulary(words).write(tmp_path / "other.txt")
    config = continuing(tmp_path, source, vocabulary__path=str(tmp_path / "other.txt"))
    with a_run(config, tmp_path / "run") as run:
        assert run.vocabulary.words == words
        assert_same_bilm(run, source)
        found, old, new = softmax_of(run), source_softmax(source), fresh_softmax(run)
        assert start_of(run).endswith(
            f", with the rows of its softmax for 18 of {len(words)} words; the others are new"
        )
    for name in ("weight", "bias"):
        for row, word in zip(found[name], words):
            known = word in theirs.words
            expected = old[name][theirs.words.index(word)] if known else new[name][words.index(word)]
            assert torch.equal(row, expected), word
    assert sum(word in theirs.words for word in words) == 18


def test_same_vocabulary_given(source: Path, tmp_path: Path) -> None:
    config = continuing(tmp_path, source, vocabulary__path=str(source / "vocab.txt"))
    with a_run(config, tmp_path / "run") as run:
        assert equal(run.model.softmax.state_dict(), source_softmax(source))
        assert "with its softmax" in start_of(run)


@pytest.fixture
def adaptive(tmp_path: Path) -> Path:
    """A source with an adaptive softmax of two clusters."""
    (tmp_path / "adaptive").mkdir()
    config = make_config(tmp_path / "adaptive", **SAME)
    with a_run(config, tmp_path / "adaptive" / "run") as run:
        run.export()
    return run.folder / "model"


def test_adaptive_softmax(adaptive: Path, tmp_path: Path) -> None:
    config = continuing(tmp_path, adaptive, **SAME, training__seed=3)
    with a_run(config, tmp_path / "run") as run:
        assert equal(run.model.softmax.state_dict(), source_softmax(adaptive))
        assert not equal(run.model.softmax.state_dict(), fresh_softmax(run))
        assert "with its softmax" in start_of(run)


def test_softmax_of_the_source_in_a_config(adaptive: Path, source: Path, tmp_path: Path) -> None:
    write_text(tmp_path / "train.txt")
    for model, kind in ((adaptive, "adaptive"), (source, "sampled")):
        path = tmp_path / f"{kind}.cfg"
        path.write_text(init_pretrain(train=str(tmp_path / "train.txt"), source=str(model))[0])
        config = read_config(path, {"training.n_rows": 4, "softmax.n_samples": 10})
        assert config.softmax.kind == kind
        with a_run(config, tmp_path / kind) as run:
            assert equal(run.model.softmax.state_dict(), source_softmax(model))


@pytest.mark.parametrize(
    "settings",
    [
        {"softmax__cutoffs": [8, 17]},
        {"softmax__cutoffs": [8]},
        {"softmax__div_value": 1.5},
        {"softmax__kind": "full"},
    ],
    ids=["cutoffs", "clusters", "widths", "kind"],
)
def test_adaptive_softmax_of_another_size(adaptive: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    with a_run(continuing(tmp_path, adaptive, **{**SAME, **settings}), tmp_path / "run") as run:
        assert_same_bilm(run, adaptive)
        assert equal(run.model.softmax.state_dict(), fresh_softmax(run))
        assert run.vocabulary == Vocabulary.read(adaptive / "vocab.txt")
        assert start_of(run).endswith("; a new softmax, because its own has another kind or other sizes")


def test_adaptive_softmax_of_another_vocabulary(adaptive: Path, tmp_path: Path) -> None:
    """Clusters depend on positions in the vocabulary: rows cannot be moved."""
    words = Vocabulary.read(adaptive / "vocab.txt").words
    Vocabulary([*words[:-2], words[-1], words[-2]]).write(tmp_path / "other.txt")
    config = continuing(
        tmp_path,
        adaptive,
        **SAME,
        vocabulary__path=str(tmp_path / "other.txt"),
    )
    with a_run(config, tmp_path / "run") as run:
        assert equal(run.model.softmax.state_dict(), fresh_softmax(run))
        assert "a new softmax" in start_of(run)


def test_half_precision_and_a_mix(source: Path, tmp_path: Path) -> None:
    """Weights become float32; the mix and the warm state are not copied."""
    more = {"scalar_mix.weights": np.ones(3, np.float32), "scalar_mix.gamma": np.float32(2).reshape(())}
    arrays = {**read_weights(source).arrays, **more}
    half: dict[str, Any] = {name: np.asarray(array, np.float16) for name, array in arrays.items()}
    rewrite(source, **half)
    with a_run(continuing(tmp_path, source), tmp_path / "run") as run:
        assert_same_bilm(run, source)
        assert equal(softmax_of(run), {name: array.float() for name, array in source_softmax(source).items()})
        assert {tensor.dtype for tensor in run.model.state_dict().values()} == {torch.float32}
        run.export()
    assert not read_weights(run.folder / "model").has_mix


@pytest.mark.parametrize("kind", ["sampled", "adaptive"])
def test_resuming_needs_no_source(source: Path, tmp_path: Path, kind: str) -> None:
    config = continuing(tmp_path, source, softmax__kind=kind, softmax__cutoffs=[8], training__max_batches=20)
    train(config, tmp_path / "whole")
    train(config, tmp_path / "run", signal_in=12)
    shutil.rmtree(source)
    train(config, tmp_path / "run", resume=True).export()
    assert equal(checkpoint_tensors(tmp_path / "run"), checkpoint_tensors(tmp_path / "whole"))
    assert entries(tmp_path / "run") == entries(tmp_path / "whole")
    assert spacy_elmo.load(tmp_path / "run" / "model").embed(SENTENCES)[0].elmo.shape == (3, 16)


def test_run_without_options(tmp_path: Path) -> None:
    config = make_config(tmp_path, training__max_batches=20)
    train(config, tmp_path / "whole")
    train(config, tmp_path / "run", signal_in=12)
    (tmp_path / "run" / "options.json").unlink()
    train(config, tmp_path / "run", resume=True)
    assert equal(checkpoint_tensors(tmp_path / "run"), checkpoint_tensors(tmp_path / "whole"))
    assert json.loads((tmp_path / "run" / "options.json").read_text("utf-8"))["lstm"]["dim"] == 16


def test_interrupted_before_the_first_checkpoint(source: Path, tmp_path: Path) -> None:
    for _ in range(2):
        with a_run(continuing(tmp_path, source), tmp_path / "run") as run:
            assert "with its softmax" in start_of(run)


def test_folder_with_a_model(source: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    for config in (continuing(tmp_path, source), make_config(tmp_path)):
        with pytest.raises(
            FileExistsError,
            match=r"EL089.*contains options.json and vocab.txt that a pre-training run did not write",
        ):
            Run.prepare(config, source)
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    # Nor does a folder of that name make it a run.
    (source / "corpus").mkdir()
    (source / "corpus" / "books.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="EL089"):
        Run.prepare(make_config(tmp_path), source)


def test_vocabulary_of_another_model(source: Path, tmp_path: Path) -> None:
    with (source / "vocab.txt").open("a", encoding="utf-8") as file:
        file.write("more\n")
    n = len(Vocabulary.read(source / "vocab.txt"))
    with pytest.raises(ValueError, match=rf"vocab.txt' has {n} words, but the softmax of .* predicts {n - 1}\."):
        Run.prepare(continuing(tmp_path, source), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_no_such_source(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="EL010"):
        Run.prepare(continuing(tmp_path, tmp_path / "nowhere"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_model_of_bilm_tf(tmp_path: Path) -> None:
    """Notes on its training are removed; its vocabulary is beside the weights."""
    source = shared_path("parity") / "lm"
    pair = tmp_path / "pair"
    pair.mkdir()
    for name in ("options.json", "weights.hdf5", "vocab.txt"):
        shutil.copy(source / name, pair / name)
    with a_run(continuing(tmp_path, pair), tmp_path / "run") as run:
        assert_same_bilm(run, pair)
        assert run.vocabulary.words == (source / "vocab.txt").read_text("utf-8").split()
    options = json.loads((tmp_path / "run" / "options.json").read_text("utf-8"))
    assert sorted(options) == ["char_cnn", "lstm"]
    assert options["lstm"] == json.loads((source / "options.json").read_text("utf-8"))["lstm"]


@pytest.mark.parametrize("name", ["no_clip", "no_cnn_proj", "no_highway", "no_projection", "no_skip"])
def test_every_kind_of_bilm(name: str, tmp_path: Path) -> None:
    source = shared_path("parity") / "bilm_tf_only" / name
    (tmp_path / "dev.txt").write_text(write_text(tmp_path / "train.txt").read_text("utf-8"))
    config = continuing(
        tmp_path, source, training__max_batches=30, training__n_rows=8, training__n_epochs=9, softmax__kind="full"
    )
    with a_run(config, tmp_path / "run") as run:
        assert_same_bilm(run, source)
        before = run.perplexity()
        assert run.train()
        after = run.perplexity()
        run.export()
    assert after.forward < 0.8 * before.forward
    assert after.backward < 0.8 * before.backward
    assert spacy_elmo.load(run.folder / "model").options.lstm == read_weights(source).options.lstm
