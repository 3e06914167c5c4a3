"""The reference of the documentation site has every public name, registered name and command."""

import configparser
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import srsly
from thinc.api import Config

from spacy_elmo import errors
from spacy_elmo.pipeline.factory import DEFAULT_CONFIG
from spacy_elmo.visual.figures import _STYLES, STYLES
from tests.data import ROOT

PAGES = ROOT / "docs" / "reference"
DIRECTIVE = re.compile(r"^::: (\S+)\n((?: +.*\n)*)", re.MULTILINE)
MODULES = [
    "spacy_elmo",
    "spacy_elmo.torch",
    "spacy_elmo.visual",
    "spacy_elmo.spark",
    "spacy_elmo.batchers",
    *(
        f"spacy_elmo.compat.{name}"
        for name in ("allennlp", "bilm", "elmoformanylangs", "flair", "simple_elmo", "tfhub")
    ),
]
# Methods of `Elmo` for other modules of the package.
INTERNAL = {"from_weights", "submit", "embed_flat", "named_arrays", "trainable", "learn"}


@cache
def load() -> Any:
    griffe = pytest.importorskip("griffe")
    return griffe.load("spacy_elmo", search_paths=[ROOT], resolve_aliases=True)


def find(path: str) -> Any:
    """Find what has a path, as Python would import it."""
    _, _, rest = path.partition(".")
    return load()[rest] if rest else load()


def directives(page: str = "*") -> list[tuple[str, dict[str, Any]]]:
    """The names that pages describe, with the options of each."""
    found = []
    for path in sorted(PAGES.glob(f"{page}.md")):
        for name, block in DIRECTIVE.findall(path.read_text("utf-8") + "\n"):
            options = srsly.yaml_loads(block)["options"] if block.strip() else {}
            found.append((name, options))
    return found


@cache
def described() -> frozenset[str]:
    """The paths of all that pages describe, where it is defined; of modules, their chosen members."""
    paths = set()
    for name, options in directives():
        names = [f"{name}.{member}" for member in options["members"]] if find(name).is_module else [name]
        paths |= {find(one).canonical_path for one in names}
    return frozenset(paths)


def exported(module: str) -> list[str]:
    return [f"{module}.{name}" for name in find(module).exports]


@pytest.mark.needs("mkdocstrings")
@pytest.mark.parametrize("module", MODULES)
def test_every_public_name(module: str) -> None:
    names = exported(module)
    assert names
    assert [name for name in names if find(name).canonical_path not in described()] == []
    assert [name for name in names if not find(name).has_docstring] == []


@pytest.mark.needs("mkdocstrings")
def test_every_program_of_compat() -> None:
    programs = [path.stem for path in (ROOT / "spacy_elmo" / "compat").iterdir() if path.stem[0] != "_"]
    assert {f"spacy_elmo.compat.{name}" for name in programs} == {name for name in MODULES if ".compat." in name}


@pytest.mark.needs("mkdocstrings")
def test_every_error() -> None:
    found = [getattr(errors, name) for name in errors.__all__]
    coded = [one for one in found if isinstance(one, type) and issubclass(one, errors.CodedError)]
    assert len(coded) > 10
    names = [f"spacy_elmo.errors.{one.__name__}" for one in coded]
    assert [name for name in names if find(name).canonical_path not in described()] == []
    assert [name for name in names if not find(name).has_docstring] == []


@pytest.mark.needs("mkdocstrings")
def test_every_method_of_elmo() -> None:
    shown = dict(directives("python"))["spacy_elmo.Elmo"]["members"]
    members = find("spacy_elmo.Elmo").all_members
    public = {name for name, one in members.items() if not name.startswith("_") and one.has_docstring}
    assert public - INTERNAL == {*shown} - {"__call__"}
    assert all(members[name].has_docstring for name in shown)


def test_registered_names() -> None:
    """A section for each entry point, which describes the function that it names."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    groups = setup["options.entry_points"]
    entries = [line for name in groups if name.startswith("spacy_") for line in groups[name].strip().splitlines()]
    registered = {name: path.replace(":", ".") for name, path in (entry.split(" = ") for entry in entries)}
    page = (PAGES / "config.md").read_text("utf-8")
    sections = re.findall(r"^## (\S+) \{ #(\S+) \}\n\n::: (\S+)", page, re.MULTILINE)
    assert {name: path for name, _, path in sections} == registered
    # The table links to the sections.
    assert dict(re.findall(r"\[`(\S+)`\]\(#(\S+)\)", page)) == {name: anchor for name, anchor, _ in sections}


def test_options_of_pictures() -> None:
    rows = re.findall(r"^\| (`\w+`)? ?\| (?:`(\w+)`)? ?\| .*? \| (.*?) \|", read_options(), re.MULTILINE)
    found: dict[str, dict[str, str]] = {}
    for style, option, default in rows:
        if style:
            options = found.setdefault(style.strip("`"), {})
        if option:
            options[option] = default
    assert {*found} == {*STYLES}
    for name, style in _STYLES.items():
        fields = style.options.model_fields
        assert {*found[name]} == {*fields}
        for option, field in fields.items():
            if field.default is not None:
                assert found[name][option].strip("`") == str(field.default)


def read_options() -> str:
    page = (PAGES / "visual.md").read_text("utf-8")
    return page.partition("\n## Options\n")[2]


@pytest.mark.needs("mkdocstrings")
def test_defaults_of_the_component() -> None:
    """The table of settings has the defaults of the config."""
    import griffe

    from scripts.site.spacy_docstrings import SpacyDocstrings

    path = "spacy_elmo.pipeline.factory.make_elmo_embedder"
    extension = SpacyDocstrings(configs={path: "spacy_elmo.pipeline.factory.DEFAULT_CONFIG"})
    package = griffe.load("spacy_elmo", search_paths=[ROOT], extensions=griffe.load_extensions(extension))
    docstring = package["pipeline.factory.make_elmo_embedder"].docstring
    [parameters] = [one for one in docstring.parsed if one.kind is griffe.DocstringSectionKind.parameters]
    shown = {one.name: json.loads(one.value) for one in parameters.value}
    config = Config().from_str(DEFAULT_CONFIG)["elmo_embedder"]
    assert shown == {**config, "model": "spacy-elmo.Elmo.v1"}


def test_pages_are_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert all(f"reference/{path.name}" in navigation for path in Path(PAGES).glob("*.md"))


@pytest.mark.needs("mkdocstrings")
def test_names_in_the_configuration_exist() -> None:
    names = re.findall(r"\bspacy_elmo\.[a-z]\w*\.[\w.]*\w", (ROOT / "mkdocs.yml").read_text("utf-8"))
    assert all(find(name).path for name in names)
