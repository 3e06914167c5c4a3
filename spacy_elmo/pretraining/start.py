"""The start of a run: new weights, drawn as bilm-tf draws them, or a model to continue from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..bilm.bilm import BiLM
from ..bilm.options import Options
from ..errors import ElmoError, Errors
from ..language_model.model import LanguageModel
from ..language_model.softmax import AdaptiveSoftmax, BaseSoftmax, Softmax
from ..language_model.storage import read_language_model
from ..language_model.vocabulary import Vocabulary
from ..weights.arrays import SOFTMAX_PREFIX, Weights, encoder_shapes
from ..weights.sniff import VOCAB_NAME
from .config import ModelConfig, PretrainingConfig

# bilm-tf starts highways with the carry gate nearly closed: words pass unchanged.
_CARRY_BIAS = -2.0

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@torch.no_grad()
def init_weights(bilm: BiLM) -> None:
    """Fill a biLM with new weights from torch's global generator.

    bilm (BiLM): Changed in place.
    """
    encoder = bilm.char_encoder
    nn.init.uniform_(encoder.embedding.weight, -1.0, 1.0)
    encoder.embedding.weight[0] = 0
    cnn = bilm.options.char_cnn
    for conv, (width, _) in zip(encoder.convolutions, cnn.filters):
        if cnn.activation == "relu":
            nn.init.uniform_(conv.weight, -0.05, 0.05)
        else:
            nn.init.normal_(conv.weight, std=math.sqrt(1.0 / (width * cnn.embedding_dim)))
        assert conv.bias is not None
        nn.init.zeros_(conv.bias)
    for highway in encoder.highways:
        for linear, bias in ((highway.carry, _CARRY_BIAS), (highway.transform, 0.0)):
            nn.init.normal_(linear.weight, std=math.sqrt(1.0 / cnn.n_filters))
            nn.init.constant_(linear.bias, bias)
    if encoder.projection is not None:
        nn.init.normal_(encoder.projection.weight, std=math.sqrt(1.0 / cnn.n_filters))
        nn.init.zeros_(encoder.projection.bias)
    for stack in (bilm.forward_stack, bilm.backward_stack):
        for layer in stack.layers:
            cells, width = layer.input_linear.out_features // 4, layer.input_linear.in_features
            # Glorot's bound for TensorFlow's single kernel, which has inputs and state side by side.
            bound = math.sqrt(6.0 / (2 * width + 4 * cells))
            nn.init.uniform_(layer.input_linear.weight, -bound, bound)
            nn.init.uniform_(layer.state_linear.weight, -bound, bound)
            nn.init.zeros_(layer.input_linear.bias)
            layer.input_linear.bias[cells : 2 * cells] = 1.0
            if layer.projection is not None:
                nn.init.xavier_uniform_(layer.projection.weight)


@dataclass(frozen=True)
class Start:
    """What a run starts from.

    options (Options): Of the biLM.
    weights (Weights | None): Of the model to continue from.
    vocabulary (Vocabulary | None): The one beside the weights.
    """

    options: Options
    weights: Weights | None = None
    vocabulary: Vocabulary | None = None

    @classmethod
    def from_config(cls, config: ModelConfig) -> "Start":
        """Read what a config names.

        config (ModelConfig): Names a source, or has the options of a new model.
        RETURNS (Start): Options, and weights if there is a source.
        RAISES (ElmoError): If the source has word vectors, and as `read_language_model`.
        """
        if config.source is None:
            return cls(Options.from_dict(config.options))
        weights, vocabulary = read_language_model(config.source)
        if weights.options.has_own_vocabulary:
            raise ElmoError(Errors.EL139.format(path=weights.source))
        # The notes of bilm-tf's training do not apply to this one.
        return cls(replace(weights.options, training={}), weights, vocabulary)


def create_model(options: Options, config: PretrainingConfig, *, n_words: int) -> LanguageModel:
    """Create a model with new weights from torch's global generator.

    options (Options): Of the biLM.
    config (PretrainingConfig): Of the softmax and the training.
    n_words (int): Words of the vocabulary.
    RETURNS (LanguageModel): On the CPU.
    """
    width = options.lstm.projection_dim
    bilm = BiLM(options=options)
    init_weights(bilm)
    softmax: BaseSoftmax
    if config.softmax.kind == "adaptive":
        softmax = AdaptiveSoftmax(
            n_words=n_words, width=width, cutoffs=config.softmax.cutoffs, div_value=config.softmax.div_value
        )
    else:
        softmax = Softmax(n_words=n_words, width=width, sparse=config.softmax.kind == "sampled")
    dtype = _DTYPES[config.training.precision]
    return LanguageModel(bilm=bilm, softmax=softmax, dropout=config.training.dropout, dtype=dtype)


def init_from(model: LanguageModel, start: Start, vocabulary: Vocabulary) -> str:
    """Initialize a new model from the weights of `start`: the whole biLM, and what fits of the softmax.

    Of a full softmax, the rows of words that both vocabularies have are copied; rows of other words stay new. An
    adaptive one is copied as a whole if vocabulary and sizes are the same, or not at all. The scalar mix and the
    warm state are not copied: they belong to the biLM as it was.

    model (LanguageModel): Changed in place.
    start (Start): Has weights.
    vocabulary (Vocabulary): Of the new model.
    RETURNS (str): What was copied, for the log.
    """
    assert start.weights is not None
    arrays = start.weights.arrays
    model.bilm.load_state_dict({name: torch.from_numpy(arrays[name]) for name in encoder_shapes(start.options)})
    where = f"biLM of {start.weights.source}"
    if not start.weights.has_softmax:
        return f"{where}; a new softmax, because it has none"
    if start.vocabulary is None:
        return f"{where}; a new softmax, because its own has no {VOCAB_NAME} beside it"
    mine = model.softmax.state_dict()
    names = [name for name in arrays if name.startswith(SOFTMAX_PREFIX)]
    found = {name.removeprefix(SOFTMAX_PREFIX): arrays[name] for name in names}
    if vocabulary == start.vocabulary and _shapes(found) == _shapes(mine):
        model.softmax.load_state_dict({name: torch.from_numpy(array) for name, array in found.items()})
        return f"{where}, with its softmax over {len(vocabulary):,} words"
    if not isinstance(model.softmax, Softmax) or found.keys() != mine.keys():
        return f"{where}; a new softmax, because its own has another kind or other sizes"
    shared = [word for word in vocabulary.words if word in start.vocabulary]
    theirs = torch.from_numpy(start.vocabulary.ids(shared))
    places = torch.from_numpy(vocabulary.ids(shared))
    for name, array in found.items():
        # Into the tensors of the module: a state_dict shares their memory.
        mine[name][places] = torch.from_numpy(array)[theirs].to(mine[name].dtype)
    return (
        f"{where}, with the rows of its softmax for {len(shared):,} of {len(vocabulary):,} words; "
        f"the others are new"
    )


def _shapes(tensors: Mapping[str, "torch.Tensor | NDArray[np.floating]"]) -> dict[str, "tuple[int, ...]"]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
