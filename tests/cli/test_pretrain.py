import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from confection import Config

import spacy_elmo
from spacy_elmo import cli
from spacy_elmo.cli.pretrain import pretrain
from spacy_elmo.pretraining.log import read_log
from tests.data import ROOT
from tests.platforms import signals
from tests.pretraining.runs import batches, checkpoint_tensors, entries, equal, make_config, sections, train

# A run of which a part is the same as the whole: the learning rate does not depend on how long it is.
SETTINGS = {"optimizer__decay": 0, "corpus__dev": None}
Command = Callable[..., int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """`spacy-elmo` in this process, since a new one takes seconds to begin; gives the exit status."""
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: Any) -> int:
        monkeypatch.setattr(sys, "argv", ["spacy-elmo", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return int(end.value.code or 0)

    yield run
    signal.signal(signal.SIGTERM, handler)
    torch.set_flush_denormal(False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    Config(sections(tmp_path, **SETTINGS)).to_disk(tmp_path / "pretrain.cfg")
    return tmp_path / "pretrain.cfg"


@pytest.mark.slow
@signals
def test_stopped_and_resumed(
    tmp_path: Path, config: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    endless = ["pretrain", config, "--output", out, "--training.n_epochs", "1000"]
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "spacy_elmo", *map(str, endless)], cwd=ROOT, stderr=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            while process.poll() is None and not (out / "log.jsonl").exists():
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            stdout, stderr = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 130, stderr
    assert f"Stopped; continue with --resume. The model is in {out / 'model'}" in stderr
    assert stdout == ""
    stopped = batches(out)[-1]
    assert spacy_elmo.load(out / "model").options.lstm.dim == 16
    assert command(*endless) == 1
    assert "[EL078]" in capsys.readouterr().err
    assert command(*endless, "--resume", f"--training.max_batches={stopped + 5}") == 0
    stderr = capsys.readouterr().err
    assert f"Finished. The model is in {out / 'model'}" in stderr
    assert f"batch {stopped + 5:,} of {stopped + 5:,}" in stderr
    expected = make_config(tmp_path, **SETTINGS, training__n_epochs=1000, training__max_batches=stopped + 5)
    run = train(expected, tmp_path / "whole")
    run.export()
    logs = [entries(folder) for folder in (out, tmp_path / "whole")]
    for entry in (entry for log in logs for entry in log):
        del entry["n_batches"]
    assert logs[0] == logs[1]
    assert logs[0][-1]["batch"] == stopped + 5
    assert equal(checkpoint_tensors(out), checkpoint_tensors(tmp_path / "whole"))
    for name in ("weights.safetensors", "options.json", "vocab.txt"):
        assert (out / "model" / name).read_bytes() == (tmp_path / "whole" / "model" / name).read_bytes()


def test_settings_on_the_command_line(
    tmp_path: Path, config: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ["--training.n_epochs", 1, "--corpus.dev", tmp_path / "dev.txt", "--training.n_rows=8", "--quiet"]
    assert command("pretrain", config, "-o", tmp_path / "out", *overrides) == 0
    assert capsys.readouterr() == ("", "")
    meta = json.loads((tmp_path / "out" / "corpus" / "train" / "corpus.json").read_text())
    n_batches = -(-(meta["n_tokens"] + meta["n_sentences"]) // (8 * 5))
    last = read_log(tmp_path / "out" / "log.jsonl")[-2:]
    assert [entry["batch"] for entry in last] == [n_batches, n_batches]
    assert last[1]["dev_perplexity"] > 1
    assert sorted(os.listdir(tmp_path / "out" / "model")) == ["options.json", "vocab.txt", "weights.safetensors"]


def test_threads_on_the_command_line(config: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def spy(*_: Any, overrides: Any, **__: Any) -> bool:
        given.append(overrides)
        return True

    monkeypatch.setattr("spacy_elmo.cli.pretrain.pretrain", spy)
    for option in (["--n-threads", 2], ["--training.n_threads", 2]):
        assert command("pretrain", config, "-o", config.parent / "out", "--quiet", *option) == 0
    assert given == [{"training.n_threads": 2}] * 2


def test_first_process_reports(
    tmp_path: Path,
    config: Path,
    command: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Without WORLD_SIZE it trains alone.
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        assert command("pretrain", config, "-o", tmp_path / rank, "--training.max_batches", 2) == 0
        assert ("Finished" in capsys.readouterr().err) == (rank == "0")


def test_held_out_text_is_shown(
    tmp_path: Path, config: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--corpus.dev", tmp_path / "dev.txt", "--training.max_batches", 2]
    assert command("pretrain", config, "-o", tmp_path / "out", *arguments) == 0
    last = read_log(tmp_path / "out" / "log.jsonl")[-1]
    expected = (
        f"batch 2: perplexity {last['dev_perplexity']:.2f} (forward {last['dev_forward']:.2f}, "
        f"backward {last['dev_backward']:.2f})"
    )
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--training.n_epoch", "1"], ["[EL074]", "training.n_epoch"]),
        (["--training.n_rows", "many"], ["[EL074]", "training.n_rows", "'many'"]),
        (["--training.dropout", "1.5", "--softmax.kind", "flat"], ["[EL074]", "training.dropout", "softmax.kind"]),
        (["--corpus.train", "none.txt"], ["[EL026]", "none.txt"]),
        (["--resume"], ["[EL079]"]),
    ],
)
def test_wrong_arguments(
    tmp_path: Path,
    config: Path,
    command: Command,
    capsys: pytest.CaptureFixture[str],
    arguments: Any,
    words: Any,
) -> None:
    assert command("pretrain", config, "-o", tmp_path / "out", *arguments) == 1
    stderr = capsys.readouterr().err
    assert "spacy-elmo: [EL" in stderr
    assert all(word in stderr for word in words), stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_output_is_a_file(
    tmp_path: Path, config: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("a file")
    assert command("pretrain", config, "-o", tmp_path / "out") == 1
    expected = f"[EL221] '{tmp_path / 'out'}' could not be written: File exists. A file with"
    assert expected in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "a file"


def test_no_config(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"EL026.*none\.cfg.*init-pretrain"):
        pretrain(tmp_path / "none.cfg", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
