"""Small pre-training runs: texts, configs and results."""

import copy
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spacy_elmo.language_model.checkpoints import Checkpoints
from spacy_elmo.pretraining.config import PretrainingConfig, check_config
from spacy_elmo.pretraining.log import read_log
from spacy_elmo.pretraining.run import Run

Entry = dict[str, Any]

OPTIONS: dict[str, Any] = {
    "lstm": {
        "dim": 16,
        "projection_dim": 8,
        "n_layers": 2,
        "cell_clip": 3,
        "proj_clip": 3,
        "use_skip_connections": True,
    },
    "char_cnn": {
        "filters": [[1, 4], [2, 6]],
        "n_highway": 1,
        "n_characters": 261,
        "max_characters_per_token": 10,
        "activation": "relu",
        "embedding": {"dim": 4},
    },
}


def write_text(path: Path, *, n_sentences: int = 60, seed: int = 0) -> Path:
    """Write sentences of 1 to 9 words out of 40, some of them far more frequent than others."""
    rng = np.random.default_rng(seed)
    words = [f"w{'xyz'[k % 3]}{k}" for k in range(40)]
    lengths = rng.integers(1, 10, n_sentences)
    lines = [" ".join(words[k] for k in np.minimum(rng.geometric(0.1, length) - 1, 39)) for length in lengths]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def sections(folder: Path, **settings: Any) -> dict[str, Any]:
    """Make a config with train.txt and dev.txt in the folder, which are written if needed. The intervals of the
    log, the dev text and the checkpoints have no common factor.

    settings: by section and name, training__n_rows=4.
    """
    for name, n_sentences, seed in (("train", 60, 0), ("dev", 12, 1)):
        if not (folder / f"{name}.txt").exists():
            write_text(folder / f"{name}.txt", n_sentences=n_sentences, seed=seed)
    config: dict[str, Any] = {
        "corpus": {"train": str(folder / "train.txt"), "dev": str(folder / "dev.txt")},
        "vocabulary": {"min_count": 2},
        "model": {"options": copy.deepcopy(OPTIONS)},
        "softmax": {"n_samples": 10},
        "optimizer": {"learn_rate": 0.03, "warmup_steps": 3},
        "training": {"n_rows": 4, "n_steps": 5, "n_epochs": 2, "log_every": 4, "dev_every": 9},
        "checkpoints": {"every_batches": 7},
    }
    # Its tokenizer is made in no time.
    config["corpus"].update(pipeline="blank:xx", shuffle_block=16)
    for name, value in settings.items():
        section, _, key = name.partition("__")
        config[section][key] = value
    return config


def make_config(folder: Path, **settings: Any) -> PretrainingConfig:
    return check_config(sections(folder, **settings))


@contextmanager
def a_run(config: PretrainingConfig, folder: Path, *, resume: bool = False) -> Iterator[Run]:
    yield Run.prepare(config, folder, resume=resume)


def before_batch(run: Run, act: Callable[[int], None]) -> None:
    """Call `act` with the number of batches that were trained so far, before each batch."""
    train_batch = run.trainer.train_batch

    def wrapped(**arguments: Any) -> Any:
        act(run.trainer.batch)
        return train_batch(**arguments)

    run.trainer.train_batch = wrapped  # type: ignore[method-assign]


def train(
    config: PretrainingConfig,
    folder: Path,
    *,
    resume: bool = False,
    signal_in: int | None = None,
    number: int = signal.SIGTERM,
) -> Run:
    """Train to the end, or until a signal that this process sends itself in a batch, from 0 up. The processes
    receive it with the next batch, and stop after it."""
    with a_run(config, folder, resume=resume) as run:

        def act(batch: int) -> None:
            if batch == signal_in:
                signal.raise_signal(number)

        before_batch(run, act)
        finished = run.train()
        assert finished == (signal_in is None)
        assert finished == (run.trainer.batch == run.trainer.n_batches)
        return run


def entries(folder: Path) -> list[Entry]:
    """Read the log, without speeds."""
    return [
        {name: value for name, value in entry.items() if name != "tokens_per_second"}
        for entry in read_log(folder / "log.jsonl")
    ]


def checkpoint_tensors(folder: Path) -> dict[str, Tensor]:
    """Read the newest checkpoint: weights, optimizer, position in the text, state."""
    newest = Checkpoints(folder / "checkpoints", keep=1).newest()
    assert newest is not None
    return newest.tensors


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Compute the largest difference between two numbers."""
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one if one[name].numel())


def batches(folder: Path) -> list[int]:
    """List the batches of the checkpoints."""
    return sorted(int(path.stem.removeprefix("batch-")) for path in (folder / "checkpoints").glob("*.safetensors"))


def facts(folder: Path) -> Any:
    """Read corpus.json of the training text."""
    return json.loads((folder / "corpus" / "train" / "corpus.json").read_text("utf-8"))
