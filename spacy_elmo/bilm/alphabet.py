"""Encode token texts as a model reads them: as ids of characters and, in some models, of words."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from . import characters
from .options import Options
from .vocabularies import BEGIN_SENTENCE, BEGIN_WORD, END_SENTENCE, END_WORD, PADDING, UNKNOWN

# Of ids in a token made of them.
_ID_DTYPE = np.int32


class TokenIds(NamedTuple):
    """The ids of tokens.

    characters (NDArray): (n_tokens, max_characters), int64.
    words (NDArray | None): (n_tokens,), int64; None if the model has no word vocabulary.
    """

    characters: NDArray[np.int64]
    words: NDArray[np.int64] | None

    def rows(self) -> NDArray[np.int64]:
        """Join the ids of each token.

        RETURNS (NDArray): (n_tokens, n_columns): of its characters and, in the last column, of the word. No row is
            all zeros, since two different ids mark the ends of a word, or a 1 is in place of characters.
        """
        return self.characters if self.words is None else np.column_stack([self.characters, self.words])


class Alphabet(ABC):
    """Encodes tokens.

    opening (str): The text that is read as the boundary token before a sentence.
    closing (str): The text that is read as the boundary token after a sentence.
    padding (int): The id after the last character of a token.
    """

    opening: str
    closing: str
    padding: int

    @property
    @abstractmethod
    def n_columns(self) -> int:
        """Ids of a token."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> TokenIds:
        """Encode token texts.

        texts (Sequence[str]): Token texts.
        RETURNS (TokenIds): Their ids.
        """

    @abstractmethod
    def shorten_text(self, text: str) -> str:
        """Cut a text to the part that affects its ids.

        text (str): A token text of any length.
        RETURNS (str): A text of bounded length with the same ids; short ones are returned unchanged.
        """

    def ids(self, tokens: Sequence[str]) -> TokenIds:
        """Encode tokens.

        tokens (Sequence[str]): Token texts, or what `make_id_tokens` returns.
        RETURNS (TokenIds): Their ids.
        """
        given = [i for i, token in enumerate(tokens) if type(token) is bytes]
        if not given:
            return self.encode(tokens)
        ids = self.encode(["" if type(token) is bytes else token for token in tokens])
        data = b"".join(cast(bytes, tokens[i]) for i in given)
        rows = np.frombuffer(data, dtype=_ID_DTYPE).reshape(len(given), self.n_columns)
        ids.characters[given] = rows[:, : ids.characters.shape[1]]
        if ids.words is not None:
            ids.words[given] = rows[:, -1]
        return ids

    def shorten(self, token: str) -> str:
        """Cut a token to the part that affects its ids, so that it can be stored.

        token (str): As for `ids`.
        RETURNS (str): See `shorten_text`.
        """
        return token if type(token) is bytes else self.shorten_text(token)


def make_id_tokens(rows: NDArray[np.integer]) -> list[str]:
    """Make tokens of ids, for use in place of token texts. They are bytes, which no text is equal to; though their
    type says str, only an `Alphabet` reads what is in them.

    rows (NDArray): (n_tokens, n_columns), as of `TokenIds.rows`.
    RETURNS (list[str]): The tokens; those of equal rows are equal.
    """
    rows = np.ascontiguousarray(rows, dtype=_ID_DTYPE)
    return cast(list[str], rows.view(f"V{rows.itemsize * rows.shape[1]}").ravel().tolist())


