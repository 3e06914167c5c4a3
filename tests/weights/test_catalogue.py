import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from spacy_elmo.weights.catalogue import ALIASES, BUNDLED, CATALOGUE, find, names, resolve
from spacy_elmo.weights.languages import LANGUAGES
from spacy_elmo.weights.releases import File


def files() -> "list[File]":
    return [file for entry in CATALOGUE.values() for file in entry.files]


def test_names() -> None:
    assert names() == [BUNDLED, *CATALOGUE]
    assert names()[1:9] == [
        "original", "original_5.5B", "small", "medium", "pt", "pubmed", "tfhub/elmo/3", "tfhub/elmo/2",
    ]  # fmt: skip
    assert len(CATALOGUE) == 9 + 44
    assert {entry.name for entry in CATALOGUE.values()} == set(CATALOGUE)


def test_unique_paths() -> None:
    urls = [url for file in files() for url in file.urls]
    assert len(set(urls)) == len(urls) == sum(2 - (file.name.startswith("elmo_en")) for file in files()) + 2
    assert all(urlsplit(url).scheme in ("http", "https") and urlsplit(url).netloc for url in urls)
    # The path on a mirror.
    assert len({file.path for file in files()}) == len({file.name for file in files()}) + 1 == len(files())
    assert all(file.urls[0].endswith(f"/{file.path}") for file in files())


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        (
            "original_5.5B",
            [
                "2x4096_512_2048cnn_2xhighway_5.5B/elmo_2x4096_512_2048cnn_2xhighway_5.5B_options.json",
                "2x4096_512_2048cnn_2xhighway_5.5B/elmo_2x4096_512_2048cnn_2xhighway_5.5B_weights.hdf5",
            ],
        ),
        (
            "pubmed",
            [
                "contributed/pubmed/elmo_2x4096_512_2048cnn_2xhighway_options.json",
                "contributed/pubmed/elmo_2x4096_512_2048cnn_2xhighway_weights_PubMed_only.hdf5",
            ],
        ),
        ("manylangs/en", ["144.zip"]),
        ("tfhub/elmo/3", ["google/elmo/3.tar.gz"]),
    ],
)
def test_paths(name: str, paths: "list[str]") -> None:
    entry = CATALOGUE[name]
    assert [file.path for file in entry.files] == paths
    assert entry.is_archive == (len(paths) == 1)


def test_sizes() -> None:
    small = CATALOGUE["small"]
    assert (small.n_layers, small.dim, small.projection_dim) == (2, 1024, 128)
    assert small.n_bytes == small.files[1].size == 54_402_456
    assert CATALOGUE["original"].n_bytes == 374_435_128
    assert CATALOGUE["medium"].n_bytes is None
    assert all(file.sha256 is None or len(file.sha256) == 64 for file in files())


def test_languages() -> None:
    assert len({language.number for language in LANGUAGES.values()}) == len(LANGUAGES) == 44
    assert {language.number for language in LANGUAGES.values()} == set(range(136, 180))
    assert all(entry.language in LANGUAGES for entry in CATALOGUE.values())


def test_aliases() -> None:
    assert not ALIASES.keys() & CATALOGUE.keys()
    assert set(ALIASES.values()) <= CATALOGUE.keys()
    assert find("elmo") is find("en.embed.elmo") is CATALOGUE["sparknlp/elmo"]
    assert find("de") is CATALOGUE["manylangs/de"]
    # AllenNLP's Portuguese model, not ELMoForManyLangs'.
    assert find("pt").files[0].name == "elmo_pt_options.json"
    assert resolve("nowhere") is None


def test_an_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"EL140.*'orignal'\. Closest: original.*spacy-elmo models"):
        find("orignal")
    with pytest.raises(ValueError, match=r"EL140.*None has a similar name"):
        find("qqqqqqqq")


def test_it_is_light() -> None:
    code = (
        "import sys; import spacy_elmo.weights.catalogue; "
        "print([name for name in ('requests', 'torch', 'numpy', 'rich') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_an_unknown_address() -> None:
    with pytest.raises(ValueError, match=r"EL140.*'https://example.com/elmo/\?\.\.\.'") as raised:
        find("https://user:s3cret@example.com/elmo/?token=s3cret")
    assert "s3cret" not in str(raised.value)
