"""`python -m benchmarks.gpu.pretraining`: what a batch of pre-training costs on a GPU, and what it could cost."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from spacy_elmo.bilm.characters import OFFSET, PADDING
from spacy_elmo.bilm.options import Options
from spacy_elmo.gpu import support
from spacy_elmo.gpu.training_graphs import Graphs
from spacy_elmo.language_model.corpus import Corpus
from spacy_elmo.language_model.streams import Order, Streams
from spacy_elmo.language_model.vocabulary import Vocabulary
from spacy_elmo.language_model.word_types import encode_types
from spacy_elmo.pretraining.config import SIZES, check_config
from spacy_elmo.pretraining.distributed import Processes
from spacy_elmo.pretraining.start import create_model
from spacy_elmo.pretraining.trainer import Trainer
from spacy_elmo.util.atomic import atomic_write

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# How the steps of a layer are done: as one graph, kernel by kernel, or by torch's own operators.
WAYS = ("graphs", "kernels", "torch")
console = Console(width=150)


def main(
    output: Annotated[Path | None, typer.Option(help="Results as JSON.")] = None,
    device: Annotated[str, typer.Option(help="cuda, or cpu to try this out.")] = "cuda",
    batches: Annotated[int, typer.Option(help="Batches of a measurement.")] = 30,
    rows: Annotated[str, typer.Option(help="Rows of a batch; the first for all comparisons.")] = "128,512",
    steps: Annotated[int, typer.Option(help="Steps of a batch.")] = 20,
    samples: Annotated[int, typer.Option(help="Candidates of the sampled softmax.")] = 4096,
    words: Annotated[int, typer.Option(help="Words of the text and of the softmax.")] = 50_000,
    sizes: Annotated[str, typer.Option(help="Of the models.")] = "sm,original",
) -> None:
    """Train models of random weights on random words, as frequent as those of a text are."""
    on_gpu = device == "cuda"
    ceilings = {precision: ceiling(dtype, device) for precision, dtype in DTYPES.items()}
    corpus, vocabulary = text(words)
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "torch": torch.__version__,
        "ceiling TFLOP/s": ceilings,
        "runs": [],
    }
    for name in sizes.split(","):
        for k, n_rows in enumerate(map(int, rows.split(","))):
            trainer = make(name, corpus, vocabulary, device=device, n_rows=n_rows, n_steps=steps, samples=samples)
            flops = flops_of(trainer)
            for precision in DTYPES:
                # Other ways to compare with, once.
                for way in WAYS if on_gpu and k == 0 else WAYS[:1]:
                    run: dict[str, Any] = {"size": name, "rows": n_rows, "precision": precision, "way": way}
                    run.update(measure(trainer, precision, way, batches))
                    run["TFLOP of a batch"] = {part: value / 1e12 for part, value in flops.items()}
                    run["TFLOP/s"] = sum(flops.values()) / run["ms a batch"] / 1e9
                    run["share of ceiling"] = run["TFLOP/s"] / ceilings[precision]
                    if way == WAYS[0]:
                        run["profile"] = profiled(trainer, on_gpu)
                    results["runs"].append(run)
                    line = {key: value for key, value in run.items() if key not in ("profile", "TFLOP of a batch")}
                    console.print(line)
            del trainer
            if on_gpu:
                torch.cuda.empty_cache()
            write(results, output)
    show(results)


def text(n_words: int) -> tuple[Corpus, Vocabulary]:
    """Sentences of 22 words on average; the word of rank k is as frequent as 1 / (k + 3), and frequent words are
    short, as in English."""
    rng = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    lengths = np.clip(rng.normal(1.5 + 0.65 * np.log(np.arange(n_words) + 2), 1.5), 1, 40).astype(int)
    names = [f"{''.join(rng.choice(letters, length))}{k:x}" for k, length in enumerate(lengths)]
    chances = 1 / (np.arange(n_words) + 3)
    sizes = rng.integers(4, 41, 12_000)
    numbers = rng.choice(n_words, sizes.sum(), p=chances / chances.sum()).astype(np.int32)
    corpus = Corpus(names, numbers, np.cumsum(sizes, dtype=np.int64))
    return corpus, Vocabulary.from_counts(names, corpus.count_types().tolist(), min_count=0)


def make(
    size: str, corpus: Corpus, vocabulary: Vocabulary, *, device: str, n_rows: int, n_steps: int, samples: int
) -> Trainer:
    """With the settings that a config has by default, but for sizes."""
    config = check_config(
        {
            "corpus": {"train": ["none"]},
            "model": {"options": SIZES[size]},
            "softmax": {"n_samples": samples},
            "training": {"n_rows": n_rows, "n_steps": n_steps, "device": device},
        }
    )
    options = Options.from_dict(SIZES[size])
    torch.manual_seed(0)
    model = create_model(options, config, n_words=len(vocabulary)).to(device)
    streams = Streams(corpus, Order(len(corpus), seed=0), n_rows=n_rows)
    types = encode_types(corpus.types, options, vocabulary)
    return Trainer(model, streams, types, config=config, n_batches=1_000_000, processes=Processes())


def flops_of(trainer: Trainer) -> dict[str, float]:
    """Of the matrix products of a batch: 2 for each number of a matrix and row. Backward, each product of the
    forward pass has two of its size: 3 times the forward pass. Padding is left out, and what is no product."""
    lstm, cnn = trainer.model.bilm.options.lstm, trainer.model.bilm.options.char_cnn
    training = trainer.config.training
    rows = training.n_rows * training.n_steps
    types, characters = batch_types(trainer)
    # Both directions: gates from inputs and state, 4C numbers each from 2P; the projection, P from C.
    layer = 2 * rows * 2 * (4 * lstm.dim * 2 * lstm.projection_dim + lstm.dim * lstm.projection_dim)
    # A window at each character, marks included, and one of padding.
    windows = characters + types
    filters = sum(2 * width * cnn.embedding_dim * number for width, number in cnn.filters)
    highway = cnn.n_highway * 2 * 2 * cnn.n_filters**2
    encoder = windows * filters + types * (highway + 2 * cnn.n_filters * lstm.projection_dim)
    # Both directions: a score for each candidate and the target.
    softmax = 2 * rows * 2 * lstm.projection_dim * (trainer.config.softmax.n_samples + 1)
    return {"lstm": 3.0 * lstm.n_layers * layer, "encoder": 3.0 * encoder, "softmax": 3.0 * softmax}


def batch_types(trainer: Trainer, n: int = 5) -> tuple[float, float]:
    """Word types of a batch, and their characters, on average."""
    found = []
    for _ in range(n):
        ids = trainer.types.encode(trainer.streams.take(trainer.config.training.n_steps), slice(None))[0]
        found.append((len(ids), int((ids != PADDING + OFFSET).sum())))
    types, characters = np.mean(found, axis=0)
    return float(types), float(characters)


def measure(trainer: Trainer, precision: str, way: str, n: int) -> dict[str, float]:
    """Time of a batch; of it, what the processor needs to give the GPU its work."""
    trainer.model.dtype = DTYPES[precision]
    trainer.model.graphs = Graphs() if way == "graphs" else None
    usable = support.usable
    if way == "torch":
        support.usable = lambda device: False
    try:
        for _ in range(4):
            trainer.train_batch()
        wait(trainer.device)
        if trainer.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        for _ in range(n):
            trained = trainer.train_batch()
        issued = time.perf_counter() - start
        wait(trainer.device)
        seconds = time.perf_counter() - start
    finally:
        support.usable = usable
    training = trainer.config.training
    return {
        "tokens/s": training.n_rows * training.n_steps * n / seconds,
        "ms a batch": seconds / n * 1e3,
        "ms of the host": issued / n * 1e3,
        "GiB at most": torch.cuda.max_memory_allocated() / 2**30 if trainer.device.type == "cuda" else 0.0,
        "loss": float(trained.losses.mean()),
    }


def profiled(trainer: Trainer, on_gpu: bool, n: int = 3) -> dict[str, Any]:
    """Where the time of a batch goes: kernels by what they take, and calls by which the processor waits."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiler:
        for _ in range(n):
            trainer.train_batch()
        wait(trainer.device)
    milliseconds: Counter[str] = Counter()
    launches: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for event in profiler.key_averages():
        if event.key.startswith("Optimizer."):
            # A range around kernels that are here by themselves.
            continue
        if not on_gpu:
            milliseconds[event.key] += event.self_cpu_time_total / n / 1e3
            launches[event.key] += event.count / n
        elif event.device_type == DeviceType.CUDA:
            milliseconds[event.key] += event.self_device_time_total / n / 1e3
            launches[event.key] += event.count / n
        elif event.key.startswith("cuda"):
            calls[event.key] += event.count / n
    parts: Counter[str] = Counter()
    for key, value in milliseconds.items():
        parts[part_of(key)] += value
    return {
        "ms busy": sum(milliseconds.values()),
        "kernels": sum(launches.values()),
        "parts": dict(parts.most_common()),
        "top": [
            {"kernel": key[:110], "ms": value, "launches": launches[key]}
            for key, value in milliseconds.most_common(25)
        ],
        "calls": dict(calls.most_common()),
    }


