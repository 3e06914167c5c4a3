"""simple_elmo 0.9.2: its get_elmo_vectors, in one TensorFlow session that stays open."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import logging

import tensorflow as tf
from protocol import serve
from simple_elmo import ElmoModel
from simple_elmo.elmo import weight_layers

model = ElmoModel()
session = None
from_zero = None


def describe(options):
    global session, from_zero
    logging.disable(logging.CRITICAL)
    model.load(options["model"], max_batch_size=options["largest_batch"])
    # As get_elmo_vectors does it when it is given no session, but once: it would read the weights at every call.
    model.elmo_sentence_input = weight_layers("input", model.sentence_embeddings_op, use_layers="all")
    threads = options["threads"]
    config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    session = tf.compat.v1.Session(config=config)
    session.run(tf.compat.v1.global_variables_initializer())
    # The states it carries from batch to batch are its only variables outside of training and named so.
    states = [v for v in tf.compat.v1.global_variables() if v.name.startswith("bilm/Variable")]
    if not states:
        raise RuntimeError("simple_elmo's state variables were not found")
    from_zero = tf.compat.v1.variables_initializer(states)
    return {"tensorflow": tf.__version__}


def embed(sentences, batch_size):
    model.batch_size = batch_size
    outputs = []
    for start in range(0, len(sentences), batch_size):
        batch = sentences[start : start + batch_size]
        session.run(from_zero)
        vectors = model.get_elmo_vectors(batch, warmup=False, layers="all", session=session)
        outputs.extend(vectors[i, :, : len(sentence)] for i, sentence in enumerate(batch))
    return outputs


serve(describe, embed)
