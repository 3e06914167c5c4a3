"""This package's trainer, batch by batch on request."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from spacy_elmo.pretraining.config import check_config
from spacy_elmo.pretraining.run import Run
from spacy_elmo.runtime.isolation import flush_denormals
from spacy_elmo.runtime.memory import keep_freed_memory
from spacy_elmo.runtime.processors import torch_threads

options = json.loads(sys.argv[1])
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
# Without `threads`, the package's own choice.
if options.get("threads"):
    torch.set_num_threads(options["threads"])


def answer(value):
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def products_share(trainer, n):
    """Of the time of n batches, by torch's profiler, what matrix products and convolutions take."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(n):
            trainer.train_batch()
    events = profiler.key_averages()
    products = [e for e in events if e.key in ("aten::mm", "aten::bmm", "aten::addmm") or "convolution" in e.key]
    return sum(e.self_cpu_time_total for e in products) / sum(e.self_cpu_time_total for e in events)


# As the command does.
keep_freed_memory()
with tempfile.TemporaryDirectory() as folder, flush_denormals():
    trainer = Run.prepare(check_config(options["config"]), Path(folder)).trainer
    training = trainer.config.training
    answer({"torch": torch.__version__})
    for line in sys.stdin:
        request = json.loads(line)
        n = request["batches"]
        if request.get("profile"):
            answer({"products": products_share(trainer, n)})
            continue
        start = time.perf_counter()
        with torch_threads(training.n_threads):
            for _ in range(n):
                trainer.train_batch()
        tokens = n * training.n_rows * training.n_steps
        answer({"seconds": time.perf_counter() - start, "tokens": tokens})
