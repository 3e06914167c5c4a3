"""A bidirectional LSTM over the vectors of a task, as the models of the ELMo paper have above the mix."""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from thinc.api import Model, torch2xp, xp2torch
from thinc.types import Floats2d, Ints1d
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ..bilm.packing import Packing
from ..errors import ElmoError, Errors, check_number
from ..gpu.support import exact_cudnn
from ..runtime.isolation import computation
from .torch_shim import TorchShim

BiLSTMT = Model[list[Floats2d], list[Floats2d]]


def build_bilstm_encoder_v1(
    width: int, depth: int = 1, input_width: int | None = None, dropout: float | None = None
) -> BiLSTMT:
    """Build an `encode` layer for a component's `tok2vec`, registered as spacy-elmo.BiLSTMEncoder.v1.

    Unlike those of spacy.TorchBiLSTMEncoder.v1, a Doc's vectors do not depend on the other Docs of the batch, and
    `use_averages` of the training config averages its parameters.

    width (int): Columns of the output, half of them for each direction.
    depth (int): LSTM layers; the output of one is the input of the next.
    input_width (int | None): Columns of the input. null: as many as of the output.
    dropout (float | None): Share of each layer's outputs that is set to zero in training. null: as in the training
        config.
    RETURNS (Model[list[Floats2d], list[Floats2d]]): (n_tokens, input_width) -> (n_tokens, width) for each Doc.
    RAISES (ElmoError): If a value is not allowed.
    """
    input_width = width if input_width is None else input_width
    for name, got in (("width", width), ("depth", depth), ("input_width", input_width)):
        check_number(name, got, low=1)
    if width % 2:
        raise ElmoError(Errors.EL124.format(got=width))
    if dropout is not None:
        check_number("dropout", dropout, low=0, high=1, below=True)
    with computation():
        module = BiLSTM(input_width=input_width, width=width, depth=depth, dropout=dropout)
    return Model(
        "bilstm",
        forward,
        init=init,
        shims=[TorchShim(module)],
        dims={"nI": input_width, "nO": width},
        # Thinc's own name for what components set from the training config.
        attrs={"dropout_rate": 0.0},
    )


class BiLSTM(nn.Module):
    """Layers of two LSTMs each, one for each direction.

    input_width (int): Columns of the input.
    width (int): Columns of the output.
    depth (int): The number of layers.
    dropout (float | None): Share of each layer's outputs that is set to zero in training; None: given in each
        call.
    """

    def __init__(self, *, input_width: int, width: int, depth: int, dropout: float | None):
        super().__init__()
        self.dropout = dropout
        widths = [input_width] + [width] * (depth - 1)
        self.layers = nn.ModuleList(nn.LSTM(each, width // 2, bidirectional=True) for each in widths)

    def forward(self, flat: Tensor, lengths: Sequence[int], *, dropout: float) -> Tensor:
        """Run over a batch of sequences.

        flat (Tensor): (n_tokens, input_width), sequence after sequence.
        lengths (Sequence[int]): The tokens of each sequence, 1 or more.
        dropout (float): Used where the module has no `dropout`.
        RETURNS (Tensor): (n_tokens, width).
        """
        packing = Packing(lengths, device=flat.device)
        sizes = torch.tensor(packing.batch_sizes)
        packed = packing.pack(flat, backward=False)
        rate = dropout if self.dropout is None else self.dropout
        for layer in self.layers:
            # On a GPU, weights in separate memory, as averaging leaves them, are slow and make torch warn.
            cast(nn.LSTM, layer).flatten_parameters()
            packed = layer(PackedSequence(packed, sizes))[0].data
            packed = nn.functional.dropout(packed, rate, training=self.training)
        return packing.unpack(packed, backward=False)


def init(model: BiLSTMT, **samples: list[Floats2d] | None) -> None:
    """Draw new parameters.

    model (BiLSTMT): Made by `build_bilstm_encoder_v1`.
    samples (list[Floats2d] | None): Thinc's X and Y; the inputs X must have the right width.
    RAISES (ElmoError): If they have another width.
    """
    _check_widths(model, samples.get("X") or [])
    with computation():
        for layer in get_bilstm(model).layers:
            cast(nn.LSTM, layer).reset_parameters()


def get_bilstm(model: BiLSTMT) -> BiLSTM:
    """Get the torch module of a model.

    model (BiLSTMT): Made by `build_bilstm_encoder_v1`, or a copy.
    RETURNS (BiLSTM): The module of its shim.
    """
    return cast(BiLSTM, cast(TorchShim, model.shims[0]).module)


def forward(
    model: BiLSTMT, inputs: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    """Compute the vectors of a batch.

    model (BiLSTMT): Made by `build_bilstm_encoder_v1`.
    inputs (list[Floats2d]): (n_tokens, input_width) for each Doc.
    is_train (bool): Apply dropout, and record what the backward pass needs.
    RETURNS (tuple[list[Floats2d], Callable]): (n_tokens, width) for each Doc, and the backward pass.
    RAISES (ElmoError): If the inputs have another width.
    """
    _check_widths(model, inputs)
    ops, module = model.ops, get_bilstm(model)
    lengths = [len(each) for each in inputs]
    if not any(lengths):
        return _zeros(model, lengths, "nO"), lambda d_outputs: _zeros(model, lengths, "nI")
    # Thinc needs the lengths on the CPU.
    sizes = cast(Ints1d, np.asarray(lengths))
    like = next(module.parameters())
    module.train(is_train)
    with computation(gradients=is_train), exact_cudnn():
        flat: Tensor = xp2torch(ops.flatten(inputs), device=like.device).to(like.dtype).requires_grad_(is_train)
        outputs = module(flat, [length for length in lengths if length], dropout=model.attrs["dropout_rate"])

    def backprop(d_outputs: list[Floats2d]) -> list[Floats2d]:
        with computation(gradients=True), exact_cudnn():
            outputs.backward(xp2torch(ops.flatten(d_outputs), device=like.device).to(like.dtype))
        return ops.unflatten(cast(Floats2d, torch2xp(cast(Tensor, flat.grad), ops=ops)), sizes)

    return ops.unflatten(cast(Floats2d, torch2xp(outputs.detach(), ops=ops)), sizes), backprop


def _check_widths(model: BiLSTMT, inputs: Sequence[Floats2d]) -> None:
    # torch's fast LSTM does not check the width, and accesses memory out of bounds.
    for each in inputs:
        if each.shape[1] != model.get_dim("nI"):
            raise ElmoError(Errors.EL126.format(got=each.shape[1], expected=model.get_dim("nI")))


def _zeros(model: BiLSTMT, lengths: Sequence[int], dim: str) -> list[Floats2d]:
    return [model.ops.alloc2f(length, model.get_dim(dim)) for length in lengths]
