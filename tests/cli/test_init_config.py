import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from confection import Config
from spacy.cli.debug_config import debug_config
from spacy.cli.init_config import init_config as recipe
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import load_config, load_model_from_config

from spacy_elmo.cli.elmo_config.convert import Choice
from spacy_elmo.cli.init_config import convert, init_config, init_config_cli
from tests.cli.command import run
from tests.cli.elmo_config.spacy_configs import CURATED, transformer_recipe
from tests.data import TINY


def example(nlp: spacy.Language) -> Example:
    words = ["She", "ate", "two", "green", "apples", ".", "He", "slept"]
    doc = Doc(
        nlp.vocab,
        words=words,
        tags=["PRP", "VBD", "CD", "JJ", "NNS", ".", "PRP", "VBD"],
        morphs=["Case=Nom", "", "", "", "Number=Plur", "", "Case=Nom", ""],
        pos=["PRON", "VERB", "NUM", "ADJ", "NOUN", "PUNCT", "PRON", "VERB"],
        lemmas=["she", "eat", "two", "green", "apple", ".", "he", "sleep"],
        heads=[1, 1, 4, 4, 1, 1, 7, 7],
        deps=["nsubj", "ROOT", "nummod", "amod", "obj", "punct", "nsubj", "ROOT"],
        ents=["O", "O", "B-NUM", "O", "O", "O", "O", "O"],
    )
    doc.cats = {"FOOD": 1.0, "MUSIC": 0.0}
    doc.spans["sc"] = [Span(doc, 2, 5, label="FRUIT")]
    return Example(nlp.make_doc(doc.text), doc)


def train(nlp: spacy.Language, *, steps: int = 2) -> list[Any]:
    """The losses of some steps over one batch, as `spacy train` takes them."""
    examples = [example(nlp), example(nlp)]
    sgd = nlp.initialize(lambda: examples)
    annotates = nlp.config["training"]["annotating_components"]
    history = []
    # spaCy's own loop gives False, which its annotations lack.
    sgd_of_spacy: Any = False
    pipes: Any = nlp.pipeline
    for _ in range(steps):
        losses = nlp.update(examples, sgd=sgd_of_spacy, losses={}, drop=0.1, annotates=annotates)
        history.append(losses)
        for _, pipe in pipes:
            pipe.finish_update(sgd)
    return history


@pytest.mark.slow
def test_a_file_is_written_once(tmp_path: Path) -> None:
    base, output = tmp_path / "base.cfg", tmp_path / "elmo.cfg"
    recipe(lang="de", pipeline=["tagger", "sentencizer"]).to_disk(base)
    done = run("init-config", base, output, "--source", TINY, "--upstream-name", "elmo", "--no-frozen")
    assert f"Wrote {output}: tagger on 'elmo'" in done.stderr
    assert "- 'sentencizer' comes after 'elmo'" in done.stderr
    assert f"spacy train {output}" in done.stderr
    config = load_config(output)
    assert config["nlp"]["lang"] == "de"
    assert config["components"]["elmo"]["source"] == str(TINY)
    assert config["components"]["elmo"]["frozen"] is False
    debug_config(output, overrides={"paths.train": "train.spacy", "paths.dev": "dev.spacy"})
    before = output.read_text("utf-8")
    assert "EL068" in run("init-config", base, output, code=1).stderr
    assert output.read_text("utf-8") == before
    run("init-config", base, output, "--force", "--pooling-layer", "lstm_outputs1")
    assert load_config(output)["components"]["tagger"]["model"]["tok2vec"]["pooling_layer"] == "lstm_outputs1"


@pytest.mark.slow
def test_printed_from_nothing() -> None:
    done = run("init-config", "-", "--pipeline", "tagger, textcat", "--lang", "fr")
    assert done.stderr == ""
    config = Config().from_str(done.stdout)
    assert config["nlp"]["lang"] == "fr"
    assert config["nlp"]["pipeline"] == ["elmo_embedder", "tagger", "textcat"]
    assert config["components"]["textcat"]["model"]["@architectures"] == "spacy.TextCatEnsemble.v2"
    refused = run("init-config", "-", "--pipeline", "sentencizer", code=1)
    assert refused.stderr.startswith("spacy-elmo: [EL111] Nothing in spaCy's recipe")


@pytest.mark.parametrize(
    ("paths", "options", "got"),
    [
        (["a.cfg"], {}, r"1 file\(s\)"),
        (["a.cfg", "b.cfg", "c.cfg"], {}, r"3 file\(s\)"),
        (["a.cfg", "b.cfg"], {"pipeline": "ner"}, "2 file.*, --pipeline"),
        (["a.cfg", "b.cfg"], {"lang": "en"}, "2 file.*, --lang"),
        (["b.cfg"], {"lang": "en"}, "1 file.*, --lang"),
        (["b.cfg"], {"pipeline": "ner", "code": Path("a.py")}, "1 file.*, --pipeline, --code"),
    ],
)
def test_what_must_be_given(paths: list[str], options: dict[str, Any], got: str) -> None:
    with pytest.raises(ValueError, match=rf"EL113.*--pipeline tagger,parser,ner.*Got {got}\.$"):
        init_config_cli([Path(path) for path in paths], **options)


