"""`python -m benchmarks.serve`: what HTTP and JSON add to `Elmo.embed`, for one client and for several."""

import json
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.server.app import create_app
from spacy_elmo.server.http_server import HttpServer, open_socket
from spacy_elmo.server.limits import Limits
from spacy_elmo.server.served_model import serve_elmo
from spacy_elmo.splitter import make_splitter

from .__main__ import HERE, processor, write
from .report import ratios, spread

HOST = "127.0.0.1"
TEXT = HERE.parent / "assets" / "gettysburg.txt"
# Sentences of a request: a search query, what is typed into the page, a document.
SIZES = {"1 sentence": 1, "3 sentences": 3, "30 sentences": 30}
LAYERS: dict[str, Any] = {"elmo": ["elmo"], "all": "*"}
CLIENTS = (1, 8)
# Seconds that each way is measured in a round.
SECONDS = 1.0


def main(
    source: Annotated[str, typer.Option(help="The model.")] = "en_sm",
    output: Annotated[Path | None, typer.Option(help="Results as JSON.")] = None,
    n_rounds: Annotated[int, typer.Option(help="Rounds in which every way has its turn.")] = 5,
) -> None:
    """Embed the same sentences over HTTP and in Python, in one process."""
    elmo = spacy_elmo.load(source)
    sentences = [line.split() for line in TEXT.read_text("utf-8").splitlines()]
    results: dict[str, Any] = {
        "machine": {"processor": processor(), "threads": torch.get_num_threads(), "platform": platform.platform()},
        "versions": {"spacy_elmo": spacy_elmo.__version__, "torch": torch.__version__},
        "source": source,
        "requests": measure(elmo, sentences, n_rounds),
    }
    write(results, output)
    Console(width=140).print(show(results["requests"]))


@contextmanager
def run_server(elmo: Elmo) -> Iterator[int]:
    """Serve the model in a thread. YIELDS: the port."""
    limits, started = Limits(), threading.Event()
    model = serve_elmo(elmo, source="benchmark", nlp=make_splitter("en"))
    server = HttpServer(create_app(model, limits=limits), limits=limits, report_start=started.set)
    listener = open_socket(HOST, 0)
    port: int = listener.getsockname()[1]
    thread = threading.Thread(target=server.run_on, args=[listener])
    thread.start()
    started.wait()
    try:
        yield port
    finally:
        server.stop()
        thread.join()


def measure(elmo: Elmo, sentences: Sequence[list[str]], n_rounds: int) -> dict[str, Any]:
    """Requests per second of `Elmo.embed` and of clients, for each size and choice of layers, in turns."""
    found: dict[str, Any] = {}
    with run_server(elmo) as port:
        for size, n_sentences in SIZES.items():
            batch = [sentences[k % len(sentences)] for k in range(n_sentences)]
            for name, layers in LAYERS.items():
                body = json.dumps({"tokens": batch, "layers": layers}).encode()
                ways: dict[str, list[float]] = {"Elmo.embed": []}
                ways |= {f"{count} clients": [] for count in CLIENTS}
                n_bytes = 0
                for _ in range(n_rounds):
                    ways["Elmo.embed"].append(count_calls(partial(elmo.embed, batch, layers=layers)))
                    for count in CLIENTS:
                        rate, n_bytes = ask(port, body, count)
                        ways[f"{count} clients"].append(rate)
                found[f"{size}, {name}"] = {"tokens": sum(map(len, batch)), "bytes": n_bytes, "ways": ways}
    return found


def count_calls(call: Callable[[], object]) -> float:
    """Call for some time, and once before. RETURNS: calls per second."""
    call()
    number, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < SECONDS:
        call()
        number += 1
    return number / spent


def ask(port: int, body: bytes, n_clients: int) -> tuple[float, int]:
    """Clients send one request after the other. RETURNS: requests per second, and bytes of an answer."""
    sizes: set[int] = set()

    def run(number: int) -> float:
        connection = HTTPConnection(HOST, port)

        def send() -> None:
            connection.request("POST", "/api/embed", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            sizes.add(len(answer.read()))
            if answer.status != 200:
                raise RuntimeError(f"the server answered {answer.status}")

        rate = count_calls(send)
        connection.close()
        return rate

    with ThreadPoolExecutor(n_clients) as threads:
        return sum(threads.map(run, range(n_clients))), max(sizes)


def show(found: dict[str, Any]) -> Table:
    """Rates, and the time of a request of one client, as ratios of a round."""
    table = Table(title="/api/embed beside Elmo.embed (min / median / max of the rounds)")
    several = f"{CLIENTS[-1]} clients"
    columns = [
        "request", "tokens", "KiB", "calls/s", "one client, ms", "times Elmo.embed", f"{several}, requests/s",
        "of Elmo.embed",
    ]  # fmt: skip
    for column in columns:
        table.add_column(column, justify="left" if column == "request" else "right", no_wrap=column == "request")
    for name, result in found.items():
        calls, one, many = (result["ways"][way] for way in ("Elmo.embed", *(f"{n} clients" for n in CLIENTS)))
        table.add_row(
            name,
            str(result["tokens"]),
            f"{result['bytes'] / 1024:,.0f}",
            spread(calls, 0),
            spread([1000 / rate for rate in one], 1),
            spread(ratios(calls, one)),
            spread(many, 0),
            spread(ratios(many, calls)),
        )
    return table


if __name__ == "__main__":
    typer.run(main)
