import re
from pathlib import Path

import pytest
from confection import Config
from spacy.cli.init_config import init_config as recipe

from spacy_elmo.cli.elmo_config.file import fill_config, format_config, read_config
from tests.cli.elmo_config.spacy_configs import pipeline_config


def test_order_of_sections() -> None:
    config = recipe(lang="en", pipeline=["tagger", "ner"])
    text = format_config(config)
    assert Config().from_str(text, interpolate=False) == config
    names = re.findall(r"^\[(.*)\]$", text, flags=re.M)
    assert names[:4] == ["paths", "system", "nlp", "nlp.tokenizer"]
    assert [name for name in names if name.startswith("components")][:6] == [
        "components",
        "components.tok2vec",
        "components.tok2vec.model",
        "components.tok2vec.model.embed",
        "components.tok2vec.model.encode",
        "components.tagger",
    ]
    assert [name for name in names if "." not in name][-4:] == ["corpora", "training", "initialize", "pretraining"]


def test_unknown_sections() -> None:
    config = Config({"vars": {"a": "text [b]\n\n[c]"}, "paths": {"train": None}})
    text = format_config(config)
    assert text.splitlines()[0] == "[paths]"
    assert Config().from_str(text) == config


def test_a_short_config_gets_defaults(tmp_path: Path) -> None:
    path = tmp_path / "short.cfg"
    path.write_text('[nlp]\nlang = "en"\npipeline = []\n[training]\nmax_steps = 7\nseed = ${system.seed}\n')
    config = read_config(path)
    assert config["training"]["max_steps"] == 7
    assert config["training"]["patience"] == 1600
    assert config["initialize"]["vectors"] == "${paths.vectors}"
    assert config["training"]["seed"] == "${system.seed}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no \\[nlp\\]"),
        ("[nlp]\npipeline = []", "`lang`"),
        ('[nlp]\nlang = "en"', "`pipeline`"),
        ('[nlp]\nlang = "xyz"\npipeline = []', "E048"),
        ("[nlp", "nlp"),
        ("[nlp]\n[nlp]", "already exists"),
        ('[nlp]\nlang = "en"\npipeline = []\n[a]\nb = ${paths.nowhere}', "nowhere"),
    ],
)
def test_no_training_config(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "no.cfg"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"EL114.*no\.cfg(.|\n)*{words}(.|\n)*spacy init config"):
        read_config(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"EL114.*E053"):
        read_config(tmp_path / "no.cfg")
    path = tmp_path / "binary.cfg"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"EL114.*binary.cfg"):
        read_config(path)


def test_sourced_components() -> None:
    source = 'lemmatizer: source = "not_installed"'
    config = pipeline_config("sentencizer", source, "tagger")
    config["nlp"]["disabled"] = ["lemmatizer"]
    config = fill_config(config)
    assert config["nlp"]["pipeline"] == list(config["components"]) == ["sentencizer", "lemmatizer", "tagger"]
    assert config["nlp"]["disabled"] == ["lemmatizer"]
    assert config["components"]["lemmatizer"] == {"source": "not_installed"}
    assert config["components"]["sentencizer"]["overwrite"] is False
    assert config["components"]["tagger"]["model"]["tok2vec"]["width"] == 96
