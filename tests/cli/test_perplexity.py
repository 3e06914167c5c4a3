import gzip
import json
import lzma
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc, DocBin

from spacy_elmo.cli.perplexity import perplexity
from spacy_elmo.elmo import Elmo
from spacy_elmo.language_model import reading
from tests.at_work import seen_threads
from tests.cli.command import run
from tests.language_models import Reference, States, full_softmax, warm_state, write_source
from tests.pretraining.runs import entries, make_config, train

SOFTMAX = full_softmax()
ADAPTIVE = {"softmax__kind": "adaptive", "softmax__cutoffs": [5, 12], "softmax__div_value": 2.0}
# The third line is blank, and the last token of the first is in no vocabulary.
TEXT = "that a nation dedicated\n  It can not , war \n\nwe have the great .\n"
LINES = [TEXT.splitlines()[k].split() for k in (0, 1, 3)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "model", SOFTMAX)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text(TEXT + "Überraschung <UNK>\n", "utf-8")
    return path


def compute_expected(lines: list[list[str]], *, carry: bool, states: States) -> list[list[np.ndarray]]:
    reference = Reference(SOFTMAX)
    states = dict(states)
    return [list(reference.likelihood(line, states=states if carry else dict(states))) for line in lines]


@pytest.mark.parametrize("initial_state", ["carry", "zero", "warm"])
def test_values(tmp_path: Path, text: Path, initial_state: str) -> None:
    arrays, states = warm_state()
    source = write_source(tmp_path / "warm", SOFTMAX, **arrays)
    reports: list[Any] = []
    found = perplexity(
        source,
        text,
        initial_state=initial_state,
        output=tmp_path / "out.jsonl",
        report=lambda *report: reports.append(report),
    )
    lines = [*LINES, ["Überraschung", "<UNK>"]]
    expected = compute_expected(
        lines, carry=initial_state == "carry", states=states if initial_state == "warm" else {}
    )
    forward = np.concatenate([one for one, _ in expected])
    backward = np.concatenate([one for _, one in expected])
    assert found.forward == pytest.approx(math.exp(-forward.mean()), rel=1e-5)
    assert found.backward == pytest.approx(math.exp(-backward.mean()), rel=1e-5)
    assert found.average == pytest.approx(math.exp(-(forward.mean() + backward.mean()) / 2), rel=1e-5)
    assert (found.n_predictions, found.n_sentences, found.n_tokens) == (20, 4, 16)
    assert found.unknown == pytest.approx(1 / 16)
    assert [n for _, n in reports] == [4, 9, 14, 16]
    assert reports[-1][0] == 1
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    at = 0
    for number, tokens, (one, other) in zip((0, 1, 3, 4), lines, expected):
        marked = ["<S>", *tokens, "</S>"]
        part = records[at : at + len(marked)]
        assert [record["sentence"] for record in part] == [number] * len(marked)
        assert [record["token"] for record in part] == marked
        assert [record["known"] for record in part] == [token != "Überraschung" for token in marked]
        assert part[0]["forward"] is part[-1]["backward"] is None
        np.testing.assert_allclose([record["forward"] for record in part[1:]], one, atol=1e-5, rtol=0)
        np.testing.assert_allclose([record["backward"] for record in part[:-1]], other, atol=1e-5, rtol=0)
        at += len(marked)
    assert at == len(records)
    assert "Überraschung" in (tmp_path / "out.jsonl").read_text("utf-8")


def test_rows_end_together(tmp_path: Path, source: Path, text: Path) -> None:
    """What is not predicted is null, and does not count."""
    found = perplexity(source, text, batch_size=3, output=tmp_path / "out.jsonl")
    # Rows of 5 and then 3, of 6, and of 6 predictions.
    assert found.n_predictions == 18
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    last = [record for record in records if record["sentence"] == 4]
    assert [record["forward"] is None for record in last] == [True, False, True, True]
    assert [record["backward"] is None for record in last] == [True, True, False, True]
    assert sum(record["forward"] is not None for record in records) == 18


def as_docs(path: Path) -> None:
    vocab = spacy.blank("en").vocab
    words = [*LINES[0], *LINES[1]]
    DocBin(docs=[Doc(vocab, words=words, sent_starts=[i in (0, 4) for i in range(9)])]).to_disk(path)


