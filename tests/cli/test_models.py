import json
from pathlib import Path

import pytest
from rich.console import Console

from spacy_elmo.cli.model_facts import describe_with_bibtex, find_model, format_model
from spacy_elmo.cli.models import make_list, make_table, models
from spacy_elmo.weights.catalogue import ALIASES, CATALOGUE, names
from spacy_elmo.weights.catalogue.citations import CITATIONS
from tests.cli.command import run


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one model in it."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path))
    folder = tmp_path / "models" / "manylangs--de" / "model"
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(bytes(1_500_000))
    return folder


def table(width: int, **conditions: "str | None") -> "list[str]":
    console = Console(width=width, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(make_table(models(**conditions), width=width))
    return capture.get().splitlines()


def test_text() -> None:
    """Plain lines, each of them whole, as nobody can widen a pipe."""
    lines = run("models").stdout.splitlines()
    assert len(lines) == 1 + len(names())
    rows = {line.split()[0]: " ".join(line.split()) for line in lines}
    assert rows["name"] == "name language domain LSTMs download licence cached"
    assert rows["en_sm"] == "en_sm en English general 2 x 1024/128 none MIT bundled"
    assert rows["seqvec"] == "seqvec - protein 2 x 4096/512 374.4 MB MIT no"
    assert rows["small"] == "small en English news 2 x 1024/128 54.4 MB none no"
    assert rows["manylangs/de"] == "manylangs/de de German general 2 x 4096/512 ? MIT 1.5 MB"
    assert rows["catelmo"] == "catelmo - tcr 4 x ?/? ? CC BY-NC-ND 4.0 no"
    assert rows["stackoverflow"] == "stackoverflow en English code ? by hand ? no"


def test_json() -> None:
    rows = {row["name"]: row for row in json.loads(run("models", "--json").stdout)}
    assert list(rows) == names()
    assert rows["small"] == {
        "name": "small",
        "aliases": ["elmo_2x1024_128_2048cnn_1xhighway"],
        "language": "en",
        "language_name": "English",
        "domain": "news",
        "maker": "AllenNLP",
        "n_layers": 2,
        "dim": 1024,
        "projection_dim": 128,
        "licence": None,
        "licence_from": None,
        "is_non_commercial": False,
        "download_bytes": 54402456,
        "cached_bytes": None,
        "is_by_hand": False,
        "page": "https://allennlp.org/elmo",
        "files": {file.name: list(file.urls) for file in CATALOGUE["small"].files},
        "note": None,
        "evidence": "files of the same layout are read in the tests; its own files were never tried",
        "citations": ["peters2018"],
    }
    assert rows["manylangs/de"]["cached_bytes"] == 1_500_000
    assert rows["medium"]["download_bytes"] is None
    assert (rows["en_sm"]["download_bytes"], rows["en_sm"]["is_by_hand"]) == (0, False)
    assert rows["en_sm"]["evidence"] == "its own files are read in the tests"
    assert rows["stackoverflow"]["is_by_hand"] is True
    assert rows["seqvec"]["language"] is rows["seqvec"]["language_name"] is None
    assert {alias for row in rows.values() for alias in row["aliases"]} == set(ALIASES)


def test_conditions() -> None:
    assert [row["name"] for row in json.loads(run("models", "--lang", "polish", "--json").stdout)] == [
        "pl/sdadas", "manylangs/pl",
    ]  # fmt: skip
    lines = run("models", "--lang", "en", "--domain", "biomedical", "--search", "softmax").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "bioelmo/lm"]
    # The bundled model is one of them.
    assert models(lang="en", text="novels")[0]["name"] == "en_sm"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--lang", "xx"], "[EL322] No published model is for the language 'xx'. Give a code"),
        (["--domain", "law"], "[EL323] 'law' is not a domain"),
        (["--lang", "pl", "--domain", "tcr"], "[EL324] No published model matches --lang 'pl' --domain 'tcr'."),
        (["--search", "\x1b[31m"], "[EL324]"),
        (["--search", "quux", "--json"], "[EL324] No published model matches --search 'quux'."),
        (["medum"], "[EL140] There is no published model named 'medum'. Closest: medium"),
        (["transformer-elmo"], "[EL320]"),
        (["seqvec", "--domain", "protein"], "[EL326] 'seqvec' is one model, and --domain"),
    ],
)
def test_nothing(options: "list[str]", words: str) -> None:
    done = run("models", *options, code=1)
    assert words in done.stderr
    assert done.stdout == ""
    assert "\x1b" not in done.stderr


def test_one_model() -> None:
    assert find_model("https://tfhub.dev/google/elmo/2/").name == "tfhub/elmo/2"
    out = run("models", "catelmo").stdout
    for words in (
        "licence                   CC BY-NC-ND 4.0 (stated in its repository)\n",
        "                          its licence, CC BY-NC-ND 4.0, does not allow commercial use\n",
        "language                  none\n",
        "evidence                  files of the same layout",
        "file                      catelmo.zip\n                          https://www.dropbox.com/",
        "to cite                   @article{zhang2023,\n                            author = {Zhang, Pengfei and",
    ):
        assert words in out
    facts = json.loads(run("models", "de", "--json").stdout)
    assert facts["bibtex"] == f"{CITATIONS['che2018']}\n\n{CITATIONS['fares2017']}"
    assert facts["aliases"] == ["de"]
    assert "also                      5.5B\n" in format_model(describe_with_bibtex(find_model("large")))


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_narrow_terminal(width: int) -> None:
    lines = table(width)
    assert max(map(len, lines)) <= width
    shown = {line.split()[0]: line for line in lines if not line.startswith(" ")}
    # A line a model, and names that can be copied. Only the longest licence may need more.
    assert list(shown) == ["name", *names()]
    assert len(lines) - len(shown) <= (6 if width < 100 else 0)
    assert "…" not in "".join(lines)
    assert ("Polish" in shown["pl/sdadas"]) is (width >= 112)
    assert shown["name"].split()[1] == ("language" if width >= 112 else "lang")


def test_list() -> None:
    console = Console(width=40, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(make_list(models()))
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= 40
    assert [line.split() for line in lines[:4]] == [
        ["name", "en_sm"],
        ["language", "en", "English"],
        ["domain", "general"],
        ["LSTMs", "2", "x", "1024/128"],
    ]
    assert {line.split()[1] for line in lines if line.startswith("name")} == set(names())
