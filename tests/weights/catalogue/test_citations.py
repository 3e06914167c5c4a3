import re

import pytest

from spacy_elmo.weights.catalogue import CATALOGUE
from spacy_elmo.weights.catalogue.citations import CITATIONS, to_bibtex


@pytest.mark.parametrize("key", CITATIONS)
def test_fields(key: str) -> None:
    text = CITATIONS[key]
    assert re.match(rf"@(inproceedings|article|incollection|misc)\{{{key},\n", text)
    fields = dict(re.findall(r"^  (\w+) = \{(.*)\},$", text, re.MULTILINE))
    # Every line is a field, but the first and the last.
    assert len(fields) == len(text.splitlines()) - 2
    assert {"author", "title", "year"} <= fields.keys()
    assert re.sub(r"\D", "", key) == fields["year"]
    assert all(value.count("{") == value.count("}") for value in fields.values())
    assert text.isascii()
    assert "booktitle" in fields or not text.startswith(("@inproceedings", "@incollection"))
    assert "journal" in fields or not text.startswith("@article")
    assert fields.get("url", "https://").startswith("https://")
    assert "," in fields["author"]


def test_all_are_used() -> None:
    assert {key for entry in CATALOGUE.values() for key in entry.citations} == CITATIONS.keys()


def test_several() -> None:
    both = to_bibtex(("che2018", "fares2017"))
    assert both.split("\n\n") == [CITATIONS["che2018"], CITATIONS["fares2017"]]
    assert to_bibtex(()) == ""
    with pytest.raises(KeyError):
        to_bibtex(("nobody1999",))
