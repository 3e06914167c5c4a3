"""What README shows, runs."""

import re
from pathlib import Path
from typing import Any, Dict

import pytest
import spacy
from thinc.api import Config

from tests.data import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


@pytest.mark.parametrize("code", blocks("python"))
@pytest.mark.filterwarnings("ignore:unclosed file")
def test_examples(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    namespace: Dict[str, Any] = {}
    exec(code, namespace)
    assert namespace.get("doc") is None or namespace["doc"].tensor.shape == (3, 256)


def test_the_config_is_the_default_one(tiny: Path) -> None:
    [text] = blocks("ini")
    shown = Config().from_str("[components]\n" + text)["components"]["elmo_embedder"]
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": shown["source"]})
    assert nlp.config["components"]["elmo_embedder"] == shown


def test_every_setting_is_explained() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder")
    config = nlp.config["components"]["elmo_embedder"]
    for name in {*config, *config["model"]} - {"factory", "model", "@architectures"}:
        assert f"\n| `{name}` |" in README, name
