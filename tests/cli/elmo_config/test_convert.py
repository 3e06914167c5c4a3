from typing import Any

import pytest
from confection import Config
from spacy.cli.init_config import init_config as recipe

from spacy_elmo.cli.elmo_config.convert import Choice, Converted, convert_config
from spacy_elmo.cli.elmo_config.file import fill_config
from spacy_elmo.cli.elmo_config.layers import EMBEDDERS, find_tok2vec_layers
from tests.cli.elmo_config.spacy_configs import CURATED, LEARNING, parse, pipeline_config, transformer_recipe

SHARED = 'tok2vec = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}'
OWN = 'tok2vec = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 96, "depth": 4, "embed_size": 2000, '
OWN += '"window_size": 1, "maxout_pieces": 3, "subword_features": true, "pretrained_vectors": null}'
TAGGER_MODEL = '[components.{name}.model]\n@architectures = "spacy.Tagger.v2"\nnO = null\n{tok2vec}\n'


def convert(config: Config, **choice: Any) -> Converted:
    """Checks what holds for every result."""
    text = config.to_str(interpolate=False)
    converted = convert_config(config, Choice(**choice), where="'base.cfg'")
    assert config.to_str(interpolate=False) == text
    name = choice.get("name", "elmo_embedder")
    parts, pipeline = converted.config.interpolate()["components"], converted.config["nlp"]["pipeline"]
    assert [part for part in pipeline if part in converted.listening] == converted.listening
    assert pipeline.index(name) + 1 == pipeline.index(converted.listening[0])
    assert list(parts) == pipeline
    for part in converted.listening:
        for path in find_tok2vec_layers(parts[part]):
            block = parts[part]
            for key in path:
                block = block[key]
            assert block["@architectures"] == "spacy-elmo.ElmoListener.v1"
    assert not [part for part in parts.values() if part.get("factory") in EMBEDDERS]
    return converted


def tok2vec_of(config: Config, name: str) -> dict[str, Any]:
    block: dict[str, Any] = config["components"][name]["model"]["tok2vec"]
    return block


@pytest.mark.parametrize("optimize", ["efficiency", "accuracy"])
def test_all_components_of_spacy(optimize: str) -> None:
    others = ["sentencizer", "attribute_ruler", "lemmatizer", "entity_ruler"]
    before = recipe(lang="en", pipeline=[*others, *LEARNING], optimize=optimize)
    converted = convert(before)
    bow = [] if optimize == "accuracy" else ["textcat", "textcat_multilabel"]
    assert converted.listening == [name for name in LEARNING if name not in bow]
    after = converted.config
    assert after["nlp"]["pipeline"] == [*others, "elmo_embedder", *LEARNING]
    assert after["components"]["elmo_embedder"] == {"factory": "elmo_embedder", "source": "en_sm", "frozen": True}
    for name in [*others, *bow]:
        assert after["components"][name] == before["components"][name]
    for name in converted.listening:
        assert tok2vec_of(after, name) == {"@architectures": "spacy-elmo.ElmoListener.v1"}
        expected = before["components"][name]
        expected["model"]["tok2vec"] = tok2vec_of(after, name)
        assert after["components"][name] == expected
    if not bow:
        assert after["components"]["textcat"]["model"]["linear_model"]["@architectures"] == "spacy.TextCatBOW.v3"
    for section in ("corpora", "system", "initialize"):
        assert after[section] == before[section]
    assert after["training"] == {**before["training"], "annotating_components": ["sentencizer"]}
    assert after["paths"] == {**before["paths"], "vectors": None}


def test_the_filled_config_is_complete() -> None:
    full = fill_config(
        convert(recipe(lang="en", pipeline=LEARNING, optimize="accuracy"), pooling_layer="word_emb").config
    )
    assert tok2vec_of(full, "textcat") == {
        "@architectures": "spacy-elmo.ElmoListener.v1",
        "width": None,
        "upstream": "*",
        "pooling_layer": "word_emb",
        "layer_norm": False,
        "dropout": None,
        "l2": 0.001,
        "grad_factor": 1.0,
    }
    # Nothing is computed that no component reads.
    assert full["components"]["elmo_embedder"]["pooling_layer"] == "word_emb"
    assert full["components"]["elmo_embedder"]["model"]["@architectures"] == "spacy-elmo.Elmo.v1"
    assert fill_config(full) == full