INPUTS: dict[str, Callable[[Path], Any]] = {
    "a.jsonl": lambda path: path.write_text("".join(json.dumps({"tokens": line}) + "\n" for line in LINES[:2])),
    "b.txt": lambda path: path.write_text("\n".join(map(" ".join, LINES[:2]))),
    "c.spacy": as_docs,
}


@pytest.mark.parametrize("name", INPUTS)
def test_kinds_of_input(tmp_path: Path, source: Path, name: str) -> None:
    INPUTS[name](tmp_path / name)
    found = perplexity(source, tmp_path / name)
    forward = np.concatenate([one for one, _ in compute_expected(LINES[:2], carry=True, states={})])
    assert found.forward == pytest.approx(math.exp(-forward.mean()), rel=1e-5)


def test_raw_text(tmp_path: Path, source: Path) -> None:
    """Split as for pre-training: sentences and tokens by rules, or by a pipeline."""
    with gzip.open(tmp_path / "a.txt.gz", "wt", encoding="utf-8") as file:
        file.write("That can not have a nation. It is great.\n\n")
    lines = [["That", "can", "not", "have", "a", "nation", "."], ["It", "is", "great", "."]]
    forward = np.concatenate([one for one, _ in compute_expected(lines, carry=True, states={})])
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "pipeline")
    given: list[dict[str, Any]] = [
        {"lang": "en"},
        {"pipeline": "blank:en"},
        {"pipeline": str(tmp_path / "pipeline")},
    ]
    for settings in given:
        found = perplexity(source, tmp_path / "a.txt.gz", **settings)
        assert (found.n_sentences, found.n_tokens) == (2, 11)
        assert found.forward == pytest.approx(math.exp(-forward.mean()), rel=1e-5)


def test_threads(source: Path, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, before = seen_threads(monkeypatch, reading, "run_halves"), torch.get_num_threads()
    perplexity(source, text, n_threads=3)
    assert seen == {3}
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match=r"EL038.*n_threads"):
        perplexity(source, text, n_threads=0)


