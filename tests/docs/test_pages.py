"""What pages say of the program, and where their links lead."""

import inspect
import re
from pathlib import Path

import pytest
import spacy

from spacy_elmo.errors import Errors, Warnings
from spacy_elmo.weights.catalogue import names
from tests.data import ROOT
from tests.docs.pages import DOCS, PAGES, README, find_anchors, find_links, page_name, read_blocks
from tests.docs.snippets import parse_config
from tests.pipeline.training import initialize, train


@pytest.mark.parametrize(
    "page",
    [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_links(page: Path) -> None:
    """Files and headings that a page names exist. The site has no other places, so its pages stay inside docs."""
    for target in find_links(page):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.is_file(), target
        assert page.parent != DOCS or found.is_relative_to(DOCS), target
        # Pages of the reference get their headings from the code; mkdocs checks those.
        if anchor and "reference" not in found.parts:
            assert anchor in find_anchors(found), target


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_codes(page: Path) -> None:
    for code in re.findall(r"\b(?:EL|WL)\d{3}\b", page.read_text("utf-8")):
        assert hasattr(Errors if code.startswith("EL") else Warnings, code), code


def test_number_of_models() -> None:
    assert f"`spacy-elmo models` lists {len(names())} models" in (DOCS / "models.md").read_text("utf-8")
    for page in PAGES:
        found = re.findall(r"(\d+) published models", page.read_text("utf-8"))
        assert {*found} <= {str(len(names()))}, page


def test_length_of_readme() -> None:
    """A screen and a half: what is more belongs to docs."""
    assert len(README.read_text("utf-8").splitlines()) < 120


def test_config_of_the_component() -> None:
    shown = parse_config(read_blocks(DOCS / "pipeline.md", "ini")[0])
    block = shown["components"]["elmo_embedder"]
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": block["source"]})
    assert nlp.config["components"]["elmo_embedder"] == block


def test_every_setting_is_explained() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder")
    config = nlp.config["components"]["elmo_embedder"]
    text = (DOCS / "pipeline.md").read_text("utf-8")
    for name in {*config, *config["model"]} - {"factory", "model", "@architectures"}:
        assert f"\n| `{name}` |" in text, name


@pytest.mark.parametrize("page", [README, DOCS / "training.md"], ids=page_name)
def test_the_listener_learns(page: Path) -> None:
    shown = parse_config(read_blocks(page, "ini")[0])
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder")
    nlp.add_pipe("tagger", config=shown["components"]["tagger"])
    train(nlp, initialize(nlp), steps=2)
    block = nlp.config["components"]["tagger"]["model"]["tok2vec"]
    assert block["@architectures"] == "spacy-elmo.ElmoListener.v1"


def test_every_setting_of_the_listener_is_explained() -> None:
    function = spacy.registry.architectures.get("spacy-elmo.ElmoListener.v1")
    text = (DOCS / "training.md").read_text("utf-8")
    for name in inspect.signature(function).parameters:
        assert f"\n| `{name}` |" in text, name


def test_layers_above_the_mix() -> None:
    """The config with an LSTM above the listener trains."""
    [text] = [block for block in read_blocks(DOCS / "training.md", "ini") if "BiLSTMEncoder" in block]
    shown = parse_config(text)
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder")
    nlp.add_pipe("tagger", config=shown["components"]["tagger"])
    train(nlp, initialize(nlp), steps=1)


def test_every_extra_is_listed() -> None:
    """Each extra for users, with the command that installs it."""
    import configparser

    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    extras = {name for name in setup["options.extras_require"] if not name.startswith(("tests", "dev", "docs"))}
    text = (DOCS / "install.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .* \| `pip install -c constraints.txt \"\.\[(\w+)\]\"` \|$", text, re.M)
    assert rows == [(name, name) for name, _ in rows]
    assert {name for name, _ in rows} == extras
