"""Tables of what was measured: ratios within a round, never times of different runs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from .model import lstm_flops


def spread(values: Sequence[float], digits: int = 2) -> str:
    """min / median / max."""
    low, middle, high = (f"{v:.{digits}f}" for v in (min(values), float(np.median(values)), max(values)))
    return f"{low} / {middle} / {high}"


def ratios(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Round by round."""
    return [a / b for a, b in zip(one, other)]


def show(results: dict[str, Any], console: Console) -> None:
    """Print all tables."""
    if "rounds" in results:
        for what in ("batches", "one by one"):
            console.print(_speeds(results["rounds"], what, results["batch sizes"]))
        console.print(shares(results["rounds"]))
    if "differences" in results:
        console.print(_differences(results["differences"]))
    if "own" in results:
        console.print(_own(results["own"]))


def _speeds(found: dict[str, Any], what: str, sizes: dict[str, int]) -> Table:
    rates: dict[str, list[float]] = found[what]
    peers = [name for name in rates if not name.startswith("spacy_elmo")]
    table = Table(title=f"{what}: tokens/s, and ratios to peers (min / median / max of the rounds)")
    table.add_column("program")
    table.add_column("tokens/s", justify="right")
    for peer in peers:
        table.add_column(f"times {peer}", justify="right")
    for name, values in rates.items():
        size = f" ({sizes[name]} a batch)" if what == "batches" and name in peers else ""
        cells = [spread(ratios(values, rates[peer])) for peer in peers]
        table.add_row(name + size, spread(values, 0), *cells)
    return table


def shares(found: dict[str, Any], flops: int | None = None) -> Table:
    """How much of the time the LSTMs' operations would take at the ceiling, of the time taken.

    flops: of a token; None: of the published model.
    """
    flops = lstm_flops() if flops is None else flops
    table = Table(title="share of the ceiling (min / median / max of the rounds)")
    for column in ("precision", "ceiling", "LSTM operations of all tokens, at the ceiling, of the time taken"):
        table.add_column(column)
    for precision in ("fp32", "bf16", "int8"):
        rates = found["batches"].get(f"spacy_elmo {precision}")
        if rates:
            limits = [limit[f"{precision} GFLOP/s"] for limit in found["ceilings"]]
            found_shares = [rate * flops / 1e9 / limit for rate, limit in zip(rates, limits)]
            table.add_row(precision, f"{spread(limits, 0)} GFLOP/s", spread(found_shares))
    reading = [limit["reading GB/s"] for limit in found["ceilings"]]
    table.add_row("reading memory", f"{spread(reading, 1)} GB/s", "")
    return table


def _differences(found: dict[str, Any]) -> Table:
    table = Table(title="how far outputs are apart, layer by layer")
    for column in ("pair", "max abs", "1 - min cosine", "1 - mean cosine"):
        table.add_column(column)
    for pair, numbers in found.items():
        table.add_row(
            pair,
            " ".join(f"{v:.1e}" for v in numbers["max abs"]),
            " ".join(f"{1 - v:.1e}" for v in numbers["min cosine"]),
            " ".join(f"{1 - v:.1e}" for v in numbers["mean cosine"]),
        )
    return table


def _own(found: dict[str, Any]) -> Table:
    table = Table(title="this package alone")
    table.add_column("what")
    table.add_column("measured")
    if "scale" in found:
        base = float(np.median(found["scale"]["20000"]))
        for n_tokens, rates in found["scale"].items():
            text = spread([rate / base for rate in rates])
            table.add_row(f"tokens/s at {int(n_tokens):,} tokens, of the median at 20,000", text)
    if "pipe" in found:
        table.add_row(
            "nlp.pipe over raw text, of Elmo.embed", spread(ratios(found["pipe"]["pipe"], found["pipe"]["embed"]))
        )
    for name in ("loading hdf5", "loading folder"):
        if name in found:
            table.add_row(
                f"{name}: add_pipe to first vector",
                f"{found[name]['seconds']:.2f} s, peak memory + {found[name]['peak_mib']:.0f} MiB",
            )
    for precision, shares in found.get("breakdown", {}).items():
        table.add_row(f"time of {precision}, on one thread", ", ".join(f"{n} {s:.0%}" for n, s in shares.items()))
    if "long" in found:
        long = found["long"]
        table.add_row(
            "a Doc of 100,000 tokens without boundaries",
            f"peak memory + {long['peak_mib']:.0f} MiB, of which doc.tensor {long['doc_tensor_mib']:.0f} MiB",
        )
    return table
