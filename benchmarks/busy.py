"""`python -m benchmarks.busy`: speed beside other work on the machine, against the quiet machine, one thread and
simple_elmo."""

import platform
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

import spacy_elmo
from spacy_elmo.inputs.reader import Inputs

from . import pretraining
from .__main__ import EWT, HERE, processor, write
from .load import busy
from .model import OPTIONS, SMALL_OPTIONS, make_model
from .peers import PEERS, Process, Sentences, environment, ours
from .report import ratios, spread

DEFAULTS, ONE_THREAD, PEER = "spacy_elmo", "one thread", "simple_elmo"
# What each setting `n_threads` is called; None: its default.
OURS: Mapping[str, int | None] = {DEFAULTS: None, ONE_THREAD: 1}
LEVELS = [0, 1, 2]
WORKS = ["embed", "one sentence", "pipe", "pretrain", "update", "update by one Doc"]
# The best batch of simple_elmo among 32, 64 and 128, and the sentences of a request for one sentence at a time.
PEER_BATCH, N_ONE_BY_ONE = 128, 10
# Docs of a step of fine-tuning.
UPDATE_DOCS = 20
N_AT_ONCE = 4
# By size, program and number of busy processes: tokens/s of each round.
Rates = dict[str, dict[str, dict[str, list[float]]]]
console = Console(width=120)


class Size(NamedTuple):
    """options: of the model. template: what pre-training calls its size. n_sentences: of a request to us, which a
    quiet machine answers in about a second."""

    options: Mapping[str, Any]
    template: str
    n_sentences: int


MODELS = {"en_sm": Size(SMALL_OPTIONS, "sm", 300), "original": Size(OPTIONS, "original", 100)}
NAMES = list(MODELS)


class Program(NamedTuple):
    """name: in tables. request: what a turn repeats."""

    name: str
    process: Process
    request: dict[str, Any]

    def rate(self, seconds: float) -> float:
        """Tokens a second, by as many requests as it takes to be busy so long: at least one."""
        tokens = taken = 0.0
        while True:
            answer = self.process.answer_to(self.request)
            tokens += float(answer["tokens"])
            taken += float(answer["seconds"])
            if taken >= seconds:
                return tokens / taken


def main(
    text: Annotated[Path, typer.Option(help="Sentences: .txt, .jsonl, .conllu or .spacy.")] = EWT,
    training_text: Annotated[Path, typer.Option(help="The same, to pre-train on.")] = pretraining.EWT,
    folder: Annotated[Path, typer.Option(help="Models and environments; kept for the next run.")] = HERE / "build",
    output: Annotated[Path | None, typer.Option(help="Results as JSON.")] = None,
    levels: Annotated[list[int], typer.Option("--busy", help="Busy processes beside; again for more.")] = LEVELS,
    models: Annotated[list[str], typer.Option("--model", help="en_sm or original; again for more.")] = NAMES,
    works: Annotated[list[str], typer.Option("--work", help=", ".join(WORKS) + "; again for more.")] = WORKS,
    n_rounds: Annotated[int, typer.Option(help="Rounds in which every program has its turn.")] = 3,
    seconds: Annotated[float, typer.Option(help="The least that a turn lasts.")] = 1.0,
    peers: Annotated[bool, typer.Option(help="Compare with simple_elmo.")] = True,
    at_once: Annotated[bool, typer.Option(help="Measure four processes at once.")] = True,
) -> None:
    """Measure how much of its speed a program keeps beside processes that multiply matrices on a thread each."""
    sentences: Sentences = [sentence.tokens for sentence in Inputs(text).read() if sentence.tokens]
    python = peer_python(folder) if peers else None
    machine = {"processor": processor(), "threads": torch.get_num_threads(), "platform": platform.platform()}
    results: dict[str, Any] = {"machine": machine, "version": spacy_elmo.__version__, "busy": {}, "at once": {}}
    for name in models:
        size = MODELS[name]
        model = make_model(folder / ("model" if name == "original" else name), size.options)
        own = sentences[: size.n_sentences]
        with ExitStack() as stack:
            programs: dict[str, list[Program]] = {}
            if {"embed", "one sentence"} & set(works):
                programs.update(embedding(stack, model, own, python))
            if "pipe" in works:
                programs["pipe"] = piping(stack, model, own)
            if "pretrain" in works:
                programs["pretrain"] = training(stack, training_text, folder, size.template)
            if {"update", "update by one Doc"} & set(works):
                programs.update(updating(stack, model, own))
            wanted = {work: those for work, those in programs.items() if work in works}
            console.print(f"measuring: {name}")
            rates = measure(wanted, levels=levels, n_rounds=n_rounds, seconds=seconds)
        results["busy"][name] = rates
        console.print(as_table(name, rates))
        write(results, output)
        if at_once:
            results["at once"][name] = found = together(model, own, n_rounds=n_rounds)
            console.print(f"{name}, {N_AT_ONCE} processes: {_at_once(found)}")
            write(results, output)


def peer_python(folder: Path) -> Path | None:
    peer = next(peer for peer in PEERS if peer.name == PEER)
    python = environment(peer, folder)
    if python is None:
        console.print(f"Skipped: {PEER} needs Python {peer.python}, which was not found.")
    return python


