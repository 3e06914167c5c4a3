"""AllenNLP 0.9's `ElmoEmbedder`: sentences in, numpy arrays or an HDF5 file out."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import ElmoError, Errors
from ...util.hdf5_file import write_hdf5
from .bilm_modules import DEFAULT_OPTIONS_FILE, DEFAULT_WEIGHT_FILE, File, _ElmoBiLm
from .character_ids import ELMoTokenCharactersIndexer

DEFAULT_BATCH_SIZE = 64
"""Sentences of a batch of `ElmoEmbedder`."""

Array = NDArray[np.floating]


def empty_embedding() -> Array:
    """Make the layers of a sentence without tokens. As in AllenNLP, they are those of the original model.

    RETURNS (Array): (3, 0, 1024), float64.
    """
    return np.zeros((3, 0, 1024))


class ElmoEmbedder:
    """Computes all layers of sentences.

    options_file (File): AllenNLP's options file, or its address; without weight_file, any source.
    weight_file (File): AllenNLP's weights file, or its address.
    cuda_device (int): The number of a GPU; -1: the CPU.
    stateful (bool): Whether a batch starts from the last one's states, as AllenNLP's does.
    """

    def __init__(
        self,
        options_file: File = DEFAULT_OPTIONS_FILE,
        weight_file: File = DEFAULT_WEIGHT_FILE,
        cuda_device: int = -1,
        *,
        stateful: bool = False,
    ):
        self.indexer = ELMoTokenCharactersIndexer()
        self.elmo_bilm = _ElmoBiLm(options_file, weight_file, stateful=stateful)
        if cuda_device >= 0:
            self.elmo_bilm.to(torch.device("cuda", cuda_device))
        self.cuda_device = cuda_device

    def batch_to_embeddings(self, batch: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
        """Compute padded layers of a batch.

        batch (Sequence[Sequence[str]]): Tokenized sentences.
        RETURNS (tuple[Tensor, Tensor]): (batch, L + 1, longest, 2P), and the mask, (batch, longest), int64 as in
            AllenNLP 0.9.
        RAISES (ElmoError): If a sentence is not a list of str.
        """
        activations, mask = self.elmo_bilm.run(batch, boundaries=False)
        return torch.stack(activations, dim=1), mask.long()

    def embed_sentence(self, sentence: Sequence[str]) -> Array:
        """Compute the layers of a sentence.

        sentence (Sequence[str]): Its tokens.
        RETURNS (Array): (L + 1, n_tokens, 2P), float32.
        RAISES (ElmoError): If it is not a list of str.
        """
        return self.embed_batch([sentence])[0]

    def embed_batch(self, batch: Sequence[Sequence[str]]) -> list[Array]:
        """Compute the layers of a batch.

        batch (Sequence[Sequence[str]]): Tokenized sentences.
        RETURNS (list[Array]): One for each sentence, (L + 1, n_tokens, 2P), float32; see `empty_embedding`.
        RAISES (ElmoError): If a sentence is not a list of str.
        """
        with torch.no_grad():
            layers, mask = self.batch_to_embeddings(batch)
        padded = layers.cpu().numpy()
        # Copies: a short sentence does not keep the memory of the batch.
        return [
            padded[row, :, :length].copy() if length else empty_embedding()
            for row, length in enumerate(mask.sum(dim=1).tolist())
        ]

    def embed_sentences(
        self, sentences: Iterable[Sequence[str]], batch_size: int = DEFAULT_BATCH_SIZE
    ) -> Iterator[Array]:
        """Compute the layers of sentences, batch after batch.

        sentences (Iterable[Sequence[str]]): Tokenized sentences.
        batch_size (int): Sentences of a batch.
        YIELDS (Array): See `embed_batch`.
        RAISES (ElmoError): As `embed_batch`.
        """
        waiting = iter(sentences)
        while batch := list(islice(waiting, batch_size)):
            yield from self.embed_batch(batch)

    def embed_file(
        self,
        input_file: IO[str],
        output_file_path: str,
        output_format: str = "all",
        batch_size: int = DEFAULT_BATCH_SIZE,
        forget_sentences: bool = False,
        use_sentence_keys: bool = False,
    ) -> None:
        """Write the layers of sentences to an HDF5 file, as `allennlp elmo` does. It appears when it is complete.

        input_file (IO[str]): A sentence in each line, its tokens separated by whitespace; it is closed at the end.
        output_file_path (str): The file; one that exists is replaced.
        output_format (str): "all" writes (L + 1, n_tokens, 2P); "top" the highest layer and "average" the mean of
            all, (n_tokens, 2P).
        batch_size (int): Sentences of a batch.
        forget_sentences (bool): Leave out the dataset `sentence_to_index`, which has the sentences' keys.
        use_sentence_keys (bool): The key of a sentence is the sentence; else, the number of its line from 0 up.
        RAISES (ElmoError): If a line is empty, a sentence cannot be a key, or the format is something else.
        """
        if output_format not in ("all", "top", "average"):
            raise ElmoError(Errors.EL895.format(got=output_format))
        lines = [line.strip() for line in input_file]
        if blank := [number for number, line in enumerate(lines, start=1) if not line]:
            raise ElmoError(Errors.EL896.format(n=len(blank), line=blank[0]))
        keys = _check_keys(lines, output_file_path) if use_sentence_keys else [str(i) for i in range(len(lines))]
        embedded = self.embed_sentences([line.split() for line in lines], batch_size)
        with write_hdf5(Path(output_file_path)) as writer:
            for key, layers in zip(keys, embedded, strict=True):
                writer.add(key, _reduce(layers, output_format), dtype="float32")
            if not forget_sentences and not use_sentence_keys:
                import h5py

                index: Any = [json.dumps(dict(zip(lines, keys)))]
                writer.add("sentence_to_index", index, dtype=h5py.string_dtype())
        input_file.close()


def _reduce(layers: Array, output_format: str) -> Array:
    if output_format == "all":
        return layers
    return layers[-1] if output_format == "top" else np.asarray(np.average(layers, axis=0), dtype=layers.dtype)


def _check_keys(lines: Sequence[str], path: str) -> list[str]:
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if line in seen:
            raise ElmoError(Errors.EL897.format(path=path, line=number, key=line))
        if "/" in line or line == "." or "\0" in line:
            raise ElmoError(Errors.EL898.format(line=number, key=line))
        seen.add(line)
    return list(lines)
