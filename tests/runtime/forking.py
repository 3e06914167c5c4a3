"""Run by `test_forks.py`, in a process of its own: forks of a pipeline that has just learned."""

import faulthandler
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
import spacy
import torch
from spacy.language import Language
from spacy.training import Example

from tests.components import get_embedder

TEXT = "I saw the bank near the river in London yesterday ."
EMBEDDER = "elmo_embedder"
PATIENCE = int(os.environ.get("PATIENCE", "60"))


def learn(kind: str) -> tuple[Language, Callable[[], Any]]:
    """A pipeline with a pending step: of its biLM, or of its mix alone."""
    nlp = spacy.blank("en")
    nlp.add_pipe(EMBEDDER, config={"frozen": kind == "mix"})
    layer = {"@architectures": "spacy-elmo.ElmoListener.v1", "pooling_layer": "elmo"}
    encode = {"@architectures": "spacy-elmo.BiLSTMEncoder.v1", "width": 256}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": layer, "encode": encode}
    nlp.add_pipe("tagger", config={"model": {"tok2vec": tok2vec}})
    examples = [Example.from_dict(nlp.make_doc(TEXT), {"tags": ["A"] * 11})]
    sgd = nlp.initialize(lambda: examples)
    for _ in range(2):
        nlp.update(examples, sgd=sgd)
    return nlp, lambda: nlp.update(examples, sgd=sgd)


def in_child(work: Callable[[], Any]) -> Any:
    """What a forked process gives; it is ended if it hangs."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        # An alarm: a fork of this process would wait for ever for the thread of another kind of watch.
        faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)
        signal.alarm(PATIENCE)
        with os.fdopen(writer, "wb") as file:
            pickle.dump(work(), file)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        data = file.read()
    assert os.waitpid(pid, 0)[1] == 0
    return pickle.loads(data)


def embed(nlp: Any) -> Any:
    return nlp(TEXT).tensor


def after_learning(kind: str) -> None:
    nlp, update = learn(kind)
    embedder = get_embedder(nlp)
    doc = nlp.make_doc(TEXT)

    def train() -> Any:
        update()
        return nlp(TEXT).tensor

    def embed_by_bytes() -> Any:
        other = spacy.blank("en")
        other.add_pipe(EMBEDDER)
        return get_embedder(other).from_bytes(embedder.to_bytes())(doc).tensor

    ways: dict[str, Callable[[], Any]] = {
        "call": lambda: nlp(TEXT).tensor,
        "pipe": lambda: next(embedder.pipe([doc])).tensor,
        "embed": lambda: embedder.elmo.embed([TEXT.split()])[0].elmo,
        "stream": lambda: next(embedder.elmo.stream([TEXT.split()])).elmo,
        "bytes": embed_by_bytes,
        "train": train,
    }
    found = {name: in_child(work) for name, work in ways.items()}
    with ThreadPoolExecutor(1) as thread:
        found["out of a thread"] = thread.submit(in_child, ways["call"]).result()
    found["again"] = in_child(lambda: in_child(ways["call"]))
    found["threads"] = in_child(lambda: [*ThreadPoolExecutor(3).map(lambda _: ways["call"](), range(3))][-1])
    for method in ("fork", "spawn"):
        with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
            found[method] = pool.submit(embed, nlp).result(timeout=PATIENCE)
    # Read to the end: spaCy waits for ever for the processes of a stream that is given up, as their pipe is full.
    found["processes"] = [*nlp.pipe([TEXT] * 4, n_process=2, batch_size=2)][-1].tensor
    # Only now does the parent take the step.
    expected = {name: nlp(TEXT).tensor for name in found}
    expected["train"] = train()
    for name, tensor in found.items():
        np.testing.assert_allclose(tensor, expected[name], atol=1e-4, err_msg=name)


def while_a_thread_embeds(kind: str) -> None:
    """Each time with words that are new to the tables, on several models."""
    nlp = spacy.blank("en")
    nlp.add_pipe(EMBEDDER)
    expected = nlp(TEXT).tensor
    stop = threading.Event()

    def embed(number: int) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            nlp(" ".join(f"w{number}x{count}x{i}" for i in range(20)))

    threads = [threading.Thread(target=embed, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(int(kind)):
            np.testing.assert_allclose(in_child(lambda: nlp(f"{TEXT}").tensor), expected, atol=1e-4)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    warnings.simplefilter("error")
    # Python's own, from 3.12 on.
    warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
    torch.set_num_threads(4)
    globals()[sys.argv[1]](sys.argv[2])
    print("done")