def test_failed_conversion(tmp_path: Path) -> None:
    output = tmp_path / "elmo.cfg"
    with pytest.raises(ValueError, match="EL114"):
        init_config_cli([tmp_path / "no.cfg", output])
    with pytest.raises(ValueError, match="Can't find factory for 'x'"):
        init_config_cli([output], pipeline="x")
    assert not output.exists()


def test_the_source_is_looked_at() -> None:
    with pytest.raises(FileNotFoundError, match=r"EL010.*'en_smal'.*Closest: en_sm"):
        init_config(lang="en", pipeline=["ner"], choice=Choice(source="en_smal"))
    with pytest.raises(ValueError, match=r"EL031.*'lstm_outputs3' does not exist: this model has 2"):
        init_config(lang="en", pipeline=["ner"], choice=Choice(pooling_layer="lstm_outputs3"))
    pair = [str(TINY / "options.json"), str(TINY / "weights.hdf5")]
    converted = init_config(lang="en", pipeline=["ner"], choice=Choice(source=pair))
    assert converted.config["components"]["elmo_embedder"]["source"] == pair


def test_code_of_the_users(tmp_path: Path) -> None:
    base, code = tmp_path / "base.cfg", tmp_path / "code.py"
    base.write_text(
        '[nlp]\nlang = "en"\npipeline = ["mine"]\n[components]\n[components.mine]\nfactory = "my_factory"\n'
    )
    code.write_text(
        "from spacy.language import Language\n"
        'MODEL = {"@architectures": "spacy.Tagger.v2", "nO": None, "tok2vec": '
        '{"@architectures": "spacy.Tok2VecListener.v1", "width": 96}}\n'
        '@Language.factory("my_factory", default_config={"model": MODEL})\n'
        "def make(nlp, name, model):\n    return lambda doc: doc\n"
    )
    with pytest.raises(ValueError, match="EL111"):
        convert(base, choice=Choice())
    config = convert(base, choice=Choice(), code=code).config
    assert config["components"]["mine"]["model"]["tok2vec"]["grad_factor"] == 1.0


TRAINED = [
    "senter", "tagger", "morphologizer", "trainable_lemmatizer", "ner", "span_finder", "spancat",
    "spancat_singlelabel", "textcat", "textcat_multilabel",
]  # fmt: skip


@pytest.mark.parametrize("pooling_layer", [None, "word_emb"])
def test_all_components_train(pooling_layer: Any) -> None:
    choice = Choice(source=str(TINY), pooling_layer=pooling_layer)
    config = init_config(lang="en", pipeline=TRAINED, choice=choice).config
    nlp = load_model_from_config(config)
    first, second = train(nlp)
    assert set(first) == {"elmo_embedder", *TRAINED}
    assert all(np.isfinite(loss) for loss in second.values())
    assert sum(second.values()) != sum(first.values())
    embedder: Any = nlp.get_pipe("elmo_embedder")
    width = 2 * embedder.elmo.width("word_emb")
    doc = nlp("She ate two green apples.")
    assert doc.tensor.shape == (6, width // 2 if pooling_layer else width)
    ner: Any = nlp.get_pipe("ner")
    mix = ner.model.get_ref("tok2vec")
    assert any(node.has_param("gamma") for node in mix.walk()) == (pooling_layer is None)


@pytest.mark.parametrize(
    "base", [CURATED, transformer_recipe(["tagger", "parser", "textcat"]).to_str(interpolate=False)]
)
def test_training(base: str, tmp_path: Path) -> None:
    path = tmp_path / "base.cfg"
    path.write_text(base)
    config = convert(path, choice=Choice(source=str(TINY))).config
    # As after a long warm-up.
    config["training"]["optimizer"]["learn_rate"] = 0.001
    if "parser" in config["components"]:
        # By default, labels that are rarer than 30 are left out.
        config["components"]["parser"]["min_action_freq"] = 1
    nlp = load_model_from_config(config)
    losses = train(nlp, steps=8)
    assert losses[-1]["tagger"] < losses[0]["tagger"]
    nlp.to_disk(tmp_path / "pipeline")
    doc = spacy.load(tmp_path / "pipeline")("She ate two green apples.")
    assert [token.tag_ for token in doc] == [token.tag_ for token in nlp("She ate two green apples.")]


@pytest.mark.parametrize("wrong", [["-p", "nosuch"], ["-p", "tagger", "--lang", "qq"]])
def test_unknown_pipeline(tmp_path: Path, wrong: list[str]) -> None:
    done = run("init-config", tmp_path / "o.cfg", *wrong, code=1)
    assert "[EL227] spaCy cannot create a config" in done.stderr
    assert re.search(r"[^.]\. Give components and a language", done.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_output_is_folder(tmp_path: Path) -> None:
    for command in (["init-config", tmp_path, "-p", "tagger"], ["init-pretrain", tmp_path]):
        assert f"[EL063] '{tmp_path}' is a folder. Add the name of a file to it.\n" in run(*command, code=1).stderr
        command[1] = tmp_path / "no" / "o.cfg"
        assert "EL064" in run(*command, code=1).stderr
