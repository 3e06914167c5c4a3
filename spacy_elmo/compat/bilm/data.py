"""Words and characters as numbers, as in bilm-tf: vocabularies, and the arrays of a batch.

On purpose, a missing word has no silent effect: without <S> or </S>, the last word keeps its own characters; in
`TokenBatcher`, a token without a number is an error, where bilm-tf reads it as padding.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...bilm.characters import (
    BEGIN_SENTENCE,
    BEGIN_WORD,
    CLOSING,
    END_SENTENCE,
    END_WORD,
    OFFSET,
    OPENING,
    PADDING,
    character_ids,
)
from ...errors import ElmoError, Errors, short_repr
from ...inference.sentences import validate_sentences
from ...inputs.packed import COMPRESSIONS, InputFile
from ...inputs.text import Lines
from ...util.files import check_regular

UNKNOWN = "<UNK>"
# A line of older vocabularies that is not a word.
_NO_WORD = "!!!MAXTERMID"
# Two word markers, and at least one character between them.
_FEWEST_CHARACTERS = 3

# A file with one word per line, or the words; None for the special words alone.
Words = str | os.PathLike[str] | Sequence[str] | None


class Vocabulary:
    """Words and their numbers, which begin with 0.

    filename (Words): A text file in UTF-8 with one word per line, also compressed (.gz, .bz2, .xz). Or, beyond
        bilm-tf, a list of words, or None for the special words alone. If a word occurs twice, it has the last of
        its numbers.
    validate_file (bool): Require the special words <S>, </S> and <UNK>.
    limit (int | None): Use so many words from the beginning; None: all.
    RAISES (ElmoError): If the file is not text in UTF-8, or lacks a special word that is required.
    RAISES (FileNotFoundError): If there is no such file.
    """

    def __init__(self, filename: Words, validate_file: bool = False, limit: int | None = None):
        self._where = str(filename) if isinstance(filename, (str, os.PathLike)) else "the list of words"
        words = (word for word in _read_words(filename) if word != _NO_WORD)
        self._id_to_word = list(islice(words, limit))
        self._word_to_id = {word: number for number, word in enumerate(self._id_to_word)}
        missing = [word for word in (OPENING, CLOSING, UNKNOWN) if word not in self._word_to_id]
        if validate_file and missing:
            raise ElmoError(Errors.EL072.format(path=self._where, missing=", ".join(missing)))

    @property
    def bos(self) -> int:
        """The number of <S>; -1 if there is none."""
        return self._word_to_id.get(OPENING, -1)

    @property
    def eos(self) -> int:
        """The number of </S>; -1 if there is none."""
        return self._word_to_id.get(CLOSING, -1)

    @property
    def unk(self) -> int:
        """The number of <UNK>; -1 if there is none."""
        return self._word_to_id.get(UNKNOWN, -1)

    @property
    def size(self) -> int:
        """The number of words."""
        return len(self._id_to_word)

    @property
    def where(self) -> str:
        """Where the words are from, for messages."""
        return self._where

    def word_to_id(self, word: str) -> int:
        """Look up a word.

        word (str): The word.
        RETURNS (int): Its number; that of <UNK> for other words.
        """
        return self._word_to_id.get(word, self.unk)

    def id_to_word(self, cur_id: int) -> str:
        """Get a word by its number.

        cur_id (int): The number.
        RETURNS (str): The word.
        RAISES (IndexError): If there is no such word.
        """
        return self._id_to_word[cur_id]

    def decode(self, cur_ids: Iterable[int]) -> str:
        """Join words by their numbers.

        cur_ids (Iterable[int]): The numbers.
        RETURNS (str): The words with a space between them.
        """
        return " ".join(self.id_to_word(number) for number in cur_ids)

    def encode(
        self, sentence: str | Sequence[str], reverse: bool = False, split: bool = True
    ) -> NDArray[np.int32]:
        """Look up the words of a sentence, and add the boundary tokens.

        sentence (str | Sequence[str]): The words, separated by whitespace; without `split`, a list of words.
        reverse (bool): Whether the words are in reverse order, so that </S> comes first and <S> last.
        split (bool): Whether to split the sentence.
        RETURNS (NDArray[np.int32]): (n_words + 2,); -1 for a word that is missing if <UNK> is missing, too.
        RAISES (ElmoError): If the sentence is not a str, or without `split` not a list of str.
        """
        tokens = _add_boundaries(_split(sentence, split=split), reverse=reverse)
        return np.array([self.word_to_id(token) for token in tokens], dtype=np.int32)


class UnicodeCharsVocabulary(Vocabulary):
    """Words, their numbers, and the character ids of any word: its bytes in UTF-8 between two word markers.

    These ids are one lower than those that a model reads, where 0 is padding: `Batcher` adds the 1. <S> and </S>
    are always boundary tokens, as in AllenNLP; for bilm-tf they are so if they are among the words.

    filename (Words): See `Vocabulary`; it has no effect on character ids.
    max_word_length (int): Ids per word, including the two word markers; at least 3. Longer words are cut.
    validate_file (bool): See `Vocabulary`.
    limit (int | None): See `Vocabulary`.
    RAISES (ElmoError): If max_word_length is not a whole number from 3 up; and as `Vocabulary`.
    """

    bos_char = BEGIN_SENTENCE
    eos_char = END_SENTENCE
    bow_char = BEGIN_WORD
    eow_char = END_WORD
    pad_char = PADDING

    def __init__(
        self, filename: Words, max_word_length: int, validate_file: bool = False, limit: int | None = None
    ):
        if not isinstance(max_word_length, (int, np.integer)) or max_word_length < _FEWEST_CHARACTERS:
            raise ElmoError(
                Errors.EL038.format(name="max_word_length", low=_FEWEST_CHARACTERS, got=max_word_length)
            )
        super().__init__(filename, validate_file=validate_file, limit=limit)
        self._max_word_length = int(max_word_length)
        self.bos_chars, self.eos_chars = self._encode([OPENING, CLOSING])

    @property
    def max_word_length(self) -> int:
        """Ids per word."""
        return self._max_word_length

    @cached_property
    def word_char_ids(self) -> NDArray[np.int32]:
        """The character ids of all words, (size, max_word_length)."""
        # Only made when it is asked for: no method reads it, and large vocabularies have 100 MB of it.
        return self._encode(self._id_to_word)

    def word_to_char_ids(self, word: str) -> NDArray[np.int32]:
        """Compute the character ids of a word.

        word (str): Any word.
        RETURNS (NDArray[np.int32]): (max_word_length,), values 0 to 260.
        """
        return np.asarray(self._encode([word])[0])

    def encode_chars(
        self, sentence: str | Sequence[str], reverse: bool = False, split: bool = True
    ) -> NDArray[np.int32]:
        """Compute the character ids of a sentence with its boundary tokens.

        sentence (str | Sequence[str]): See `Vocabulary.encode`.
        reverse (bool): See `Vocabulary.encode`.
        split (bool): See `Vocabulary.encode`.
        RETURNS (NDArray[np.int32]): (n_words + 2, max_word_length), values 0 to 260.
        RAISES (ElmoError): As `Vocabulary.encode`.
        """
        return self._encode(_add_boundaries(_split(sentence, split=split), reverse=reverse))

    def _encode(self, words: Sequence[str]) -> NDArray[np.int32]:
        return (character_ids(words, max_characters=self._max_word_length) - OFFSET).astype(np.int32)


class Batcher:
    """Makes the arrays of character ids that `BidirectionalLanguageModel` reads.

    lm_vocab_file (Words): See `Vocabulary`; it has no effect on the ids.
    max_token_length (int): Ids per token, which must be what the model has: 50 for published models.
    limit (int | None): See `Vocabulary`.
    RAISES (ElmoError): As `UnicodeCharsVocabulary`, with its other errors.
    """

    def __init__(self, lm_vocab_file: Words, max_token_length: int, limit: int | None = None):
        self._lm_vocab = UnicodeCharsVocabulary(lm_vocab_file, max_token_length, limit=limit)

    def batch_sentences(self, sentences: Iterable[Sequence[str]]) -> NDArray[np.int64]:
        """Compute the character ids of a batch.

        sentences (Iterable[Sequence[str]]): Token texts, without boundary tokens.
        RETURNS (NDArray[np.int64]): (n_sentences, longest + 2, max_token_length), with boundary tokens: values 1
            to 261, and 0 after the end of a sentence.
        RAISES (ElmoError): If a sentence is not a list of str.
        """
        rows = [self._lm_vocab.encode_chars(tokens, split=False) for tokens in _read_sentences(sentences)]
        return _pad(rows, like=(2, self._lm_vocab.max_word_length))


class TokenBatcher:
    """Makes the arrays of token ids for a model that reads token embeddings, as `dump_token_embeddings` writes.

    lm_vocab_file (Words): See `Vocabulary`; with <S> and </S>.
    RAISES (ElmoError): If <S> or </S> is missing; and as `Vocabulary`, with its other errors.
    """

    def __init__(self, lm_vocab_file: Words):
        self._lm_vocab = Vocabulary(lm_vocab_file)
        for word, number in ((OPENING, self._lm_vocab.bos), (CLOSING, self._lm_vocab.eos)):
            if number < 0:
                self._fail(word)

    def batch_sentences(self, sentences: Iterable[Sequence[str]]) -> NDArray[np.int64]:
        """Look up the tokens of a batch.

        sentences (Iterable[Sequence[str]]): Token texts, without boundary tokens.
        RETURNS (NDArray[np.int64]): (n_sentences, longest + 2), with boundary tokens, the number of each token in
            the vocabulary plus 1; 0 after the end of a sentence.
        RAISES (ElmoError): If a sentence is not a list of str, or a token is missing and so is <UNK>.
        """
        rows = []
        for tokens in _read_sentences(sentences):
            ids = self._lm_vocab.encode(tokens, split=False)
            if (ids < 0).any():
                self._fail(tokens[int(np.argmax(ids < 0)) - 1])
            rows.append(ids)
        return _pad(rows, like=(2,))

    def _fail(self, word: str) -> None:
        raise ElmoError(Errors.EL884.format(word=short_repr(word), path=self._lm_vocab.where))


def _read_words(filename: Words) -> Iterator[str]:
    if filename is None:
        yield from (OPENING, CLOSING, UNKNOWN)
    elif isinstance(filename, (str, os.PathLike)):
        path = Path(filename)
        check_regular(path)
        ending = path.suffix.lower()
        file = InputFile(path, format="tokens", compression=ending if ending in COMPRESSIONS else None)
        yield from (line.text.strip() for line in Lines(file))
    else:
        yield from filename


def _split(sentence: str | Sequence[str], *, split: bool) -> list[str]:
    if not split:
        return next(iter(_read_sentences([sentence])))
    if not isinstance(sentence, str):
        raise ElmoError(Errors.EL881.format(got=short_repr(sentence)))
    return sentence.split()


def _read_sentences(sentences: Iterable[Sequence[str]]) -> Iterable[list[str]]:
    # Without the warning about padding, since ids are all that is made here.
    return validate_sentences(sentences, warn=lambda _: None)


def _add_boundaries(tokens: list[str], *, reverse: bool) -> list[str]:
    return [CLOSING, *tokens, OPENING] if reverse else [OPENING, *tokens, CLOSING]


def _pad(rows: Sequence[NDArray[np.int32]], *, like: tuple[int, ...]) -> NDArray[np.int64]:
    """like: the shape of the ids of a sentence without tokens."""
    longest = max((len(row) for row in rows), default=like[0])
    batch = np.zeros((len(rows), longest, *like[1:]), dtype=np.int64)
    for target, row in zip(batch, rows):
        # 0 is left for padding.
        target[: len(row)] = row + OFFSET
    return batch
