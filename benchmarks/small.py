"""`python -m benchmarks.small`: the bundled model against its ceiling, and beside spaCy's tok2vec."""

import platform
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

import spacy_elmo
from spacy_elmo.inputs.reader import Inputs

from .__main__ import EWT, processor, write
from .ceiling import precisions
from .compare import rounds
from .model import SMALL_OPTIONS, lstm_flops
from .own import repeated
from .peers import Process, Sentences, ours
from .products import Products
from .report import ratios, shares, spread

MODEL = "en_sm"
DEFAULTS, ONE_THREAD, PRODUCTS = "spacy_elmo", "one thread", "matrix products, one thread"
SHORT_PRODUCTS, LONG_PRODUCTS = "products of 2000", "products of 20000"
TENSOR_ONLY, TOK2VEC = "spacy_elmo, doc.tensor alone", "tok2vec"
TEXT = "The committee that met in the old town hall last week has not yet said when it will decide ."
SENTENCE = TEXT.split(" ")
# Calls of a turn for one sentence; texts of 2,000 tokens, which together are as long as one of 20,000.
N_CALLS, N_SHORT = 50, 10
Values = dict[str, list[float]]
console = Console(width=120)


def main(
    text: Annotated[Path, typer.Option(help="Sentences: .txt, .jsonl, .conllu or .spacy.")] = EWT,
    output: Annotated[Path | None, typer.Option(help="Results as JSON.")] = None,
    n_sentences: Annotated[int, typer.Option(help="Sentences of a batch of texts.")] = 1000,
    n_rounds: Annotated[int, typer.Option(help="Rounds in which everything has its turn.")] = 5,
) -> None:
    """Measure en_sm: in batches, in one call for a sentence, in short and long texts, and in nlp.pipe."""
    sentences: Sentences = [sentence.tokens for sentence in Inputs(text).read() if sentence.tokens]
    machine = {"processor": processor(), "threads": torch.get_num_threads(), "platform": platform.platform()}
    found: dict[str, Any] = {}
    results = {"machine": machine, "version": spacy_elmo.__version__, "small": found}
    for name, measure in (("rounds", in_batches), ("lengths", lengths), ("pipe", pipe)):
        found[name] = measure(sentences, n_sentences=n_sentences, n_rounds=n_rounds)
        write(results, output)
    found["one call"] = one_call(n_rounds=n_rounds)
    write(results, output)
    console.print(shares(found["rounds"], lstm_flops(SMALL_OPTIONS)))
    console.print(as_table(found))


def in_batches(sentences: Sentences, *, n_sentences: int, n_rounds: int) -> dict[str, Any]:
    """Rates in every precision, and the ceilings; see `compare.rounds`."""
    with ExitStack() as stack:
        processes = [ours(precision, model=MODEL) for precision in precisions()]
        text = sentences[:n_sentences]
        for process in processes:
            stack.callback(process.stop)
            process.tokens_per_second(text, len(text))
        sizes = {process.name: len(text) for process in processes}
        threads = torch.get_num_threads()
        return rounds(processes, text, sizes, n_rounds=n_rounds, threads=threads, log=console.print)


def lengths(sentences: Sentences, *, n_sentences: int, n_rounds: int) -> Values:
    """Tokens/s of short texts, one after the other, and of a long one, in turns; and of their products alone."""
    short, long = texts = [repeated(sentences, n_tokens) for n_tokens in (2_000, 20_000)]
    products = [Products(SMALL_OPTIONS, text) for text in texts]
    rates: Values = {"2000": [], "20000": [], SHORT_PRODUCTS: [], LONG_PRODUCTS: []}
    with ExitStack() as stack:
        process = ours("fp32", model=MODEL)
        stack.callback(process.stop)
        process.tokens_per_second(long, len(long))
        for _ in range(n_rounds):
            answers = [process.answer_to({"sentences": short, "batch_size": len(short)}) for _ in range(N_SHORT)]
            rates["2000"].append(sum(a["tokens"] for a in answers) / sum(a["seconds"] for a in answers))
            rates["20000"].append(process.tokens_per_second(long, len(long)))
            for name, own, text, n in zip((SHORT_PRODUCTS, LONG_PRODUCTS), products, texts, (N_SHORT, 1)):
                rates[name].append(sum(map(len, text)) / own.seconds(n))
    return rates


