"""`python -m benchmarks.quota`: speed in a container that is limited to some of the processors."""

import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import spacy_elmo
from spacy_elmo.inputs.reader import Inputs

from .__main__ import EWT, HERE, processor, write
from .busy import MODELS, N_ONE_BY_ONE, NAMES, Program, Rates, measure
from .model import make_model
from .peers import Sentences, ours
from .report import ratios, spread

DEFAULTS, EVERY = "spacy_elmo", "a thread for every processor"
# Microseconds in which the time counts, as Docker and Kubernetes set it.
PERIOD = 100_000
PROCESSES = "cgroup.procs"
GROUPS = Path("/sys/fs/cgroup")
console = Console(width=120)


def main(
    text: Annotated[Path, typer.Option(help="Sentences: .txt, .jsonl, .conllu or .spacy.")] = EWT,
    folder: Annotated[Path, typer.Option(help="Models; kept for the next run.")] = HERE / "build",
    output: Annotated[Path | None, typer.Option(help="Results as JSON.")] = None,
    processors: Annotated[int, typer.Option(min=1, help="Processors that the container is limited to.")] = 1,
    models: Annotated[list[str], typer.Option("--model", help="en_sm or original; again for more.")] = NAMES,
    n_rounds: Annotated[int, typer.Option(help="Rounds in which both have their turn.")] = 5,
    seconds: Annotated[float, typer.Option(help="The least that a turn lasts.")] = 1.0,
) -> None:
    """Measure our defaults against a thread for every processor of the machine, both limited to the same time: by
    a control group where one can be made, else by affinity."""
    sentences: Sentences = [sentence.tokens for sentence in Inputs(text).read() if sentence.tokens]
    machine = {"processor": processor(), "processors": os.cpu_count(), "platform": platform.platform()}
    results: dict[str, Any] = {"machine": machine, "version": spacy_elmo.__version__, "quota": {}}
    for name in models:
        size = MODELS[name]
        model = make_model(folder / ("model" if name == "original" else name), size.options)
        # This process is limited, too, and hands that on to those that it starts; it only waits for them.
        with limited(processors) as how, ExitStack() as stack:
            programs = start(stack, model, sentences[: size.n_sentences])
            rates = measure(programs, levels=[0], n_rounds=n_rounds, seconds=seconds)
        results["quota"][name] = {"limit": f"{processors}, by {how}", "rates": rates}
        console.print(as_table(f"{name}: limited to {processors} of {os.cpu_count()} processors by {how}", rates))
        write(results, output)


def start(stack: ExitStack, model: Path, sentences: Sentences) -> dict[str, list[Program]]:
    programs: dict[str, list[Program]] = {"embed": [], "one sentence": []}
    for name, n_threads in ((DEFAULTS, None), (EVERY, os.cpu_count())):
        process = ours("fp32", model=str(model), n_threads=n_threads)
        stack.callback(process.stop)
        many = {"sentences": sentences, "batch_size": len(sentences)}
        few = {"sentences": sentences[:N_ONE_BY_ONE], "batch_size": 1}
        programs["embed"].append(Program(name, process, many))
        programs["one sentence"].append(Program(name, process, few))
    return programs


@contextmanager
def limited(processors: int, groups: Path = GROUPS) -> Iterator[str]:
    """Inside, this process, and each that it starts, has no more than so many processors' time. YIELDS: by what.

    groups (Path): The folder of the system's control groups.
    RAISES: RuntimeError if the system has no way.
    """
    try:
        group, own = _enter_group(processors, groups)
    except OSError:
        with _affinity(processors):
            yield "affinity"
        return
    try:
        yield "a control group"
    finally:
        (own / PROCESSES).write_text(str(os.getpid()))
        group.rmdir()


def _enter_group(processors: int, groups: Path) -> tuple[Path, Path]:
    """RETURNS: the folder of the new control group, and of the one that this process was in. RAISES: OSError."""
    is_v2 = (groups / "cgroup.controllers").exists()
    top = groups if is_v2 else groups / "cpu"
    own = top / _own_group(is_v2=is_v2)
    group = top / f"spacy_elmo-{os.getpid()}"
    group.mkdir()
    try:
        if is_v2:
            (group / "cpu.max").write_text(f"{processors * PERIOD} {PERIOD}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(processors * PERIOD))
        (group / PROCESSES).write_text(str(os.getpid()))
    except OSError:
        group.rmdir()
        raise
    # Without a namespace of its own, a container may see a name that is not in its tree.
    return group, own if own.exists() else top


def _own_group(*, is_v2: bool) -> str:
    for line in Path("/proc/self/cgroup").read_text("utf-8").splitlines():
        _, controllers, name = line.split(":", 2)
        if not controllers if is_v2 else "cpu" in controllers.split(","):
            return name.lstrip("/")
    return ""


@contextmanager
def _affinity(processors: int) -> Iterator[None]:
    if not hasattr(os, "sched_setaffinity"):
        raise RuntimeError("this system lets neither control groups be made nor affinity be set")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:processors])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def as_table(title: str, rates: Rates) -> Table:
    """A row for each work and program."""
    table = Table(title=f"{title} (min / median / max of the rounds)")
    for column in ("work", "program", "tokens/s", "times a thread for every processor"):
        table.add_column(column)
    for work, programs in rates.items():
        for program, found in programs.items():
            times = spread(ratios(found["0"], programs[EVERY]["0"])) if program != EVERY else ""
            table.add_row(work, program, spread(found["0"], 0), times)
    return table


if __name__ == "__main__":
    typer.run(main)
