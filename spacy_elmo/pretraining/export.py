"""Language models as files: our folder, with softmax and vocabulary; and a run's folder as a source."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..bilm.build import take
from ..bilm.options import OPTIONS_NAME, Options
from ..weights.arrays import Weights
from ..weights.formats.folder import write_folder
from ..weights.locate import Source
from .checkpoints import CHECKPOINT_FOLDER, Checkpoints
from .language_model import LanguageModel
from .start import check_vocabulary, read_language_model
from .vocabulary import VOCAB_NAME, Vocabulary


class Exportable(NamedTuple):
    """vocabulary: the one that lies beside the weights, or None."""

    weights: Weights
    vocabulary: Vocabulary | None


def language_model_arrays(model: LanguageModel) -> dict[str, NDArray[np.floating]]:
    """The arrays of biLM and softmax, by the names of `weights.arrays`."""
    named = {name.removeprefix("bilm."): tensor for name, tensor in model.state_dict().items()}
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in named.items()}


def write_language_model(folder: Path, options: Options, model: LanguageModel, vocabulary: Vocabulary) -> None:
    """Write options.json, weights.safetensors and vocab.txt into the folder."""
    write_folder(folder, options, language_model_arrays(model))
    vocabulary.write(folder / VOCAB_NAME)


def read_model(source: Source) -> Exportable:
    """A source, or the folder of a pre-training run: then its newest checkpoint that is whole.

    RAISES: as `read_language_model`; ValueError if all checkpoints are damaged.
    """
    if isinstance(source, (str, os.PathLike)) and is_run(Path(source)):
        return _read_run(Path(source))
    return Exportable(*read_language_model(source))


def is_run(folder: Path) -> bool:
    """Whether this is the folder of a pre-training run that has a checkpoint."""
    return bool(Checkpoints(folder / CHECKPOINT_FOLDER, keep=1).paths())


def _read_run(folder: Path) -> Exportable:
    checkpoint = Checkpoints(folder / CHECKPOINT_FOLDER, keep=1).newest()
    assert checkpoint is not None
    path = folder / OPTIONS_NAME
    if path.is_file():
        options = Options.from_file(path)
    else:
        # Of a run from before that file was written: the checkpoint tells.
        options = Options.from_dict(checkpoint.meta["config"]["model"]["options"])
    tensors = take(dict(checkpoint.tensors), "model.")
    arrays = {name.removeprefix("bilm."): tensor.numpy() for name, tensor in tensors.items()}
    vocabulary = Vocabulary.read(folder / VOCAB_NAME)
    weights = Weights(options=options, arrays=arrays, source=str(folder), format="checkpoint")
    check_vocabulary(vocabulary, weights, path=folder / VOCAB_NAME)
    return Exportable(weights, vocabulary)
