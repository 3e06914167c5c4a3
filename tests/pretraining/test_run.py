import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from spacy_elmo.language_model.vocabulary import Vocabulary
from spacy_elmo.pretraining import run as module
from spacy_elmo.pretraining.log import read_log
from spacy_elmo.pretraining.run import Run
from tests.data import ROOT
from tests.platforms import signals
from tests.pretraining.runs import (
    a_run,
    batches,
    before_batch,
    checkpoint_tensors,
    entries,
    equal,
    facts,
    make_config,
    train,
    write_text,
)
from tests.settings import snapshot

# Everything that draws numbers or remembers something.
SETTINGS: dict[str, dict[str, Any]] = {
    "sampled": {},
    "adaptive": {
        "softmax__kind": "adaptive",
        "softmax__cutoffs": [8],
        "optimizer__name": "adagrad",
        "optimizer__learn_rate": 0.1,
    },
    "full": {"softmax__kind": "full", "optimizer__decay_shape": "cosine", "training__precision": "bf16"},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never interrupted: texts and config, and the run's folder `run`."""
    folder = tmp_path_factory.mktemp("whole")
    train(make_config(folder), folder / "run").export()
    return folder


@pytest.fixture(scope="module")
def stopped(whole: Path) -> Path:
    """The same run, stopped halfway."""
    train(make_config(whole), whole / "stopped", signal_in=19)
    return whole


def assert_same(one: Path, other: Path) -> None:
    assert entries(one) == entries(other)
    assert equal(checkpoint_tensors(one), checkpoint_tensors(other))


def test_files_and_log(whole: Path) -> None:
    meta = facts(whole / "run")
    n_batches = -(-2 * (meta["n_tokens"] + meta["n_sentences"]) // 20)
    assert meta["n_sentences"] == 60
    logged = entries(whole / "run")
    losses = [entry for entry in logged if "loss" in entry]
    assert [entry["batch"] for entry in losses] == [*range(4, n_batches, 4), n_batches]
    measured = [entry for entry in logged if "dev_perplexity" in entry]
    assert [entry["batch"] for entry in measured] == [*range(9, n_batches, 9), n_batches]
    assert batches(whole / "run") == [n_batches - n_batches % 7, n_batches]
    assert all(entry["n_batches"] == n_batches for entry in losses)
    # It learns: by chance it would be the number of words.
    n_words = len(Vocabulary.read(whole / "run" / "vocab.txt"))
    assert n_words > measured[0]["dev_perplexity"] > measured[1]["dev_perplexity"] > measured[-1]["dev_perplexity"]
    assert losses[-1]["epoch"] == pytest.approx(2, abs=0.1)
    assert [entry["learn_rate"] for entry in losses[:2]] == [0.03, 0.03]
    # The schedule's last step, over a quarter of the run.
    assert losses[-1]["learn_rate"] == pytest.approx(0.03 / (0.25 * n_batches))


def test_measured_perplexity(whole: Path) -> None:
    with a_run(make_config(whole), whole / "run", resume=True) as run:
        found = run.perplexity()
        assert run.train()
    last = entries(whole / "run")[-1]
    assert (found.forward, found.backward, found.average) == (
        last["dev_forward"],
        last["dev_backward"],
        last["dev_perplexity"],
    )
    # dev_tokens are a limit: of whole sentences, and one at least.
    assert run.dev_corpus is not None
    for limit in (1, 17):
        with a_run(make_config(whole, training__dev_tokens=limit), whole / "run", resume=True) as run:
            fewer = run.perplexity()
        assert fewer.n_predictions < found.n_predictions
        assert 1 <= fewer.n_predictions <= limit + 12


@pytest.mark.parametrize("name", SETTINGS)
def test_stopped_and_resumed(whole: Path, tmp_path: Path, name: str) -> None:
    """Stopped twice, by either signal, between two entries of the log and two checkpoints."""
    config = make_config(whole, **SETTINGS[name])
    expected = whole / "run"
    if name != "sampled":
        expected = tmp_path / "whole"
        train(config, expected)
    folder = tmp_path / "run"
    assert train(config, folder, signal_in=8).trainer.batch == 10
    assert batches(folder)[-1] == 10
    assert train(config, folder, resume=True, signal_in=20, number=signal.SIGINT).trainer.batch == 22
    train(config, folder, resume=True)
    assert_same(folder, expected)


@pytest.mark.slow
@signals
def test_killed(whole: Path, tmp_path: Path) -> None:
    """A run that is killed between two checkpoints loses only the batches since the last one."""
    code = (
        "import signal, sys; from pathlib import Path; from tests.pretraining.runs import make_config, train; "
        "train(make_config(Path(sys.argv[1])), Path(sys.argv[2]), signal_in=19, number=signal.SIGKILL)"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(whole), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert batches(tmp_path) == [7, 14]
    assert [entry["batch"] for entry in read_log(tmp_path / "log.jsonl")] == [4, 8, 9, 12, 16, 18]
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"batch": 19, "loss"')
    with a_run(make_config(whole), tmp_path, resume=True) as run:
        assert run.trainer.batch == 14
        assert [entry["batch"] for entry in read_log(tmp_path / "log.jsonl")] == [4, 8, 9, 12]
        assert run.train()
    assert_same(tmp_path, whole / "run")


def test_killed_before_the_first_checkpoint(whole: Path, tmp_path: Path) -> None:
    """Started again without --resume, with other settings and another text: nothing of the first run is left."""
    first_try = make_config(whole, vocabulary__min_count=1, training__seed=5, **other_text(tmp_path))
    run = train(first_try, tmp_path / "run", signal_in=5)
    words = run.vocabulary
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(FileNotFoundError, match=r"EL079.*run' contains no checkpoint.*without --resume"):
        train(make_config(whole), tmp_path / "run", resume=True)
    run = train(make_config(whole), tmp_path / "run")
    assert run.vocabulary != words
    assert_same(tmp_path / "run", whole / "run")


def test_process_settings_stay(whole: Path, tmp_path: Path) -> None:
    """Neither preparing nor training changes settings or random numbers of the process."""
    # Not the state that an earlier run may have left.
    torch.manual_seed(123)
    settings, random_state = snapshot(), torch.get_rng_state()
    run = Run.prepare(make_config(whole, training__max_batches=2), tmp_path / "run")
    assert run.train()
    assert snapshot() == settings
    assert torch.equal(torch.get_rng_state(), random_state)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 8
    path.write_bytes(content)


def test_damaged_corpus(stopped: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped / "stopped", folder)
    flip(folder / "corpus" / "train" / "tokens.i32")
    with pytest.warns(UserWarning, match=r"WL070.*corpus[/\\]train' is damaged.*tokens\.i32.*checksum"):
        train(make_config(stopped), folder, resume=True)
    assert_same(folder, stopped / "run")


def test_damaged_checkpoint(stopped: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped / "stopped", folder)
    assert batches(folder) == [14, 21]
    flip(folder / "checkpoints" / "batch-000000021.safetensors")
    with pytest.warns(UserWarning, match=r"WL002.*batch-000000021\.safetensors' is damaged"):
        train(make_config(stopped), folder, resume=True)
    assert_same(folder, stopped / "run")
    for path in (folder / "checkpoints").glob("*.safetensors"):
        flip(path)
    with pytest.warns(UserWarning, match="WL002"), pytest.raises(ValueError, match="EL076"):
        train(make_config(stopped), folder, resume=True)


OTHER_TEXT = "corpus: the text, its format or its pipeline has changed"


def other_text(folder: Path) -> dict[str, Any]:
    return {"corpus__train": str(write_text(folder / "other.txt", seed=7))}


def other_vocabulary(folder: Path) -> dict[str, Any]:
    words = Vocabulary.read(folder / "stopped" / "vocab.txt").words
    Vocabulary(words[:-1]).write(folder / "fewer.txt")
    return {"vocabulary__path": str(folder / "fewer.txt")}


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (lambda folder: {"optimizer__learn_rate": 0.5}, ["optimizer.learn_rate: 0.03 then, 0.5 now"]),
        (lambda folder: {"training__n_rows": 8}, ["training.n_rows: 4 then, 8 now"]),
        (
            lambda folder: {"softmax__kind": "full", "training__seed": 3},
            ["softmax.kind: sampled then, full now", "training.seed: 0 then, 3 now"],
        ),
        (lambda folder: {"vocabulary__min_count": 1}, ["vocabulary.min_count: 2 then, 1 now"]),
        (
            lambda folder: {"corpus__pipeline": "blank:de"},
            [
                "corpus.pipeline: blank:xx then, blank:de now",
                OTHER_TEXT,
            ],
        ),
        (lambda folder: {"corpus__shuffle_block": 99}, ["corpus.shuffle_block: 16 then, 99 now"]),
        (other_text, [OTHER_TEXT]),
        (other_vocabulary, ["vocabulary: the words or their order have changed"]),
    ],
)
def test_other_settings(stopped: Path, change: Callable[[Path], dict[str, Any]], lines: list[str]) -> None:
    """All differences are named together, and the run can still continue with the old settings."""
    folder = stopped / "stopped"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=r"EL080.*stopped' cannot be resumed with other settings") as caught:
        train(make_config(stopped, **change(stopped)), folder, resume=True)
    told = [line.strip() for line in str(caught.value).splitlines()[1:-1]]
    assert len(told) == len(lines)
    assert all(any(one.startswith(line) for one in told) for line in lines), told
    # Checksums say nothing to the user.
    assert all((" then, " in line and line.endswith(" now")) != line.endswith(" changed") for line in told)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_model_of_another_size(stopped: Path) -> None:
    config = make_config(stopped)
    options: Any = config.model.options
    options["lstm"]["dim"] = 24
    del options["lstm"]["cell_clip"]
    with pytest.raises(ValueError, match="EL080") as caught:
        train(config, stopped / "stopped", resume=True)
    assert "model.options.lstm.dim: 16 then, 24 now" in str(caught.value)
    assert "model.options.lstm.cell_clip: 3 then, None now" in str(caught.value)


