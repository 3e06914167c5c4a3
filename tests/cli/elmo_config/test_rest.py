"""What else in a config knows of embedders that are taken out."""

from typing import Any

import pytest
from confection import Config
from spacy.cli.init_config import init_config as recipe

from spacy_elmo.cli.elmo_config.convert import Choice, Converted, convert_config
from tests.cli.elmo_config.spacy_configs import parse, pipeline_config, transformer_recipe

VECTORS = (
    '[components.{name}.model]\n@architectures = "spacy.Tagger.v2"\nnO = null\n[components.{name}.model.tok2vec]\n'
    '@architectures = "spacy.Tok2Vec.v2"\n[components.{name}.model.tok2vec.embed]\n'
    '@architectures = "spacy.MultiHashEmbed.v2"\ninclude_static_vectors = ${{vars.static}}\n'
)
WITH_VECTORS = (
    '[vars]\nstatic = true\n[paths]\nvectors = "some_vectors"\n[initialize]\nvectors = ${paths.vectors}\n'
)


def convert(config: Config, **choice: Any) -> Converted:
    return convert_config(config, Choice(**choice), where="'base.cfg'")


@pytest.mark.parametrize(
    ("frozen", "annotating", "expected"),
    [
        ([], [], ([], [])),
        (["tok2vec"], [], ([], [])),
        (["tok2vec"], ["tok2vec"], ([], [])),
        ([], ["tok2vec"], ([], ["elmo"])),
        (["ner", "tok2vec"], ["tagger", "tok2vec"], (["ner"], ["tagger"])),
        ([], ["tok2vec", "elmo", "tagger"], ([], ["elmo", "tagger"])),
    ],
)
def test_frozen_and_annotating(frozen: list[str], annotating: list[str], expected: tuple[Any, Any]) -> None:
    config = pipeline_config("tok2vec", "tagger", "ner")
    config["training"].update(frozen_components=frozen, annotating_components=annotating)
    training = convert(config, name="elmo").config["training"]
    assert (training["frozen_components"], training["annotating_components"]) == expected


def test_disabled() -> None:
    config = pipeline_config("tok2vec", "tagger", "ner")
    config["nlp"]["disabled"] = ["tok2vec", "ner"]
    assert convert(config).config["nlp"]["disabled"] == ["ner"]


@pytest.mark.parametrize(
    ("pipeline", "annotating", "note"),
    [
        (["sentencizer", "tagger"], ["sentencizer"], "is in training.annotating_components"),
        (["tok2vec", "senter", "ner"], ["senter"], "is in training.annotating_components"),
        (['sents: factory = "sentencizer"', "ner"], ["sents"], "is in training.annotating_components"),
        (['senter: source = "en_core_web_sm"', "ner"], ["senter"], "is in training.annotating_components"),
        (["tagger", "sentencizer"], [], "comes after 'elmo_embedder', which therefore embeds whole Docs"),
    ],
)
def test_sentences_in_training(pipeline: list[str], annotating: list[str], note: str) -> None:
    converted = convert(pipeline_config(*pipeline))
    assert converted.config["training"]["annotating_components"] == annotating
    assert any(note in text for text in converted.notes)


def test_sentences_that_need_no_word() -> None:
    annotating = pipeline_config("sentencizer", "tagger", "parser")
    annotating["training"]["annotating_components"] = ["sentencizer"]
    assert convert(annotating).config["training"]["annotating_components"] == ["sentencizer"]
    assert convert(annotating).notes == []
    disabled = pipeline_config("sentencizer", "tagger")
    disabled["nlp"]["disabled"] = ["sentencizer"]
    assert convert(disabled).config["training"]["annotating_components"] == []
    assert convert(disabled).notes == []


def test_callbacks() -> None:
    config = pipeline_config("tok2vec", "tagger")
    config["training"]["before_to_disk"] = {"@callbacks": "drop.v1", "names": ["tok2vec", "tagger"], "tok2vec": 1}
    config["initialize"]["before_init"] = {"@callbacks": "copy.v1", "tokenizer": "en_core_web_sm"}
    converted = convert(config, name="elmo")
    after = converted.config
    assert after["training"]["before_to_disk"] == {"@callbacks": "drop.v1", "names": ["elmo", "tagger"], "elmo": 1}
    assert after["initialize"]["before_init"] == config["initialize"]["before_init"]
    assert converted.notes == [
        "training.before_to_disk now refers to 'elmo' instead of a removed layer. Check that setting."
    ]


