"""The word types of a text, as a model reads and predicts them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..bilm.characters import CLOSING, OPENING, character_ids
from ..bilm.options import Options
from .streams import Batch
from .vocabulary import Vocabulary


@dataclass(frozen=True)
class Types:
    """What a model knows of a text's word types, the opening and the closing mark after them.

    character_ids: (n_types + 2, max_characters), int16. words: (n_types + 2,), int64, places in the vocabulary.
    """

    character_ids: Tensor
    words: Tensor

    def of(self, batch: Batch, rows: slice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What a model reads of some rows of a batch.

        RETURNS: all on the host: character ids of the types that occur (n, max_characters); inputs (n_steps, 2,
            n_rows), places among these; targets (2, n_steps * n_rows), and those of all rows, in one dimension.
        """
        numbers, places = np.unique(batch.inputs[:, :, rows], return_inverse=True)
        targets = self.words[torch.from_numpy(batch.targets).long()]
        return (
            self.character_ids[torch.from_numpy(numbers).long()].long(),
            torch.from_numpy(places.reshape(batch.inputs[:, :, rows].shape)),
            targets[:, :, rows].transpose(0, 1).flatten(1),
            targets.flatten(),
        )


def types_of(texts: Sequence[str], options: Options, vocabulary: Vocabulary) -> Types:
    """What a model knows of a text's word types."""
    marked = [*texts, OPENING, CLOSING]
    ids = character_ids(marked, max_characters=options.char_cnn.max_characters_per_token)
    return Types(torch.from_numpy(ids.astype("int16")), torch.from_numpy(vocabulary.ids(marked)))
