"""The character encoder in training: the same numbers as `bilm.char_encoder`, without most of the padding."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from ..bilm.char_encoder import CharEncoder
from ..bilm.characters import OFFSET, PADDING
from ..gpu.transfer import to_device
from ..runtime.memory import Workspace

# Groups of word types of similar length; each is padded to its longest type.
N_GROUPS = 4
# Groups have a multiple of this many types: oneDNN compiles, and keeps, a program for every size of a product.
GROUP_STEP = 64
# A group has a multiple of this many windows, for the same reason.
WINDOW_STEP = 4


def encode(
    encoder: CharEncoder,
    character_ids: Tensor,
    *,
    dtype: torch.dtype,
    workspace: Workspace,
    step: int = GROUP_STEP,
    word_ids: Tensor | None = None,
    padding: int = PADDING + OFFSET,
) -> Tensor:
    """Compute word_emb of word types, with gradients.

    encoder (CharEncoder): The encoder.
    character_ids (Tensor): (n_types, max_characters), int64; preferably on the host, where types are grouped.
    dtype (torch.dtype): Of the matrix products.
    workspace (Workspace): For buffers; a backward pass must come before the next forward pass.
    step (int): Groups have a multiple of this many types. 1: of any number, and no operation is left to oneDNN,
        which would keep a program for every number.
    word_ids (Tensor | None): (n_types,), int64, if the model has word vectors.
    padding (int): The id that fills up words.
    RETURNS (Tensor): (n_types, P), in the dtype of the weights.
    """
    n_types = len(character_ids)
    missing = -n_types % (N_GROUPS * step)
    device = encoder.embedding.weight.device
    character_ids = torch.cat([character_ids, character_ids[:1].expand(missing, -1)]).cpu()
    lengths = (character_ids != padding).sum(dim=1)
    order = torch.argsort(lengths, stable=True)
    groups = to_device(character_ids[order], device).chunk(N_GROUPS)
    longest = [int(group[-1]) for group in lengths[order].chunk(N_GROUPS)]
    # A model that reads words alone has no filters.
    filters = _join_filters(encoder) if encoder.convolutions else None
    pooled: list[Tensor] = []
    for number, (ids, length) in enumerate(zip(groups, longest)):
        where = workspace, f"windows.{number}"
        if filters is None:
            pooled.append(encoder.convolve(ids))
        else:
            pooled.append(_pool(encoder, filters, ids, length, dtype, where, as_products=step == 1 or ids.is_cuda))
    words = encoder.activation(torch.cat(pooled))
    for highway in encoder.highways:
        gate = torch.sigmoid(_linear(highway.carry, words, dtype))
        words = gate * F.relu(_linear(highway.transform, words, dtype)) + (1 - gate) * words
    if word_ids is not None:
        word_ids = torch.cat([word_ids, word_ids[:1].expand(missing)])[order]
    words = encoder.append_words(words, word_ids)
    if encoder.projection is not None:
        words = _linear(encoder.projection, words, dtype)
    return words.index_select(0, to_device(torch.argsort(order)[:n_types], device))


class _Filters(NamedTuple):
    """The convolutions as one.

    convolutions (Sequence[nn.Conv1d]): Each by itself.
    weight (Tensor): (filters, dim, widest), with zeros beyond the width of a filter.
    bias (Tensor): (filters,).
    """

    convolutions: Sequence[nn.Conv1d]
    weight: Tensor
    bias: Tensor


def _join_filters(encoder: CharEncoder) -> _Filters:
    convolutions = encoder.convolutions
    widest = max(conv.kernel_size[0] for conv in convolutions)
    weight = torch.cat([F.pad(conv.weight, (0, widest - conv.kernel_size[0])) for conv in convolutions])
    return _Filters(convolutions, weight, torch.cat([conv.bias for conv in convolutions if conv.bias is not None]))


def _pool(
    encoder: CharEncoder,
    filters: _Filters,
    ids: Tensor,
    longest: int,
    dtype: torch.dtype,
    where: tuple[Workspace, str],
    *,
    as_products: bool,
) -> Tensor:
    """Compute the maximum of each filter over all windows, before the activation: (n, filters).

    where (tuple[Workspace, str]): Workspace and name of the buffer for the filters' outputs.
    as_products (bool): Whether words that fill all characters are computed as matrix products, too.
    """
    widest = filters.weight.size(2)
    longest += -longest % WINDOW_STEP
    if longest + widest > ids.size(1):
        # At the end of the ids, some filters have fewer windows than others.
        characters = encoder.embedding(ids).transpose(1, 2)
        if as_products:
            return torch.cat([_convolve(conv, characters, dtype).amax(dim=1) for conv in filters.convolutions], 1)
        return torch.cat([conv(characters).amax(dim=2) for conv in filters.convolutions], dim=1)
    # One window from each character on, and one of padding only.
    windows = encoder.embedding(ids[:, : longest + widest]).to(dtype).unfold(1, widest, 1)
    maximum: Tensor = _MaxOverWindows.apply(windows.flatten(2), filters.weight.flatten(1), *where)
    return maximum + filters.bias


def _convolve(conv: nn.Conv1d, characters: Tensor, dtype: torch.dtype) -> Tensor:
    """Compute a convolution of characters (n, dim, n_characters) as a matrix product: (n, n_windows, filters).

    cuDNN would use 10 bits of each number instead of 23, and oneDNN compiles a program for every number of words.
    """
    windows = characters.to(dtype).unfold(2, conv.kernel_size[0], 1).transpose(1, 2).flatten(2)
    outputs = F.linear(windows, conv.weight.flatten(1).to(dtype)).to(characters.dtype)
    return outputs if conv.bias is None else outputs + conv.bias


class _Context(FunctionCtx):
    outputs: Tensor
    saved_tensors: tuple[Tensor, Tensor, Tensor]


class _MaxOverWindows(torch.autograd.Function):
    """max over windows of windows . weight^T: windows (n, n_windows, k), weight (filters, k) -> (n, filters)."""

    @staticmethod
    def forward(ctx: _Context, windows: Tensor, weight: Tensor, workspace: Workspace, name: str) -> Tensor:
        n, n_windows, _ = windows.shape
        low = weight.to(windows.dtype)
        outputs = workspace.get(name, n * n_windows, len(weight), dtype=windows.dtype, device=weight.device)
        torch.mm(windows.flatten(0, 1), low.t(), out=outputs)
        maximum, places = outputs.view(n, n_windows, -1).max(dim=1, keepdim=True)
        ctx.save_for_backward(windows, low, places)
        ctx.outputs = outputs
        return maximum.squeeze(1).to(weight.dtype)

    @staticmethod
    def backward(ctx: _Context, d_maximum: Tensor) -> tuple[Tensor | None, ...]:
        windows, low, places = ctx.saved_tensors
        d_outputs = ctx.outputs.zero_()
        view = d_outputs.view(*windows.shape[:2], -1)
        view.scatter_(1, places, d_maximum.unsqueeze(1).to(low.dtype))
        d_weight = torch.mm(d_outputs.t(), windows.flatten(0, 1)).to(d_maximum.dtype)
        return torch.mm(d_outputs, low).view(windows.shape), d_weight, None, None


def _linear(linear: nn.Linear, x: Tensor, dtype: torch.dtype) -> Tensor:
    return F.linear(x.to(dtype), linear.weight.to(dtype)).to(x.dtype) + linear.bias
