"""Trained pipelines with several seeds each: what is done already is not done again."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from spacy_elmo.util.atomic import atomic_write

from .report import spread

# Task -> variant -> seed -> score -> percent.
Results = dict[str, dict[str, dict[str, dict[str, float]]]]
console = Console(width=120)


def measure_all(
    output: Path,
    measure: Callable[[str, str, int], dict[str, float]],
    *,
    steps: int,
    tasks: Sequence[str],
    variants: Sequence[str],
    seeds: Sequence[str],
) -> Results:
    """Measure each task with each variant and seed, and write each result to the output as it comes.

    measure: (task, variant, seed) -> scores in percent. steps: of the output, which is of no others.
    RAISES: ValueError if the output is there, and of other steps.
    """
    found: dict[str, Any] = {"steps": steps, "scores": {}}
    if output.exists():
        found = json.loads(output.read_text("utf-8"))
        if found["steps"] != steps:
            raise ValueError(f"{output} is of other steps. Give another file.")
    results: Results = found["scores"]
    for task in tasks:
        for variant in variants:
            runs = results.setdefault(task, {}).setdefault(variant, {})
            for seed in seeds:
                if seed not in runs:
                    runs[seed] = measure(task, variant, int(seed))
                    console.print(f"{task}, {variant}, seed {seed}: {runs[seed]}")
                    with atomic_write(output) as temporary:
                        temporary.write_text(json.dumps(found, indent=2) + "\n")
    return results


def show(results: Results, scores: Mapping[str, Sequence[str]], *, part: str) -> None:
    """Print a table for each task. scores: of each task, those that are shown. part: of the text."""
    for task, variants in results.items():
        table = Table(title=f"{task}: {part} scores in percent (min / median / max of the seeds)")
        for column in ("", "seeds", *scores[task]):
            table.add_column(column)
        for variant, runs in variants.items():
            values: list[dict[str, float]] = list(runs.values())
            cells = [spread([run[name] for run in values]) if values else "" for name in scores[task]]
            table.add_row(variant, ",".join(runs), *cells)
        console.print(table)
