from pathlib import Path

import pytest
import spacy

from spacy_elmo.inputs.pipelines import load_pipeline


def test_languages_and_pipelines(tmp_path: Path) -> None:
    assert load_pipeline("blank:de").lang == "de"
    assert load_pipeline("blank:en").pipe_names == ["sentencizer"]
    assert (load_pipeline("tokenizer:fr").lang, load_pipeline("tokenizer:fr").pipe_names) == ("fr", [])
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer", config={"punct_chars": ["|"]})
    nlp.to_disk(tmp_path / "pipeline")
    found = load_pipeline(str(tmp_path / "pipeline"))("a . b | c")
    assert [sent.text for sent in found.sents] == ["a . b |", "c"]


@pytest.mark.parametrize(
    "name", ["blank:nolanguage", "tokenizer:nolanguage", "no_such_pipeline", "", "en", "blank:", "tokenizer:"]
)
def test_unknown_pipeline(name: str) -> None:
    with pytest.raises(ValueError, match=r"(?s)EL070.*Give 'blank:' with a language code") as caught:
        load_pipeline(name)
    assert f"'{name}' is not a pipeline" in str(caught.value)


def test_empty_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spacy, "load", lambda name: pytest.fail("3.10 raises ValueError, others do not"))
    with pytest.raises(ValueError, match="EL070"):
        load_pipeline("")


def test_damaged_pipeline(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path)
    (tmp_path / "meta.json").write_text("{")
    with pytest.raises(ValueError, match=r"EL070.*is not a pipeline"):
        load_pipeline(str(tmp_path))
