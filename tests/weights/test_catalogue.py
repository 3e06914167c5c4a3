"""What the catalogue says of each model, and how models are found in it."""

import re
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from spacy_elmo.weights.catalogue import ALIASES, BUNDLED, CATALOGUE, find, names, resolve
from spacy_elmo.weights.catalogue.citations import CITATIONS
from spacy_elmo.weights.catalogue.entry import EVIDENCE
from spacy_elmo.weights.catalogue.languages import LANGUAGES
from spacy_elmo.weights.catalogue.nlpl import MANYLANGS
from spacy_elmo.weights.releases import File

A3 = "https://s3-us-west-2.amazonaws.com/allennlp/models/"
LARGE = f"{A3}elmo/2x4096_512_2048cnn_2xhighway"
SMALL = f"{A3}elmo/2x1024_128_2048cnn_1xhighway"
BIO = "http://data.bioembeddings.com/public/embeddings/embedding_models/seqvec"
SEQVEC_ZIP = "https://rostlab.org/~deepppi/seqvec.zip"
DEEPPAVLOV = "http://files.deeppavlov.ai/deeppavlov_data"
OSCAR = "https://traces1.inria.fr/oscar/files/models"
NLPL = "http://vectors.nlpl.eu/repository"

# Addresses as their makers published them.
PUBLISHED = {
    "seqvec": [
        "https://rostlab.org/~deepppi/embedding_repo/embedding_models/seqvec/options.json",
        f"{BIO}/options.json",
        f"{BIO}/weights.hdf5",
        "https://github.com/mheinzinger/SeqVec",
        "https://github.com/Rostlab/SeqVec/",
    ],
    "seqvec/zip": [
        SEQVEC_ZIP,
        "https://lbs.cent.uw.edu.pl/static/files/seqvec.zip",
        f"https://web.archive.org/web/20220324054637/{SEQVEC_ZIP}",
    ],
    "seqvec/lm": ["https://rostlab.org/~deepppi/seqvec_checkpoint.tar.gz"],
    "catelmo": ["https://www.dropbox.com/sh/jpw6z71bsn1t7ev/AADRiL7_amT0vQrpep45PcOPa?dl=0"],
    "catelmo-deep": ["https://www.dropbox.com/sh/ua1x0ateod5ntui/AAANxH8OrJn_pcZY8SwyiypDa?dl=0"],
    "original": [f"{LARGE}/elmo_2x4096_512_2048cnn_2xhighway_options.json"],
    "original/lm": [f"{LARGE}_tf_checkpoint/options.json", f"{LARGE}_tf_checkpoint/model.ckpt-935588.index"],
    "small": ["http://allennlp.s3.amazonaws.com/models/elmo/2x1024_128_2048cnn_1xhighway/"
              "elmo_2x1024_128_2048cnn_1xhighway_weights.hdf5"],
    "small/lm": [f"{SMALL}/tf_checkpoint/model.ckpt-1501260.data-00000-of-00001"],
    "medium/lm": [f"{A3}elmo/2x2048_256_2048cnn_1xhighway/tf_checkpoint/options.json",
                  f"{LARGE}/vocab-2016-09-10.txt"],
    "pt": [f"{A3}elmo/contributed/pt/elmo_pt_options.json"],
    "pt/wikipedia": [f"{A3}elmo/contributed/pt/wikipedia/elmo_pt_weights.hdf5"],
    "pt/brwac": [f"{A3}elmo/contributed/pt/brwac/elmo_pt_weights_dgx1.hdf5"],
    "ja/exawizards": ["https://exawizardsallenlp.blob.core.windows.net/data/weights.hdf5"],
    "de/t-systems": ["https://github.com/t-systems-on-site-services-gmbh/german-elmo-model/releases/download/files_1/"
                     "weights.hdf5"],
    "eu/plur": ["https://schweter.eu/cloud/eu-elmo/options.json", "https://schweter.eu/cloud/eu-elmo/"],
    "ta/plur": ["https://schweter.eu/cloud/ta-elmo/weights.hdf5"],
    "original/two-layers": ["https://public.ukp.informatik.tu-darmstadt.de/reimers/2019_elmo_weights/Original/"
                            "elmo_2x4096_512_2048cnn_2xhighway_weights_first_two_layers.hdf5"],
    "allennlp/ner-2018.12": [f"{A3}ner-model-2018.12.18.tar.gz"],
    "allennlp/parser-2020.02": [
        "https://storage.googleapis.com/allennlp-public-models/elmo-constituency-parser-2020.02.10.tar.gz",
        "https://allennlp.s3.amazonaws.com/models/elmo-constituency-parser-2020.02.10.tar.gz",
    ],
    "allennlp/ner-2021.02": ["https://storage.googleapis.com/allennlp-public-models/ner-elmo.2021-02-12.tar.gz"],
    "allennlp/bidaf-2021.02": ["https://storage.googleapis.com/allennlp-public-models/bidaf-elmo.2021-02-11.tar.gz"],
    "allennlp/esim-2020.11": ["https://storage.googleapis.com/allennlp-public-models/esim-elmo-2020.11.11.tar.gz"],
    "allennlp/decomp-2020.04": [
        "https://storage.googleapis.com/allennlp-public-models/decomposable-attention-elmo-2020.04.09.tar.gz"
    ],
    "tfhub/elmo/1": ["https://tfhub.dev/google/elmo/1"],
    "tfhub/elmo/3": ["http://tfhub.dev/google/elmo/3/", "https://tfhub.dev/google/elmo/3?tf-hub-format=compressed"],
    "sl/embeddia": ["https://www.clarin.si/repository/xmlui/bitstream/handle/11356/1277/slovenian-elmo.tar.gz"],
    "bg/oscar": [f"{OSCAR}/cc/bg.zip"],
    "bg/oscar-wikipedia": [f"{OSCAR}/wiki/bg.zip"],
    "ru/rusvectores-tokens": [f"{NLPL}/11/195.zip"],
    "ru/rusvectores-araneum": [f"{NLPL}/20/212.zip", "https://vectors.nlpl.eu/repository/20/212.zip"],
    "la/semeval2020": [f"{NLPL}/20/203.zip"],
    "no/norelmo-100k": [f"{NLPL}/20/218.zip"],
    "manylangs/de": [f"{NLPL}/11/142.zip"],
    "deeppavlov/news": [f"{DEEPPAVLOV}/elmo_ru-news_wmt11-16_1.5M_steps.tar.gz"],
    "deeppavlov/twitter-simple": [f"{DEEPPAVLOV}/elmo-lm-ready4fine-tuning-ru-twitter-simple.tar.gz"],
    "pl/sdadas": ["https://github.com/sdadas/polish-nlp-resources/releases/download/v1.0/elmo.zip"],
    "manylangs/zhs": ["http://39.96.43.154/zhs.model.tar.bz2"],
    "ja/stockmark": ["https://drive.google.com/drive/folders/1sau1I10rFeAn8BDk8eZDL5qaEjTlNghp"],
    "bioelmo": [
        "https://drive.google.com/file/d/1CHRd5YQrt3ys64WfJkJR1KX72-2CaT4I/view?usp=sharing",
        "https://drive.google.com/open?id=19sLZ1NhUtD_bMgTstSRWoVDx6Vm-T8Qt",
    ],
    "clinical": ["https://github.com/noc-lab/clinical_concept_extraction/releases/download/latest/elmo.tar.gz"],
    "chemistry": [
        "https://chemu.eng.unimelb.edu.au/ELMo/",
        "https://github.com/zenanz/ChemPatentEmbeddings/blob/master/ELMo/weights.hdf5",
    ],
    "stackoverflow": ["https://drive.google.com/drive/folders/1iEEMr2DYofulK2F5pSErOPf5ggrEqtJt"],
    "ko/ratsgo": ["https://drive.google.com/open?id=1go2JtVeYBOjkBCWJWk8inkSpVg7VfFVp"],
    "te/clickbait": ["https://bit.ly/2SV0bPc"],
    "original/lysandre": ["https://huggingface.co/lysandre/elmo"],
}  # fmt: skip


