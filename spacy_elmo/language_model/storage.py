"""Language models as files: a folder of ours with softmax and vocabulary, or the folder of a pre-training run."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..bilm.build import build_bilm, build_parts, pop_prefix, without_weights
from ..bilm.lstm import LSTMState
from ..bilm.options import OPTIONS_NAME, STATE_PREFIX, Options
from ..errors import ElmoError, ElmoFileNotFoundError, Errors
from ..inference.warm_state import get_default_state
from ..runtime.isolation import isolate
from ..weights.arrays import SOFTMAX_PREFIX, SoftmaxFacts, Weights, softmax_facts
from ..weights.formats.folder import write_folder
from ..weights.sniff import VOCAB_NAME
from ..weights.source import Source, open_source
from .checkpoints import CHECKPOINT_FOLDER, Checkpoints
from .model import LanguageModel
from .softmax import AdaptiveSoftmax, BaseSoftmax, Softmax
from .vocabulary import Vocabulary
from .vocabulary_files import find_vocabulary


class Exportable(NamedTuple):
    """A stored model.

    weights (Weights): Of the biLM, and of the softmax if there is one.
    vocabulary (Vocabulary | None): The one beside the weights.
    """

    weights: Weights
    vocabulary: Vocabulary | None


def language_model_arrays(model: LanguageModel) -> dict[str, NDArray[np.floating]]:
    """Copy the arrays of biLM and softmax.

    model (LanguageModel): On any device.
    RETURNS (dict[str, NDArray]): By the names of `weights.arrays`.
    """
    named = {name.removeprefix("bilm."): tensor for name, tensor in model.state_dict().items()}
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in named.items()}


def write_language_model(folder: Path, options: Options, model: LanguageModel, vocabulary: Vocabulary) -> None:
    """Write options.json, weights.safetensors and vocab.txt.

    folder (Path): Where they are written.
    options (Options): Of the biLM.
    model (LanguageModel): The weights.
    vocabulary (Vocabulary): The words that the softmax predicts.
    """
    write_folder(folder, options, language_model_arrays(model))
    vocabulary.write(folder / VOCAB_NAME)


def read_model(source: Source) -> Exportable:
    """Read a source, or the folder of a pre-training run.

    source (Source): What `read_weights` reads, or a run's folder, whose newest undamaged checkpoint is read.
    RETURNS (Exportable): Weights and vocabulary.
    RAISES (ElmoError): If all checkpoints are damaged, and as `read_language_model`.
    """
    if isinstance(source, (str, os.PathLike)) and is_run(Path(source)):
        return _read_run(Path(source))
    return Exportable(*read_language_model(source))


def read_language_model(source: Source) -> tuple[Weights, Vocabulary | None]:
    """Read weights and, if there is one, the vocabulary in their folder or archive; see `find_vocabulary`.

    source (Source): What `read_weights` reads.
    RETURNS (tuple[Weights, Vocabulary | None]): Both.
    RAISES (ElmoError): If the vocab.txt is not a vocabulary, or does not match the softmax of the weights; and as
        `read_weights` and `find_vocabulary`.
    """
    with open_source(source) as found:
        weights = found.read()
        path = find_vocabulary(found.files, weights)
        if path is None:
            return weights, None
        vocabulary = Vocabulary.read(path)
        check_vocabulary(vocabulary, weights, path=path)
    return weights, vocabulary


def check_vocabulary(vocabulary: Vocabulary, weights: Weights, *, path: Path) -> None:
    """Check that a vocabulary matches the softmax of the weights, if there is one.

    vocabulary (Vocabulary): The words.
    weights (Weights): Of the model.
    path (Path): Of the vocabulary, for messages.
    RAISES (ElmoError): If the softmax is not supported, or predicts another number of words.
    """
    facts = softmax_facts(weights)
    if facts is not None and facts.n_words != len(vocabulary):
        raise ElmoError(
            Errors.EL088.format(path=path, got=len(vocabulary), source=weights.source, expected=facts.n_words)
        )


def is_run(folder: Path) -> bool:
    """Check whether a folder is that of a pre-training run with a checkpoint.

    folder (Path): The folder; it may be missing.
    RETURNS (bool): Whether it is.
    """
    return bool(Checkpoints(folder / CHECKPOINT_FOLDER, keep=1).paths())


def _read_run(folder: Path) -> Exportable:
    checkpoint = Checkpoints(folder / CHECKPOINT_FOLDER, keep=1).newest()
    assert checkpoint is not None
    path = folder / OPTIONS_NAME
    if path.is_file():
        options = Options.from_file(path)
    else:
        # The run is older than this file; its checkpoints have the options, too.
        options = Options.from_dict(checkpoint.meta["config"]["model"]["options"])
    tensors = pop_prefix(dict(checkpoint.tensors), "model.")
    arrays = {name.removeprefix("bilm."): tensor.numpy() for name, tensor in tensors.items()}
    vocabulary = Vocabulary.read(folder / VOCAB_NAME)
    weights = Weights(options=options, arrays=arrays, source=str(folder), format="checkpoint")
    check_vocabulary(vocabulary, weights, path=folder / VOCAB_NAME)
    return Exportable(weights, vocabulary)


@isolate()
def build_language_model(found: Exportable) -> tuple[LanguageModel, Vocabulary]:
    """Build the language model of a source, ready to be run or trained on.

    found (Exportable): What `read_model` gives for a source with a softmax among its arrays and a vocab.txt beside
        the weights, or for the folder of a pre-training run.
    RETURNS (tuple[LanguageModel, Vocabulary]): Float32 weights, in evaluation mode, and the words that the softmax
        predicts. Weights that are float32 already are used in place: where a file is memory-mapped, they are its
        pages, and writing to them does not change it.
    RAISES (ElmoError): If there is no softmax, or one that is not supported.
    RAISES (FileNotFoundError): If there is no vocabulary.
    """
    weights, vocabulary = found
    facts = softmax_facts(weights)
    if facts is None:
        raise ElmoError(Errors.EL090.format(path=weights.source))
    if vocabulary is None:
        path = Path(weights.source).with_name(VOCAB_NAME)
        raise ElmoFileNotFoundError(Errors.EL091.format(path=path, n_words=facts.n_words))
    encoder = {name: array for name, array in weights.arrays.items() if not name.startswith(SOFTMAX_PREFIX)}
    bilm = build_bilm(weights.options, build_parts(weights.options, encoder).bilm)
    return LanguageModel(bilm=bilm, softmax=_build_softmax(weights, facts)).eval(), vocabulary


def warm_state(weights: Weights, *, n_threads: int | None = None) -> LSTMState:
    """Get the state that `initial_state = "warm"` starts from: the one that is stored with the weights, else that
    of `get_default_state`.

    weights (Weights): Of the model.
    n_threads (int | None): See `inference.settings.Settings`.
    RETURNS (LSTMState): Hidden (2, L, P) and cell (2, L, C).
    RAISES (ElmoError): As `get_default_state`.
    """
    arrays = weights.arrays if weights.has_warm_state else get_default_state(weights, n_threads=n_threads)
    return LSTMState(*(torch.from_numpy(arrays[STATE_PREFIX + name]).float() for name in LSTMState._fields))


def _build_softmax(weights: Weights, facts: SoftmaxFacts) -> BaseSoftmax:
    width = weights.options.lstm.projection_dim
    tensors = {
        name.removeprefix(SOFTMAX_PREFIX): torch.from_numpy(array).float()
        for name, array in weights.arrays.items()
        if name.startswith(SOFTMAX_PREFIX)
    }
    softmax: BaseSoftmax
    with without_weights():
        if facts.kind == "full":
            softmax = Softmax(n_words=facts.n_words, width=width)
        else:
            softmax = _build_adaptive(tensors, facts, width)
    softmax.load_state_dict(tensors, assign=True)
    return softmax


def _build_adaptive(tensors: dict[str, Tensor], facts: SoftmaxFacts, width: int) -> AdaptiveSoftmax:
    softmax = AdaptiveSoftmax(n_words=facts.n_words, width=width, cutoffs=facts.cutoffs, div_value=1.0)
    # The stored arrays have the widths of the clusters; `div_value` is not stored.
    for k in range(len(facts.cutoffs)):
        inner, outer = tensors[f"adaptive.tail.{k}.0.weight"], tensors[f"adaptive.tail.{k}.1.weight"]
        softmax.adaptive.tail[k] = nn.Sequential(
            nn.Linear(width, len(inner), bias=False), nn.Linear(len(inner), len(outer), bias=False)
        )
    return softmax