def part_of(kernel: str) -> str:
    """What a kernel is for, by its name."""
    return next((part for part, names in PARTS.items() if any(name in kernel for name in names)), "others")


PARTS = {
    "gates": ("gates_forward", "gates_backward"),
    "clips and states": ("hidden_forward", "hidden_backward"),
    "matrix products": ("gemm", "nvjet", "cutlass", "splitKreduce", "cublas", "aten::mm", "aten::bmm"),
    "optimizer": ("FusedAdam", "adam", "multi_tensor_apply", "lpnorm"),
    "copies": ("Memcpy", "Memset", "copy", "Fill", "CatArray"),
    "reductions": ("reduce", "softmax", "Softmax"),
    "rows by number": ("index", "scatter", "gather", "embedding", "Sort", "unfold"),
    "other arithmetic": ("elementwise",),
}


def ceiling(dtype: torch.dtype, device: str) -> float:
    """TFLOP/s of one large product, the best of some."""
    n, tries = (8192, 20) if device == "cuda" else (512, 3)
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    best = float("inf")
    for _ in range(3):
        torch.mm(a, b, out=out)
        wait(torch.device(device))
        start = time.perf_counter()
        for _ in range(tries):
            torch.mm(a, b, out=out)
        wait(torch.device(device))
        best = min(best, (time.perf_counter() - start) / tries)
    return 2 * n**3 / best / 1e12


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def write(results: dict[str, Any], output: Path | None) -> None:
    """What there is so far: the next model may not fit."""
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(output) as temporary:
            temporary.write_text(json.dumps(results, indent=2) + "\n", "utf-8")


def show(results: dict[str, Any]) -> None:
    table = Table(title=f"pre-training on {results['device']}, ceiling {results['ceiling TFLOP/s']} TFLOP/s")
    names = ("size", "rows", "precision", "way", "tokens/s", "ms a batch", "ms of the host", "TFLOP/s")
    for column in (*names, "share of ceiling"):
        table.add_column(column, justify="right")
    for run in results["runs"]:
        cells = (f"{run[name]:,.1f}" if isinstance(run[name], float) else str(run[name]) for name in names)
        table.add_row(*cells, f"{run['share of ceiling']:.1%}")
    console.print(table)
    for run in results["runs"]:
        if "profile" in run:
            found = run["profile"]
            console.print(
                f"{run['size']} {run['rows']} {run['precision']}: {found['kernels']:,.0f} kernels a batch"
            )
            console.print({key: found[key] for key in ("ms busy", "parts", "calls")})
            for line in found["top"][:14]:
                console.print(f"  {line['ms']:8.3f} ms {line['launches']:6.0f} x {line['kernel']}", markup=False)


if __name__ == "__main__":
    typer.run(main)
