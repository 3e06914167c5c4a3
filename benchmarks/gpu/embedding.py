"""Embedding on a GPU: ours, and AllenNLP's module on the same card in the same run."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.util.batching import windows

from ..peers import Process, Sentences
from .ceiling import share

PRECISIONS = ("bf16", "tf32", "fp32")
# AllenNLP's module slows down from some number on, or runs out of memory.
BATCH_SIZES = (64, 256, 512, 1024)
N_COMPARED = 100
N_LATENCIES = 100


def measure(
    model: Path, sentences: Sentences, ceilings: dict[str, float], *, package: Path | None
) -> Iterator[dict[str, Any]]:
    """The figures of embedding: all that there are so far, each time.

    package: where AllenNLP's wheel was unpacked; None: without it.
    """
    single = [sentence for sentence in sentences if len(sentence) == 20][:N_LATENCIES]
    found: dict[str, Any] = {"ours": {}}
    exact = spacy_elmo.load(model).embed(sentences[:N_COMPARED])
    for precision in PRECISIONS:
        elmo = spacy_elmo.load(model, device="cuda", precision=cast(spacy_elmo.PrecisionName, precision))
        # Enough for several seconds; slower ones need less.
        text = sentences * (10 if precision == "bf16" else 2)
        own: dict[str, Any] = {
            "distance to the CPU": distance(elmo.embed(sentences[:N_COMPARED]), exact),
            "tokens/s, elmo": throughput(elmo, text, ["elmo"]),
            "tokens/s, all layers": throughput(elmo, text, "*"),
            "tokens/s, GPU alone": engine_throughput(elmo, text),
            "ms of a sentence": latency(elmo, single),
        }
        own["share of the ceiling, elmo"] = share(own["tokens/s, elmo"], ceilings[precision])
        own["share of the ceiling, GPU alone"] = share(own["tokens/s, GPU alone"], ceilings[precision])
        found["ours"][precision] = own
        yield found
        del elmo
        torch.cuda.empty_cache()
    if package is not None:
        found["allennlp"] = allennlp(model, package, sentences, single)
        yield found


def distance(got: Sequence[Any], exact: Sequence[Any]) -> dict[str, float]:
    """Largest absolute difference of each layer."""
    return {
        name: max(float(np.abs(getattr(a, name) - getattr(b, name)).max()) for a, b in zip(got, exact))
        for name in exact[0].names
    }


def throughput(elmo: Elmo, sentences: Sentences, layers: Any) -> float:
    """Tokens per second of `embed`, numpy arrays included; the best of three, after one to warm up."""
    best = 0.0
    for number in range(4):
        start = time.perf_counter()
        outputs = elmo.embed(sentences, layers=layers)
        rate = sum(map(len, sentences)) / (time.perf_counter() - start)
        del outputs
        if number:
            best = max(best, rate)
    return best


def engine_throughput(elmo: Elmo, sentences: Sentences) -> float:
    """Tokens per second of what the GPU does for `embed`, up to the layers on it."""
    batches = list(windows(sentences, size=lambda sentence: len(sentence) + 2, budget=elmo.budget.tokens))
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for batch in batches:
        elmo.engine.run(batch, n_layers=elmo.n_layers, state=None)
    end.record()
    torch.cuda.synchronize()
    return sum(map(len, sentences)) / float(start.elapsed_time(end) / 1e3)


def latency(elmo: Elmo, sentences: Sentences) -> float:
    """Median time of `embed` of one sentence, in milliseconds, all layers."""
    times: list[float] = []
    for sentence in sentences + sentences:
        start = time.perf_counter()
        elmo.embed([sentence])
        times.append(time.perf_counter() - start)
    return float(np.median(times[len(sentences) :])) * 1e3


def allennlp(model: Path, package: Path, sentences: Sentences, single: Sentences) -> dict[str, Any]:
    """Its `Elmo`, by batch size; and one sentence at a time."""
    process = Process(
        "allennlp",
        worker="run_allennlp_gpu.py",
        on_gpu=True,
        model=str(model),
        package=str(package),
        device="cuda",
    )
    part = sentences[:4096]
    process.tokens_per_second(part[:256], 64)
    found: dict[str, Any] = {"about": process.about, "tokens/s by batch size": {}}
    for size in BATCH_SIZES:
        found["tokens/s by batch size"][size] = process.tokens_per_second(part, size)
    process.tokens_per_second(single[:10], 1)
    answer = process.answer_to({"sentences": single, "batch_size": 1})
    found["ms of a sentence"] = answer["seconds"] / len(single) * 1e3
    process.stop()
    return found
