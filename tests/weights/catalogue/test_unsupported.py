import pytest

from spacy_elmo.errors import ElmoError
from spacy_elmo.weights.catalogue import CATALOGUE, find, resolve
from spacy_elmo.weights.catalogue.unsupported import check_supported


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("transformer-elmo", "no LSTMs. Instead, use original"),
        ("https://s3-us-west-2.amazonaws.com/allennlp/models/transformer-elmo-2019.01.10.tar.gz", "no LSTMs"),
        ("http://allennlp.s3.amazonaws.com/models/transformer-elmo-2019.01.10.tar.gz", "no LSTMs"),
        ("Magnitude", "SQLite"),
        ("http://magnitude.plasticity.ai/elmo/light/elmo_2x1024_weights.magnitude", "SQLite"),
        ("https://s3-ap-southeast-1.amazonaws.com/huseinhouse-storage/v20/elmo/elmo-128.pkl", "pickle"),
        ("malaya", "pickle"),
        ("PEvoLM", "use seqvec"),
        ("https://github.com/issararab/PEvoLM/", "use seqvec"),
        ("en_elmo_dev.95.21", "use original"),
        (
            "https://github.com/nikitakit/self-attentive-parser/releases/download/models/en_elmo_dev.95.21.pt",
            "a parser",
        ),
        ("gluonnlp", "MXNet"),
    ],
)
def test_what_to_use_instead(name: str, words: str) -> None:
    assert resolve(name) is None
    for function in (check_supported, find):
        with pytest.raises(ElmoError, match=r"EL320.*cannot be read") as raised:
            function(name)
        assert words in str(raised.value)


@pytest.mark.parametrize("name", ["", "transformer", "elmo", "https://magnitude.plasticity.ai/", "/", "nowhere"])
def test_others(name: str) -> None:
    check_supported(name)


def test_no_model_is_both() -> None:
    for entry in CATALOGUE.values():
        for name in (entry.name, *entry.aliases, *(url for file in entry.files for url in file.urls)):
            check_supported(name)
