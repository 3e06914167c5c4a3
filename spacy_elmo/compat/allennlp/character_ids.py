"""Character ids, with the functions and classes of AllenNLP that make them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...bilm import characters
from ...bilm.characters import OFFSET
from ...errors import ElmoError, Errors, short_repr
from ...inference.sentences import validate_sentences

_INDEXER_NAME = "elmo_tokens"


def batch_to_ids(batch: Iterable[Sequence[str]]) -> Tensor:
    """Encode a batch of tokenized sentences.

    batch (Iterable[Sequence[str]]): The sentences.
    RETURNS (Tensor): (batch, longest, 50), int64; rows of zeros are padding.
    RAISES (ElmoError): If a sentence is not a list of str.
    """
    # Without the warning about padding, since ids are all that is made here.
    rows = [characters.character_ids(sentence) for sentence in validate_sentences(batch, warn=lambda _: None)]
    ids = np.zeros(
        (len(rows), max(map(len, rows), default=0), ELMoCharacterMapper.max_word_length), dtype=np.int64
    )
    for padded, own in zip(ids, rows):
        padded[: len(own)] = own
    return torch.from_numpy(ids)


class ELMoCharacterMapper:
    """Encodes words.

    tokens_to_add (Mapping[str, int] | None): Words with a single id of their own, which is used in place of their
        characters.
    """

    max_word_length = 50
    beginning_of_sentence_character = characters.BEGIN_SENTENCE
    end_of_sentence_character = characters.END_SENTENCE
    beginning_of_word_character = characters.BEGIN_WORD
    end_of_word_character = characters.END_WORD
    padding_character = characters.PADDING
    bos_token = characters.OPENING
    eos_token = characters.CLOSING
    # Without the 1 that is added to ids.
    beginning_of_sentence_characters = (characters.character_ids([bos_token])[0] - OFFSET).tolist()
    end_of_sentence_characters = (characters.character_ids([eos_token])[0] - OFFSET).tolist()

    def __init__(self, tokens_to_add: Mapping[str, int] | None = None):
        self.tokens_to_add = dict(tokens_to_add or {})

    def convert_word_to_char_ids(self, word: str) -> list[int]:
        """Encode a word.

        word (str): The word.
        RETURNS (list[int]): 50 ids.
        """
        if word in self.tokens_to_add:
            ids = [self.padding_character + OFFSET] * self.max_word_length
            ids[0] = self.beginning_of_word_character + OFFSET
            ids[1] = self.tokens_to_add[word] + OFFSET
            ids[2] = self.end_of_word_character + OFFSET
            return ids
        encoded: list[int] = characters.character_ids([word])[0].tolist()
        return encoded

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]


class ELMoTokenCharactersIndexer:
    """Encodes the tokens of a field, by the methods of a token indexer of AllenNLP 0.9 and 2.10.

    namespace (str): The name of a vocabulary, which is not used.
    tokens_to_add (Mapping[str, int] | None): See `ELMoCharacterMapper`.
    token_min_padding_length (int): Tokens that a field is padded to at least.
    """

    def __init__(
        self,
        namespace: str = "elmo_characters",
        tokens_to_add: Mapping[str, int] | None = None,
        token_min_padding_length: int = 0,
    ):
        self._namespace = namespace
        self._mapper = ELMoCharacterMapper(tokens_to_add)
        self._token_min_padding_length = token_min_padding_length

    def count_vocab_items(self, token: object, counter: object) -> None:
        """Do nothing: there is no vocabulary.

        token (object): A token.
        counter (object): Counts of words.
        """

    def tokens_to_indices(
        self, tokens: Sequence[Any], vocabulary: object = None, index_name: str = _INDEXER_NAME
    ) -> dict[str, list[list[int]]]:
        """Encode tokens.

        tokens (Sequence[Any]): Tokens with an attribute `text`.
        vocabulary (object): Not used.
        index_name (str): The key of the result.
        RETURNS (dict[str, list[list[int]]]): 50 ids for each token.
        RAISES (ElmoError): If a token has no text.
        """
        texts = [getattr(token, "text", None) for token in tokens]
        for token, text in zip(tokens, texts):
            if not isinstance(text, str):
                raise ElmoError(Errors.EL890.format(got=short_repr(token)))
        return {index_name: [self._mapper.convert_word_to_char_ids(str(text)) for text in texts]}

    def get_padding_lengths(self, token: object) -> dict[str, int]:
        """Get what a token is padded to: nothing, all have 50 ids. For the tokens of a field, as AllenNLP 2 asks,
        their number.

        token (object): The ids of a token, or a dict of them.
        RETURNS (dict[str, int]): The lengths by name.
        """
        if not isinstance(token, Mapping):
            return {}
        return {name: max(len(ids), self._token_min_padding_length) for name, ids in token.items()}

    def get_empty_token_list(self) -> dict[str, list[list[int]]]:
        """Make what stands for no tokens.

        RETURNS (dict[str, list[list[int]]]): An empty list.
        """
        return {_INDEXER_NAME: []}

    def as_padded_tensor(
        self,
        tokens: Mapping[str, Sequence[Sequence[int]]],
        desired_num_tokens: Mapping[str, int],
        padding_lengths: object = None,
    ) -> dict[str, Tensor]:
        """Pad the ids of a field with rows of zeros.

        tokens (Mapping[str, Sequence[Sequence[int]]]): As from `tokens_to_indices`.
        desired_num_tokens (Mapping[str, int]): Rows by name; a longer field is cut.
        padding_lengths (object): Not used.
        RETURNS (dict[str, Tensor]): (rows, 50), int64.
        """
        padded = {}
        for name, rows in tokens.items():
            ids = torch.zeros(desired_num_tokens[name], ELMoCharacterMapper.max_word_length, dtype=torch.int64)
            kept = list(rows)[: len(ids)]
            if kept:
                ids[: len(kept)] = torch.tensor(kept)
            padded[name] = ids
        return padded

    def as_padded_tensor_dict(
        self, tokens: Mapping[str, Sequence[Sequence[int]]], padding_lengths: Mapping[str, int]
    ) -> dict[str, Tensor]:
        """Pad the ids of a field, as AllenNLP 2 asks.

        tokens (Mapping[str, Sequence[Sequence[int]]]): See `as_padded_tensor`.
        padding_lengths (Mapping[str, int]): Rows by name.
        RETURNS (dict[str, Tensor]): See `as_padded_tensor`.
        """
        return self.as_padded_tensor(tokens, padding_lengths)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]
