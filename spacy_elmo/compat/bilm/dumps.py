"""bilm-tf's files of embeddings: the layers of a data set, and the token embeddings of a vocabulary.

On purpose, a sentence has the same vectors on every line, and a file has its name only when it is complete.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from ...bilm.layers import LayerOutputs
from ...elmo import Elmo, load
from ...inference.settings import InitialState
from ...inputs.packed import InputFile
from ...inputs.text import Lines
from ...util.files import check_regular
from ...util.hdf5_file import write_hdf5
from .data import Vocabulary, Words
from .token_embeddings import EMBEDDING

File = str | os.PathLike[str]

# Words of a vocabulary that are computed at a time.
_WORDS_AT_A_TIME = 512


def dump_bilm_embeddings(
    vocab_file: Words,
    dataset_file: File,
    options_file: File,
    weight_file: File,
    outfile: File,
    *,
    initial_state: InitialState = "zero",
) -> None:
    """Write the layers of each line of a text file, without boundary tokens.

    The HDF5 file has a dataset for each line, named by the number of the line from "0" up: (L + 1, n_tokens, 2P),
    float32. A line without tokens has one with 0 tokens.

    vocab_file (Words): Not read: vectors do not depend on it.
    dataset_file (File): Text in UTF-8, one sentence per line, tokens separated by whitespace.
    options_file (File): The options.json of the model.
    weight_file (File): The weights of the model, in HDF5 or any other format of `spacy_elmo.load`.
    outfile (File): The file to write.
    initial_state (InitialState): See `spacy_elmo.load`; "carry" is what bilm-tf does, where each line starts from
        the state that the line before has left.
    RAISES (ElmoError): If a file is damaged, or does not match the other.
    RAISES (FileNotFoundError): If one of the files does not exist.
    RAISES (OSError): If one cannot be read or written.
    """
    path = Path(dataset_file)
    check_regular(path)
    elmo = _load(options_file, weight_file, initial_state=initial_state)
    sentences = (line.text.split() for line in Lines(InputFile(path, format="tokens")))
    with write_hdf5(Path(outfile)) as writer:
        for number, outputs in enumerate(_embed(elmo, sentences)):
            writer.add(str(number), outputs.stack(), dtype="float32")


def dump_token_embeddings(vocab_file: Words, options_file: File, weight_file: File, outfile: File) -> None:
    """Write the token embedding of each word of a vocabulary, the layer below the LSTM.

    The HDF5 file has one dataset, "embedding": (n_words, P), float32, in the order of the vocabulary. It is what
    `BidirectionalLanguageModel` reads as `embedding_weight_file`.

    vocab_file (Words): One word per line, with <S> and </S> for use with a model; see `Vocabulary`.
    options_file (File): The options.json of the model.
    weight_file (File): The weights of the model, in HDF5 or any other format of `spacy_elmo.load`.
    outfile (File): The file to write.
    RAISES (ElmoError): If a file is damaged, or does not match the other.
    RAISES (FileNotFoundError): If one of the files does not exist.
    RAISES (OSError): If one cannot be read or written.
    """
    vocabulary = Vocabulary(vocab_file)
    words = [vocabulary.id_to_word(number) for number in range(vocabulary.size)]
    elmo = _load(options_file, weight_file)
    embeddings = np.zeros((len(words), elmo.width("word_emb")), dtype=np.float32)
    starts = range(0, len(words), _WORDS_AT_A_TIME)
    # The layer does not depend on the context: many words make one sentence.
    parts = elmo.stream((words[start : start + _WORDS_AT_A_TIME] for start in starts), layers=["word_emb"])
    with write_hdf5(Path(outfile)) as writer:
        for start, part in zip(starts, parts):
            embeddings[start : start + _WORDS_AT_A_TIME] = part.word_emb
        writer.add(EMBEDDING, embeddings)


def _load(options_file: File, weight_file: File, *, initial_state: InitialState = "zero") -> Elmo:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return load([options_file, weight_file], device=device, initial_state=initial_state)


def _embed(elmo: Elmo, sentences: Iterable[list[str]]) -> Iterator[LayerOutputs]:
    # All but the mix.
    names = elmo.layer_names[:-1]
    if elmo.settings.initial_state != "carry":
        yield from elmo.stream(sentences, layers=names)
        return
    for sentence in sentences:
        yield from elmo.embed([sentence], layers=names)
