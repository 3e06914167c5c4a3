"""Character ids: a token's UTF-8 bytes between two word markers, as in bilm-tf and AllenNLP."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Characters of bilm-tf (bilm/data.py, UnicodeCharsVocabulary). The ids that a model reads are one higher, because
# id 0 means that there is no token (AllenNLP, elmo_indexer.py).
BEGIN_SENTENCE = 256
END_SENTENCE = 257
BEGIN_WORD = 258
END_WORD = 259
PADDING = 260
OFFSET = 1
N_IDS = PADDING + OFFSET + 1

# AllenNLP and bilm-tf read these texts as boundary tokens, wherever they occur.
BOUNDARY_TOKENS = {"<S>": BEGIN_SENTENCE, "</S>": END_SENTENCE}
OPENING, CLOSING = BOUNDARY_TOKENS


def character_ids(tokens: Sequence[str], *, max_characters: int = 50) -> NDArray[np.int64]:
    """Compute the character ids of each token.

    Texts are used unchanged: no stripping, no case folding, no Unicode normalization. Bytes beyond
    max_characters - 2 are cut off, even inside a character; lone surrogates are dropped.

    tokens (Sequence[str]): Token texts.
    max_characters (int): Ids per token, including the two word markers; at least 3.
    RETURNS (NDArray): (n_tokens, max_characters), int64, values 1 to 261.
    """
    ids = np.full((len(tokens), max_characters), PADDING, dtype=np.int64)
    ids[:, 0] = BEGIN_WORD
    for row, token in zip(ids, tokens, strict=True):
        boundary = BOUNDARY_TOKENS.get(token)
        if boundary is not None:
            row[1] = boundary
            row[2] = END_WORD
        else:
            text = token.encode("utf-8", "ignore")[: max_characters - 2]
            row[1 : 1 + len(text)] = np.frombuffer(text, dtype=np.uint8)
            row[1 + len(text)] = END_WORD
    return ids + OFFSET