def test_changeable_settings(stopped: Path, tmp_path: Path) -> None:
    """The path of the text, a vocabulary by its path, and intervals do not change the weights."""
    folder = tmp_path / "run"
    shutil.copytree(stopped / "stopped", folder)
    shutil.copy(stopped / "train.txt", tmp_path / "moved.txt")
    config = make_config(
        stopped,
        corpus__train=[str(tmp_path / "moved.txt")],
        corpus__dev=None,
        vocabulary__path=str(stopped / "run" / "vocab.txt"),
        training__log_every=5,
        checkpoints__every_batches=11,
        checkpoints__keep=5,
    )
    run = train(config, folder, resume=True)
    assert batches(folder) == [14, 21, 32, run.trainer.n_batches]
    assert equal(checkpoint_tensors(folder), checkpoint_tensors(stopped / "run"))


def test_threads(whole: Path, stopped: Path, tmp_path: Path) -> None:
    """The number of threads may change when a run continues, and is the run's alone."""
    folder = tmp_path / "run"
    shutil.copytree(stopped / "stopped", folder)
    seen, before = set(), torch.get_num_threads()
    with a_run(make_config(stopped, training__n_threads=3), folder, resume=True) as run:
        before_batch(run, lambda _: seen.add(torch.get_num_threads()))
        assert run.train()
    assert seen == {3}
    assert torch.get_num_threads() == before


