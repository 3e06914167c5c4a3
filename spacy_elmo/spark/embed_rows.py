"""Embed the rows of a partition: batches of rows through the model, and annotations out of its layers."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pyarrow as pa

from ..bilm.layers import LayerName
from ..errors import ElmoError, Errors
from ..inference.settings import Settings
from .annotation import SENTENCE_EMBEDDINGS, WORD_EMBEDDINGS
from .annotation_arrays import MOST_VALUES, FlatAnnotations, Floats, make_annotations
from .matching import match_tokens
from .text_batch import add_up, split_batch
from .token_batch import TokenBatch
from .worker import find_partition, load_model, load_split, read_texts

Pooling = Literal["AVERAGE", "SUM"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
# Numbers in the vectors of an output array, 16 MiB; a row with more is an array alone.
BATCH_VALUES = 1 << 22
# For consumers that know word pieces.
_WHOLE_WORD = {"pieceId": "-1", "isWordStart": "true"}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is computed.

    model (str): The name under which the model was sent to the workers.
    layer (LayerName): The layer.
    settings (Settings): How the model is run.
    pooling (Pooling | None): None for the vectors of tokens; otherwise how they become one of each sentence.
    pipeline (str | None): The pipeline that splits texts, as for `load_pipeline`; None: rows have annotations.
    """

    model: str
    layer: LayerName
    settings: Settings
    pooling: Pooling | None
    pipeline: str | None


def embed_rows(batches: Iterator[tuple[pa.Array, ...]], *, recipe: Recipe) -> Iterator[pa.Array]:
    """Embed the sentences of rows.

    batches (Iterator[tuple[pa.Array, ...]]): The texts of rows, or their annotations as for `match_tokens`.
    recipe (Recipe): What is computed.
    YIELDS (pa.Array): Annotations, (n_rows,), in order; the size of an array does not depend on that of a batch.
    RAISES (ElmoError): If a row cannot be embedded, with its number.
    """
    elmo = load_model(recipe.model, recipe.settings)
    width = elmo.width(recipe.layer)
    waiting: deque[TokenBatch] = deque()

    def read() -> Iterator[list[str]]:
        first_row = 0
        for batch in batches:
            for part in _read_batch(batch, recipe, first_row=first_row).split(max(1, BATCH_VALUES // width)):
                _check_size(part, width=width, pooling=recipe.pooling, first_row=first_row)
                waiting.append(part)
                first_row += part.n_rows
                yield from part.groups()

    def make(outputs: list[Floats]) -> pa.Array:
        part = waiting.popleft()
        if recipe.pooling is None:
            return make_annotations(_annotate_tokens(part, outputs, width=width))
        return make_annotations(_annotate_sentences(part, outputs, width=width, pooling=recipe.pooling))

    outputs: list[Floats] = []
    # `stream` reads ahead: rows wait for their outputs, and rows without tokens for those before.
    for output in elmo.stream(read(), layers=[recipe.layer]):
        while not waiting[0].n_groups:
            yield make([])
        outputs.append(output[recipe.layer].astype(np.float32, copy=False))
        if len(outputs) == waiting[0].n_groups:
            yield make(outputs)
            outputs = []
    while waiting:
        yield make([])


def _read_batch(batch: tuple[pa.Array, ...], recipe: Recipe, *, first_row: int) -> TokenBatch:
    if recipe.pipeline is None:
        return match_tokens(batch, first_row=first_row)
    return split_batch(read_texts(batch[0], first_row=first_row), load_split(recipe.pipeline))


def _check_size(part: TokenBatch, *, width: int, pooling: Pooling | None, first_row: int) -> None:
    # A row of Spark has fewer than 2 ** 31 bytes, of which a number takes 4.
    most = MOST_VALUES // 4 // width
    if pooling is None and len(part.text) > most:
        shown = {"row": first_row, "partition": find_partition(), "n": len(part.text), "width": width}
        raise ElmoError(Errors.EL854.format(**shown, most=most))


def _annotate_tokens(part: TokenBatch, outputs: Sequence[Floats], *, width: int) -> FlatAnnotations:
    """Make an annotation of each token. Source: SentenceWithEmbeddings.scala of Spark NLP."""
    sentence = np.repeat(part.group_number, np.diff(part.group_offsets))
    return FlatAnnotations(
        kind=WORD_EMBEDDINGS,
        offsets=part.offsets,
        begin=part.begin,
        end=part.end,
        result=part.text,
        metadata={
            "sentence": sentence.astype(str).tolist(),
            "token": part.text,
            **_WHOLE_WORD,
            "isOOV": "false",
        },
        values=np.concatenate(outputs).reshape(-1) if outputs else np.empty(0, np.float32),
        value_offsets=np.arange(len(part.text) + 1) * width,
    )


def _annotate_sentences(
    part: TokenBatch, outputs: Sequence[Floats], *, width: int, pooling: Pooling
) -> FlatAnnotations:
    """Make an annotation of each sentence. Source: SentenceEmbeddings.scala of Spark NLP."""
    sentences = part.sentences
    vectors = np.empty((len(outputs), width), np.float32)
    for vector, output in zip(vectors, outputs):
        # In float32, sums over many tokens would lose digits.
        total = output.sum(axis=0, dtype=np.float64)
        vector[:] = total / len(output) if pooling == "AVERAGE" else total
    has_tokens = sentences.group >= 0
    return FlatAnnotations(
        kind=SENTENCE_EMBEDDINGS,
        offsets=sentences.offsets,
        begin=sentences.begin,
        end=sentences.end,
        result=sentences.text,
        metadata={
            "sentence": sentences.number.astype(str).tolist(),
            "token": sentences.text,
            **_WHOLE_WORD,
        },
        values=vectors[sentences.group[has_tokens]].reshape(-1),
        # A sentence without tokens has an empty vector.
        value_offsets=add_up((has_tokens * width).tolist()),
    )
