"""Sentences as numbers, for tests."""

from collections.abc import Sequence

import numpy as np

from spacy_elmo.inference.sentences import EncodedSentences


def coded(sentences: Sequence[Sequence[str]], texts: list[str] | None = None) -> EncodedSentences:
    """texts: of earlier sentences, to which new ones are appended."""
    texts = [] if texts is None else texts
    number_of = {text: number for number, text in enumerate(texts)}
    numbers = [number_of.setdefault(token, len(number_of)) for sentence in sentences for token in sentence]
    texts += [*number_of][len(texts) :]
    return EncodedSentences(
        texts, np.asarray(numbers, dtype=np.int64), np.asarray([*map(len, sentences)], dtype=np.int64)
    )
