"""bilm-tf's training fields: rejected among a new model's options, translated into settings."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.bilm.options import TRAINING_FIELDS, Options
from spacy_elmo.cli.init_pretrain import init_pretrain
from spacy_elmo.pretraining.bilm_tf import translate_options
from spacy_elmo.pretraining.config import check_config, read_config
from spacy_elmo.pretraining.identity import check_same
from tests.cli.command import run
from tests.pretraining.runs import OPTIONS, sections
from tests.pretraining.test_config import read_text

# As the authors' own script writes them (allenai/bilm-tf, bin/train_elmo.py), with other sizes.
TRAINING: dict[str, Any] = {
    "bidirectional": True,
    "dropout": 0.2,
    "all_clip_norm_val": 5.0,
    "n_epochs": 7,
    "n_train_tokens": 1000,
    "batch_size": 64,
    "n_tokens_vocab": 500,
    "unroll_steps": 15,
    "n_negative_samples_batch": 80,
}
PUBLISHED = {**copy.deepcopy(OPTIONS), **TRAINING}


def write_options(folder: Path, **changes: Any) -> Path:
    path = folder / "options.json"
    path.write_text(json.dumps({**PUBLISHED, **changes}), "utf-8")
    return path


@pytest.mark.parametrize("name", sorted(TRAINING_FIELDS))
def test_training_field_is_rejected(name: str) -> None:
    options = {**copy.deepcopy(OPTIONS), name: TRAINING.get(name, 1)}
    with pytest.raises(ValueError, match=rf"EL270.*`{name}` is .*--options"):
        check_config({"corpus": {"train": "a.txt"}, "model": {"options": options}})


def test_all_training_fields_are_named() -> None:
    with pytest.raises(ValueError, match="EL270") as caught:
        check_config({"corpus": {"train": "a.txt"}, "model": {"options": PUBLISHED}})
    for meaning in (
        "`batch_size` is training.n_rows",
        "`unroll_steps` is training.n_steps",
        "optimizer.clip_norm",
    ):
        assert meaning in str(caught.value)


def test_translated_options(tmp_path: Path) -> None:
    options = write_options(tmp_path, learning_rate=0.15, sample_softmax=False, share_embedding_softmax=False)
    done = run("init-pretrain", tmp_path / "config.cfg", "--options", options, "--train", "a.txt")
    assert "`batch_size` is per GPU" in done.stderr
    config = read_config(tmp_path / "config.cfg", {})
    assert config.model.options is not None
    assert Options.from_dict(config.model.options) == Options.from_dict(OPTIONS)
    training, optimizer, softmax = config.training, config.optimizer, config.softmax
    assert (training.n_rows, training.n_steps, training.n_epochs, training.dropout) == (64, 15, 7, 0.2)
    assert (optimizer.name, optimizer.learn_rate, optimizer.clip_norm) == ("adagrad", 0.15, 5.0)
    assert (optimizer.warmup_steps, optimizer.decay, optimizer.initial_accumulator) == (0, 0.0, 1.0)
    assert (softmax.kind, softmax.n_samples, config.vocabulary.max_size) == ("full", 80, 500)


@pytest.mark.parametrize("name", sorted(TRAINING_FIELDS - {"bidirectional", "share_embedding_softmax"}))
def test_every_training_field_is_mentioned(name: str) -> None:
    settings, notes = translate_options({name: TRAINING.get(name, 1)}, where="x")
    named = any(name in note for note in notes)
    assert named or any(
        section != "optimizer" or name in ("learning_rate", "all_clip_norm_val") for section in settings
    )


def test_default_rate_of_bilm_tf(tmp_path: Path) -> None:
    text, _ = init_pretrain(options=write_options(tmp_path))
    assert read_text(text).optimizer.learn_rate == 0.2


def test_defaults_without_training_fields(tmp_path: Path) -> None:
    path = tmp_path / "options.json"
    path.write_text(json.dumps(OPTIONS), "utf-8")
    text, notes = init_pretrain(options=path)
    config = read_text(text)
    assert notes == []
    assert config.optimizer == check_config({"corpus": {"train": "a"}, "model": {"options": OPTIONS}}).optimizer


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"share_embedding_softmax": True}, "EL271.*reads characters"),
        ({"bidirectional": False}, "EL004.*bidirectional"),
        ({"n_epochs": "many"}, r"EL074[\s\S]*training.n_epochs"),
        ({"dropout": 1.5}, r"EL074[\s\S]*training.dropout.*1.5"),
        ({"lstm": {}}, "lstm.dim"),
    ],
)
def test_unsupported_options(tmp_path: Path, changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        init_pretrain(options=write_options(tmp_path, **changes))


def test_options_with_size_or_source(tmp_path: Path) -> None:
    path, config = write_options(tmp_path), tmp_path / "config.cfg"
    for other in ("--size", "--source"):
        refused = run("init-pretrain", config, "--options", path, other, "sm", code=1)
        assert "EL065" in refused.stderr
    assert "EL026" in run("init-pretrain", config, "--options", tmp_path / "none.json", code=1).stderr
    assert not config.exists()


def test_resumed_without_training_fields(tmp_path: Path) -> None:
    now = {"config": {"model": {"options": OPTIONS}, "training": sections(tmp_path)["training"]}}
    then = copy.deepcopy(now)
    then["config"]["model"]["options"]["batch_size"] = 128
    check_same(then, now, folder=tmp_path)
    then["config"]["model"]["options"]["lstm"]["dim"] = 1
    with pytest.raises(ValueError, match=r"EL080[\s\S]*lstm.dim: 1 then"):
        check_same(then, now, folder=tmp_path)