def embedding(
    stack: ExitStack, model: Path, sentences: Sentences, python: Path | None
) -> dict[str, list[Program]]:
    """In batches, and one sentence at a time."""
    where: dict[str, Any] = {"model": str(model)}
    processes = {name: ours("fp32", n_threads=n, **where) for name, n in OURS.items()}
    if python is not None:
        threads = torch.get_num_threads()
        processes[PEER] = Process(
            PEER, python, worker="run_simple_elmo.py", threads=threads, largest_batch=PEER_BATCH, **where
        )
    found: dict[str, list[Program]] = {"embed": [], "one sentence": []}
    for name, process in processes.items():
        stack.callback(process.stop)
        many = {"sentences": sentences, "batch_size": len(sentences)}
        if name == PEER:
            many = {"sentences": sentences[:PEER_BATCH], "batch_size": PEER_BATCH}
        few = {"sentences": sentences[:N_ONE_BY_ONE], "batch_size": 1}
        found["embed"].append(Program(name, process, many))
        found["one sentence"].append(Program(name, process, few))
    return found


def piping(stack: ExitStack, model: Path, sentences: Sentences) -> list[Program]:
    request = {"sentences": sentences, "batch_size": len(sentences)}
    found = []
    for name, n_threads in OURS.items():
        process = Process(name, worker="run_pipe.py", pipeline="elmo", model=str(model), n_threads=n_threads)
        stack.callback(process.stop)
        found.append(Program(name, process, request))
    return found


def training(stack: ExitStack, text: Path, folder: Path, size: str) -> list[Program]:
    tokens, vocabulary = pretraining.prepare(text, folder / "pretraining")
    found = []
    for name, n_threads in OURS.items():
        process = pretraining.ours("fp32", tokens, vocabulary, threads=None, n_threads=n_threads, size=size)
        stack.callback(process.stop)
        found.append(Program(name, process, {"batches": 1}))
    return found


def updating(stack: ExitStack, model: Path, sentences: Sentences) -> dict[str, list[Program]]:
    """Steps of fine-tuning, many Docs at a time and one."""
    found: dict[str, list[Program]] = {"update": [], "update by one Doc": []}
    for name, n_threads in OURS.items():
        process = Process(name, worker="run_update.py", model=str(model), n_threads=n_threads)
        stack.callback(process.stop)
        many = {"sentences": sentences[:UPDATE_DOCS], "batch_size": UPDATE_DOCS}
        few = {"sentences": sentences[:2], "batch_size": 1}
        found["update"].append(Program(name, process, many))
        found["update by one Doc"].append(Program(name, process, few))
    return found


def measure(
    programs: Mapping[str, Sequence[Program]], *, levels: Sequence[int], n_rounds: int, seconds: float
) -> Rates:
    """Every program's rates in turns, quiet and beside busy processes; a program that has no turn waits."""
    rates: Rates = {work: {program.name: {} for program in those} for work, those in programs.items()}
    # The first turn makes programs and fills memory.
    for those in programs.values():
        for program in those:
            program.rate(0)
    for number in range(n_rounds):
        for level in levels:
            with busy(level):
                for work, those in programs.items():
                    for program in those:
                        found = rates[work][program.name].setdefault(str(level), [])
                        found.append(program.rate(seconds))
            console.print(f"round {number + 1} of {n_rounds}, beside {level} busy processes")
    return rates


def together(model: Path, sentences: Sentences, *, n_rounds: int) -> dict[str, list[float]]:
    """Seconds that processes take which embed the same text at the same time, and one after the other."""
    request = {"sentences": sentences, "batch_size": len(sentences)}
    seconds: dict[str, list[float]] = {"one after the other": [], "at once": []}
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(N_AT_ONCE))
        processes = [ours("fp32", model=str(model)) for _ in range(N_AT_ONCE)]
        for process in processes:
            stack.callback(process.stop)
            process.answer_to(request)
        for _ in range(n_rounds):
            start = time.perf_counter()
            for process in processes:
                process.answer_to(request)
            middle = time.perf_counter()
            list(pool.map(lambda process: process.answer_to(request), processes))
            seconds["one after the other"].append(middle - start)
            seconds["at once"].append(time.perf_counter() - middle)
    return seconds


def as_table(name: str, rates: Rates) -> Table:
    """A row for each work, number of busy processes, and program."""
    table = Table(title=f"{name}: beside busy processes (min / median / max of the rounds)")
    for column in ("work", "beside", "program", "tokens/s", "of quiet", "times one thread", "times simple_elmo"):
        table.add_column(column, justify="left" if column in ("work", "program") else "right")
    for work, programs in rates.items():
        for level in next(iter(programs.values())):
            for program, found in programs.items():
                others = [found.get("0") if level != "0" else None]
                for other in (ONE_THREAD, PEER):
                    others.append(programs.get(other, {}).get(level) if program not in (other, PEER) else None)
                cells = [spread(ratios(found[level], values)) if values else "" for values in others]
                table.add_row(work, level, program, f"{np.median(found[level]):,.0f}", *cells)
        table.add_section()
    return table


def _at_once(seconds: Mapping[str, Sequence[float]]) -> str:
    times = spread(ratios(seconds["at once"], seconds["one after the other"]))
    return f"at once, of the time one after the other: {times}"


if __name__ == "__main__":
    typer.run(main)
