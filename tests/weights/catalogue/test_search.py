import pytest

from spacy_elmo.errors import ElmoError
from spacy_elmo.weights.catalogue import CATALOGUE
from spacy_elmo.weights.catalogue.languages import LANGUAGES
from spacy_elmo.weights.catalogue.search import find_languages, search


def found(**conditions: "str | None") -> "list[str]":
    return [entry.name for entry in search(CATALOGUE.values(), **conditions)]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("pl", {"pl"}),
        (" PL ", {"pl"}),
        ("Polish", {"pl"}),
        ("slovenian", {"sl"}),
        ("Farsi", {"fa"}),
        ("Norwegian", {"no", "nb", "nn"}),
        ("Bokmål", {"nb"}),
        ("Greek", {"el", "grc"}),
        ("old church slavonic", {"cu"}),
        ("no", {"no"}),
    ],
)
def test_language(text: str, codes: "set[str]") -> None:
    assert find_languages(text) == codes


@pytest.mark.parametrize("text", ["", "xx", "poli", "english german", "Klingon", "\x1b[31m"])
def test_unknown_language(text: str) -> None:
    with pytest.raises(ElmoError, match=r"EL322.*ar Arabic, .*zh Chinese") as raised:
        find_languages(text)
    assert "\x1b" not in str(raised.value)


def test_every_language_has_models() -> None:
    for code, name in LANGUAGES.items():
        assert found(lang=code)
        assert set(found(lang=code)) <= set(found(lang=name))


def test_conditions() -> None:
    assert found() == list(CATALOGUE)
    assert found(lang="pl") == ["pl/sdadas", "manylangs/pl"]
    assert found(domain="protein") == ["seqvec", "seqvec/zip", "seqvec/lm"]
    assert found(domain=" TCR ") == ["catelmo", "catelmo-shallow", "catelmo-deep"]
    assert found(lang="ru", domain="news") == ["deeppavlov/news", "deeppavlov/news-lm", "deeppavlov/news-simple"]
    assert found(text="rostlab checkpoint") == ["seqvec/lm"]
    # By alias, language, domain and maker.
    assert found(text="en.embed") == ["sparknlp/elmo"]
    assert found(text="tamil") == ["ta/plur"]
    assert found(text="BIOMEDICAL jin") == ["bioelmo", "bioelmo/lm"]
    assert found(lang="de", domain="general", text="t-systems") == ["de/t-systems", "de/t-systems/lm"]
    assert found(text=" ") == list(CATALOGUE)
    # Two letters stand at the start of a word: these are inside every "elmo".
    assert {name.rpartition("/")[2].rpartition("-")[2] for name in found(text="lm")} == {"lm"}
    assert "original/lm" in found(text="lm")
    assert "seqvec" in found(text="vec")


def test_unknown_domain() -> None:
    with pytest.raises(ElmoError, match=r"EL323.*'law'.*Allowed: general, web, .*tcr\."):
        found(domain="law")


def test_nothing_found() -> None:
    with pytest.raises(
        ElmoError, match=r"EL324.*--lang 'de' --domain 'protein' --search 'x y'.*spacy-elmo models"
    ):
        found(lang="de", domain="protein", text="x y")