@pytest.mark.parametrize("optimize", ["efficiency", "accuracy"])
def test_a_transformer(optimize: str) -> None:
    before = transformer_recipe(LEARNING, optimize=optimize)
    converted = convert(before, source="models/large", name="transformer", frozen=False)
    after = converted.config
    assert converted.listening == LEARNING
    assert after["nlp"]["pipeline"] == ["transformer", *LEARNING]
    assert after["components"]["transformer"] == {
        "factory": "elmo_embedder",
        "source": "models/large",
        "frozen": False,
    }
    for name in LEARNING:
        assert tok2vec_of(after, name) == {"@architectures": "spacy-elmo.ElmoListener.v1", "grad_factor": 1.0}
    assert after["training"] == before["training"]
    assert after["training"]["accumulate_gradient"] == 3
    assert [note.partition(" ")[0] for note in converted.notes] == ["training.optimizer.learn_rate"]
    assert "5e-05" in converted.notes[0]
    fill_config(after)


def test_a_curated_transformer() -> None:
    converted = convert(parse(CURATED))
    after = converted.config
    assert tok2vec_of(after, "tagger")["grad_factor"] == 0.5
    assert tok2vec_of(after, "ner") == {"@architectures": "spacy-elmo.ElmoListener.v1"}
    assert after["components"]["ner"]["model"]["hidden_width"] == 96
    assert list(after["initialize"]["components"]) == ["tagger"]
    [note] = converted.notes
    assert note.startswith("${components.transformer.model.with_spans.stride} was removed; its value, 96,")
    fill_config(after)


def test_own_layers() -> None:
    config = pipeline_config(
        "ner",
        "spancat",
        'tagger: factory = "tagger"',
        extra=TAGGER_MODEL.format(name="tagger", tok2vec=OWN),
    )
    assert "model" not in config["components"]["ner"]
    converted = convert(config)
    assert converted.listening == ["ner", "spancat", "tagger"]
    assert converted.config["components"]["ner"]["model"]["hidden_width"] == 64
    assert converted.config["components"]["spancat"]["model"]["reducer"]["hidden_size"] == 128
    assert converted.config["components"]["tagger"]["model"] == {
        "@architectures": "spacy.Tagger.v2",
        "nO": None,
        "tok2vec": {"@architectures": "spacy-elmo.ElmoListener.v1"},
    }


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        (["tok2vec", "tagger"], ["elmo_embedder", "tagger"]),
        (["tok2vec", "attribute_ruler", "tagger"], ["attribute_ruler", "elmo_embedder", "tagger"]),
        (["tok2vec", "sentencizer", "tagger"], ["sentencizer", "elmo_embedder", "tagger"]),
        (["sentencizer", "tok2vec", "tagger"], ["sentencizer", "elmo_embedder", "tagger"]),
        (["tok2vec", "tagger", "sentencizer"], ["elmo_embedder", "tagger", "sentencizer"]),
        (["tok2vec", "senter", "tagger"], ["senter", "elmo_embedder", "tagger"]),
        (["tagger", "ner"], ["elmo_embedder", "tagger", "ner"]),
        (["attribute_ruler", "tagger", "senter"], ["attribute_ruler", "elmo_embedder", "tagger", "senter"]),
    ],
)
def test_position_of_embedder(pipeline: list[str], expected: list[str]) -> None:
    assert convert(pipeline_config(*pipeline)).config["nlp"]["pipeline"] == expected


def test_senter_layers() -> None:
    own = convert(pipeline_config("senter", "tagger"))
    assert own.listening == ["tagger"]
    assert tok2vec_of(own.config, "senter")["@architectures"] == "spacy.HashEmbedCNN.v2"
    assert any(note.startswith("'senter' keeps its own tok2vec layer") for note in own.notes)
    shared = pipeline_config("tok2vec", "senter", "ner", extra=TAGGER_MODEL.format(name="senter", tok2vec=SHARED))
    assert convert(shared).listening == ["senter", "ner"]
    assert convert(shared).config["nlp"]["pipeline"] == ["elmo_embedder", "senter", "ner"]
    assert convert(shared).notes == []


def test_several_embedders() -> None:
    config = pipeline_config(
        'for_tags: factory = "tok2vec"', "tagger", 'for_names: factory = "transformer"', "ner"
    )
    assert convert(config).config["nlp"]["pipeline"] == ["elmo_embedder", "tagger", "ner"]


