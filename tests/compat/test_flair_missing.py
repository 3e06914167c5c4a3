"""Without Flair, the import of its module says what to install."""

import sys
from importlib import import_module

import pytest

from spacy_elmo.errors import ElmoImportError


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flair", None)
    monkeypatch.delitem(sys.modules, "spacy_elmo.compat.flair", raising=False)
    with pytest.raises(ElmoImportError, match=r"EL889.*Install it: pip install flair"):
        import_module("spacy_elmo.compat.flair")
