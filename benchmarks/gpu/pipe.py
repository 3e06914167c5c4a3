"""`python -m benchmarks.gpu.pipe`: how fast `nlp.pipe` is with ELMo in it, against the tokenizer alone."""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any, NamedTuple

import spacy
import torch
from spacy.language import Language
from thinc import compat
from thinc.api import require_gpu

from spacy_elmo.util.atomic import atomic_write

from ..model import make_model

ROOT = Path(__file__).parents[2]
# A treebank's documents where they are to be had, else what comes with the repository.
TEXTS = (ROOT / "shared" / "corpora" / "ud_ewt", ROOT.parent / "shared" / "corpora" / "ud_ewt", ROOT / "assets")
LAYERS: dict[str, dict[str, Any]] = {"*": {"layers": "*"}, "tensor": {"layers": []}}


class Texts(NamedTuple):
    """The same words as one text a sentence, and as one text a document."""

    sentences: list[str]
    documents: list[str]


def measure(
    texts: Sequence[str],
    source: Path,
    *,
    model: dict[str, Any],
    settings: dict[str, Any],
    least_tokens: int,
    batch_size: int,
    rounds: int,
) -> dict[str, Any]:
    """Tokens a second of a blank pipeline and of one with the embedder, in turns, and of the embedder by itself.

    model, settings: of its config. least_tokens: texts are repeated until they have so many. rounds: of which the
        medians are given, and the median of the ratios within each.
    """
    blank, full = spacy.blank("en"), spacy.blank("en")
    full.add_pipe("elmo_embedder", config={"source": str(source), "model": model, **settings})
    # The vocabulary is filled, kernels are compiled, and word types are in the table.
    n_tokens = run(blank, texts, batch_size)
    run(full, texts, batch_size)
    times = max(1, -(-least_tokens // max(1, n_tokens)))

    def many() -> Any:
        return chain.from_iterable(repeat(texts, times))

    def embed_alone() -> float:
        docs = [full.make_doc(text) for text in texts]
        embedder: Any = full.get_pipe("elmo_embedder")
        stream = chain.from_iterable(repeat(docs, times))
        return clocked(lambda: drain(embedder.pipe(stream, batch_size=batch_size)))

    seconds: dict[str, list[float]] = {"blank": [], "full": [], "embedder": []}
    for _ in range(rounds):
        seconds["blank"].append(clocked(lambda: run(blank, many(), batch_size)))
        seconds["full"].append(clocked(lambda: run(full, many(), batch_size)))
        seconds["embedder"].append(embed_alone())
    total = n_tokens * times
    ratios = [one / other for one, other in zip(seconds["blank"], seconds["full"])]
    return {
        "texts": len(texts),
        "tokens a text": n_tokens / len(texts),
        "tokens": total,
        "tokens/s": {name: total / statistics.median(own) for name, own in seconds.items()},
        "share of blank": statistics.median(ratios),
        "shares": ratios,
    }


def run(nlp: Language, texts: Any, batch_size: int) -> int:
    """RETURNS: the number of tokens."""
    return drain(nlp.pipe(texts, batch_size=batch_size))


def drain(docs: Any) -> int:
    return sum(map(len, docs))


def clocked(work: Callable[[], int]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def read_texts(path: Path) -> Texts:
    """Of a .conllu file or a folder of them; or of .txt files, a sentence a line, documents parted by empty lines.

    RAISES: FileNotFoundError if there are none.
    """
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    files = [file for file in files if file.suffix in (".conllu", ".txt")]
    if not files:
        raise FileNotFoundError(f"No .conllu or .txt in {path}")
    documents: list[list[str]] = []
    for file in files:
        documents.append([])
        for line in map(str.strip, file.read_text("utf-8").split("\n")):
            if line.startswith("# newdoc") or (not line and file.suffix == ".txt"):
                documents.append([])
            elif line.startswith("# text = "):
                documents[-1].append(line.removeprefix("# text = "))
            elif line and file.suffix == ".txt":
                documents[-1].append(line)
    return Texts([one for own in documents for one in own], [" ".join(own) for own in documents if own])


def main(
    *,
    output: Path | None,
    source: Path | None,
    path: Path | None,
    precisions: Sequence[str],
    device: str | None,
    least_tokens: int,
    batch_size: int,
    rounds: int,
) -> dict[str, Any]:
    """Measure every precision, with all layers on the CPU and with doc.tensor alone, on sentences and documents.

    device: of the model's config; None: through CuPy where there is a GPU.
    """
    if device is None and torch.cuda.is_available() and compat.has_cupy_gpu:
        require_gpu()
    found = path or next(folder for folder in TEXTS if folder.is_dir())
    texts = read_texts(found)
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "versions": {"torch": torch.__version__, "spacy": spacy.__version__},
        "through": device or ("CuPy" if compat.has_cupy_gpu else "the CPU"),
        "texts": str(found),
        "runs": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        model = source or make_model(Path(folder))
        for precision in precisions:
            for layers, settings in LAYERS.items():
                for kind, own in texts._asdict().items():
                    measured = measure(
                        own,
                        model,
                        model={"precision": precision, "device": device},
                        settings=settings,
                        least_tokens=least_tokens,
                        batch_size=batch_size,
                        rounds=rounds,
                    )
                    results["runs"].append({"precision": precision, "layers": layers, "kind": kind, **measured})
                    rates = ", ".join(f"{name} {rate:,.0f}" for name, rate in measured["tokens/s"].items())
                    share = f"{measured['share of blank']:.2f} of blank"
                    print(f"{precision}, {layers}, {kind}: {share} ({rates} tokens/s)", flush=True)
                    if output is not None:
                        with atomic_write(output) as temporary:
                            temporary.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="Results as JSON.")
    parser.add_argument("--source", type=Path, help="A model; without it, one of the original's sizes is made.")
    parser.add_argument("--texts", type=Path, help=".conllu or .txt, or a folder of such files.")
    parser.add_argument("--precisions", default="bf16,fp32")
    parser.add_argument("--device", help="Through PyTorch alone, as cuda; without it, where Thinc is.")
    parser.add_argument("--tokens", type=int, default=1_000_000, help="Tokens of a measurement, at least.")
    parser.add_argument("--batch-size", type=int, default=4000, help="Docs of a batch, at most.")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    main(
        output=given.output,
        source=given.source,
        path=given.texts,
        precisions=given.precisions.split(","),
        device=given.device,
        least_tokens=given.tokens,
        batch_size=given.batch_size,
        rounds=given.rounds,
    )