def files() -> "list[File]":
    return [file for entry in CATALOGUE.values() for file in entry.files]


def test_names() -> None:
    assert names() == [BUNDLED, *CATALOGUE]
    assert names()[1:6] == ["seqvec", "original", "original_5.5B", "small", "medium"]
    assert {entry.name for entry in CATALOGUE.values()} == set(CATALOGUE)
    # Two names that differ in their case only could not be told apart, nor their folders on some systems.
    every = [*names(), *ALIASES]
    assert len({name.lower() for name in every}) == len(every)
    assert len({entry.key.lower() for entry in CATALOGUE.values()}) == len(CATALOGUE)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", name) for name in every)


def test_earlier_names() -> None:
    """Pipelines and caches have these names."""
    earlier = [
        "original", "original_5.5B", "small", "medium", "pt", "pubmed", "tfhub/elmo/3", "tfhub/elmo/2",
        "sparknlp/elmo", *(f"manylangs/{code}" for code in MANYLANGS),
    ]  # fmt: skip
    assert set(earlier) <= CATALOGUE.keys()
    assert len(earlier) == 9 + 44
    aliases = {"elmo": "sparknlp/elmo", "en.embed.elmo": "sparknlp/elmo", "large": "original_5.5B"}
    aliases |= {"5.5B": "original_5.5B", "portuguese": "pt"}
    aliases |= {code: f"manylangs/{code}" for code in MANYLANGS if code != "pt"}
    assert aliases.items() <= ALIASES.items()