def test_nested_layers() -> None:
    config = pipeline_config(
        "tok2vec",
        'coref: factory = "experimental_coref"',
        extra='[components.coref.model]\n@architectures = "some.Coref.v1"\nhidden = 5\n'
        f"{SHARED}\n[components.coref.model.more]\nsource_of_vectors = "
        '{"@architectures": "some-package.SpanTok2VecListener.v12"}\n'
        '[components.coref.model.plain]\n@architectures = "some.ListenerOfRadio.v1"\n',
    )
    model = convert(config).config["components"]["coref"]["model"]
    listener = {"@architectures": "spacy-elmo.ElmoListener.v1"}
    assert model == {
        "@architectures": "some.Coref.v1",
        "hidden": 5,
        "tok2vec": listener,
        "more": {"source_of_vectors": listener},
        "plain": {"@architectures": "some.ListenerOfRadio.v1"},
    }


def test_outermost_layer_is_replaced() -> None:
    layer = (
        '[components.tagger.model.tok2vec]\n@architectures = "spacy.Tok2Vec.v2"\n[components.tagger.model.tok2vec.'
        'embed]\n@architectures = "spacy.Tok2VecListener.v1"\nwidth = 96\n'
    )
    config = pipeline_config("tok2vec", "tagger", extra=TAGGER_MODEL.format(name="tagger", tok2vec="") + layer)
    assert tok2vec_of(convert(config).config, "tagger") == {"@architectures": "spacy-elmo.ElmoListener.v1"}


@pytest.mark.parametrize(
    "reference", ["${components.tok2vec.model}", "${components.ner.model.tok2vec}", "${vars.layer}"]
)
def test_layers_that_are_references(reference: str) -> None:
    config = pipeline_config(
        "tok2vec",
        "ner",
        "tagger",
        extra=TAGGER_MODEL.format(name="tagger", tok2vec=f"tok2vec = {reference}")
        + '[components.tok2vec.model]\n@architectures = "spacy.HashEmbedCNN.v2"\nwidth = 96\n'
        + f'[components.ner.model]\n@architectures = "spacy.TransitionBasedParser.v2"\n{SHARED}\n'
        + '[vars]\n[vars.layer]\n@architectures = "spacy.HashEmbedCNN.v2"\nwidth = 96\n',
    )
    converted = convert(config)
    assert converted.listening == ["ner", "tagger"]
    assert tok2vec_of(converted.config, "tagger") == {"@architectures": "spacy-elmo.ElmoListener.v1"}


def test_model_reference() -> None:
    config = pipeline_config(
        'upper: factory = "tagger"; model = ${components.tagger.model}',
        "attribute_ruler",
        "tagger",
        extra=TAGGER_MODEL.format(name="tagger", tok2vec=OWN),
    )
    converted = convert(config)
    assert converted.listening == ["upper", "tagger"]
    assert converted.config["components"]["upper"]["model"] == "${components.tagger.model}"
    assert converted.config["nlp"]["pipeline"] == ["elmo_embedder", "upper", "attribute_ruler", "tagger"]


def test_dangling_references() -> None:
    config = pipeline_config(
        "tok2vec",
        "tagger",
        'other: factory = "other"; seed = ${system.seed}; whole = ${components.tagger.model.tok2vec};'
        "width = ${components.tok2vec.model.width}; half = ${components:tagger.model.tok2vec.width};"
        'name = "${components.tok2vec.factory}-${system.seed}"',
        extra='[components.tok2vec.model]\n@architectures = "spacy.HashEmbedCNN.v2"\nwidth = ${vars.width}\n'
        + TAGGER_MODEL.format(name="tagger", tok2vec=SHARED.replace("96", "48"))
        + "[vars]\nwidth = 96\n[initialize]\n[initialize.components]\n[initialize.components.tagger]\n"
        + "n = ${components.tok2vec.model.width}\n",
    )
    converted = convert(config)
    other = converted.config["components"]["other"]
    assert (other["width"], other["half"], other["seed"]) == (96, 48, "${system.seed}")
    # It does not stand where layers do, so that it stays; and what it refers to is ELMo's now.
    assert other["whole"] == "${components.tagger.model.tok2vec}"
    assert converted.config["initialize"]["components"]["tagger"]["n"] == 96
    assert [note.partition(" ")[0] for note in converted.notes] == [
        "${components.tok2vec.model.width}",
        "${components:tagger.model.tok2vec.width}",
        "${components.tok2vec.factory}",
    ]
    assert converted.config.interpolate()["components"]["other"]["name"] == "tok2vec-0"


