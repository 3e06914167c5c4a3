"""A bidirectional LSTM over the vectors of a task: what the paper's models put above ELMo's mix."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from thinc.api import Model, torch2xp, xp2torch
from thinc.types import Floats2d
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
    """What the `encode` layer of a component's `tok2vec` can be, registered as spacy-elmo.BiLSTMEncoder.v1.

    Unlike with spacy.TorchBiLSTMEncoder.v1, a Doc's vectors do not depend on the Docs beside it, whose lengths
    are other ones; and `use_averages` of the training config averages its parameters.

    width (int): columns of the output, half of them of each direction.
    depth (int): LSTM layers; the output of one is the input of the next.
    input_width (int | None): columns of the input. null: as many as of the output.
    dropout (float | None): share of each layer's outputs that is zeroed in training. null: what the training
        config says.
    RETURNS (Model[list[Floats2d], list[Floats2d]]): (n_tokens, input_width) -> (n_tokens, width), a Doc each.
    RAISES (ElmoError): for a value that is not allowed.
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
    """Layers of two LSTMs, one of which reads each sequence from its own end.

    dropout: None for what the caller says.
    """

    def __init__(self, *, input_width: int, width: int, depth: int, dropout: float | None):
        super().__init__()
        self.dropout = dropout
        widths = [input_width] + [width] * (depth - 1)
        self.layers = nn.ModuleList(nn.LSTM(each, width // 2, bidirectional=True) for each in widths)

    def forward(self, flat: Tensor, lengths: Sequence[int], *, dropout: float) -> Tensor:
        """flat: (n_tokens, input_width), sequence after sequence, of these lengths, all from 1 up.

        RETURNS: (n_tokens, width).
        """
        packing = Packing(lengths, device=flat.device)
        sizes = torch.tensor(packing.batch_sizes)
        packed = packing.pack(flat, backward=False)
        rate = dropout if self.dropout is None else self.dropout
        for layer in self.layers:
            # On a GPU, weights that averages have left apart are slow, and torch warns of them.
            cast(nn.LSTM, layer).flatten_parameters()
            packed = layer(PackedSequence(packed, sizes))[0].data
            packed = nn.functional.dropout(packed, rate, training=self.training)
        return packing.unpack(packed, backward=False)


def init(model: BiLSTMT, X: list[Floats2d] | None = None, Y: Any = None) -> None:  # noqa: N803
    """Start anew.

    RAISES (ElmoError): For inputs of another width.
    """
    _check_widths(model, X or [])
    with computation():
        for layer in get_bilstm(model).layers:
            cast(nn.LSTM, layer).reset_parameters()


def get_bilstm(model: BiLSTMT) -> BiLSTM:
    return cast(BiLSTM, cast(TorchShim, model.shims[0]).module)


def forward(
    model: BiLSTMT, inputs: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    """RAISES (ElmoError): For inputs of another width."""
    _check_widths(model, inputs)
    ops, module = model.ops, get_bilstm(model)
    lengths = [len(each) for each in inputs]
    if not any(lengths):
        return _zeros(model, lengths, "nO"), lambda d_outputs: _zeros(model, lengths, "nI")
    # Thinc splits by lengths that are on the CPU.
    sizes: Any = np.asarray(lengths)
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
    # torch's fast way to compute LSTMs does not look, and reads and writes where it must not.
    for each in inputs:
        if each.shape[1] != model.get_dim("nI"):
            raise ElmoError(Errors.EL126.format(got=each.shape[1], expected=model.get_dim("nI")))


def _zeros(model: BiLSTMT, lengths: Sequence[int], dim: str) -> list[Floats2d]:
    return [model.ops.alloc2f(length, model.get_dim(dim)) for length in lengths]
