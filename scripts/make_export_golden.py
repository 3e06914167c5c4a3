"""Make tests/export: a pre-training run, its HDF5 pair, and what AllenNLP embeds with it.

A tiny model learns the Gettysburg Address for some batches. Run from the repository's root:
`python -m scripts.make_export_golden`. AllenNLP's environment is the one of the benchmarks, and made if need be.
The result is committed; training rounds differently on other processors, so that all of it changes together.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from benchmarks.peers import PEERS, Process, environment
from spacy_elmo.cli.export import export
from spacy_elmo.pretraining.config import check_config
from spacy_elmo.pretraining.run import Run

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "export"
TEXT = ROOT / "assets" / "gettysburg.txt"
CONFIG = {
    "corpus": {"train": str(TEXT)},
    "vocabulary": {"min_count": 2},
    "model": {
        "options": {
            "lstm": {
                "use_skip_connections": True,
                "projection_dim": 8,
                "cell_clip": 3,
                "proj_clip": 3,
                "dim": 24,
                "n_layers": 2,
            },
            "char_cnn": {
                "activation": "relu",
                "filters": [[1, 4], [2, 6], [3, 10]],
                "n_highway": 2,
                "embedding": {"dim": 4},
                "n_characters": 261,
                "max_characters_per_token": 50,
            },
        }
    },
    "softmax": {"n_samples": 16},
    # So fast that the forget gates' biases leave 1 behind.
    "optimizer": {"learn_rate": 0.02, "warmup_steps": 5},
    "training": {"n_rows": 8, "n_steps": 10, "n_epochs": 1000, "max_batches": 150, "dropout": 0.1},
    "checkpoints": {"keep": 1},
}
# Bytes beyond the limit, characters of several bytes, a sentence of one token, a mark as a word.
MORE = [
    ["Zoë", "naïve", "日本語", "🙂", "e\u0301"],
    ["x" * 60, "donaudampfschifffahrt" * 3],
    ["Hi"],
    ["a", "</S>", "b"],
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, default=ROOT / "benchmarks" / "build", help="the environments")
    python = environment(PEERS[0], parser.parse_args().peers)
    if python is None:
        raise SystemExit(f"Python {PEERS[0].python} is needed for AllenNLP.")
    sentences = [line.split() for line in TEXT.read_text("utf-8").splitlines()[:4]] + MORE
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    with tempfile.TemporaryDirectory() as scratch:
        trained = Path(scratch, "run")
        run = Run.prepare(check_config(CONFIG), trained)
        run.train()
        shutil.copytree(trained / "checkpoints", FOLDER / "run" / "checkpoints")
        for name in ("options.json", "vocab.txt"):
            shutil.copy(trained / name, FOLDER / "run" / name)
        export(FOLDER / "run", FOLDER / "hdf5", format="hdf5")
        (FOLDER / "sentences.json").write_text(json.dumps(sentences, indent=1) + "\n", "utf-8")
        # The name that the worker looks for.
        shutil.copytree(FOLDER / "hdf5", Path(scratch, "model"))
        Path(scratch, "model", "weights.hdf5").rename(Path(scratch, "model", "model.hdf5"))
        process = Process("allennlp", python, PEERS[0].worker, model=str(Path(scratch, "model")), threads=1)
        process.tokens_per_second(sentences, 1, save=FOLDER / "allennlp.npz")
        process.stop()


if __name__ == "__main__":
    main()
