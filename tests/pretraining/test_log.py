import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spacy_elmo.language_model.likelihood import Perplexity
from spacy_elmo.pretraining import log as module
from spacy_elmo.pretraining.log import Log, plot_run, read_log
from spacy_elmo.pretraining.trainer import BatchResult

BATCHES = [(5.0, 4.0, 2.5), (3.0, 3.5, 1.0), (2.0, 3.0, 0.5), (1.0, 9.0, 4.0)]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def make(path: Path, *, from_batch: int = 0, **settings: Any) -> tuple[Log, list[dict[str, Any]]]:
    reported: list[dict[str, Any]] = []
    return Log.open(path, from_batch=from_batch, n_batches=8, report=reported.append, **settings), reported


def add(log: Log, *batches: tuple[float, float, float]) -> None:
    for forward, backward, norm in batches:
        log.add(BatchResult(torch.tensor([forward, backward]), torch.tensor(norm), ()))


def write(log: Log, batch: int) -> None:
    log.write_training(batch=batch, epoch=0.123456, learn_rate=0.25, n_tokens=30)


def test_means(tmp_path: Path, clock: Clock) -> None:
    log, reported = make(tmp_path / "log.jsonl")
    add(log, *BATCHES[:3])
    clock.now += 1.5
    write(log, 3)
    add(log, BATCHES[3])
    clock.now += 0.5
    write(log, 4)
    # Nothing was trained in between: no line.
    write(log, 4)
    means = np.array(BATCHES[:3]).mean(axis=0)
    expected = {
        "batch": 3,
        "n_batches": 8,
        "epoch": 0.1235,
        "forward": pytest.approx(means[0]),
        "backward": pytest.approx(means[1]),
        "loss": pytest.approx(means[:2].mean()),
        "norm": pytest.approx(means[2]),
        "learn_rate": 0.25,
        "tokens_per_second": 60,
    }
    assert reported[0] == expected
    last = {"batch": 4, "forward": 1.0, "backward": 9.0, "loss": 5.0, "norm": 4.0, "tokens_per_second": 60}
    assert {name: reported[1][name] for name in last} == last
    assert len(reported) == 2
    assert read_log(tmp_path / "log.jsonl") == reported


def test_held_out_text(tmp_path: Path) -> None:
    log, reported = make(tmp_path / "log.jsonl")
    add(log, BATCHES[0])
    log.write_dev(Perplexity(30.0, 20.0, 24.5, 9), batch=3, epoch=1.00004)
    assert reported == [
        {"batch": 3, "epoch": 1.0, "dev_forward": 30.0, "dev_backward": 20.0, "dev_perplexity": 24.5}
    ]
    # A measurement in between takes nothing away from the next means.
    add(log, BATCHES[1])
    write(log, 4)
    assert (reported[1]["forward"], reported[1]["backward"], reported[1]["norm"]) == (4.0, 3.75, 1.75)
    assert read_log(tmp_path / "log.jsonl") == reported


def test_pauses(tmp_path: Path, clock: Clock) -> None:
    log, reported = make(tmp_path / "log.jsonl")
    add(log, *BATCHES[:2])
    clock.now += 2
    with log.paused():
        clock.now += 1000
    clock.now += 1
    write(log, 2)
    assert reported[0]["tokens_per_second"] == 2 * 30 / 3


def test_stopped_between_entries(tmp_path: Path) -> None:
    """The means of a continued run equal those of a run that never stopped, digit for digit."""
    rng = np.random.default_rng(0)
    batches = [tuple(row) for row in rng.random((7, 3)).tolist()]
    whole, expected = make(tmp_path / "whole.jsonl")
    add(whole, *batches)
    write(whole, 7)
    for stops in ([3], [0], [7], [2, 5], [4, 4]):
        path = tmp_path / "log.jsonl"
        path.unlink(missing_ok=True)
        done, pending = 0, None
        for stop in stops:
            log, _ = make(path, from_batch=done, pending=pending)
            add(log, *batches[done:stop])
            done, pending = stop, log.pending()
            assert pending.shape == (done, 3)
        log, reported = make(path, from_batch=done, pending=pending)
        add(log, *batches[done:])
        write(log, 7)
        for name in ("forward", "backward", "loss", "norm"):
            assert reported[0][name] == expected[0][name]
        assert len(log.pending()) == 0


def test_continued(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log, before = make(path)
    for batch in range(1, 6):
        add(log, BATCHES[0])
        write(log, batch)
        log.write_dev(Perplexity(1.0, 1.0, 1.0, 9), batch=batch, epoch=0)
    log, _ = make(path, from_batch=3)
    assert read_log(path) == before[:6]
    add(log, BATCHES[1])
    write(log, 4)
    entries = read_log(path)
    assert [entry["batch"] for entry in entries] == [1, 1, 2, 2, 3, 3, 4]
    assert entries[-1]["forward"] == 3.0
    # From the start again: nothing stays.
    make(path)
    assert read_log(path) == []
    assert [file.name for file in tmp_path.iterdir()] == ["log.jsonl"]


def test_only_open_changes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"batch": 9, "loss": 1.0}\n')
    Log(path, n_batches=8, report=lambda entry: None)
    assert read_log(path) == [{"batch": 9, "loss": 1.0}]
    Log.open(path, from_batch=8, n_batches=8, report=lambda entry: None)
    assert read_log(path) == []


