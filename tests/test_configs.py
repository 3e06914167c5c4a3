"""The configs that ELMo is compared by: each loads, and those of spaCy are spaCy's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from confection import Config
from spacy.cli.debug_config import debug_config
from spacy.cli.init_config import init_config as recipe
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config, load_model_from_config

from tests.components import get_embedder, get_trainable
from tests.data import ROOT

CONFIGS = ROOT / "configs"
N_STEPS = 4000
TASKS = [("syntax", ["tagger", "morphologizer", "parser"]), ("ner", ["ner"]), ("textcat", ["textcat"])]
ALL = [f"{task}_{kind}" for task, _ in TASKS for kind in ("elmo", "tok2vec")] + ["textcat_bow"]


def expected(pipeline: list[str], *, optimize: str) -> Config:
    config = recipe(lang="en", pipeline=pipeline, optimize=optimize)
    config["training"]["max_steps"] = N_STEPS
    return config


@pytest.mark.parametrize(
    ("name", "pipeline"),
    [*((f"{task}_tok2vec", parts) for task, parts in TASKS[:2]), ("textcat_bow", ["textcat"])],
)
def test_spacys_recipes(name: str, pipeline: list[str]) -> None:
    assert load_config(CONFIGS / f"{name}.cfg") == expected(pipeline, optimize="efficiency")


def test_spacys_recipe_of_a_textcat_with_tok2vec() -> None:
    config = expected(["textcat"], optimize="accuracy")
    config["paths"]["vectors"] = None
    config["components"]["tok2vec"]["model"]["embed"]["include_static_vectors"] = False
    assert load_config(CONFIGS / "textcat_tok2vec.cfg") == config
    assert config["components"]["textcat"]["model"]["linear_model"]["exclusive_classes"] is True


@pytest.mark.parametrize(("task", "pipeline"), TASKS)
def test_elmo_does_the_same_tasks(task: str, pipeline: list[str]) -> None:
    config = load_config(CONFIGS / f"{task}_elmo.cfg")
    nlp = load_model_from_config(config)
    assert nlp.pipe_names == ["elmo_embedder", *pipeline]
    nlp._link_components()
    embedder = get_embedder(nlp)
    assert embedder.listening_components == pipeline
    assert config["training"]["max_steps"] == N_STEPS
    assert config["components"]["elmo_embedder"]["source"] == "en_sm"


@pytest.mark.parametrize("name", ALL)
def test_every_setting_resolves(name: str) -> None:
    path = CONFIGS / f"{name}.cfg"
    debug_config(path, overrides={"paths.train": "train.spacy", "paths.dev": "dev.spacy"})
    config = load_config(path)
    # Filled in: what spaCy would add is there.
    assert load_model_from_config(config, auto_fill=True).config == config


@pytest.mark.parametrize("name", ALL)
def test_an_optimizer_can_be_made(name: str) -> None:
    """As by `nlp.resume_training()`, where nothing stands for other settings any more."""
    nlp = load_model_from_config(load_config(CONFIGS / f"{name}.cfg"))
    assert nlp.create_optimizer().learn_rate >= 0


def gold(nlp: spacy.Language) -> list[Example]:
    annotations: Any = {
        "words": ["Ann", "saw", "Rome"],
        "tags": ["NNP", "VBD", "NNP"],
        "pos": ["PROPN", "VERB", "PROPN"],
        "morphs": ["Number=Sing", "Tense=Past", "Number=Sing"],
        "heads": [1, 1, 1],
        "deps": ["nsubj", "ROOT", "obj"],
        "entities": [(0, 3, "person"), (8, 12, "location")],
        "cats": {"A": 1.0, "B": 0.0},
    }
    # Rare labels are left out by the parser.
    return [Example.from_dict(nlp.make_doc("Ann saw Rome"), annotations) for _ in range(40)]


@pytest.mark.parametrize(
    ("name", "component", "path"),
    [
        ("syntax", "tagger", "model.tok2vec.embed.*.elmo"),
        ("syntax", "morphologizer", "model.tok2vec.embed.*.elmo"),
        ("syntax", "parser", "model.tok2vec.embed"),
        ("ner", "ner", "model.tok2vec.embed"),
    ],
)
def test_listeners_can_be_replaced(name: str, component: str, path: str, tmp_path: Path) -> None:
    """README names these paths."""
    nlp = load_model_from_config(load_config(CONFIGS / f"{name}_elmo.cfg"))
    sgd = nlp.initialize(lambda: gold(nlp))
    nlp.update(gold(nlp), sgd=sgd)
    expected = vectors(nlp, component)
    assert np.abs(expected).max() > 0.01
    nlp.replace_listeners("elmo_embedder", component, [path])
    nlp.to_disk(tmp_path)
    for one in (nlp, spacy.load(tmp_path)):
        np.testing.assert_allclose(vectors(one, component), expected, atol=1e-5)


def vectors(nlp: spacy.Language, component: str) -> Any:
    """What the component computes with, (n_tokens, width)."""
    # Not through the parser, which would set sentences for ElmoTok2Vec to embed one by one.
    doc = Doc(nlp.vocab, words=["Ann", "saw", "Rome"], sent_starts=[True, False, False])
    doc = get_embedder(nlp)(doc)
    pipe = get_trainable(nlp, component)
    return np.asarray(pipe.model.get_ref("tok2vec").predict([doc])[0])
