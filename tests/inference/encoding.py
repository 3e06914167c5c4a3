"""Sentences as numbers, for tests."""

from collections.abc import Sequence

import numpy as np

from spacy_elmo.inference.sentences import EncodedSentences


def encode(sentences: Sequence[Sequence[str]], texts: list[str] | None = None) -> EncodedSentences:
    """texts: of earlier sentences, to which new ones are appended."""
    texts = [] if texts is None else texts
    places = {text: place for place, text in enumerate(texts)}
    numbers = [places.setdefault(token, len(places)) for sentence in sentences for token in sentence]
    texts += [*places][len(texts) :]
    return EncodedSentences(
        texts, np.asarray(numbers, dtype=np.int64), np.asarray([*map(len, sentences)], dtype=np.int64)
    )
