"""How the benchmark talks to a program under test: one JSON object a line, in and out.

Runs on Python 3.9, where peers live, so its annotations stay as simple as this file.
"""

import json
import os
import sys
import time

import numpy as np


def serve(describe, embed, arguments=None):
    """Answer requests until the input ends.

    describe: (options) -> a dictionary, once the program has been set up; answered first.
    embed: (sentences, batch_size) -> a list of (3, n_tokens, 1024) arrays, layer 0 twice.

    A request is {"sentences": [[token, ...], ...], "batch_size": n, "save": path or null}, the answer
    {"seconds": s, "tokens": n}; with `save`, the arrays are written to that npz file after timing.
    """
    # What libraries print belongs to the error stream; the protocol keeps the output for itself.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(value):
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    answer(describe(json.loads(sys.argv[1])))
    for line in sys.stdin:
        request = json.loads(line)
        sentences = request["sentences"]
        start = time.perf_counter()
        outputs = embed(sentences, request["batch_size"])
        seconds = time.perf_counter() - start
        if request.get("save"):
            np.savez(request["save"], **{f"s{i}": array for i, array in enumerate(outputs)})
        answer({"seconds": seconds, "tokens": sum(len(sentence) for sentence in sentences)})
