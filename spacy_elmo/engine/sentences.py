"""Sentences as users give them."""

from typing import Iterable, Iterator, List, Sequence

from ..errors import Errors
from .base import N_MARKS


def n_rows(sentence: Sequence[str]) -> int:
    """What a sentence takes up in a batch: its tokens and its marks. Thus even empty ones fill a window."""
    return len(sentence) + N_MARKS


def checked(sentences: Iterable[Sequence[str]]) -> Iterator[List[str]]:
    """Each sentence as a list. RAISES: ValueError if one is not a list of str."""
    only_str = {str}
    for i, sentence in enumerate(sentences):
        # What nearly all sentences are, looked at first and in one go: at a GPU's speed, a look at each token counts.
        if type(sentence) is list and {*map(type, sentence)} <= only_str:
            yield sentence
            continue
        if isinstance(sentence, (str, bytes)) or not isinstance(sentence, Iterable):
            raise ValueError(Errors.EL033.format(index=i, got=repr(sentence)))
        tokens = list(sentence)
        for k, token in enumerate(tokens):
            if not isinstance(token, str):
                raise ValueError(Errors.EL034.format(token=k, sentence=i, got=repr(token)))
        yield tokens
