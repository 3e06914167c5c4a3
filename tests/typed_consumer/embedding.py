"""A program over `spacy_elmo`. tests/test_typed_consumer.py has type checkers read it; it is never run.

What a checker must refuse ends in `type: ignore`.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import assert_type

import spacy_elmo
from spacy_elmo import Elmo, ElmoError, InitialState, LayerName, LayerOutputs, PrecisionName, Settings, TextOutputs

Vectors = NDArray[np.floating]
PRECISION: PrecisionName = "bf16"
STATE: InitialState = "warm"
LAYER: LayerName = "lstm_outputs2"


def load_models(folder: Path) -> list[Elmo]:
    elmo = spacy_elmo.load()
    assert_type(elmo, Elmo)
    others = [
        spacy_elmo.load("en_sm", "cuda:1", "fp32", "carry"),
        spacy_elmo.load(folder, device=torch.device("cpu"), precision=PRECISION, initial_state=STATE),
        spacy_elmo.load(["options.json", folder / "weights.hdf5"], max_batch_tokens=512, n_threads=2),
    ]
    spacy_elmo.load("en_sm", precision="fp16")  # type: ignore[arg-type]
    spacy_elmo.load("en_sm", initial_state="warmed")  # type: ignore[arg-type]
    spacy_elmo.load("en_sm", gpu=True)  # type: ignore[call-arg]
    spacy_elmo.load(7)  # type: ignore[arg-type]
    return [elmo.to("cpu"), *others]


def embed(elmo: Elmo, sentences: list[list[str]]) -> list[Vectors]:
    outputs = elmo.embed(sentences, layers=["word_emb", LAYER], max_batch_tokens=512, progress=True)
    assert_type(outputs, list[LayerOutputs])
    elmo.embed(sentences, layers="*")
    elmo.embed((line.split() for line in ["I love NLP"]), output="torch")
    elmo.embed(sentences, layers="all")  # type: ignore[arg-type]
    elmo.embed(sentences, layers=["word_embedding"])  # type: ignore[list-item]
    elmo.embed(sentences, output="tensorflow")  # type: ignore[arg-type]
    elmo.embed([1, 2])  # type: ignore[list-item]
    elmo.embed_sentences(sentences)  # type: ignore[attr-defined]
    return [one.elmo for one in outputs]


def read_layers(outputs: LayerOutputs) -> tuple[Vectors, Vectors]:
    assert_type(outputs.elmo, NDArray[np.floating])
    assert_type(outputs.lstm_outputs1, NDArray[np.floating])
    assert_type(outputs["word_emb"], NDArray[np.floating])
    assert_type(outputs[0], LayerOutputs)
    assert_type(outputs[1:3].word_emb, NDArray[np.floating])
    assert_type(outputs.names, list[str])
    assert_type(len(outputs), int)
    _ = outputs.elmo_embeddings  # type: ignore[attr-defined]
    outputs.mean("top")  # type: ignore[arg-type]
    outputs[1.5]  # type: ignore[call-overload]
    return outputs.stack(), outputs.mean("elmo")


def embed_texts(elmo: Elmo, text: str) -> Iterator[tuple[str, Vectors]]:
    output = elmo(text, lang="en", layers=["elmo"])
    assert_type(output, TextOutputs)
    several = elmo.embed_texts([text, "So do you."])
    assert_type(several, list[TextOutputs])
    elmo(["two", "texts"])  # type: ignore[arg-type]
    elmo.embed_texts([text], layers=["sentence"])  # type: ignore[list-item]
    for sentence in elmo.stream([text.split()]):
        assert_type(sentence, LayerOutputs)
    yield from zip(output.tokens, output.elmo)


def describe(elmo: Elmo) -> str:
    assert_type(elmo.layer_names, list[LayerName])
    assert_type(elmo.n_layers, int)
    assert_type(elmo.width("elmo"), int)
    assert_type(elmo.device, torch.device)
    assert_type(elmo.settings, Settings)
    assert_type(elmo.settings.precision, PrecisionName)
    elmo.settings.precision = "bf16"  # type: ignore[misc]
    Settings("fp32")  # type: ignore[call-arg]
    Settings(precision="half")  # type: ignore[arg-type]
    elmo.save("folder")
    elmo.save(None)  # type: ignore[arg-type]
    return spacy_elmo.__version__


def get_code(elmo: Elmo) -> str | None:
    try:
        elmo.embed([["a"]])
    except ElmoError as error:
        wrong: ValueError = error
        assert_type(error.code, str)
        return f"{error.code}: {wrong}"
    return None
