import re

import pytest

from spacy_elmo.errors import ElmoFileNotFoundError
from spacy_elmo.weights.catalogue import CATALOGUE
from spacy_elmo.weights.catalogue.entry import Entry, check_downloadable, describe_licence, describe_terms
from spacy_elmo.weights.releases import File


@pytest.mark.parametrize(
    ("licence", "is_non_commercial"),
    [
        ("CC BY-NC-ND 4.0", True),
        ("CC-BY-NC", True),
        ("MIT", False),
        ("CC BY-ND 4.0", False),
        ("NCSA", False),
        ("unknown", False),
        (None, False),
    ],
)
def test_non_commercial(licence: "str | None", is_non_commercial: bool) -> None:
    entry = Entry(name="a/b", files=(File("b.zip", ()),), language="en", licence=licence)
    assert entry.is_non_commercial is is_non_commercial
    terms = describe_terms(entry)
    assert terms == (f"a/b: its licence, {licence}, does not allow commercial use" if is_non_commercial else "")
    assert "\n" not in terms


def test_licence_in_words() -> None:
    assert describe_licence(CATALOGUE["original"]) == "none stated"
    assert describe_licence(CATALOGUE["no/norelmo"]) == "unknown: see its page"
    assert describe_licence(CATALOGUE["seqvec"]) == "MIT (stated in its repository)"
    assert describe_licence(CATALOGUE["fr/oscar"]) == "MIT"


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if not entry.files])
def test_by_hand(name: str) -> None:
    entry = CATALOGUE[name]
    message = rf"EL321.*'{name}'.*by hand from {re.escape(str(entry.page))} into a folder"
    with pytest.raises(ElmoFileNotFoundError, match=message) as raised:
        check_downloadable(entry)
    assert str(raised.value).endswith(entry.note or "as source.")


def test_by_hand_with_terms() -> None:
    entry = Entry(
        name="x", files=(), language="en", licence="CC BY-NC 4.0", page="https://example.com", note="Old."
    )
    with pytest.raises(
        ElmoFileNotFoundError, match=r"source\. Old\. x: its licence, CC BY-NC 4\.0, does not allow"
    ):
        check_downloadable(entry)


def test_files_need_no_hand() -> None:
    check_downloadable(CATALOGUE["seqvec"])
    assert sum(not entry.files for entry in CATALOGUE.values()) == 11
