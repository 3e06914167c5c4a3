"""Start-up: time and peak memory of processes that import, make a pipeline, or ask the command line for help."""

import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

import spacy_elmo

from .__main__ import processor, write

# As if the package were not installed: spaCy finds plugins by what this function gives.
WITHOUT_PLUGIN = """
import importlib.metadata as metadata
found = metadata.distributions
def others(**given):
    return (one for one in found(**given) if one.name.replace("_", "-") != "spacy-elmo")
metadata.distributions = others
"""
# A process of its own, and small: what is measured counts what the one that started it has taken.
RUNNER = """
import os, sys, time
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
start = time.perf_counter()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(process, 0)
print(time.perf_counter() - start, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
"""
BLANK = "import spacy; nlp = spacy.blank('en'); "
LOAD = "import spacy_elmo; elmo = spacy_elmo.load('en_sm'); "
PIPE = BLANK + "nlp.add_pipe('elmo_embedder'); "
# What each process runs, beginning with nothing.
STEPS: dict[str, Sequence[str]] = {
    "python": ["-c", "pass"],
    "import spacy": ["-c", "import spacy"],
    "spacy.blank, not installed": ["-c", WITHOUT_PLUGIN + BLANK],
    "spacy.blank, installed": ["-c", BLANK],
    "and add_pipe": ["-c", PIPE],
    "and the first vectors": ["-c", PIPE + "nlp('I love NLP')"],
    "import spacy_elmo": ["-c", "import spacy_elmo"],
    "spacy_elmo.load": ["-c", LOAD],
    "load, and the first vectors": ["-c", LOAD + "elmo.embed([['I', 'love', 'NLP']])"],
    "spacy-elmo --help": ["-m", "spacy_elmo", "--help"],
    "spacy-elmo embed --help": ["-m", "spacy_elmo", "embed", "--help"],
    "import torch": ["-c", "import torch"],
    "import typer": ["-c", "import typer"],
}


class Spent(NamedTuple):
    """What a process took. seconds: from its start to its end. mib: of memory, at most."""

    seconds: float
    mib: float


def main(
    output: Annotated[Path | None, typer.Option(help="Results as JSON.")] = None,
    n_rounds: Annotated[int, typer.Option(help="Rounds in which every process has its turn.")] = 9,
) -> None:
    """Measure how long processes take to begin, and how much memory they need for it."""
    console = Console(width=120)
    # The first time, Python compiles modules, and the disk is read.
    spent = measure(n_rounds=n_rounds + 1)
    startup = {name: [one._asdict() for one in runs[1:]] for name, runs in spent.items()}
    machine = {"processor": processor(), "python": platform.python_version(), "platform": platform.platform()}
    write({"machine": machine, "version": spacy_elmo.__version__, "startup": startup}, output)
    console.print(as_table(startup))


def measure(*, n_rounds: int, steps: dict[str, Sequence[str]] | None = None) -> dict[str, list[Spent]]:
    """What each step takes, in turns. RAISES: RuntimeError if one fails."""
    chosen = STEPS if steps is None else steps
    spent: dict[str, list[Spent]] = {name: [] for name in chosen}
    for _ in range(n_rounds):
        for name, arguments in chosen.items():
            spent[name].append(run(arguments))
    return spent


def run(arguments: Sequence[str]) -> Spent:
    """Run Python with these arguments. RAISES: RuntimeError if it fails."""
    command = [sys.executable, "-I", "-S", "-c", RUNNER, sys.executable, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds, size, code = done.stdout.split()
    if int(code):
        raise RuntimeError(f"{arguments}: exit status {code}")
    # In KiB, but on macOS in bytes.
    return Spent(float(seconds), int(size) / (2**20 if sys.platform == "darwin" else 2**10))


def as_table(startup: dict[str, list[dict[str, Any]]]) -> Table:
    """A row a process."""
    table = Table(title="start-up: whole processes")
    for column in ("process", "ms, median", "ms, min", "peak MiB"):
        table.add_column(column, justify="left" if column == "process" else "right")
    for name, runs in startup.items():
        times = [1000 * one["seconds"] for one in runs]
        memory = float(np.median([one["mib"] for one in runs]))
        table.add_row(name, f"{np.median(times):,.0f}", f"{min(times):,.0f}", f"{memory:,.0f}")
    return table


if __name__ == "__main__":
    typer.run(main)
