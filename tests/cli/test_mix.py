import json
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
from spacy.language import Language

from spacy_elmo.cli.mix import draw_mixes, make_table, mix
from spacy_elmo.pipeline.mixes import LearnedMix
from tests.cli.command import run
from tests.components import get_embedder

MIXES = [
    LearnedMix("ner_elmo/ner", [0.25, 0.5, 0.25], 1.5),
    LearnedMix("ner_elmo/shared (elmo)", [0.75, 0.25], 1.0),
]
Save = Callable[[str], Path]


@pytest.fixture
def save(tiny: Path, tmp_path: Path) -> Save:
    """Saves a pipeline with the embedder alone under a name."""

    def save_as(name: str) -> Path:
        nlp = spacy.blank("en")
        nlp.add_pipe("elmo_embedder", config={"source": str(tiny)})
        embedder = get_embedder(nlp)
        embedder.initialize()
        (tmp_path / name).mkdir(exist_ok=True)
        nlp.to_disk(tmp_path / name / "model-best")
        return tmp_path / name / "model-best"

    return save_as


@pytest.mark.slow
@pytest.mark.needs("matplotlib")
def test_the_command(save: Save, tmp_path: Path) -> None:
    done = run("mix", save("a"), save("b"), "-o", tmp_path / "mix.svg")
    for name in ("a/shared (elmo)", "b/shared (elmo)"):
        [line] = [line for line in done.stdout.splitlines() if name in line]
        assert [cell.strip() for cell in line.split("│")[2:-1]] == ["33.3%", "33.3%", "33.3%", "1.000"]
    assert (tmp_path / "mix.svg").read_text("utf-8").startswith("<?xml")
    shown = json.loads(run("mix", save("a"), "--json").stdout)
    assert shown == [{"name": "shared (elmo)", "shares": pytest.approx([1 / 3] * 3), "gamma": 1.0}]


def test_table() -> None:
    table = make_table(MIXES)
    assert [column.header for column in table.columns] == [
        "mix", "word_emb", "lstm_outputs1", "lstm_outputs2", "gamma",
    ]  # fmt: skip
    assert [list(column.cells) for column in table.columns] == [
        ["ner_elmo/ner", "ner_elmo/shared (elmo)"],
        ["25.0%", "75.0%"],
        ["50.0%", "25.0%"],
        ["25.0%", ""],
        ["1.500", "1.000"],
    ]


@pytest.mark.needs("matplotlib")
def test_the_picture_shows_every_share() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    draw_mixes(figure, MIXES)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.25", "0.50", "0.25", "0.75", "0.25"]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "ner_elmo/ner  (γ = 1.50)", "ner_elmo/shared (elmo)  (γ = 1.00)",
    ]  # fmt: skip


def test_errors(tmp_path: Path, save: Save) -> None:
    nlp: Language = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "other")
    with pytest.raises(ValueError, match=r"(?s)EL117.*'https://h/pipeline'") as caught:
        mix(["https://user:s3cret@h/pipeline"])
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ValueError, match=r"(?s)EL117.*'no_such_pipeline' is not a pipeline"):
        mix(["no_such_pipeline"])
    with pytest.raises(ValueError, match=r"EL118.*other' has no scalar mix.*\(sentencizer\)"):
        mix([str(tmp_path / "other")])
    with pytest.raises(ValueError, match="EL060"):
        mix([str(save("a"))], tmp_path / "mix.bmp")
