"""`python -m benchmarks.pretraining`: speed of training, against bilm-tf's trainer as simple_elmo has it."""

import json
import platform
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table

from spacy_elmo.inputs.reader import Inputs
from spacy_elmo.language_model.vocabulary import Vocabulary
from spacy_elmo.pretraining.config import SIZES
from spacy_elmo.util.atomic import atomic_write

from .__main__ import processor
from .peers import PEERS, Process, environment
from .report import ratios, spread

HERE = Path(__file__).parent
EWT = HERE.parent.parent / "shared" / "corpora" / "ud_ewt" / "en_ewt-ud-train.conllu"
ROWS, STEPS, SAMPLES, DROPOUT = 128, 20, 4096, 0.1
console = Console(width=120)


def main(
    text: Annotated[Path, typer.Option(help="Sentences: .txt, .jsonl, .conllu or .spacy.")] = EWT,
    folder: Annotated[Path, typer.Option(help="Text, vocabulary, environments.")] = HERE / "build",
    output: Annotated[Path | None, typer.Option(help="Results as JSON.")] = None,
    n_batches: Annotated[int, typer.Option(help="Batches of a program's turn.")] = 6,
    n_rounds: Annotated[int, typer.Option(help="Rounds in which every program has its turn.")] = 5,
) -> None:
    """Train the bundled model's sizes on the same text by both trainers in turns: the same rows, steps, negative
    samples, dropout, optimizer (Adagrad) and loss (sampled softmax in both directions)."""
    threads = torch.get_num_threads()
    tokens, vocabulary = prepare(text, folder / "pretraining")
    own = [ours(precision, tokens, vocabulary, threads) for precision in ("fp32", "bf16")]
    processes = [*own]
    peer = next(peer for peer in PEERS if peer.name == "simple_elmo")
    python = environment(peer, folder)
    if python is None:
        console.print(f"Skipped: {peer.name} needs Python {peer.python}, which was not found.")
    else:
        processes.append(theirs(python, tokens, vocabulary, threads))
    rates: dict[str, list[float]] = {process.name: [] for process in processes}
    for number in range(n_rounds + 1):
        for process in processes:
            rate = process.ask({"batches": n_batches})
            # The first round makes programs and fills memory.
            if number:
                rates[process.name].append(rate)
                console.print(f"round {number}, {process.name}: {rate:,.0f} tokens/s")
    profiled = {"batches": n_batches, "profile": True}
    shares = {process.name: float(process.answer_to(profiled)["products"]) for process in own}
    for process in processes:
        process.stop()
    show(rates)
    for name, share in shares.items():
        console.print(f"{name}: {share:.0%} of the time are matrix products and convolutions")
    if output is not None:
        machine = {"processor": processor(), "threads": threads, "platform": platform.platform()}
        with atomic_write(output) as temporary:
            temporary.write_text(
                json.dumps({"machine": machine, "tokens per second": rates, "share of products": shares}, indent=2)
                + "\n"
            )


def prepare(text: Path, folder: Path) -> tuple[Path, Path]:
    """The text, a tokenised sentence a line, and its vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    sentences = [sentence.tokens for sentence in Inputs(text).read() if sentence.tokens]
    tokens, words = folder / "text.txt", folder / "vocab.txt"
    with atomic_write(tokens) as temporary:
        temporary.write_text("".join(" ".join(sentence) + "\n" for sentence in sentences), "utf-8")
    counts: dict[str, int] = {}
    for sentence in sentences:
        for token in sentence:
            counts[token] = counts.get(token, 0) + 1
    Vocabulary.from_counts(list(counts), list(counts.values())).write(words)
    return tokens, words


def ours(
    precision: str,
    text: Path,
    vocabulary: Path,
    threads: int | None,
    n_threads: int | None = None,
    *,
    size: str = "sm",
) -> Process:
    """threads: that torch is told; None: its own choice. n_threads: the setting; None: its default. size: of the
    model, one of the template's."""
    config: dict[str, Any] = {
        "corpus": {"train": str(text)},
        "vocabulary": {"path": str(vocabulary)},
        "model": {"options": SIZES[size]},
        "softmax": {"kind": "sampled", "n_samples": SAMPLES},
        "optimizer": {"name": "adagrad", "learn_rate": 0.2, "warmup_steps": 0, "decay": 0.0},
        "training": {
            "n_rows": ROWS, "n_steps": STEPS, "dropout": DROPOUT, "precision": precision, "n_epochs": 1000,
            "n_threads": n_threads,
        },
    }  # fmt: skip
    name = f"spacy_elmo {precision}"
    return Process(name, worker="train_spacy_elmo.py", config=config, threads=threads)


def theirs(python: Path, text: Path, vocabulary: Path, threads: int) -> Process:
    options = {
        **SIZES["sm"],
        "bidirectional": True, "dropout": DROPOUT, "all_clip_norm_val": 10.0, "n_epochs": 1000,
        "n_train_tokens": 1_000_000, "batch_size": ROWS, "unroll_steps": STEPS,
        "n_tokens_vocab": len(Vocabulary.read(vocabulary)), "n_negative_samples_batch": SAMPLES,
        "learning_rate": 0.2,
    }  # fmt: skip
    where: dict[str, Any] = {"text": str(text), "vocabulary": str(vocabulary), "threads": threads}
    return Process("simple_elmo", python, worker="train_simple_elmo.py", options=options, **where)


def show(rates: dict[str, list[float]]) -> None:
    table = Table(title="pre-training (min / median / max of the rounds)")
    for column in ("program", "tokens/s", "times simple_elmo"):
        table.add_column(column, justify="right" if column != "program" else "left")
    for name, values in rates.items():
        times = spread(ratios(values, rates["simple_elmo"])) if "simple_elmo" in rates else ""
        table.add_row(name, spread(values, 0), times)
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
