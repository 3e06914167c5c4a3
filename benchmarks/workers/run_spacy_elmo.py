"""This package: `Elmo.embed`, all layers."""

import time

start = time.perf_counter()

import torch  # noqa: E402
from protocol import serve  # noqa: E402
from threads import thread_setting  # noqa: E402

import spacy_elmo  # noqa: E402

model = None


def describe(options):
    global model
    # Without `threads`, the package's own choice.
    if options.get("threads"):
        torch.set_num_threads(options["threads"])
    setting = thread_setting(spacy_elmo.load, options.get("n_threads"))
    model = spacy_elmo.load(options["model"], precision=options["precision"], **setting)
    return {"torch": torch.__version__, "load_seconds": time.perf_counter() - start}


def embed(sentences, batch_size):
    # Without the mix, which peers do not compute either.
    layers = ["word_emb", "lstm_outputs1", "lstm_outputs2"]
    outputs = []
    for first in range(0, len(sentences), batch_size):
        outputs.extend(
            output.stack() for output in model.embed(sentences[first : first + batch_size], layers=layers)
        )
    return outputs


serve(describe, embed)
