"""What a run starts from: fresh weights, or a model that is trained on.

To adapt a model to a domain as Peters et al. 2018 do (supplement, section A.1): give it as `model.source`, and the
domain's text, for one epoch. The biLM that comes out is then kept as it is, and the task is trained on top of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..bilm.bilm import BiLM
from ..bilm.options import Options
from ..errors import Errors
from ..language_model.model import LanguageModel
from ..language_model.softmax import AdaptiveSoftmax, Softmax
from ..language_model.vocabulary import VOCAB_NAME, Vocabulary
from ..weights.arrays import SOFTMAX_PREFIX, Weights, encoder_shapes, softmax_facts
from ..weights.locate import Source
from ..weights.source import opened
from .config import ModelConfig, PretrainingConfig
from .initialise import initialise

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Start:
    """options: of the biLM. weights: of the model that is trained on, or None. vocabulary: the one that lies
    beside them, or None."""

    options: Options
    weights: Weights | None = None
    vocabulary: Vocabulary | None = None

    @classmethod
    def of(cls, config: ModelConfig) -> "Start":
        """RAISES: as `read_language_model`; ValueError for a model with a vocabulary of its own."""
        if config.source is None:
            return cls(Options.from_dict(config.options))
        weights, vocabulary = read_language_model(config.source)
        if weights.options.has_own_vocabulary:
            raise ValueError(Errors.EL139.format(path=weights.source))
        # What bilm-tf's training has noted is not true of this one.
        return cls(replace(weights.options, training={}), weights, vocabulary)


def read_language_model(source: Source) -> tuple[Weights, Vocabulary | None]:
    """Weights and, if there is one, the vocab.txt in their folder or archive.

    RAISES: as `read_weights`; ValueError if the file is no vocabulary, or not that of the softmax that comes with
        the weights.
    """
    with opened(source) as found:
        weights = found.read()
        path = found.files.weights.with_name(VOCAB_NAME)
        if not path.is_file():
            return weights, None
        vocabulary = Vocabulary.read(path)
        check_vocabulary(vocabulary, weights, path=path)
    return weights, vocabulary


def check_vocabulary(vocabulary: Vocabulary, weights: Weights, *, path: Path) -> None:
    """RAISES: ValueError if the weights have a softmax that cannot be, or that predicts another number of words.
    path: of the vocabulary, for messages."""
    facts = softmax_facts(weights)
    if facts is not None and facts.n_words != len(vocabulary):
        raise ValueError(
            Errors.EL088.format(path=path, got=len(vocabulary), source=weights.source, expected=facts.n_words)
        )


def new_model(options: Options, config: PretrainingConfig, *, n_words: int) -> LanguageModel:
    """A model with fresh weights from torch's global generator."""
    width = options.lstm.projection_dim
    bilm = BiLM(options=options)
    initialise(bilm)
    softmax: torch.nn.Module
    if config.softmax.kind == "adaptive":
        softmax = AdaptiveSoftmax(
            n_words=n_words, width=width, cutoffs=config.softmax.cutoffs, div_value=config.softmax.div_value
        )
    else:
        softmax = Softmax(n_words=n_words, width=width, sparse=config.softmax.kind == "sampled")
    dtype = _DTYPES[config.training.precision]
    return LanguageModel(bilm=bilm, softmax=softmax, dropout=config.training.dropout, dtype=dtype)


def take_over(model: LanguageModel, start: Start, vocabulary: Vocabulary) -> str:
    """Give a new model the weights of `start`: the whole biLM, and of its softmax what fits.

    A full softmax gives its rows to the words that both vocabularies have; the rows of others stay fresh. An
    adaptive one is taken as a whole, if vocabulary and sizes are the same, or not at all. The scalar mix and the
    warm state are left: they were made for the biLM as it was.
    RETURNS: what became of the softmax, for the log.
    """
    assert start.weights is not None
    arrays = start.weights.arrays
    model.bilm.load_state_dict({name: torch.from_numpy(arrays[name]) for name in encoder_shapes(start.options)})
    where = f"biLM of {start.weights.source}"
    if not start.weights.has_softmax:
        return f"{where}; a new softmax, for it has none"
    if start.vocabulary is None:
        return f"{where}; a new softmax, for its own has no {VOCAB_NAME} beside it"
    mine = model.softmax.state_dict()
    names = [name for name in arrays if name.startswith(SOFTMAX_PREFIX)]
    found = {name.removeprefix(SOFTMAX_PREFIX): arrays[name] for name in names}
    if vocabulary == start.vocabulary and _shapes(found) == _shapes(mine):
        model.softmax.load_state_dict({name: torch.from_numpy(array) for name, array in found.items()})
        return f"{where}, with its softmax over {len(vocabulary):,} words"
    if not isinstance(model.softmax, Softmax) or found.keys() != mine.keys():
        return f"{where}; a new softmax, for its own has another kind or other sizes"
    shared = [word for word in vocabulary.words if word in start.vocabulary]
    theirs = torch.from_numpy(start.vocabulary.ids(shared))
    places = torch.from_numpy(vocabulary.ids(shared))
    for name, array in found.items():
        # Into the tensors of the module: state_dict shares their memory.
        mine[name][places] = torch.from_numpy(array)[theirs].to(mine[name].dtype)
    return (
        f"{where}, with the rows of its softmax for {len(shared):,} of {len(vocabulary):,} words; "
        f"the others start anew"
    )


def _shapes(tensors: Mapping[str, "torch.Tensor | NDArray[np.floating]"]) -> dict[str, "tuple[int, ...]"]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