@pytest.mark.parametrize(
    "cut",
    [
        '{"batch": 4, "n_batch',
        '{"batch": 2',
        '{"batch"',
        "{",
        "",
        "\n",
        "4\n",
        '{"loss": 1}\n',
        '{"batch": null}\n',
    ],
)
def test_incomplete_last_line(tmp_path: Path, cut: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(f'{{"batch": 1}}\n{{"batch": 2}}\n{cut}', "utf-8")
    log, reported = make(path, from_batch=9)
    assert read_log(path) == [{"batch": 1}, {"batch": 2}]
    add(log, BATCHES[0])
    write(log, 10)
    assert read_log(path) == [{"batch": 1}, {"batch": 2}, *reported]


def test_last_line_without_line_feed(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"batch": 1}\n{"batch": 2}', "utf-8")
    make(path, from_batch=2)
    assert path.read_text("utf-8") == '{"batch": 1}\n{"batch": 2}\n'


def test_one_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"batch": 5}\n', "utf-8")
    log, reported = make(path, active=False)
    add(log, *BATCHES)
    write(log, 4)
    log.write_dev(Perplexity(1.0, 1.0, 1.0, 9), batch=4, epoch=0)
    assert reported == []
    assert path.read_text("utf-8") == '{"batch": 5}\n'


def test_nan_and_infinity(tmp_path: Path) -> None:
    """NaN and infinity show that a run diverges."""
    log, _ = make(tmp_path / "log.jsonl")
    add(log, (float("nan"), float("inf"), float("inf")))
    write(log, 1)
    [entry] = read_log(tmp_path / "log.jsonl")
    assert np.isnan([entry["forward"], entry["loss"]]).all()
    assert entry["backward"] == entry["norm"] == float("inf")
    make(tmp_path / "log.jsonl", from_batch=1)
    assert len(json.loads((tmp_path / "log.jsonl").read_text())) == 9


def test_incomplete_line(tmp_path: Path, clock: Clock) -> None:
    """The last line may be incomplete, because the process ended; other lines may not."""
    log, _ = make(tmp_path / "log.jsonl")
    for batch in (1, 2):
        add(log, BATCHES[0])
        clock.now += 1
        write(log, batch)
    whole = (tmp_path / "log.jsonl").read_text()
    (tmp_path / "log.jsonl").write_text(whole[:-20])
    assert [entry["batch"] for entry in read_log(tmp_path / "log.jsonl")] == [1]
    first, last = whole.splitlines(keepends=True)
    (tmp_path / "log.jsonl").write_text(first + first[20:] + last)
    with pytest.raises(ValueError, match=r"EL061.*log\.jsonl, line 2: not JSON"):
        read_log(tmp_path / "log.jsonl")


@pytest.mark.parametrize("content", [b"ROUGE\n\nE 1\n", b"\x89PNG\r\n"])
def test_not_a_log(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.jsonl").write_bytes(content)
    with pytest.raises(ValueError, match=r"EL115.*log\.jsonl' is not a training log"):
        read_log(tmp_path / "log.jsonl")


def test_unwritable_log(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "log.jsonl").mkdir()
    log, reported = make(tmp_path / "log.jsonl")
    add(log, BATCHES[0])
    with pytest.raises(OSError, match=r"EL092.*log\.jsonl' could not be written"):
        write(log, 1)
    assert reported == []


ENTRIES: list[dict[str, Any]] = [
    {"batch": 10, "epoch": 0.1, "forward": 6.0, "backward": 6.5, "loss": 6.25, "learn_rate": 0.001},
    {"batch": 10, "epoch": 0.1, "dev_perplexity": 400.0},
    {"batch": 20, "epoch": 0.2, "forward": 5.0, "backward": 5.5, "loss": 5.25, "learn_rate": 0.002},
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in ENTRIES), "utf-8")
    return path


def test_series() -> None:
    assert module._series(ENTRIES, "backward") == ([0.1, 0.2], [6.5, 5.5])
    assert module._series(ENTRIES, "dev_perplexity") == ([0.1], [400.0])


@pytest.mark.needs("matplotlib")
@pytest.mark.parametrize(("ending", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_picture(log: Path, tmp_path: Path, ending: str, begin: bytes) -> None:
    output = tmp_path / f"run.{ending}"
    plot_run(log, output)
    assert output.read_bytes().startswith(begin)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", output.name]


def test_errors(log: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="EL026"):
        plot_run(tmp_path / "none.jsonl", tmp_path / "run.png")
    with pytest.raises(ValueError, match=r"EL060.*\.png, \.svg, \.pdf"):
        plot_run(log, tmp_path / "run.bmp")
    log.write_text(json.dumps(ENTRIES[1]) + "\n", "utf-8")
    with pytest.raises(ValueError, match="EL069"):
        plot_run(log, tmp_path / "run.png")


def test_without_matplotlib(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        plot_run(log, tmp_path / "run.png")