def test_sourced_components_stay() -> None:
    config = pipeline_config(
        'tok2vec: source = "en_core_web_sm"',
        'ner: source = "en_core_web_sm"',
        'lemmatizer: source = "en_core_web_sm"; replace_listeners = ["model.tok2vec"]',
        "textcat_multilabel",
        "tagger",
    )
    converted = convert(config)
    after = converted.config
    assert converted.listening == ["textcat_multilabel", "tagger"]
    assert after["nlp"]["pipeline"] == [
        "tok2vec",
        "ner",
        "lemmatizer",
        "elmo_embedder",
        "textcat_multilabel",
        "tagger",
    ]
    for name in ("tok2vec", "ner", "lemmatizer"):
        assert after["components"][name] == config["components"][name]
    # Both would write doc.tensor.
    assert after["components"]["elmo_embedder"]["set_tensor"] is False
    of_tok2vec, of_ner, of_lemmatizer = converted.notes
    assert of_tok2vec.startswith("'tok2vec' comes from 'en_core_web_sm' and is not changed. Remove it if no")
    assert 'replace_listeners = ["model.tok2vec"]' in of_ner
    assert of_lemmatizer == "'lemmatizer' comes from 'en_core_web_sm' and is not changed."


def test_unused_components() -> None:
    config = pipeline_config(
        "tok2vec",
        "tagger",
        'ner: factory = "ner"; update_with_oracle_cut_size = 50',
        'other: factory = "other"; size = ${components.ner.update_with_oracle_cut_size}',
        pipeline='["tagger", "other"]',
    )
    assert list(convert(config).config["components"]) == ["elmo_embedder", "tagger", "other"]
    assert convert(config).config["components"]["other"]["size"] == 50


@pytest.mark.parametrize("model", ["hidden_width = 7", '@architectures = "spacy.TransitionBasedParser.v2"'])
def test_default_layers(model: str) -> None:
    converted = convert(pipeline_config("ner", extra=f"[components.ner.model]\n{model}\n"))
    assert tok2vec_of(converted.config, "ner") == {"@architectures": "spacy-elmo.ElmoListener.v1"}
    assert fill_config(converted.config)["components"]["ner"]["model"]["hidden_width"] == (
        7 if "7" in model else 64
    )


def test_other_architectures() -> None:
    other = pipeline_config("ner", "textcat", extra='[components.textcat.model]\n@architectures = "my.Bow.v1"\n')
    assert convert(other).config["components"]["textcat"]["model"] == {"@architectures": "my.Bow.v1"}


@pytest.mark.parametrize(
    "component",
    [
        "elmo_embedder",
        'elmo: factory = "elmo_embedder"',
        'elmo_embedder: source = "pipeline"',
        'tagger: factory = "tagger"; model = {"tok2vec": {"@architectures": "spacy-elmo.ElmoTok2Vec.v1"}}',
    ],
)
def test_already_on_elmo(component: str) -> None:
    name = component.partition(":")[0]
    with pytest.raises(ValueError, match=rf"EL110.*'base.cfg' uses ELMo already: see \[components.{name}\]"):
        convert(pipeline_config(component, "ner"))
    with pytest.raises(ValueError, match="EL110"):
        convert(convert(pipeline_config("ner")).config)


def test_bilstm_encoder() -> None:
    config = pipeline_config("tok2vec", "ner")
    config["components"]["ner"]["model"] = {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "tok2vec": {
            "@architectures": "spacy.Tok2Vec.v2",
            "embed": {"@architectures": "spacy.Tok2VecListener.v1", "width": 96},
            "encode": {"@architectures": "spacy-elmo.BiLSTMEncoder.v1", "width": 96},
        },
    }
    assert convert(config).listening == ["ner"]


@pytest.mark.parametrize(
    "pipeline",
    [
        [],
        ["sentencizer", "lemmatizer"],
        ["tok2vec"],
        ["senter"],
        ['ner: source = "en_core_web_sm"'],
        ['textcat: factory = "textcat"; model = {"@architectures": "spacy.TextCatBOW.v3"}'],
        ['unknown: factory = "of_another_package"'],
    ],
)
def test_nothing_to_convert(pipeline: list[str]) -> None:
    names = ", ".join(part.partition(":")[0] for part in pipeline) or "empty"
    with pytest.raises(ValueError, match=rf"EL111.*'base.cfg'.*\({names}\).*tagger, parser, ner or textcat"):
        convert(pipeline_config(*pipeline))


def test_a_name_that_is_taken() -> None:
    with pytest.raises(ValueError, match=r"EL112.*'base.cfg'.*'ner'.*--upstream-name"):
        convert(pipeline_config("tok2vec", "ner"), name="ner")
    converted = convert(pipeline_config("tok2vec", "ner"), name="tok2vec")
    assert converted.config["components"]["tok2vec"]["factory"] == "elmo_embedder"


def test_no_such_layer() -> None:
    with pytest.raises(ValueError, match=r"EL030.*pooling_layer 'lstm0'.*word_emb"):
        Choice(pooling_layer="lstm0")
