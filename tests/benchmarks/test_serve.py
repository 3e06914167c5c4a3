"""The benchmark of the server, on the small model and for an instant."""

import io
import json

import pytest
from rich.console import Console

from benchmarks import serve
from spacy_elmo.elmo import Elmo


def test_rates(elmo: Elmo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "SECONDS", 0.02)
    sentences = [["a", "bank"], ["the", "other", "bank"]]
    found = serve.measure(elmo, sentences, n_rounds=2)
    assert {name: result["tokens"] for name, result in found.items()} == {
        "1 sentence, elmo": 2,
        "1 sentence, all": 2,
        "3 sentences, elmo": 7,
        "3 sentences, all": 7,
        "30 sentences, elmo": 75,
        "30 sentences, all": 75,
    }
    assert found["3 sentences, all"]["bytes"] > found["3 sentences, elmo"]["bytes"] > 100
    for result in found.values():
        assert result["ways"].keys() == {"Elmo.embed", "1 clients", "8 clients"}
        assert all(len(rates) == 2 and min(rates) > 0 for rates in result["ways"].values())
    json.dumps(found)
    shown = io.StringIO()
    Console(file=shown, width=200).print(serve.show(found))
    assert "30 sentences, all" in shown.getvalue()
