"""Every setting is checked, can be overridden, and has one default."""

from pathlib import Path
from typing import Any

import pytest
from confection import Config

from spacy_elmo.bilm.options import Options
from spacy_elmo.pretraining.config import SIZES, PretrainingConfig, check_config, format_config, read_config
from tests.data import ROOT

MODEL = {"options": SIZES["sm"]}


def written(folder: Path, **kwargs: Any) -> Path:
    path = folder / "config.cfg"
    path.write_text(format_config(**kwargs), "utf-8")
    return path


def read_text(text: str) -> PretrainingConfig:
    """Parse the text of a config without a training text."""
    config = Config().from_str(text, interpolate=False)
    config["paths"]["train"] = "a.txt"
    return check_config(config.interpolate())


def test_template_has_defaults(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, train="a.txt"), {})
    bare = check_config({"corpus": {"train": "a.txt"}, "model": MODEL})
    assert config.model_dump(exclude={"paths"}) == bare.model_dump(exclude={"paths"})
    assert config.corpus.train == [Path("a.txt")]
    assert config.corpus.dev == []


def test_one_text_or_several() -> None:
    config = check_config({"corpus": {"train": ["a.txt", "b.txt.gz"], "dev": "c.jsonl"}, "model": MODEL})
    assert config.corpus.train == [Path("a.txt"), Path("b.txt.gz")]
    assert config.corpus.dev == [Path("c.jsonl")]


def test_adaptation_settings(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, train="a.txt", source="original"), {})
    assert config.model.source == "original"
    assert config.model.options is None
    assert config.training.n_epochs == 1


def test_overrides_of_given_and_default_values(tmp_path: Path) -> None:
    path = tmp_path / "config.cfg"
    path.write_text("[corpus]\ntrain = 'a.txt'\n\n[model]\nsource = 'x'\n", "utf-8")
    config = read_config(path, {"optimizer.name": "adagrad", "training.n_epochs": 3, "corpus.train": "b.txt"})
    assert config.optimizer.name == "adagrad"
    assert config.training.n_epochs == 3
    assert config.corpus.train == [Path("b.txt")]


def test_paths_in_references(tmp_path: Path) -> None:
    config = read_config(written(tmp_path), {"paths.train": "a.txt", "paths.dev": "b.txt"})
    assert (config.corpus.train, config.corpus.dev) == ([Path("a.txt")], [Path("b.txt")])


@pytest.mark.parametrize(
    ("section", "values", "told"),
    [
        ("training", {"n_rows": 0}, ["training.n_rows", "greater than or equal to 1", "0"]),
        ("training", {"rows": 3}, ["training.rows", "not permitted"]),
        ("training", {"dropout": 1.0}, ["training.dropout", "less than 1"]),
        ("optimizer", {"name": "sgd"}, ["optimizer.name", "'adagrad' or 'adamw'", "sgd"]),
        ("softmax", {"kind": "nce"}, ["softmax.kind", "'sampled', 'adaptive' or 'full'"]),
        ("corpus", {"train": []}, ["corpus.train", "at least 1"]),
        ("model", {"source": "x", **MODEL}, ["model", "either `source`"]),
        ("model", {}, ["model", "either `source`"]),
        ("model", {"options": {"lstm": {}}}, ["model", "lstm.dim"]),
        ("traning", {}, ["traning", "not permitted"]),
    ],
)
def test_invalid_settings(section: str, values: dict[str, Any], told: "list[str]") -> None:
    config = {"corpus": {"train": "a.txt"}, "model": MODEL, section: values}
    with pytest.raises(ValueError, match="EL074") as caught:
        check_config(config)
    for part in told:
        assert part in str(caught.value)


def test_several_invalid_settings() -> None:
    with pytest.raises(ValueError, match="EL074") as caught:
        check_config({"corpus": {}, "model": MODEL, "training": {"n_steps": "many"}})
    assert "corpus.train: Field required" in str(caught.value)
    assert "training.n_steps" in str(caught.value)


def test_unknown_override(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="EL074") as caught:
        read_config(written(tmp_path, train="a.txt"), {"trainin.n_rows": 1})
    assert "trainin" in str(caught.value)


def test_invalid_file(tmp_path: Path) -> None:
    path = tmp_path / "config.cfg"
    path.write_text("train = 1\n", "utf-8")
    with pytest.raises(ValueError, match="EL074"):
        read_config(path, {})
    with pytest.raises(FileNotFoundError, match="init-pretrain"):
        read_config(tmp_path / "none.cfg", {})


def test_recipe_of_the_bundled_model() -> None:
    recipe = read_config(ROOT / "configs" / "en_sm.cfg", {"paths.train": "a.txt"})
    assert recipe.model.options == SIZES["sm"]


@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_valid_options(size: str) -> None:
    options = Options.from_dict(SIZES[size])
    assert options.lstm.has_projection