def test_initialize_of_components() -> None:
    config = pipeline_config("tok2vec", "tagger")
    config["initialize"]["components"] = {"tok2vec": {"a": 1}, "tagger": {"labels": ["A"]}}
    assert convert(config).config["initialize"]["components"] == {"tagger": {"labels": ["A"]}}


def test_pretraining_of_what_has_gone() -> None:
    config = recipe(lang="en", pipeline=["ner"], pretraining=True)
    config["paths"].update(init_tok2vec="model5.bin", raw_text="text.jsonl")
    converted = convert(config)
    after = converted.config
    assert after["pretraining"] == {}
    assert set(after["corpora"]) == {"train", "dev"}
    assert after["paths"] == {"train": None, "dev": None, "vectors": None, "init_tok2vec": None}
    assert after["initialize"]["init_tok2vec"] == "${paths.init_tok2vec}"
    of_weights, of_pretraining = converted.notes
    assert of_weights.startswith("initialize.init_tok2vec ('model5.bin') is set to null")
    assert of_pretraining.startswith("[pretraining] is now empty")


@pytest.mark.parametrize(("component", "kept"), [("senter", True), ("ner", False)])
def test_pretraining_in_component(component: str, kept: bool) -> None:
    config = parse(pipeline_config("senter", "ner").to_str(interpolate=False))
    config["pretraining"] = {"component": component, "layer": "tok2vec", "corpus": "corpora.train"}
    config["initialize"]["init_tok2vec"] = "model5.bin"
    after = convert(config).config
    assert bool(after["pretraining"]) == kept
    assert after["initialize"]["init_tok2vec"] == ("model5.bin" if kept else None)
    assert "train" in after["corpora"]


def test_unused_vectors() -> None:
    config = pipeline_config("tagger", extra=VECTORS.format(name="tagger") + WITH_VECTORS)
    converted = convert(config)
    assert converted.config["paths"]["vectors"] is None
    assert converted.config["initialize"]["vectors"] == "${paths.vectors}"
    [note] = converted.notes
    assert note.startswith("initialize.vectors ('some_vectors') is set to null")
    config["training"]["also"] = "${paths.vectors}"
    shared = convert(config).config
    assert shared["paths"]["vectors"] == "some_vectors"
    assert shared["initialize"]["vectors"] is None
    config["initialize"]["vectors"] = "some_vectors"
    assert convert(config).config["initialize"]["vectors"] is None


@pytest.mark.parametrize(
    "config",
    [
        # Of a senter, which stays; nobody's before, hence the user's wish; perhaps of a sourced component.
        pipeline_config("senter", "ner", extra=VECTORS.format(name="senter") + WITH_VECTORS),
        pipeline_config("tok2vec", "ner", extra=WITH_VECTORS),
        pipeline_config("tagger", 'ner: source = "en_x"', extra=VECTORS.format(name="tagger") + WITH_VECTORS),
    ],
)
def test_vectors_that_stay(config: Config) -> None:
    converted = convert(config)
    assert converted.config.interpolate()["initialize"]["vectors"] == "some_vectors"
    assert not any("vectors" in note for note in converted.notes)


@pytest.mark.parametrize(
    ("rate", "noted"),
    [(5e-5, True), (0.001, False), ({"@schedules": "x.v1", "initial_rate": 1e-4}, True), (None, False)],
)
def test_learning_rates_of_transformers(rate: Any, noted: bool) -> None:
    config = transformer_recipe(["ner"])
    config["training"]["optimizer"]["learn_rate"] = rate
    converted = convert(config)
    assert converted.config["training"]["optimizer"]["learn_rate"] == rate
    assert bool(converted.notes) == noted
    tok2vec = pipeline_config("tok2vec", "ner")
    tok2vec["training"]["optimizer"]["learn_rate"] = rate
    assert convert(tok2vec).notes == []
