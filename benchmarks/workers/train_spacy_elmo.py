"""This package's trainer, batch by batch on request."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import torch

from spacy_elmo.pretraining.config import check_config
from spacy_elmo.pretraining.run import Run

options = json.loads(sys.argv[1])
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
torch.set_num_threads(options["threads"])


def answer(value):
    answers.write(json.dumps(value) + "\n")
    answers.flush()


with tempfile.TemporaryDirectory() as folder:
    trainer = Run(check_config(options["config"]), Path(folder)).trainer
    answer({"torch": torch.__version__})
    for line in sys.stdin:
        n = json.loads(line)["batches"]
        start = time.perf_counter()
        for _ in range(n):
            trainer.train_batch()
        training = trainer.config.training
        tokens = n * training.n_rows * training.n_steps
        answer({"seconds": time.perf_counter() - start, "tokens": tokens})
