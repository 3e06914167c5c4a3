import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spacy_elmo.cli.substitutes import substitutes
from spacy_elmo.language_model import reading
from spacy_elmo.language_model.substitutes import substitutes as substitutes_of
from tests.at_work import seen_threads
from tests.cli.command import run
from tests.language_models import WORDS, Reference, full_softmax, load_language_model, warm_state, write_source

SOFTMAX = full_softmax()
LINES = [["that", "nation"], [], ["It", "can", "naïve", "."]]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "model", SOFTMAX, **warm_state()[0])


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("".join(" ".join(line) + "\n" for line in LINES), "utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("initial_state", ["zero", "warm"])
def test_values(tmp_path: Path, source: Path, text: Path, initial_state: str) -> None:
    n_tokens = substitutes(source, text, 3, initial_state=initial_state, output=tmp_path / "out.jsonl")
    records = read(tmp_path / "out.jsonl")
    assert n_tokens == len(records) == 6
    assert [(record["sentence"], record["token"]) for record in records] == [
        (number, token) for number, line in enumerate(LINES) for token in line
    ]
    states = warm_state()[1] if initial_state == "warm" else {}
    expected = []
    for line in LINES:
        forward, backward = Reference(SOFTMAX).predictions(line, dict(states))
        expected += list(zip(forward[:-1], backward[:-1][::-1]))
    for record, (forward, backward) in zip(records, expected):
        for name, scores in (("forward", forward), ("backward", backward), ("both", forward + backward)):
            best = [k for k in np.argsort(-scores) if k > 2][:3]
            assert [word for word, _ in record[name]] == [WORDS[k] for k in best]
            np.testing.assert_allclose([value for _, value in record[name]], scores[best], atol=2e-5, rtol=0)


def test_threads(source: Path, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, before = seen_threads(monkeypatch, reading, "run_halves"), torch.get_num_threads()
    substitutes(source, text, n_threads=3)
    assert seen == {3}
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match=r"EL038.*n_threads"):
        substitutes(source, text, n_threads=0)


@pytest.mark.slow
def test_command(tmp_path: Path, source: Path, text: Path) -> None:
    done = run("substitutes", source, text, "-n", 2)
    model, vocabulary = load_language_model(source)
    wanted = []
    for found in substitutes_of(model, vocabulary, LINES, 2):
        for token in found:
            wanted.append(token.token)
            for name in ("forward", "backward", "both"):
                words = "  ".join(f"{word} {value:.2f}" for word, value in getattr(token, name))
                wanted.append(f"  {name:<10}{words}")
    assert [line for line in done.stdout.splitlines() if line] == wanted
    done = run("substitutes", source, text, "--output", tmp_path / "out.jsonl", "--lang", "en")
    assert done.stdout == ""
    assert "the substitutes of 6 tokens" in done.stderr
    assert len(read(tmp_path / "out.jsonl")[0]["both"]) == 10


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"initial_state": "carry"}, "EL030.*'carry'.*zero, warm"),
        ({"n": 0}, "EL038"),
        ({"lang": "en", "pipeline": "blank:en"}, "EL065"),
        ({"device": "abacus"}, "EL040"),
    ],
)
def test_wrong_settings(source: Path, text: Path, settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        substitutes(source, text, **settings)


def test_wrong_files(tmp_path: Path, tiny: Path, source: Path, text: Path) -> None:
    with pytest.raises(ValueError, match="EL090"):
        substitutes(tiny, text)
    with pytest.raises(ValueError, match="EL066"):
        substitutes(source, text, output=text)
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"EL071.*empty.txt"):
        substitutes(source, tmp_path / "empty.txt", output=tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_weights_that_are_not_finite(tmp_path: Path, text: Path) -> None:
    """As in `perplexity`: nothing is shown or written."""
    source = write_source(tmp_path / "nan", {**SOFTMAX, "softmax.bias": np.full(22, np.nan, dtype=np.float32)})
    shown: list[str] = []
    for output in (None, tmp_path / "out.jsonl"):
        with (
            pytest.warns(UserWarning, match="WL001"),
            pytest.raises(ValueError, match=r"EL094.*nan[/\\]weights.safetensors"),
        ):
            substitutes(source, text, output=output, show=shown.append)
    assert shown == []
    assert not (tmp_path / "out.jsonl").exists()
