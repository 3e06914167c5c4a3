"""`python -m benchmarks.sequences`: proteins through a model of SeqVec's size, single ones and many."""

import json
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

import spacy_elmo
from spacy_elmo.cli.embedding import order
from spacy_elmo.cli.embedding.embed_settings import SEQUENCE_BATCH_TOKENS, EmbedSettings
from spacy_elmo.cli.embedding.embedder import FileEmbedder

from .__main__ import HERE, processor, write
from .model import make_model
from .report import ratios, spread
from .startup import run

# SeqVec's own, as they were published: bilm-tf's training form.
SEQVEC: dict[str, Any] = json.loads((HERE.parent / "tests" / "seqvec" / "options.json").read_text("utf-8"))
RESIDUES = [*"ACDEFGHIKLMNPQRSTVWY"]
# The first is what a process takes anyway; the last is that of the longest proteins.
LENGTHS = (10, 2_000, 35_000)
# Of proteins: as many are shorter as longer than 270, and few have thousands.
MEAN, DEVIATION, LEAST, MOST = 5.6, 0.75, 30, 5_000
# Ways to run many: whether sorted by length, and tokens of a batch; the last is that of the command.
WAYS: dict[str, tuple[bool, int | None]] = {
    "in the order of the file, 8,192 tokens a batch": (False, None),
    "by length, 8,192 tokens a batch": (True, None),
    f"by length, {SEQUENCE_BATCH_TOKENS:,} tokens a batch": (True, SEQUENCE_BATCH_TOKENS),
}


def main(
    folder: Annotated[Path, typer.Option(help="The model; kept for the next run.")] = HERE / "build",
    output: Annotated[Path | None, typer.Option(help="Results as JSON.")] = None,
    n_sequences: Annotated[int, typer.Option(help="Sequences of all lengths.")] = 200,
    n_rounds: Annotated[int, typer.Option(help="Rounds in which every way has its turn.")] = 3,
    precision: Annotated[str, typer.Option(help="As for `spacy-elmo embed`.")] = "fp32",
) -> None:
    """Embed single proteins, each in a process of its own, and a FASTA file of many."""
    console = Console(width=120)
    model = make_model(folder / "seqvec_size", SEQVEC)
    results: dict[str, Any] = {
        "machine": {"processor": processor(), "threads": torch.get_num_threads(), "platform": platform.platform()},
        "versions": {"spacy_elmo": spacy_elmo.__version__, "torch": torch.__version__},
        "precision": precision,
        "single": measure_single(model, precision),
    }
    write(results, output)
    console.print(show_single(results["single"]))
    results["many"] = measure_many(model, precision, make_lengths(n_sequences), n_rounds)
    write(results, output)
    console.print(show_many(results["many"]))


def write_fasta(path: Path, lengths: Sequence[int]) -> Path:
    """Write random sequences of these lengths. RETURNS: the file."""
    random = np.random.default_rng(20190613)
    with path.open("w", encoding="utf-8") as file:
        for number, length in enumerate(lengths):
            file.write(f">s{number}\n{''.join(random.choice(RESIDUES, length))}\n")
    return path


def make_lengths(n_sequences: int) -> list[int]:
    """Lengths as of proteins, in no order."""
    random = np.random.default_rng(20190613)
    lengths: list[int] = (
        np.clip(np.exp(random.normal(MEAN, DEVIATION, n_sequences)), LEAST, MOST).astype(int).tolist()
    )
    return lengths


def measure_single(model: Path, precision: str) -> list[dict[str, float]]:
    """Seconds and peak memory of a process for each length, and the size of the vectors that it writes."""
    width, found = 2 * SEQVEC["lstm"]["projection_dim"], []
    with TemporaryDirectory() as name:
        for length in LENGTHS:
            path = write_fasta(Path(name) / f"{length}.fasta", [length])
            more = ["-o", f"{path}.h5", "-q", "--precision", precision]
            spent = run(["-m", "spacy_elmo", "embed", str(path), "-s", str(model), *more])
            found.append({"length": length, "vectors_mib": length * width * 4 / 2**20, **spent._asdict()})
    return found


def measure_many(model: Path, precision: str, lengths: Sequence[int], n_rounds: int) -> dict[str, Any]:
    """Residues per second of wall time and of processor time, for each way in turns."""
    found: dict[str, dict[str, list[float]]] = {name: {"wall": [], "processor": []} for name in WAYS}
    held = order.HELD_BYTES
    with TemporaryDirectory() as name:
        path = write_fasta(Path(name) / "many.fasta", lengths)
        embedders = {
            name: FileEmbedder(
                EmbedSettings(source=str(model), precision=precision, max_batch_tokens=tokens), "h5"
            )
            for name, (_, tokens) in WAYS.items()
        }
        try:
            for _ in range(n_rounds):
                for name, (by_length, _) in WAYS.items():
                    # Without room for a second sequence, each is a window alone.
                    order.HELD_BYTES = held if by_length else 1
                    start, spent = time.perf_counter(), time.process_time()
                    embedders[name].embed(embedders[name].open(path), path.with_suffix(".h5"), lambda *_: None)
                    found[name]["wall"].append(sum(lengths) / (time.perf_counter() - start))
                    found[name]["processor"].append(sum(lengths) / (time.process_time() - spent))
        finally:
            order.HELD_BYTES = held
    return {"n_sequences": len(lengths), "n_residues": sum(lengths), "longest": max(lengths), "ways": found}


def show_single(single: Sequence[dict[str, float]]) -> Table:
    """What more a longer sequence takes than the shortest, of the size of what is written."""
    table = Table(title="one sequence, in a process of its own (layers summed, to HDF5)")
    for column in ("residues", "seconds", "peak memory, MiB", "more than the first, of the vectors' size"):
        table.add_column(column, justify="right")
    base = single[0]
    for one in single:
        more = (one["mib"] - base["mib"]) / one["vectors_mib"]
        table.add_row(
            f"{one['length']:,}", f"{one['seconds']:.0f}", f"{one['mib']:,.0f}", f"{more:.1f}" if more else ""
        )
    return table


def show_many(many: dict[str, Any]) -> Table:
    """Speeds of all ways, as ratios of a round to the first way."""
    title = (
        f"{many['n_sequences']:,} sequences, {many['n_residues']:,} residues (min / median / max of the rounds)"
    )
    table = Table(title=title)
    for column in ("way", "residues/s", "of the first way, wall time", "of the first way, processor time"):
        table.add_column(column, justify="left" if column == "way" else "right")
    first = next(iter(many["ways"].values()))
    for name, rates in many["ways"].items():
        times = [spread(ratios(rates[what], first[what])) for what in ("wall", "processor")]
        table.add_row(name, spread(rates["wall"], 0), *times)
    return table


if __name__ == "__main__":
    typer.run(main)
