"""The vectors of sentences, and the cells of a frame that are made of them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..bilm.layers import Array, LayerName, LayerOutputs, Layers
from ..splitter import SplitSentence
from .choices import Pooling
from .layout import Layout


class Embedder(Protocol):
    """What `predict` needs of an `Elmo`."""

    def width(self, layer: str) -> int: ...

    def stream(self, sentences: Iterable[Sequence[str]], *, layers: Layers = "*") -> Iterator[LayerOutputs]: ...


class SentenceVectors(NamedTuple):
    """The vectors of all sentences of some texts.

    split (list[list[SplitSentence]]): The sentences of each text.
    arrays (list[Array]): Of each sentence (n_tokens, width); where they are pooled, the sum (width,) in float64.
    nothing (Array): The array of a text without tokens, (0, width), of the layer's dtype.
    """

    split: list[list[SplitSentence]]
    arrays: list[Array]
    nothing: Array


def embed_split_texts(
    embedder: Embedder, texts: Iterable[list[SplitSentence]], *, layer: LayerName, pooling: Pooling | None
) -> SentenceVectors:
    """Compute the vectors of all sentences, while the texts are split.

    embedder (Embedder): The model.
    texts (Iterable[list[SplitSentence]]): The sentences of each text.
    layer (LayerName): The layer.
    pooling (Pooling | None): See `Choices`.
    RETURNS (SentenceVectors): The vectors.
    RAISES (ElmoError): As `Elmo.stream`.
    """
    split: list[list[SplitSentence]] = []

    def read() -> Iterator[list[str]]:
        for sentences in texts:
            split.append(sentences)
            for sentence in sentences:
                yield sentence.tokens

    outputs = embedder.stream(read(), layers=[layer])
    # In float32, sums over many tokens would lose digits.
    arrays = [output[layer].sum(axis=0, dtype=np.float64) if pooling else output[layer] for output in outputs]
    [nothing] = embedder.stream([[]], layers=[layer])
    return SentenceVectors(split, arrays, nothing[layer])


def make_cells(vectors: SentenceVectors, layout: Layout, *, pooling: Pooling | None) -> NDArray[np.object_]:
    """Make the cells of the column of vectors.

    vectors (SentenceVectors): The vectors.
    layout (Layout): The rows.
    pooling (Pooling | None): See `Choices`.
    RETURNS (NDArray[np.object_]): An array for each row: (width,) or (n_tokens, width). NaN where there is no
        token for a vector (width,).
    """
    cells: list[Array | float]
    if pooling:
        cells = [*_pool(vectors, layout, pooling)]
    elif layout.level == "token":
        # Rows of the sentence's array: no number is copied.
        cells = layout.pick("token", [*chain.from_iterable(vectors.arrays)], np.nan)
    elif layout.level == "sentence":
        cells = layout.pick("sentence", vectors.arrays, vectors.nothing)
    else:
        cells = [_join(arrays, vectors.nothing) for arrays in layout.group("sentence", vectors.arrays)]
    # Otherwise, numpy would make one array of arrays that have the same shape.
    return np.fromiter(cells, dtype=object, count=len(cells))


def _join(arrays: Sequence[Array], nothing: Array) -> Array:
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else nothing.copy()


def _pool(vectors: SentenceVectors, layout: Layout, pooling: Pooling) -> Iterator[Array | float]:
    if layout.level == "sentence":
        sums = [[array] for array in layout.pick("sentence", vectors.arrays, vectors.nothing)]
        counts = layout.pick("sentence", layout.tokens_of_sentence.tolist(), 0)
    else:
        sums, counts = layout.group("sentence", vectors.arrays), layout.tokens_of_document.tolist()
    for parts, count in zip(sums, counts):
        if not count:
            yield np.nan
            continue
        total = np.sum(parts, axis=0)
        yield (total / count if pooling == "average" else total).astype(vectors.nothing.dtype)
