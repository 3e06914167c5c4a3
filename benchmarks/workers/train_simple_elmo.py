"""simple_elmo 0.9.2: its `train`, which is bilm-tf's, fed batch by batch on request."""

import json
import os
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from simple_elmo import training
from simple_elmo.data import BidirectionalLMDataset, UnicodeCharsVocabulary

options = json.loads(sys.argv[1])
# Its trainer is written for graphs and for the variables of TensorFlow 1.
tf.compat.v1.disable_eager_execution()
tf.compat.v1.disable_resource_variables()
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
tf.config.threading.set_intra_op_parallelism_threads(options["threads"])
tf.config.threading.set_inter_op_parallelism_threads(options["threads"])


def answer(value):
    answers.write(json.dumps(value) + "\n")
    answers.flush()


class OnRequest:
    """The dataset, whose batches come when they are asked for: {"batches": n} -> {"seconds": s, "tokens": n}."""

    def __init__(self, dataset):
        self.dataset = dataset

    def iter_batches(self, batch_size, num_steps):
        batches = self.dataset.iter_batches(batch_size, num_steps)
        waiting = next(batches)
        for line in sys.stdin:
            n = json.loads(line)["batches"]
            start = time.perf_counter()
            for _ in range(n):
                yield waiting
                waiting = next(batches)
            # The loop comes back for the next batch when the last one is done.
            answer({"seconds": time.perf_counter() - start, "tokens": n * batch_size * num_steps})


model = options["options"]
vocabulary = UnicodeCharsVocabulary(options["vocabulary"], model["char_cnn"]["max_characters_per_token"])
dataset = BidirectionalLMDataset(options["text"], vocabulary, test=False, shuffle_on_load=True)
answer({"tensorflow": tf.__version__})
with tempfile.TemporaryDirectory() as folder:
    training.train(model, OnRequest(dataset), 1, folder, folder)
