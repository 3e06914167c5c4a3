"""One command: makes the model and the peers' environments, measures all in turns, prints ratios, writes JSON."""

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

import spacy_elmo
from spacy_elmo.inputs.reader import Inputs
from spacy_elmo.util.atomic import atomic_write

from . import own, report
from .ceiling import precisions
from .compare import N_COMPARED, best_batch_size, distances, outputs, rounds
from .model import make_model
from .peers import PEERS, Peer, Process, Sentences, environment, ours

HERE = Path(__file__).parent
EWT = HERE.parent.parent / "shared" / "corpora" / "ud_ewt" / "en_ewt-ud-dev.conllu"
BATCH_SIZES = (32, 64, 128)
console = Console(width=120)


def main(
    text: Annotated[Path, typer.Option(help="Sentences: .txt, .jsonl, .conllu or .spacy.")] = EWT,
    folder: Annotated[Path, typer.Option(help="Model and environments; kept for the next run.")] = HERE / "build",
    output: Annotated[Path | None, typer.Option(help="Results as JSON.")] = None,
    n_sentences: Annotated[int, typer.Option(help="Sentences that all programs embed.")] = 500,
    n_rounds: Annotated[int, typer.Option(help="Rounds in which every program has its turn.")] = 5,
    peers: Annotated[bool, typer.Option(help="Compare with peers, not with ceilings and float64 alone.")] = True,
    alone: Annotated[bool, typer.Option(help="Measure what concerns this package alone.")] = True,
) -> None:
    """Measure spacy_elmo, and its peers in turns with it."""
    threads = torch.get_num_threads()
    sentences: Sentences = [sentence.tokens for sentence in Inputs(text).read() if sentence.tokens]
    model = make_model(folder / "model")
    results: dict[str, Any] = {
        "machine": {"processor": processor(), "threads": threads, "platform": platform.platform()},
        "versions": {"spacy_elmo": spacy_elmo.__version__, "torch": torch.__version__},
        "text": {
            "file": text.name,
            "n_sentences": n_sentences,
            "n_tokens": sum(map(len, sentences[:n_sentences])),
        },
    }
    others = PEERS if peers else ()
    results.update(compared(model, folder, sentences[:n_sentences], others, threads=threads, n_rounds=n_rounds))
    write(results, output)
    if alone:
        results["own"] = measured_alone(model, folder, sentences)
        write(results, output)
    report.show(results, console)


def write(results: dict[str, Any], output: Path | None) -> None:
    """What there is so far: the next part may take long, or fail."""
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(output) as temporary:
            temporary.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
        console.print(f"Written: {output}")


def compared(
    model: Path, folder: Path, sentences: Sentences, peers: Sequence[Peer], *, threads: int, n_rounds: int
) -> dict[str, Any]:
    """Speeds of all programs, and how far apart what they give is."""
    options: dict[str, Any] = {"model": str(model), "threads": threads, "largest_batch": max(BATCH_SIZES)}
    processes = [ours(precision, **options) for precision in precisions()]
    for peer in peers:
        python = environment(peer, folder)
        if python is None:
            console.print(f"Skipped: {peer.name} needs Python {peer.python}, which was not found.")
        else:
            processes.append(Process(peer.name, python, worker=peer.worker, **options))
    # Ours has batches of its own: it is given all sentences at once.
    sizes = {process.name: len(sentences) for process in processes}
    for process in processes:
        if not process.name.startswith("spacy_elmo"):
            sizes[process.name] = best_batch_size(process, sentences, BATCH_SIZES)
        process.tokens_per_second(sentences, sizes[process.name])
    exact = ours("fp64", **options)
    sizes[exact.name] = N_COMPARED
    arrays = {
        process.name: outputs(process, sentences[:N_COMPARED], min(sizes[process.name], N_COMPARED), folder)
        for process in [exact, *processes]
    }
    exact.stop()
    found = rounds(processes, sentences, sizes, n_rounds=n_rounds, threads=threads, log=console.print)
    for process in processes:
        process.stop()
    return {
        "programs": {process.name: process.about for process in processes},
        "batch sizes": sizes,
        "rounds": found,
        "differences": differences(arrays),
    }


def differences(arrays: dict[str, list[Any]]) -> dict[str, Any]:
    """Everything against float64, and our float32 against each peer."""
    found = {
        f"{name} to float64": distances(got, arrays["spacy_elmo fp64"])
        for name, got in arrays.items()
        if name != "spacy_elmo fp64"
    }
    for name, got in arrays.items():
        if not name.startswith("spacy_elmo"):
            found[f"spacy_elmo fp32 to {name}"] = distances(arrays["spacy_elmo fp32"], got)
    return found


def measured_alone(model: Path, folder: Path, sentences: Sentences) -> dict[str, Any]:
    own_folder = folder / "own_model"
    if not own_folder.exists():
        spacy_elmo.load(model).save(own_folder)
    found: dict[str, Any] = {}
    for name, measure, source in (
        ("loading hdf5", "loading", model),
        ("loading folder", "loading", own_folder),
        ("pipe", "pipe", own_folder),
        ("breakdown", "breakdown", own_folder),
        ("scale", "scale", own_folder),
        ("long", "long", own_folder),
    ):
        console.print(f"measuring: {name}")
        found[name] = own.measure(measure, source, sentences)
    return found


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    typer.run(main)