def test_existing_run(stopped: Path) -> None:
    before = sorted(stopped.rglob("*"))
    with pytest.raises(FileExistsError, match=r"EL078.*stopped' already contains.*--resume"):
        train(make_config(stopped), stopped / "stopped")
    assert sorted(stopped.rglob("*")) == before


def test_existing_model(whole: Path, tmp_path: Path) -> None:
    """The run's checkpoints were removed."""
    shutil.copytree(whole / "run", tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError, match=r"EL078.*a pre-training run or its model"):
        train(make_config(whole), tmp_path / "run")
    with pytest.raises(
        FileNotFoundError, match=r"EL079.*If this folder contains a model, use another output folder"
    ):
        train(make_config(whole), tmp_path / "run", resume=True)
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_unusable_device(whole: Path, tmp_path: Path) -> None:
    """The error comes before the text is read."""
    for device in ("abacus", "cuda:99"):
        with pytest.raises(ValueError, match=rf"EL040.*'{device}'"):
            train(make_config(whole, training__device=device), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_folder_of_another_machine(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Processes, "join", lambda device: module.Processes(rank=1))
    with pytest.raises(FileNotFoundError, match=r"EL084.*Process 1 .*all machines share"):
        train(make_config(whole), tmp_path / "run")


def test_no_checkpoint(whole: Path, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError, match=r"EL079.*without --resume"):
            train(make_config(whole), folder, resume=True)
    assert list(tmp_path.iterdir()) == []


def test_missing_text(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"EL026.*none\.txt"):
        train(make_config(whole, corpus__train=str(tmp_path / "none.txt")), tmp_path / "run")


def test_checkpoints_by_the_clock(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        now = 1000.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    config = make_config(
        whole,
        training__max_batches=20,
        checkpoints__every_batches=9,
        checkpoints__every_minutes=1,
        checkpoints__keep=50,
    )
    with a_run(config, tmp_path) as run:

        def act(batch: int) -> None:
            # A batch takes 25 seconds, and one second once half of them are done.
            clock.now += 25 if batch < 10 else 1

        before_batch(run, act)
        assert run.train()
    # The clock is read before a batch: a minute is over for the first time after three of them, in the fourth.
    # After the second checkpoint, nine batches are the first to be over.
    assert batches(tmp_path) == [4, 8, 17, 20]


def test_more_epochs(whole: Path, tmp_path: Path) -> None:
    """A finished run continues with more epochs. It equals the longer run, without a decay, which would begin
    earlier in the shorter run."""
    settings = {"optimizer__decay": 0, "training__log_every": 1, "corpus__dev": None}
    long = train(make_config(whole, **settings, training__n_epochs=1.5), tmp_path / "long")
    config = make_config(whole, **settings, training__n_epochs=0.5)
    short = train(config, tmp_path / "short")
    assert short.trainer.n_batches == -(-long.trainer.n_batches // 3)
    before = (tmp_path / "short" / "log.jsonl").read_bytes()
    # Nothing is left to do.
    assert train(config, tmp_path / "short", resume=True).trainer.batch == short.trainer.n_batches
    assert (tmp_path / "short" / "log.jsonl").read_bytes() == before
    train(make_config(whole, **settings, training__n_epochs=1.5), tmp_path / "short", resume=True)
    assert equal(checkpoint_tensors(tmp_path / "short"), checkpoint_tensors(tmp_path / "long"))
    logs = [entries(tmp_path / name) for name in ("short", "long")]
    for entry in (entry for log in logs for entry in log):
        del entry["n_batches"]
    assert logs[0] == logs[1]


def test_given_vocabulary(whole: Path, tmp_path: Path) -> None:
    words = ["<S>", "</S>", "<UNK>", "wx0", "wy1"]
    Vocabulary(words).write(tmp_path / "given.txt")
    config = make_config(whole, vocabulary__path=str(tmp_path / "given.txt"), training__max_batches=2)
    with a_run(config, tmp_path / "run") as run:
        pass
    assert run.vocabulary.words == words
    assert Vocabulary.read(tmp_path / "run" / "vocab.txt").words == words
    assert run.model.softmax.n_words == 5
    types = run.encode_types(run.train_corpus)
    expected = [words.index(text) if text in words else 2 for text in [*run.train_corpus.types, "<S>", "</S>"]]
    assert types.words.tolist() == expected
    assert types.character_ids.shape == (len(expected), 10)


@pytest.mark.parametrize(("broken", "kept"), [(9, [7]), (6, [])])
def test_nan(whole: Path, tmp_path: Path, broken: int, kept: list[int]) -> None:
    """The run stops, and its checkpoints are of earlier batches."""

    def act(batch: int) -> None:
        if batch == broken:
            with torch.no_grad():
                run.model.softmax.bias.fill_(float("nan"))  # type: ignore[operator]

    with a_run(make_config(whole), tmp_path / "run") as run:
        before_batch(run, act)
        with pytest.raises(ValueError, match=r"EL083.*losses nan.*run[/\\]checkpoints'.*learn_rate \(now 0.03\)"):
            run.train()
    assert batches(tmp_path / "run") == kept
    assert [entry["batch"] for entry in entries(tmp_path / "run") if "loss" in entry] == [4, 8][: broken // 4]
