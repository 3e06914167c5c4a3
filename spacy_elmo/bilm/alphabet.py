"""How a model reads token texts: as numbers of characters and, in some models, of words."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from . import characters
from .options import Options
from .vocabularies import BEGIN_SENTENCE, BEGIN_WORD, END_SENTENCE, END_WORD, PADDING, UNKNOWN


class TokenIds(NamedTuple):
    """characters: (n_tokens, max_characters), int64. words: (n_tokens,), int64; None where a model knows no words
    as such."""

    characters: NDArray[np.int64]
    words: NDArray[np.int64] | None


class Alphabet(Protocol):
    """opening, closing: texts that are read as the marks around a sentence. padding: the id that fills a token
    up."""

    @property
    def opening(self) -> str: ...

    @property
    def closing(self) -> str: ...

    @property
    def padding(self) -> int: ...

    def ids(self, tokens: Sequence[str]) -> TokenIds: ...

    def shorten(self, token: str) -> str:
        """Cut a token to the part that is read, so that its text can be kept.

        token (str): A token of any length.
        RETURNS (str): A text with the same ids, of bounded length; short tokens as they are.
        """
        ...


class ByteAlphabet:
    """UTF-8 bytes, numbered as by bilm-tf and AllenNLP."""

    opening = characters.OPENING
    closing = characters.CLOSING
    padding = characters.PADDING + characters.OFFSET

    def __init__(self, *, max_characters: int):
        self._max_characters = max_characters

    def ids(self, tokens: Sequence[str]) -> TokenIds:
        return TokenIds(characters.character_ids(tokens, max_characters=self._max_characters), None)

    def shorten(self, token: str) -> str:
        most = self._max_characters - 2
        if len(token) <= most or token in characters.SENTENCE_MARKS:
            return token
        encoded = token.encode("utf-8", "ignore")
        # A character of several bytes stays whole: half of it is no text.
        while most < len(encoded) and encoded[most] & 0xC0 == 0x80:
            most += 1
        read = encoded[:most].decode("utf-8")
        # A token that only begins like a sentence mark is not one; the surrogate is dropped when it is read.
        return f"\ud800{read}" if read in characters.SENTENCE_MARKS else read


class VocabularyAlphabet:
    """Code points, and words, by vocabularies of the model's own, as ELMoForManyLangs numbers them.

    A text is cut to max_characters - 2 code points; then it is looked up as a word, and its code points as
    characters. The marks of a word stand the wrong way round, its end before its beginning: so the models were
    trained (ELMoForManyLangs, create_one_batch).
    """

    opening = BEGIN_SENTENCE
    closing = END_SENTENCE

    def __init__(
        self, *, max_characters: int, characters: Mapping[str, int], words: Mapping[str, int] | None = None
    ):
        self._max_characters = max_characters
        self._characters = characters
        self._words = words
        self.padding = characters[PADDING]

    def ids(self, tokens: Sequence[str]) -> TokenIds:
        cut = [token[: self._max_characters - 2] for token in tokens]
        first, last = self._characters[END_WORD], self._characters[BEGIN_WORD]
        rows = np.full((len(tokens), self._max_characters), self.padding, dtype=np.int64)
        for row, token in zip(rows, cut, strict=True):
            # A sentence mark is one character.
            symbols = [token] if token in (self.opening, self.closing) else token
            row[: len(symbols) + 2] = [first, *_look_up(symbols, self._characters), last]
        words = None if self._words is None else np.asarray(_look_up(cut, self._words), dtype=np.int64)
        return TokenIds(rows, words)

    def shorten(self, token: str) -> str:
        return token[: self._max_characters - 2]


def alphabet_of(options: Options) -> Alphabet:
    """How the model that these options describe reads tokens."""
    cnn, words = options.char_cnn, options.words
    if cnn.characters is None:
        return ByteAlphabet(max_characters=cnn.max_characters_per_token)
    return VocabularyAlphabet(
        max_characters=cnn.max_characters_per_token,
        characters=cnn.characters,
        words=None if words is None else words.vocabulary,
    )


def _look_up(symbols: Sequence[str], vocabulary: Mapping[str, int]) -> list[int]:
    unknown = vocabulary[UNKNOWN]
    return [vocabulary.get(symbol, unknown) for symbol in symbols]
