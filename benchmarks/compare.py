"""Rounds in which every program embeds the same sentences in turn, and how far their outputs are apart."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .ceiling import ceilings
from .peers import Process, Sentences

# Sentences on which a program's best batch size is looked for, and those that are embedded one at a time.
N_TRIED, N_ONE_BY_ONE, N_COMPARED = 250, 40, 100
Log = Callable[[str], None]


def best_batch_size(process: Process, sentences: Sentences, sizes: Sequence[int]) -> int:
    """The batch size at which it does most tokens a second; the first run of each warms it up."""
    rates = {}
    for size in sizes:
        process.tokens_per_second(sentences[: max(sizes)], size)
        rates[size] = process.tokens_per_second(sentences[:N_TRIED], size)
    return max(rates, key=lambda size: rates[size])


def rounds(
    processes: Sequence[Process],
    sentences: Sentences,
    sizes: dict[str, int],
    *,
    n_rounds: int,
    threads: int,
    log: Log,
) -> dict[str, Any]:
    """Tokens a second of every program, in batches and one by one, and the ceilings, round by round."""
    batches: dict[str, list[float]] = {process.name: [] for process in processes}
    ones: dict[str, list[float]] = {process.name: [] for process in processes}
    limits: list[dict[str, float]] = []
    for number in range(n_rounds):
        limits.append(ceilings(threads))
        for process in processes:
            batches[process.name].append(process.tokens_per_second(sentences, sizes[process.name]))
            ones[process.name].append(process.tokens_per_second(sentences[:N_ONE_BY_ONE], 1))
        log(f"round {number + 1} of {n_rounds}: " + ", ".join(f"{n} {r[-1]:,.0f}" for n, r in batches.items()))
    return {"batches": batches, "one by one": ones, "ceilings": limits}


def outputs(process: Process, sentences: Sentences, batch_size: int, folder: Path) -> list[np.ndarray]:
    """(3, n_tokens, 1024) of each sentence."""
    path = folder / f"{process.name.replace(' ', '_')}.npz"
    process.tokens_per_second(sentences, batch_size, save=path)
    with np.load(path) as arrays:
        return [arrays[f"s{i}"] for i in range(len(sentences))]


def distances(got: list[np.ndarray], expected: list[np.ndarray]) -> dict[str, list[float]]:
    """Per layer: the largest absolute difference, and the smallest and the mean cosine similarity of a token."""
    one, two = (np.concatenate(arrays, axis=1).astype(np.float64) for arrays in (got, expected))
    cosine = (one * two).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(two, axis=-1)
    return {
        "max abs": np.abs(one - two).max(axis=(1, 2)).tolist(),
        "min cosine": cosine.min(axis=1).tolist(),
        "mean cosine": cosine.mean(axis=1).tolist(),
    }
