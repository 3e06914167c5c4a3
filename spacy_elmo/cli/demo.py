"""`spacy-elmo demo`: what a model makes of words in context, on sentences that come with the package."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import numpy as np
import typer
from numpy.typing import NDArray
from typer import Option

from ..bilm.layers import LayerName
from ..weights.catalogue import BUNDLED
from .command import choices
from .embed import PRECISIONS
from .threads import NThreads

if TYPE_CHECKING:
    from ..elmo import Elmo
    from ..inference.settings import PrecisionName

SENTENCES = Path(__file__).parent.parent / "data" / "demo.txt"
# Each stands in four sentences: in two with one meaning, then in two with another.
WORDS = ("bank", "bear", "second", "land", "rose")
N_NEIGHBOURS = 3
# It knows the context, and has not yet turned to the next word.
LAYER: LayerName = "lstm_outputs1"
Vectors = Sequence[NDArray[Any]]
# The speed is that of this many repetitions of the sentences.
_REPEATS = 20


class Place(NamedTuple):
    """A token in its sentence."""

    sentence: int
    token: int


class Neighbour(NamedTuple):
    """A token that is like another in its context. similarity: cosine, at most 1."""

    place: Place
    similarity: float


def demo_cli(
    source: Annotated[str, Option("--source", "-s", metavar="SOURCE", help="The model.")] = BUNDLED,
    precision: Annotated[
        str, Option(help="fp32; bf16 or int8, faster and less exact.", **choices(PRECISIONS))
    ] = "fp32",
    n_threads: NThreads = None,
) -> None:
    """Show a model at work: layers, nearest neighbours in context, speed."""
    from ..elmo import load

    start = time.perf_counter()
    elmo = load(source, precision=cast("PrecisionName", precision), n_threads=n_threads)
    seconds = time.perf_counter() - start
    typer.echo(f"{source}: loaded in {seconds:.2f} s\n\n{shapes(elmo)}\n")
    sentences = read_sentences()
    vectors = [getattr(output, LAYER) for output in elmo.embed(sentences, layers=[LAYER])]
    for word in WORDS:
        typer.echo(neighbours_text(sentences, vectors, word))
    typer.echo(speed_text(elmo, sentences))


def read_sentences() -> list[list[str]]:
    """The tokenised sentences of the demonstration."""
    return [line.split() for line in SENTENCES.read_text("utf-8").splitlines()]


def neighbours(sentences: Sequence[Sequence[str]], arrays: Vectors, place: Place) -> list[Neighbour]:
    """Every word of the other sentences, the most similar first.

    arrays: of each sentence, (n_tokens, width). place: of the token to compare with.
    """
    wanted = _direction(arrays[place.sentence][place.token])
    found = [
        Neighbour(Place(s, t), float(_direction(vector) @ wanted))
        for s, array in enumerate(arrays)
        for t, vector in enumerate(array)
        if s != place.sentence and sentences[s][t].isalpha()
    ]
    return sorted(found, key=lambda neighbour: -neighbour.similarity)


def shapes(elmo: "Elmo") -> str:
    """The layers of the first sentence, and how large they are."""
    sentence = read_sentences()[0]
    output = elmo.embed([sentence])[0]
    lines = [f"'{' '.join(sentence)}' has {len(sentence)} tokens:"]
    lines += [f"  {name:<15}{getattr(output, name).shape}" for name in elmo.layer_names]
    return "\n".join(lines)


def neighbours_text(sentences: Sequence[Sequence[str]], arrays: Vectors, word: str) -> str:
    """The nearest neighbours of each occurrence of a word."""
    lines = []
    for s, sentence in enumerate(sentences):
        for t in (t for t, token in enumerate(sentence) if token == word):
            lines.append(_marked(sentence, t))
            for near in neighbours(sentences, arrays, Place(s, t))[:N_NEIGHBOURS]:
                lines.append(
                    f"   {near.similarity:.2f}  {_marked(sentences[near.place.sentence], near.place.token)}"
                )
    return "\n".join(lines) + "\n"


def speed_text(elmo: "Elmo", sentences: Sequence[Sequence[str]]) -> str:
    """Tokens a second on this machine."""
    many = [*sentences] * _REPEATS
    start = time.perf_counter()
    elmo.embed(many)
    seconds = time.perf_counter() - start
    n_tokens = sum(map(len, many))
    return f"{n_tokens:,} tokens in {seconds:.2f} s: {n_tokens / seconds:,.0f} tokens/s, all layers"


def _direction(vector: NDArray[Any]) -> NDArray[Any]:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _marked(sentence: Sequence[str], token: int) -> str:
    return " ".join(f"[{text}]" if i == token else text for i, text in enumerate(sentence))
