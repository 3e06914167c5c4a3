"""What README shows, runs."""

import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from thinc import compat
from thinc.api import Config

from spacy_elmo.weights.catalogue import names
from tests.data import ROOT
from tests.pipeline.training import initialize, train

README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list:
    # Those of lists are indented.
    return [textwrap.dedent(code) for code in re.findall(rf" *```{language}\n(.*?)```", README, flags=re.S)]


def small_pipeline(name: str) -> Language:
    """In place of spaCy's models, which tests cannot fetch: components like theirs, over vectors of their own."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    for pipe in ("tagger", "parser"):
        nlp.add_pipe(pipe, config={"model": {"tok2vec": listener}})
    initialize(nlp)
    return nlp


ON_SPARK = "from spacy_elmo.spark import"


@pytest.mark.needs("pyspark")
@pytest.mark.slow
@pytest.mark.usefixtures("java")
@pytest.mark.parametrize("code", [code for code in blocks("python") if ON_SPARK in code])
def test_spark(code: str) -> None:
    """In a process of its own, which has the only session of Spark."""
    code = code.replace("start()", "start(spark_ui_enabled='false')")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split("|")[1].strip() for line in done.stdout.splitlines()[3:6]] == ["I", "love", "NLP"]


@pytest.mark.parametrize("code", [code for code in blocks("python") if ON_SPARK not in code])
@pytest.mark.filterwarnings("ignore:unclosed file")
def test_examples(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "require_gpu" in code and not compat.has_cupy_gpu:
        pytest.skip("no CUDA device, or no CuPy")
    monkeypatch.chdir(ROOT)
    namespace: dict[str, Any] = {}
    if "en_core_web_sm" in code:
        monkeypatch.setattr(spacy, "load", small_pipeline)
        namespace["spacy"] = spacy
        with pytest.warns(UserWarning, match=r"WL026.*'tok2vec'"):
            exec(code, namespace)
        return
    exec(code, namespace)
    assert namespace.get("doc") is None or namespace["doc"].tensor.shape == (3, 256)


def test_the_config_is_the_default_one(tiny: Path) -> None:
    text, _ = blocks("ini")
    shown = Config().from_str("[components]\n" + text)["components"]["elmo_embedder"]
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": shown["source"]})
    assert nlp.config["components"]["elmo_embedder"] == shown


def test_the_listener_learns() -> None:
    _, text = blocks("ini")
    shown = Config().from_str("[components]\n[components.tagger]\n[components.tagger.model]\n" + text)
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder")
    nlp.add_pipe("tagger", config=shown["components"]["tagger"])
    train(nlp, initialize(nlp), steps=2)
    block = nlp.config["components"]["tagger"]["model"]["tok2vec"]
    assert block["@architectures"] == "spacy-elmo.ElmoListener.v1"
    function = spacy.registry.architectures.get("spacy-elmo.ElmoListener.v1")
    for name in inspect.signature(function).parameters:
        assert f"\n| `{name}` |" in README, name


def test_every_setting_is_explained() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder")
    config = nlp.config["components"]["elmo_embedder"]
    for name in {*config, *config["model"]} - {"factory", "model", "@architectures"}:
        assert f"\n| `{name}` |" in README, name


def test_the_number_of_models() -> None:
    assert f"`spacy-elmo models` lists {len(names())} models" in README


def test_links() -> None:
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", README, flags=re.S), re.M)
    anchors = {title.lower().replace(" ", "-") for title in titles}
    targets = re.findall(r"\]\(([^)\s]+)\)", README)
    inner = {target.removeprefix("#") for target in targets if target.startswith("#")}
    assert len(inner) > 5
    assert inner <= anchors
    files = [target.partition("#")[0] for target in targets if "://" not in target and target[0] != "#"]
    assert files
    assert all((ROOT / file).is_file() for file in files)
