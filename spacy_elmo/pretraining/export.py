"""Language models as files: our folder, with softmax and vocabulary."""

from pathlib import Path
from typing import Dict

import numpy as np
from numpy.typing import NDArray

from ..bilm.options import Options
from ..weights.folder import write_folder
from .language_model import LanguageModel
from .vocabulary import VOCAB_NAME, Vocabulary


def language_model_arrays(model: LanguageModel) -> Dict[str, NDArray[np.floating]]:
    """The arrays of biLM and softmax, by the names of `weights.arrays`."""
    named = {name.removeprefix("bilm."): tensor for name, tensor in model.state_dict().items()}
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in named.items()}


def write_language_model(folder: Path, options: Options, model: LanguageModel, vocabulary: Vocabulary) -> None:
    """Write options.json, weights.safetensors and vocab.txt into the folder."""
    write_folder(folder, options, language_model_arrays(model))
    vocabulary.write(folder / VOCAB_NAME)
