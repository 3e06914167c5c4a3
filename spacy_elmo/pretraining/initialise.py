"""Fresh weights, drawn as bilm-tf draws them (bilm/training.py; TensorFlow's defaults where it names none)."""

import math
from collections.abc import Iterable
from typing import cast

import torch
from torch import nn

from ..bilm.bilm import BiLM
from ..bilm.char_encoder import Highway
from ..bilm.lstm import ProjectedLSTM

# bilm-tf starts highways with the carry gate nearly shut: words pass unchanged.
_CARRY_BIAS = -2.0


@torch.no_grad()
def initialise(bilm: BiLM) -> None:
    """Fill a biLM with fresh weights from torch's global generator."""
    encoder = bilm.char_encoder
    nn.init.uniform_(encoder.embedding.weight, -1.0, 1.0)
    encoder.embedding.weight[0] = 0
    cnn = bilm.options.char_cnn
    for conv, (width, _) in zip(cast(Iterable[nn.Conv1d], encoder.convolutions), cnn.filters):
        if cnn.activation == "relu":
            nn.init.uniform_(conv.weight, -0.05, 0.05)
        else:
            nn.init.normal_(conv.weight, std=math.sqrt(1.0 / (width * cnn.embedding_dim)))
        assert conv.bias is not None
        nn.init.zeros_(conv.bias)
    for highway in cast(Iterable[Highway], encoder.highways):
        for linear, bias in ((highway.carry, _CARRY_BIAS), (highway.transform, 0.0)):
            nn.init.normal_(linear.weight, std=math.sqrt(1.0 / cnn.n_filters))
            nn.init.constant_(linear.bias, bias)
    if encoder.projection is not None:
        nn.init.normal_(encoder.projection.weight, std=math.sqrt(1.0 / cnn.n_filters))
        nn.init.zeros_(encoder.projection.bias)
    for stack in (bilm.forward_stack, bilm.backward_stack):
        for layer in cast(Iterable[ProjectedLSTM], stack.layers):
            cells, width = layer.input_linear.out_features // 4, layer.input_linear.in_features
            # Glorot's bound for the one kernel of TensorFlow, which has inputs and state side by side.
            bound = math.sqrt(6.0 / (2 * width + 4 * cells))
            nn.init.uniform_(layer.input_linear.weight, -bound, bound)
            nn.init.uniform_(layer.state_linear.weight, -bound, bound)
            nn.init.zeros_(layer.input_linear.bias)
            layer.input_linear.bias[cells : 2 * cells] = 1.0
            if layer.projection is not None:
                nn.init.xavier_uniform_(layer.projection.weight)
