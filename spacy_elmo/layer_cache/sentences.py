"""What a sentence is looked up by: a digest of its tokens."""

import hashlib
import struct
from collections.abc import Sequence
from typing import Any, NoReturn

from ..errors import Errors, short_repr

DIGEST_BYTES = 16


def digests(sentences: Sequence[Sequence[str]]) -> list[bytes]:
    """16 bytes for each sentence, which another sentence has only if its tokens are the same.

    RAISES: ValueError if a sentence is not a list of str.
    """
    try:
        return [_digest(sentence) for sentence in sentences]
    except TypeError:
        _refuse(sentences)


def _digest(tokens: Sequence[str]) -> bytes:
    if isinstance(tokens, (str, bytes)):
        raise TypeError
    # The lengths tell where each token ends, whatever characters it is made of. They come with their number in
    # front, and one half of a surrogate pair is encoded as it stands: no two sentences give the same bytes.
    lengths = struct.pack(f"<{len(tokens) + 1}I", len(tokens), *map(len, tokens))
    text = "".join(tokens).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(lengths + text, digest_size=DIGEST_BYTES).digest()


def _refuse(sentences: Sequence[Any]) -> NoReturn:
    for i, sentence in enumerate(sentences):
        if isinstance(sentence, (str, bytes)) or not isinstance(sentence, Sequence):
            raise ValueError(Errors.EL033.format(index=i, got=short_repr(sentence)))
        for k, token in enumerate(sentence):
            if not isinstance(token, str):
                advice = "Convert it, or leave it out."
                raise ValueError(Errors.EL034.format(token=k, sentence=i, got=short_repr(token), advice=advice))
    raise AssertionError("no sentence is wrong")