def test_files() -> None:
    urls = [url for file in files() for url in file.urls]
    assert all(urlsplit(url).scheme in ("http", "https") and urlsplit(url).hostname for url in urls)
    for entry in CATALOGUE.values():
        assert len({file.name for file in entry.files}) == len(entry.files)
        assert entry.files or entry.page
        assert all(file.urls and len(set(file.urls)) == len(file.urls) for file in entry.files)
        # Nobody on the network can change what is tried first.
        assert all(file.urls[0].startswith("https://") for file in entry.files) or entry.name == "manylangs/zhs"
    # Files that several models have are the same ones, at every address and on a mirror.
    by_path = {file.path: file for file in files()}
    assert all(by_path[file.path] == file for file in files())
    by_url = {url: file for file in files() for url in file.urls}
    assert all(by_url[url] == file for file in files() for url in file.urls)
    assert [path for path in by_path if path.startswith(("/", ".")) or "//" in path or ".." in path] == []


def test_checksums() -> None:
    assert all(file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256) for file in files())
    assert all(file.md5 is None or re.fullmatch("[0-9a-f]{32}", file.md5) for file in files())
    options, weights = CATALOGUE["seqvec"].files
    assert (options.name, options.size, options.md5) == ("options.json", 541, "cede355187778de3ac302a83c761f5f9")
    assert (weights.name, weights.size) == ("weights.hdf5", 374_434_776)
    assert weights.md5 == "0249d59249a50b43b79f641ff2ba7e88"
    assert [file.md5 for file in CATALOGUE["de/t-systems"].files] == [
        "da99676f2fe2838ff2663a6d9bad97dd", "f3ab3a68caae6d42bac47c230b3a65bf",
    ]  # fmt: skip
    assert str(CATALOGUE["chemistry"].files[1].sha256).startswith("32a7af92")


def test_sizes() -> None:
    small = CATALOGUE["small"]
    assert (small.n_layers, small.dim, small.projection_dim) == (2, 1024, 128)
    assert small.n_bytes == small.files[1].size == 54_402_456
    assert CATALOGUE["original"].n_bytes == 374_435_128
    assert CATALOGUE["seqvec"].n_bytes == 374_435_317
    assert CATALOGUE["medium"].n_bytes is CATALOGUE["stackoverflow"].n_bytes is None


def test_paths() -> None:
    large = "2x4096_512_2048cnn_2xhighway_5.5B"
    assert [file.path for file in CATALOGUE["original_5.5B"].files] == [
        f"{large}/elmo_{large}_options.json", f"{large}/elmo_{large}_weights.hdf5",
    ]  # fmt: skip
    assert [file.path for file in CATALOGUE["manylangs/en"].files] == ["144.zip"]
    assert [file.path for file in CATALOGUE["tfhub/elmo/3"].files] == ["google/elmo/3.tar.gz"]


def test_checkpoints() -> None:
    """Everything that a language model needs, and TensorFlow's note only if it was published."""
    for name, number, note in (("original", 935588, 1), ("small", 1501260, 1), ("medium", 1501260, 0)):
        found = {file.name: file.is_optional for file in CATALOGUE[f"{name}/lm"].files}
        needed = ["options.json", *(f"model.ckpt-{number}.{end}" for end in ("index", "data-00000-of-00001"))]
        expected = dict.fromkeys([*needed, "vocab-2016-09-10.txt"], False)
        assert found == {**expected, **({"checkpoint": True} if note else {})}
        assert not CATALOGUE[f"{name}/lm"].is_archive


def test_languages() -> None:
    assert set(MANYLANGS.values()) == set(range(136, 180))
    assert all(entry.language is None or entry.language in LANGUAGES for entry in CATALOGUE.values())
    assert {entry.language for entry in CATALOGUE.values()} == {*LANGUAGES, None}
    assert {entry.domain for entry in CATALOGUE.values() if entry.language is None} == {"protein", "tcr"}
    # A name begins with the language of its model, if it is named after one.
    for name, entry in CATALOGUE.items():
        if name.split("/")[0] in LANGUAGES:
            assert name.split("/")[0] == entry.language