def pipe(sentences: Sentences, *, n_sentences: int, n_rounds: int) -> Values:
    """Tokens/s of `nlp.pipe` over raw text, with this package's component and with spaCy's tok2vec, in turns."""
    text = sentences[:n_sentences]
    with ExitStack() as stack:
        processes = [
            Process(DEFAULTS, worker="run_pipe.py", pipeline="elmo", model=MODEL),
            Process(TENSOR_ONLY, worker="run_pipe.py", pipeline="elmo", model=MODEL, layers=[]),
            Process(TOK2VEC, worker="run_pipe.py", pipeline="tok2vec"),
        ]
        for process in processes:
            stack.callback(process.stop)
            process.tokens_per_second(text, len(text))
        rates: Values = {process.name: [] for process in processes}
        for _ in range(n_rounds):
            for process in processes:
                rates[process.name].append(process.tokens_per_second(text, len(text)))
    return rates


def one_call(*, n_rounds: int) -> Values:
    """Seconds of `nlp(text)` for a sentence of 20 words, and of its matrix products alone, in turns."""
    request = {"sentences": [SENTENCE] * N_CALLS, "batch_size": 1}
    products = Products(SMALL_OPTIONS, [SENTENCE])
    with ExitStack() as stack:
        processes = [
            Process(name, worker="run_pipe.py", pipeline="elmo", model=MODEL, n_threads=n_threads)
            for name, n_threads in ((DEFAULTS, None), (ONE_THREAD, 1))
        ]
        for process in processes:
            stack.callback(process.stop)
            process.answer_to(request)
        products.seconds(N_CALLS)
        seconds: Values = {process.name: [] for process in processes}
        seconds[PRODUCTS] = []
        for _ in range(n_rounds):
            for process in processes:
                seconds[process.name].append(process.answer_to(request)["seconds"] / N_CALLS)
            seconds[PRODUCTS].append(products.seconds(N_CALLS))
    return seconds


def as_table(found: dict[str, Any]) -> Table:
    """A row for each ratio."""
    table = Table(title=f"{MODEL} (min / median / max of the rounds)")
    table.add_column("what")
    table.add_column("measured")
    rates = found["lengths"]
    table.add_row("tokens/s at 2,000 tokens, of those at 20,000", spread(ratios(rates["2000"], rates["20000"])))
    alone = ratios(rates[SHORT_PRODUCTS], rates[LONG_PRODUCTS])
    table.add_row("the same of their matrix products alone, one thread", spread(alone))
    for name in (DEFAULTS, TENSOR_ONLY):
        row = f"nlp.pipe: {name}, of {TOK2VEC}'s tokens/s"
        table.add_row(row, spread(ratios(found["pipe"][name], found["pipe"][TOK2VEC])))
    seconds: Values = found["one call"]
    for name, values in seconds.items():
        row = f"nlp(text) of {len(SENTENCE)} words, ms: {name}"
        table.add_row(row, spread([1000 * value for value in values]))
    rest = [1 - share for share in ratios(seconds[PRODUCTS], seconds[ONE_THREAD])]
    table.add_row("nlp(text), one thread: share that is not matrix products", spread(rest))
    table.add_row(
        "nlp(text), defaults, of one thread's time", spread(ratios(seconds[DEFAULTS], seconds[ONE_THREAD]))
    )
    rate = float(np.median(found["pipe"][TOK2VEC]))
    table.add_row(f"nlp.pipe: {TOK2VEC}, tokens/s", f"{rate:,.0f}")
    return table


if __name__ == "__main__":
    typer.run(main)