class ByteAlphabet(Alphabet):
    """UTF-8 bytes, with the ids of bilm-tf and AllenNLP.

    max_characters (int): Ids per token.
    """

    opening = characters.OPENING
    closing = characters.CLOSING
    padding = characters.PADDING + characters.OFFSET

    def __init__(self, *, max_characters: int):
        self._max_characters = max_characters

    @property
    def n_columns(self) -> int:
        return self._max_characters

    def encode(self, texts: Sequence[str]) -> TokenIds:
        return TokenIds(characters.character_ids(texts, max_characters=self._max_characters), None)

    def shorten_text(self, text: str) -> str:
        most = self._max_characters - 2
        if len(text) <= most or text in characters.BOUNDARY_TOKENS:
            return text
        encoded = text.encode("utf-8", "ignore")
        # Do not cut inside a character: the rest would not be valid UTF-8.
        while most < len(encoded) and encoded[most] & 0xC0 == 0x80:
            most += 1
        read = encoded[:most].decode("utf-8")
        # A token that only begins like a boundary token is not one; the surrogate is dropped when it is encoded.
        return f"\ud800{read}" if read in characters.BOUNDARY_TOKENS else read


class VocabularyAlphabet(Alphabet):
    """Code points, and words, by the model's vocabularies, as in ELMoForManyLangs.

    A text is cut to max_characters - 2 code points; then it is looked up as a word, and its code points as
    characters. The word markers are swapped, the end before the beginning, because the models were trained this
    way (ELMoForManyLangs, create_one_batch).

    max_characters (int): Ids per token.
    characters (Mapping[str, int]): The ids of code points and markers.
    words (Mapping[str, int] | None): The ids of words, if the model has a word vocabulary.
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

    @property
    def n_columns(self) -> int:
        return self._max_characters + (self._words is not None)

    def encode(self, texts: Sequence[str]) -> TokenIds:
        cut = [text[: self._max_characters - 2] for text in texts]
        first, last = self._characters[END_WORD], self._characters[BEGIN_WORD]
        rows = np.full((len(texts), self._max_characters), self.padding, dtype=np.int64)
        for row, token in zip(rows, cut, strict=True):
            # A boundary token is a single character.
            symbols = [token] if token in (self.opening, self.closing) else token
            row[: len(symbols) + 2] = [first, *_look_up(symbols, self._characters), last]
        words = None if self._words is None else np.asarray(_look_up(cut, self._words), dtype=np.int64)
        return TokenIds(rows, words)

    def shorten_text(self, text: str) -> str:
        return text[: self._max_characters - 2]


class WordAlphabet(Alphabet):
    """Words alone, by the model's vocabulary, as in ELMoForManyLangs without characters.

    A text is cut to max_characters - 2 code points before it is looked up. In place of ids of characters, each
    token has a 1, so that no row of ids is all zeros.

    max_characters (int): Sets the cut.
    words (Mapping[str, int]): The ids of words.
    """

    opening = BEGIN_SENTENCE
    closing = END_SENTENCE
    padding = 0

    def __init__(self, *, max_characters: int, words: Mapping[str, int]):
        self._max_characters = max_characters
        self._words = words

    @property
    def n_columns(self) -> int:
        return 2

    def encode(self, texts: Sequence[str]) -> TokenIds:
        cut = [self.shorten_text(text) for text in texts]
        words = np.asarray(_look_up(cut, self._words), dtype=np.int64)
        return TokenIds(np.ones((len(texts), 1), dtype=np.int64), words)

    def shorten_text(self, text: str) -> str:
        return text[: self._max_characters - 2]


def make_alphabet(options: Options) -> Alphabet:
    """Make the alphabet of a model.

    options (Options): The model's options.
    RETURNS (Alphabet): The alphabet that its tokens are encoded with.
    """
    cnn, words = options.char_cnn, options.words
    if cnn.characters is None:
        return ByteAlphabet(max_characters=cnn.max_characters_per_token)
    if words is not None and not cnn.filters:
        return WordAlphabet(max_characters=cnn.max_characters_per_token, words=words.vocabulary)
    return VocabularyAlphabet(
        max_characters=cnn.max_characters_per_token,
        characters=cnn.characters,
        words=None if words is None else words.vocabulary,
    )


def _look_up(symbols: Sequence[str], vocabulary: Mapping[str, int]) -> list[int]:
    unknown = vocabulary[UNKNOWN]
    return [vocabulary.get(symbol, unknown) for symbol in symbols]
