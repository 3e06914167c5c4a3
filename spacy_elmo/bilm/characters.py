"""Character ids: a token's UTF-8 bytes between two word marks, as bilm-tf and AllenNLP number them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Character numbers of bilm-tf (bilm/data.py, UnicodeCharsVocabulary); the ids that a model reads are one
# higher, because id 0 says "no token here" (AllenNLP, elmo_indexer.py).
BEGIN_SENTENCE = 256
END_SENTENCE = 257
BEGIN_WORD = 258
END_WORD = 259
PADDING = 260
OFFSET = 1
N_IDS = PADDING + OFFSET + 1

# These two texts are read as the marks themselves wherever they stand, in AllenNLP as in bilm-tf.
SENTENCE_MARKS = {"<S>": BEGIN_SENTENCE, "</S>": END_SENTENCE}
OPENING, CLOSING = SENTENCE_MARKS


def character_ids(tokens: Sequence[str], *, max_characters: int = 50) -> NDArray[np.int64]:
    """Character ids of each token.

    The text is used as it stands: no stripping, no case folding, no Unicode normalisation. Bytes beyond
    max_characters - 2 are cut off, even inside a character; lone surrogates are dropped.

    max_characters: ids per token, with the two word marks; from 3 up.
    RETURNS: (n_tokens, max_characters), int64, values 1 to 261.
    """
    ids = np.full((len(tokens), max_characters), PADDING, dtype=np.int64)
    ids[:, 0] = BEGIN_WORD
    for row, token in zip(ids, tokens, strict=True):
        mark = SENTENCE_MARKS.get(token)
        if mark is not None:
            row[1] = mark
            row[2] = END_WORD
        else:
            text = token.encode("utf-8", "ignore")[: max_characters - 2]
            row[1 : 1 + len(text)] = np.frombuffer(text, dtype=np.uint8)
            row[1 + len(text)] = END_WORD
    return ids + OFFSET
