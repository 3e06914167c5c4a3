"""The word types of a text, encoded for a language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..bilm.characters import CLOSING, OPENING, character_ids
from ..bilm.options import Options
from .streams import Batch
from .vocabulary import Vocabulary


class EncodedBatch(NamedTuple):
    """What a model reads and predicts of some rows of a batch, on the host.

    character_ids (Tensor): Of the types that occur: (n, max_characters), int64.
    inputs (Tensor): Indices of these types: (n_steps, 2, n_rows), int64.
    targets (Tensor): Numbers in the vocabulary: (2, n_steps * n_rows), int64.
    all_targets (Tensor): Those of all rows of the batch, in one dimension.
    """

    character_ids: Tensor
    inputs: Tensor
    targets: Tensor
    all_targets: Tensor


@dataclass(frozen=True)
class EncodedTypes:
    """The word types of a text, encoded for a model; <S> and </S> follow them.

    character_ids (Tensor): (n_types + 2, max_characters), int16.
    words (Tensor): Their numbers in the vocabulary: (n_types + 2,), int64.
    """

    character_ids: Tensor
    words: Tensor

    def encode(self, batch: Batch, rows: slice) -> EncodedBatch:
        """Encode some rows of a batch.

        batch (Batch): Indices of the text's types.
        rows (slice): The rows to be encoded.
        RETURNS (EncodedBatch): What a model reads and predicts.
        """
        numbers, places = np.unique(batch.inputs[:, :, rows], return_inverse=True)
        targets = self.words[torch.from_numpy(batch.targets).long()]
        return EncodedBatch(
            self.character_ids[torch.from_numpy(numbers).long()].long(),
            torch.from_numpy(places.reshape(batch.inputs[:, :, rows].shape)),
            targets[:, :, rows].transpose(0, 1).flatten(1),
            targets.flatten(),
        )


def encode_types(texts: Sequence[str], options: Options, vocabulary: Vocabulary) -> EncodedTypes:
    """Encode the word types of a text.

    texts (Sequence[str]): The distinct tokens.
    options (Options): Of the model that reads them.
    vocabulary (Vocabulary): The words that it predicts.
    RETURNS (EncodedTypes): For `LanguageModel`.
    """
    types = [*texts, OPENING, CLOSING]
    ids = character_ids(types, max_characters=options.char_cnn.max_characters_per_token)
    return EncodedTypes(torch.from_numpy(ids.astype("int16")), torch.from_numpy(vocabulary.ids(types)))
