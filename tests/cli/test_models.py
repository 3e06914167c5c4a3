import json
from pathlib import Path

import pytest
from rich.console import Console

from spacy_elmo.cli.models import make_list, make_table, models
from spacy_elmo.weights.catalogue import ALIASES, names
from tests.cli.command import run


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one model in it."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path))
    folder = tmp_path / "models" / "manylangs--de" / "model"
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(bytes(1_500_000))
    return folder


def test_text() -> None:
    """Plain lines, each of them whole, as nobody can widen a pipe."""
    lines = run("models").stdout.splitlines()
    assert len(lines) == 1 + len(names())
    rows = {line.split()[0]: " ".join(line.split()) for line in lines}
    assert rows["en_sm"] == "en_sm en English 2 x 1024/128 none MIT bundled"
    assert rows["small"] == "small en English 2 x 1024/128 54.4 MB ? no"
    assert rows["manylangs/de"] == "manylangs/de de de German 2 x 4096/512 ? MIT 1.5 MB"
    assert rows["sparknlp/elmo"] == "sparknlp/elmo elmo, en.embed.elmo en English 2 x 4096/512 ? ? no"
    assert "manylangs/nb nb nb Norwegian Bokmål" in rows["manylangs/nb"]


def test_json() -> None:
    rows = {row["name"]: row for row in json.loads(run("models", "--json").stdout)}
    assert list(rows) == names()
    assert rows["small"] == {
        "name": "small",
        "aliases": [],
        "language": "en",
        "language_name": "English",
        "n_layers": 2,
        "dim": 1024,
        "projection_dim": 128,
        "licence": None,
        "download_bytes": 54402456,
        "cached_bytes": None,
    }
    assert rows["manylangs/de"]["cached_bytes"] == 1_500_000
    assert rows["medium"]["download_bytes"] is None
    assert rows["en_sm"]["download_bytes"] == 0
    assert {alias for row in rows.values() for alias in row["aliases"]} == set(ALIASES)


@pytest.mark.parametrize("width", [72, 80, 200])
def test_narrow_terminal(width: int) -> None:
    console = Console(width=width, force_terminal=True, color_system=None, record=False)
    with console.capture() as capture:
        console.print(make_table(models()))
    shown = capture.get()
    assert "…" not in shown
    assert all(name in shown for name in names())
    assert max(map(len, shown.splitlines())) <= width


def test_list() -> None:
    console = Console(width=40, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(make_list(models()))
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= 40
    assert [line.split() for line in lines[:3]] == [
        ["name", "en_sm"],
        ["language", "en", "English"],
        ["LSTMs", "2", "x", "1024/128"],
    ]
    assert {line.split()[1] for line in lines if line.startswith("name")} == set(names())
