"""Sentences as ids: made in the workers of a DataLoader, read by the module."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..bilm.alphabet import Alphabet, make_alphabet, make_id_tokens
from ..bilm.characters import N_IDS
from ..bilm.options import Options
from ..errors import ElmoError, Errors
from ..errors.warn import OnceWarner
from ..inference.sentences import EncodedSentences, find_word_types, validate_sentences

Sentences = Iterable[Sequence[str]]


class Batch(NamedTuple):
    """A batch as the module reads it.

    sentences (EncodedSentences): Its sentences.
    longest (int): Tokens to pad sentences to.
    """

    sentences: EncodedSentences
    longest: int


class Encoder:
    """Encodes sentences for a module. It is small, and can be sent to other processes: use it in `collate_fn`.

    options (Options): The options of the biLM.
    """

    def __init__(self, options: Options):
        self.options = options

    def __call__(self, sentences: Sentences) -> Tensor:
        """Encode a batch.

        sentences (Iterable[Sequence[str]]): Token texts; a sentence may be empty.
        RETURNS (Tensor): (batch, longest, n_ids), int64. A token has the ids of its characters and, in models with
            a word vocabulary, that of the word in the last column; a row of zeros is padding. For the models of
            AllenNLP these are the ids of its `batch_to_ids`.
        RAISES (ElmoError): If a sentence is not a list of str.
        """
        encoded, longest = self.read(sentences)
        rows = self._alphabet.ids(list(encoded.texts)).rows()
        ids = np.zeros((len(encoded), longest, self._alphabet.n_columns), dtype=np.int64)
        ids[np.arange(longest) < encoded.lengths[:, None]] = rows[encoded.numbers]
        return torch.from_numpy(ids)

    def read(self, inputs: "Sentences | Tensor | NDArray[np.integer]") -> Batch:
        """Read sentences or ids.

        inputs (Iterable[Sequence[str]] | Tensor | NDArray): Token texts; or ids, as `__call__` returns them.
        RETURNS (Batch): The batch.
        RAISES (ElmoError): If they are neither.
        """
        if isinstance(inputs, (Tensor, np.ndarray)):
            return self._read_ids(inputs)
        sentences = list(validate_sentences(inputs, warn=self._warn))
        lengths = np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))
        return Batch(EncodedSentences(*find_word_types(sentences), lengths), int(lengths.max(initial=0)))

    def _read_ids(self, ids: "Tensor | NDArray[np.integer]") -> Batch:
        array = ids.detach().cpu().numpy() if isinstance(ids, Tensor) else ids
        n_columns = self._alphabet.n_columns
        if array.ndim != 3 or array.shape[2] != n_columns or array.dtype.kind not in "iu":
            got = f"{array.dtype}, {tuple(array.shape)}"
            raise ElmoError(Errors.EL870.format(n_columns=n_columns, got=got))
        given = array.any(axis=2)
        lengths = given.sum(axis=1)
        longest = given.shape[1]
        gaps = np.argwhere(given != (np.arange(longest) < lengths[:, None]))
        if len(gaps):
            sentence, token = gaps[0].tolist()
            raise ElmoError(Errors.EL871.format(token=token, sentence=sentence))
        rows = array[given]
        self._check_range(rows)
        table: dict[str, int] = {}
        numbers = [table.setdefault(token, len(table)) for token in make_id_tokens(rows)]
        sentences = EncodedSentences(list(table), np.asarray(numbers, dtype=np.int64), lengths.astype(np.int64))
        return Batch(sentences, longest)

    def _check_range(self, rows: "NDArray[np.integer]") -> None:
        cnn, words = self.options.char_cnn, self.options.words
        n_characters = cnn.n_characters if self.options.has_own_vocabulary else N_IDS
        parts = []
        if cnn.filters:
            parts.append(("characters", rows[:, : cnn.max_characters_per_token], n_characters))
        if words is not None:
            parts.append(("words", rows[:, -1:], words.n_words))
        for what, ids, n_ids in parts:
            for got in (ids.min(initial=0), ids.max(initial=0)):
                if not 0 <= got < n_ids:
                    raise ElmoError(Errors.EL872.format(got=int(got), what=what, highest=n_ids - 1))

    @cached_property
    def _alphabet(self) -> Alphabet:
        return make_alphabet(self.options)

    @cached_property
    def _warn(self) -> OnceWarner:
        return OnceWarner()

    def __getstate__(self) -> dict[str, object]:
        return {"options": self.options}
