"""The public surface: names of the package, and names in spaCy's registries."""

import configparser
import re
import subprocess
import sys
from importlib import import_module

import pytest

import spacy_elmo
from tests.data import ROOT

GROUPS = ("factories", "architectures", "misc", "batchers", "callbacks")


@pytest.mark.parametrize("name", spacy_elmo.__all__)
def test_name(name: str) -> None:
    assert name in dir(spacy_elmo)
    assert getattr(spacy_elmo, name) is not None


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'embed'"):
        spacy_elmo.__getattr__("embed")


def test_import_is_light() -> None:
    program = "import sys, spacy_elmo; print({'numpy', 'torch', 'spacy', 'importlib.metadata'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_registered_names() -> None:
    """The docstring lists what setup.cfg registers, and all of it can be imported."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    for group in GROUPS:
        entries = setup["options.entry_points"][f"spacy_{group}"].strip().splitlines()
        registered = dict(entry.split(" = ") for entry in entries)
        [names] = re.findall(rf"\n- {group}: (.*?)(?=\n- |\n\n)", spacy_elmo.__doc__ or "", re.S)
        assert {*re.split(r",\s+", names)} == {*registered}
        for path in registered.values():
            module, _, function = path.partition(":")
            assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize("module", ["elmo", "errors", "texts", "batchers"])
def test_public_modules(module: str) -> None:
    found = import_module(f"spacy_elmo.{module}")
    assert all(hasattr(found, name) for name in found.__all__)