@pytest.mark.slow
def test_command(tmp_path: Path, source: Path, text: Path) -> None:
    found = perplexity(source, text)
    done = run("perplexity", source, text, "--output", tmp_path / "out.jsonl")
    assert f"{found.average:.4f} (forward {found.forward:.4f}, backward {found.backward:.4f})" in done.stdout
    assert "20 in each direction" in done.stdout
    assert "16 tokens in 4 sentences" in done.stdout
    assert "6.25% of the tokens" in done.stdout
    assert len((tmp_path / "out.jsonl").read_text("utf-8").splitlines()) == 24
    done = run("perplexity", source / "weights.safetensors", text, "--json", "--quiet")
    assert json.loads(done.stdout) == found._asdict()
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"lang": "en", "pipeline": "blank:en"}, "EL065.*--lang and --pipeline"),
        ({"lang": "xyz"}, "EL070.*blank:xyz"),
        ({"initial_state": "cold"}, "EL030.*'cold'.*carry, zero, warm"),
        ({"batch_size": 0}, "EL038.*'batch_size'.*from 1 up; got 0"),
        ({"device": "abacus"}, "EL040.*'abacus'"),
    ],
)
def test_wrong_settings(source: Path, text: Path, settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        perplexity(source, text, **settings)


@pytest.mark.parametrize("settings", [{}, {"lang": "en"}])
@pytest.mark.parametrize(
    ("content", "match"), [("\n \n", "EL071"), (None, "EL026"), (b"a\n\xff", "EL061.*line 2")]
)
def test_wrong_texts(tmp_path: Path, source: Path, content: Any, match: str, settings: dict[str, Any]) -> None:
    path = tmp_path / "b.txt"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises((ValueError, FileNotFoundError), match=match):
        perplexity(source, path, output=tmp_path / "out.jsonl", **settings)
    assert not (tmp_path / "out.jsonl").exists()


def test_compressed_text(tmp_path: Path, source: Path) -> None:
    text = b"It can. It can.\n"
    (tmp_path / "b.txt").write_bytes(text)
    (tmp_path / "b.txt.xz").write_bytes(lzma.compress(text))
    given: list[tuple[dict[str, Any], int]] = [({}, 4), ({"lang": "en"}, 6), ({"format": "tokens"}, 4)]
    for settings, n_tokens in given:
        plain, packed = (perplexity(source, tmp_path / name, **settings) for name in ("b.txt", "b.txt.xz"))
        assert plain == packed
        assert plain.n_tokens == n_tokens


@pytest.mark.parametrize("settings", [{}, {"lang": "xx"}])
def test_sentences_without_tokens(tmp_path: Path, source: Path, settings: dict[str, Any]) -> None:
    (tmp_path / "a.txt").write_text("It can\n\nthat\n")
    (tmp_path / "a.jsonl").write_text('{"text": "It can"}\n{"text": ""}\n{"text": "that"}\n')
    for name in ("a.txt", "a.jsonl"):
        perplexity(source, tmp_path / name, output=tmp_path / "out.jsonl", **settings)
        records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
        assert [record["sentence"] for record in records] == [0] * 4 + [2] * 3


def test_wrong_outputs(tmp_path: Path, source: Path, text: Path) -> None:
    before = (source / "weights.safetensors").read_bytes()
    for output, match in (
        (text, "EL066"),
        (source / "weights.safetensors", "EL066"),
        (tmp_path, "EL063"),
        (tmp_path / "no" / "a.jsonl", "EL064"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=match):
            perplexity(source, text, output=output)
    assert (source / "weights.safetensors").read_bytes() == before
    assert text.read_text("utf-8").startswith(TEXT)


def test_weights_that_are_not_finite(tmp_path: Path, text: Path) -> None:
    source = write_source(tmp_path / "nan", {**SOFTMAX, "softmax.bias": np.full(22, np.nan, dtype=np.float32)})
    (tmp_path / "out.jsonl").write_text("before")
    with (
        pytest.warns(UserWarning, match="WL001"),
        pytest.raises(ValueError, match=r"EL094.*nan[/\\]weights.safetensors"),
    ):
        perplexity(source, text, output=tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == "before"


@pytest.mark.parametrize("settings", [{}, ADAPTIVE])
def test_equal_to_log(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Of the run's newest checkpoint, and of the model that it exports."""
    done = train(make_config(tmp_path, training__max_batches=12, **settings), tmp_path / "run")
    done.export()
    logged = [entry for entry in entries(tmp_path / "run") if "dev_perplexity" in entry][-1]
    assert logged["batch"] == 12
    for source in (tmp_path / "run", tmp_path / "run" / "model"):
        # Training reads the held-out text in 32 rows.
        output = tmp_path / "out.jsonl"
        found = perplexity(source, tmp_path / "dev.txt", lang="xx", batch_size=32, output=output)
        assert found.average == pytest.approx(logged["dev_perplexity"], rel=1e-6)
        assert found.forward == pytest.approx(logged["dev_forward"], rel=1e-6)
        assert found.backward == pytest.approx(logged["dev_backward"], rel=1e-6)


def test_lone_surrogate(tmp_path: Path, source: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"tokens": ["a\\ud800", "it"]}')
    perplexity(source, tmp_path / "a.jsonl", output=tmp_path / "out.jsonl")
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert records[1]["token"] == "a\ud800"


def test_model_without_softmax(tmp_path: Path, source: Path, text: Path, elmo: Elmo) -> None:
    elmo.save(source)
    with pytest.raises(ValueError, match="EL090"):
        perplexity(source, text)


def test_an_address(source: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays as it was given: a path would lose a slash."""
    folder = tmp_path / "mirror" / "models.example" / "lm"
    shutil.copytree(source, folder)
    packed = shutil.make_archive(str(folder), "zip", folder)
    assert packed.endswith("lm.zip")
    monkeypatch.setenv("SPACY_ELMO_MIRROR", (tmp_path / "mirror").as_uri())
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    url, options = "https://models.example/lm.zip", ["--format", "tokens", "--quiet"]
    assert run("perplexity", url, text, *options).stdout == run("perplexity", source, text, *options).stdout
    assert run("substitutes", url, text, *options).stdout == run("substitutes", source, text, *options).stdout
