"""`spacy-elmo demo`: shows what a model computes for words in context, on sentences from the package."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, cast

import numpy as np
import typer
from numpy.typing import NDArray
from typer import Option

from ..bilm.layers import LayerName
from ..inference.settings import PRECISION_NAMES, PrecisionName
from ..weights.catalogue import BUNDLED
from ..weights.urls import safe_url
from .options import NThreads, choices

if TYPE_CHECKING:
    from ..elmo import Elmo

SENTENCES = Path(__file__).parent.parent / "data" / "demo.txt"
# Each occurs in four sentences: in two with one meaning, then in two with another.
WORDS = ("bank", "bear", "second", "land", "rose")
N_NEIGHBOURS = 3
# This layer represents a word in its context; higher ones represent the next word more.
LAYER: LayerName = "lstm_outputs1"
Vectors = Sequence[NDArray[np.floating]]
# How often the sentences are repeated to measure speed.
_REPEATS = 20


class Place(NamedTuple):
    """The position of a token.

    sentence (int): The number of its sentence.
    token (int): Its number in the sentence.
    """

    sentence: int
    token: int


class Neighbour(NamedTuple):
    """A token with a similar vector.

    place (Place): The token.
    similarity (float): The cosine of both vectors, at most 1.
    """

    place: Place
    similarity: float


def demo_cli(
    source: Annotated[str, Option("--source", "-s", metavar="SOURCE", help="The model.")] = BUNDLED,
    precision: Annotated[
        str, Option(help="fp32; or bf16 or int8, which are faster and less exact.", **choices(PRECISION_NAMES))
    ] = "fp32",
    n_threads: NThreads = None,
) -> None:
    """Show what a model computes: layers, nearest neighbours in context, speed."""
    from ..elmo import load

    start = time.perf_counter()
    elmo = load(source, precision=cast(PrecisionName, precision), n_threads=n_threads)
    seconds = time.perf_counter() - start
    typer.echo(f"{safe_url(source)}: loaded in {seconds:.2f} s\n\n{format_shapes(elmo)}\n")
    sentences = read_sentences()
    vectors = [getattr(output, LAYER) for output in elmo.embed(sentences, layers=[LAYER])]
    for word in WORDS:
        typer.echo(format_neighbours(sentences, vectors, word))
    typer.echo(measure_speed(elmo, sentences))


def read_sentences() -> list[list[str]]:
    """Read the tokenized sentences of the demonstration."""
    return [line.split() for line in SENTENCES.read_text("utf-8").splitlines()]


def rank_neighbours(sentences: Sequence[Sequence[str]], arrays: Vectors, place: Place) -> list[Neighbour]:
    """Rank the words of all other sentences by similarity to a token.

    sentences (Sequence[Sequence[str]]): Tokenized sentences.
    arrays (Vectors): The vectors of each sentence, (n_tokens, width).
    place (Place): The token to compare with.
    RETURNS (list[Neighbour]): The words, the most similar first.
    """
    wanted = _normalize(arrays[place.sentence][place.token])
    found = [
        Neighbour(Place(s, t), float(_normalize(vector) @ wanted))
        for s, array in enumerate(arrays)
        for t, vector in enumerate(array)
        if s != place.sentence and sentences[s][t].isalpha()
    ]
    return sorted(found, key=lambda neighbour: -neighbour.similarity)


def format_shapes(elmo: "Elmo") -> str:
    """List the layers of the first sentence with their shapes.

    elmo (Elmo): The model.
    RETURNS (str): A line with the sentence, and one for each layer.
    """
    sentence = read_sentences()[0]
    output = elmo.embed([sentence])[0]
    lines = [f"'{' '.join(sentence)}' has {len(sentence)} tokens:"]
    lines += [f"  {name:<15}{getattr(output, name).shape}" for name in elmo.layer_names]
    return "\n".join(lines)


def format_neighbours(sentences: Sequence[Sequence[str]], arrays: Vectors, word: str) -> str:
    """List the nearest neighbours of each occurrence of a word.

    sentences (Sequence[Sequence[str]]): Tokenized sentences.
    arrays (Vectors): The vectors of each sentence, (n_tokens, width).
    word (str): The word.
    RETURNS (str): Each occurrence in its sentence, followed by its neighbours in theirs.
    """
    lines = []
    for s, sentence in enumerate(sentences):
        for t in (t for t, token in enumerate(sentence) if token == word):
            lines.append(_mark_token(sentence, t))
            for near in rank_neighbours(sentences, arrays, Place(s, t))[:N_NEIGHBOURS]:
                lines.append(
                    f"   {near.similarity:.2f}  {_mark_token(sentences[near.place.sentence], near.place.token)}"
                )
    return "\n".join(lines) + "\n"


def measure_speed(elmo: "Elmo", sentences: Sequence[Sequence[str]]) -> str:
    """Measure tokens per second on this machine.

    elmo (Elmo): The model.
    sentences (Sequence[Sequence[str]]): Sentences to embed repeatedly.
    RETURNS (str): A line with the result.
    """
    many = [*sentences] * _REPEATS
    start = time.perf_counter()
    elmo.embed(many)
    seconds = time.perf_counter() - start
    n_tokens = sum(map(len, many))
    return f"{n_tokens:,} tokens in {seconds:.2f} s: {n_tokens / seconds:,.0f} tokens/s, all layers"


def _normalize(vector: NDArray[np.floating]) -> NDArray[np.floating]:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _mark_token(sentence: Sequence[str], token: int) -> str:
    return " ".join(f"[{text}]" if i == token else text for i, text in enumerate(sentence))