def test_licences() -> None:
    licences = {entry.name: entry.licence for entry in CATALOGUE.values()}
    assert set(licences.values()) == {
        None, "unknown", "MIT", "Apache-2.0", "BSD-2", "LGPL-3", "CC BY-NC-ND 4.0",
    }  # fmt: skip
    assert [name for name, entry in CATALOGUE.items() if entry.is_non_commercial] == [
        "catelmo", "catelmo-shallow", "catelmo-deep",
    ]  # fmt: skip
    assert licences["seqvec"] == licences["manylangs/de"] == licences["fr/oscar"] == licences["clinical"] == "MIT"
    assert licences["original"] is licences["pt/brwac"] is licences["eu/plur"] is licences["bioelmo"] is None
    assert licences["deeppavlov/wiki"] == "Apache-2.0"
    assert licences["pl/sdadas"] == "LGPL-3"
    assert licences["de/t-systems"] == "BSD-2"
    assert licences["no/norelmo"] == licences["sl/embeddia"] == "unknown"
    # Where a licence is stated is said for what other people's pages say.
    stated = [entry for entry in CATALOGUE.values() if entry.licence not in (None, "unknown")]
    assert [entry.name for entry in stated if not entry.licence_from] == [
        name for name in CATALOGUE if "/oscar" in name
    ]  # fmt: skip


def test_facts() -> None:
    for entry in CATALOGUE.values():
        assert entry.maker, entry.name
        assert entry.evidence in EVIDENCE, entry.name
        assert set(entry.citations) <= CITATIONS.keys(), entry.name
        assert entry.citations or entry.name == "te/clickbait"
        assert entry.note == "" or entry.note.endswith((".", ")"))
    # None of the models was tried with its own files.
    assert {entry.evidence for entry in CATALOGUE.values()} == {"layout", "description"}


@pytest.mark.parametrize(("name", "url"), [(name, url) for name, urls in PUBLISHED.items() for url in urls])
def test_published_address(name: str, url: str) -> None:
    assert resolve(url) is CATALOGUE[name]
    scheme, _, rest = url.partition("://")
    assert resolve(f"{'http' if scheme == 'https' else 'https'}://{rest}") is CATALOGUE[name]
    if "?" not in url:
        assert resolve(f"{url.rstrip('/')}/") is CATALOGUE[name]


def test_every_address() -> None:
    """An address that only one model has stands for it; a vocabulary that two models have for none."""
    vocabulary = f"{A3}elmo/vocab-2016-09-10.txt"
    assert resolve(vocabulary) is None
    for entry in CATALOGUE.values():
        for url in (url for file in entry.files for url in file.urls):
            assert resolve(url) in (entry, None if url.endswith("/elmo/vocab-2016-09-10.txt") else entry)


@pytest.mark.parametrize(
    "url",
    [
        # Its checksum may be another one.
        f"{BIO}/weights.hdf5#sha256=00",
        "https://user@rostlab.org/~deepppi/seqvec.zip",
        "ftp://rostlab.org/~deepppi/seqvec.zip",
        "rostlab.org/~deepppi/seqvec.zip",
        "https://rostlab.org/~deepppi",
        "https://[rostlab.org/~deepppi/seqvec.zip",
        "https://",
        "",
        "/",
    ],
)
def test_other_address(url: str) -> None:
    assert resolve(url) is None


def test_aliases() -> None:
    assert not ALIASES.keys() & CATALOGUE.keys()
    assert set(ALIASES.values()) <= CATALOGUE.keys()
    assert find("elmo") is find("en.embed.elmo") is CATALOGUE["sparknlp/elmo"]
    assert find("de") is find("DE") is CATALOGUE["manylangs/de"]
    assert find("SeqVec") is CATALOGUE["seqvec"]
    # AllenNLP's Portuguese model, not ELMoForManyLangs'.
    assert find("pt").files[0].name == "elmo_pt_options.json"
    assert (
        find("allennlp/ner-model-2018.12.18") is find("ner-model-2018.12.18") is CATALOGUE["allennlp/ner-2018.12"]
    )
    assert find("nlpl/212") is CATALOGUE["ru/rusvectores-araneum"]
    # GluonNLP's names of AllenNLP's models.
    assert find("elmo_2x1024_128_2048cnn_1xhighway") is CATALOGUE["small"]
    assert resolve("nowhere") is None


def test_an_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"EL140.*'orignal'\. Closest: original.*spacy-elmo models"):
        find("orignal")
    with pytest.raises(ValueError, match=r"EL140.*None has a similar name"):
        find("qqqqqqqq")


def test_it_is_light() -> None:
    code = (
        "import sys, time; import spacy_elmo.errors; start = time.perf_counter(); "
        "import spacy_elmo.weights.catalogue; seconds = time.perf_counter() - start; "
        "heavy = ('requests', 'torch', 'numpy', 'rich', 'typer', 'spacy_elmo.weights.catalogue.citations'); "
        "print([name for name in heavy if name in sys.modules], seconds < 0.5)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[] True"


def test_an_unknown_address() -> None:
    with pytest.raises(ValueError, match=r"EL140.*'https://example.com/elmo/\?\.\.\.'") as raised:
        find("https://user:s3cret@example.com/elmo/?token=s3cret")
    assert "s3cret" not in str(raised.value)
