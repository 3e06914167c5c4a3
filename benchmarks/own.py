"""What is measured of this package alone: each in a process of its own, run as `python -m benchmarks.own NAME`."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from .ceiling import precisions
from .peers import Sentences


def scale(model: str, sentences: Sentences) -> dict[str, Any]:
    """tokens/s at 2,000, 20,000 and 200,000 tokens, word types known: does cost grow linearly?"""
    import spacy_elmo

    elmo = spacy_elmo.load(model)
    elmo.embed(sentences, layers=["word_emb"])
    elmo.embed(sentences[:200])
    rates: dict[str, list[float]] = {}
    # The long run takes minutes: it is run once, between the short ones.
    for n_tokens in (2_000, 20_000, 2_000, 20_000, 200_000, 20_000, 2_000):
        text = repeated(sentences, n_tokens)
        start = time.perf_counter()
        seen = sum(len(output.word_emb) for output in elmo.stream(text))
        rates.setdefault(str(n_tokens), []).append(seen / (time.perf_counter() - start))
    return rates


def pipe(model: str, sentences: Sentences) -> dict[str, Any]:
    """tokens/s of nlp.pipe over raw text and of Elmo.embed on the same tokens, in turns."""
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": model})
    texts = [" ".join(sentence) for sentence in sentences[:500]]
    tokens = [[token.text for token in nlp.make_doc(text)] for text in texts]
    n_tokens = sum(map(len, tokens))
    list(nlp.pipe(texts[:300]))
    elmo: Any = cast(Any, nlp.get_pipe("elmo_embedder")).elmo
    rates: dict[str, list[float]] = {"embed": [], "pipe": []}
    for _ in range(5):
        for name, work in (("embed", lambda: elmo.embed(tokens)), ("pipe", lambda: list(nlp.pipe(texts)))):
            start = time.perf_counter()
            work()
            rates[name].append(n_tokens / (time.perf_counter() - start))
    return rates


def loading(model: str, sentences: Sentences) -> dict[str, Any]:
    """Seconds from nlp.add_pipe to the first vector, from HDF5 and from our own folder, and peak memory in MiB."""
    import spacy

    import spacy_elmo.models.elmo  # noqa: F401

    nlp = spacy.blank("en")
    before = _peak_kib()
    start = time.perf_counter()
    nlp.add_pipe("elmo_embedder", config={"source": model})
    nlp("The first sentence .")
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_mib": (_peak_kib() - before) / 1024}


def long(model: str, sentences: Sentences) -> dict[str, Any]:
    """Peak memory in MiB beyond the loaded model, of one Doc of 100,000 tokens without sentence boundaries.

    In the fastest precision: one sentence runs step by step, which takes minutes.
    """
    import spacy
    from spacy.tokens import Doc

    from spacy_elmo.inference.cpu import features

    nlp = spacy.blank("en")
    precision = "int8" if features.has_int8() else "fp32"
    config = {
        "source": model,
        "pooling_layer": "lstm_outputs2",
        "layers": [],
        "model": {"@architectures": "spacy-elmo.Elmo.v1", "precision": precision},
    }
    nlp.add_pipe("elmo_embedder", config=config)
    nlp("A first sentence .")
    before = _peak_kib()
    words = [token for sentence in repeated(sentences, 100_000) for token in sentence][:100_000]
    start = time.perf_counter()
    doc = nlp(Doc(nlp.vocab, words=words))
    seconds = time.perf_counter() - start
    peak = (_peak_kib() - before) / 1024
    return {"seconds": seconds, "peak_mib": peak, "doc_tensor_mib": doc.tensor.nbytes / 2**20}


def _peak_kib() -> int:
    """The largest memory of this program alone: what getrusage tells has the parent's peak in it."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    # Not on Windows.
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def breakdown(model: str, sentences: Sentences) -> dict[str, Any]:
    """Where the time of `Elmo.embed` goes, word types known: shares by torch's profiler, on one thread."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    import spacy_elmo

    torch.set_num_threads(1)
    text = sentences[:500]
    found: dict[str, Any] = {}
    for precision in precisions():
        elmo = spacy_elmo.load(model, precision=cast("spacy_elmo.PrecisionName", precision))
        elmo.embed(text)
        start = time.perf_counter()
        elmo.embed(text)
        whole = time.perf_counter() - start
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            elmo.embed(text)
        shares = dict.fromkeys([*PARTS.values(), "other operations"], 0.0)
        for event in profiler.key_averages():
            part = next((part for words, part in PARTS.items() if any(word in event.key for word in words)), None)
            shares[part or "other operations"] += event.self_cpu_time_total / 1e6 / whole
        shares["Python and waiting"] = 1 - sum(shares.values())
        found[precision] = shares
    return found


# Names of torch's operators, by what they do here.
PARTS = {
    ("mkldnn::", "onednn::", "aten::addmm", "aten::linear", "aten::mm"): "matrix products",
    ("tanh", "sigmoid", "glu", "addcmul", "clamp"): "gate arithmetic",
    ("copy_", "index", "cat", "pad", "fill_"): "moving rows, other precision",
    ("div", "round", "abs", "amax"): "rounding to 8 bits",
}

MEASURES: dict[str, Callable[[str, Sentences], dict[str, Any]]] = {
    measure.__name__: measure for measure in (scale, pipe, loading, long, breakdown)
}


def measure(name: str, model: Path, sentences: Sentences) -> dict[str, Any]:
    """Run one of MEASURES in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.own", name, str(model)],
        input=json.dumps(sentences),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def repeated(sentences: Sentences, n_tokens: int) -> Sentences:
    """The sentences, over and over, until there are so many tokens."""
    text: Sentences = []
    total = 0
    while total < n_tokens:
        sentence = sentences[len(text) % len(sentences)]
        text.append(sentence)
        total += len(sentence)
    return text


if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[1]](sys.argv[2], json.load(sys.stdin))))
