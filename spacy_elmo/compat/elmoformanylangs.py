"""The interface of ELMoForManyLangs: `Embedder` and its `sents2elmo`, over any model of this package.

On purpose, a sentence has the same vectors every time, whatever was embedded before and in whatever batch.
"""

import logging
from collections.abc import Iterator
from operator import index
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..bilm.layers import LayerName, LayerOutputs
from ..elmo import Sentences, load
from ..errors import ElmoError, Errors, short_repr
from ..weights.source import Source

__all__ = ["Embedder", "logger"]

logger = logging.getLogger("elmoformanylangs")
"""For code that sets the level of ELMoForManyLangs' logger. Nothing is logged."""

MEAN, ALL_LAYERS = -1, -2


class Embedder:
    """A model with the interface of ELMoForManyLangs' embedder. It runs on the GPU if torch has one.

    model_dir (Source): The folder of a model, or any other source of `spacy_elmo.load`, such as "manylangs/de".
    batch_size (int): Kept as an attribute. Sentences are batched by their tokens, which does not change values.
    RAISES (ElmoError): As `spacy_elmo.load`, with its other errors.
    """

    def __init__(self, model_dir: Source, batch_size: int = 64):
        self.model_dir = model_dir
        self.batch_size = batch_size
        self.use_cuda = torch.cuda.is_available()
        self.model = load(model_dir, device="cuda" if self.use_cuda else "cpu")

    @property
    def config(self) -> dict[str, dict[str, Any]]:
        """The sizes of the network, under the names of ELMoForManyLangs' configuration."""
        lstm, characters, words = self.model.options.lstm, self.model.options.char_cnn, self.model.options.words
        return {
            "encoder": {
                "name": "elmo",
                "projection_dim": lstm.projection_dim,
                "cell_clip": lstm.cell_clip,
                "proj_clip": lstm.proj_clip,
                "dim": lstm.dim,
                "n_layers": lstm.n_layers,
            },
            "token_embedder": {
                "name": "cnn",
                "activation": characters.activation,
                "filters": [list(pair) for pair in characters.filters],
                "n_highway": characters.n_highway,
                "word_dim": 0 if words is None else words.embedding_dim,
                "char_dim": characters.embedding_dim,
                "max_characters_per_token": characters.max_characters_per_token,
            },
        }

    def sents2elmo(self, sents: Sentences, output_layer: int = MEAN) -> list[NDArray[np.float32]]:
        """Compute the vectors of tokenized sentences.

        sents (Iterable[Sequence[str]]): Token texts; an empty sentence gives arrays with 0 rows.
        output_layer (int): -1: the mean of all layers; -2: all layers; 0: the layer below the LSTM, twice side by
            side; 1 to L: an LSTM layer.
        RETURNS (list[NDArray[np.float32]]): One for each sentence, in the order of `sents`: (n_tokens, 2P), or
            with -2 (L + 1, n_tokens, 2P).
        RAISES (ElmoError): If the model does not have the layer, or a sentence is not a list of str.
        """
        n_layers = self.model.n_layers
        try:
            number = index(output_layer)
        except TypeError:
            number = n_layers + 1
        if not ALL_LAYERS <= number <= n_layers:
            got = short_repr(output_layer)
            raise ElmoError(Errors.EL888.format(got=got, n_layers=n_layers, model=short_repr(self.model_dir)))
        # All but the mix.
        names = self.model.layer_names[:-1]
        chosen = names if number < 0 else [names[number]]
        return list(self._compute(sents, chosen, number))

    def _compute(self, sents: Sentences, names: list[LayerName], number: int) -> Iterator[NDArray[np.float32]]:
        for output in self.model.stream(sents, layers=names):
            if number == MEAN:
                yield output.stack().mean(axis=0)
            elif number == ALL_LAYERS:
                yield output.stack()
            else:
                yield _read_layer(output, names[0])


def _read_layer(output: LayerOutputs, name: LayerName) -> NDArray[np.float32]:
    array = output[name]
    # A copy, because the sentences of a batch share an array.
    return np.concatenate([array, array], axis=1) if name == "word_emb" else np.array(array)
