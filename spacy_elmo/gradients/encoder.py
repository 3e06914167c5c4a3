"""The character encoder in training: the same numbers as `bilm.char_encoder`, without most of the padding."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ..bilm.char_encoder import CharEncoder, Highway
from ..bilm.characters import OFFSET, PADDING
from ..gpu.transfer import to_device
from ..runtime.memory import Workspace

# Word types are cut into so many groups of like length: each is as wide as its longest.
N_GROUPS = 4
# Groups hold a multiple of this: oneDNN makes, and keeps, a program for every size of a product.
GROUP_STEP = 64
# The widest group has a multiple of this many windows, for the same reason.
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
    """word_emb of each type, with gradients.

    character_ids: (n_types, max_characters), int64, best on the host: it decides which go together.
    dtype: of the matrix products.
    workspace: a backward pass must come before the next forward pass.
    step: groups hold a multiple of this. 1: as they come, and nothing is left to oneDNN, in which every number of
        rows would leave a program.
    word_ids: (n_types,), int64, where words are known. padding: the id that fills words up.
    RETURNS: (n_types, P), in the dtype of the weights.
    """
    n_types = len(character_ids)
    missing = -n_types % (N_GROUPS * step)
    device = encoder.embedding.weight.device
    character_ids = torch.cat([character_ids, character_ids[:1].expand(missing, -1)]).cpu()
    lengths = (character_ids != padding).sum(dim=1)
    order = torch.argsort(lengths, stable=True)
    groups = to_device(character_ids[order], device).chunk(N_GROUPS)
    longest = [int(group[-1]) for group in lengths[order].chunk(N_GROUPS)]
    filters = _filters(encoder)
    pooled: list[Tensor] = []
    for number, (ids, length) in enumerate(zip(groups, longest)):
        where = workspace, f"windows.{number}"
        pooled.append(_pool(encoder, filters, ids, length, dtype, where, as_products=step == 1 or ids.is_cuda))
    words = encoder.activation(torch.cat(pooled))
    for highway in cast(Iterable[Highway], encoder.highways):
        gate = torch.sigmoid(_linear(highway.carry, words, dtype))
        words = gate * F.relu(_linear(highway.transform, words, dtype)) + (1 - gate) * words
    if word_ids is not None:
        word_ids = torch.cat([word_ids, word_ids[:1].expand(missing)])[order]
    words = encoder.with_known(words, word_ids)
    if encoder.projection is not None:
        words = _linear(encoder.projection, words, dtype)
    return words.index_select(0, to_device(torch.argsort(order)[:n_types], device))


class _Filters(NamedTuple):
    """weight: (filters, dim, widest), with zeros where narrower ones see nothing. bias: (filters,)."""

    convolutions: Sequence[nn.Conv1d]
    weight: Tensor
    bias: Tensor


def _filters(encoder: CharEncoder) -> _Filters:
    convolutions = cast(Sequence[nn.Conv1d], encoder.convolutions)
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
    """The greatest answer of each filter to any window, before the activation; (n, filters).

    where: the answers' buffer. as_products: also those of words that fill all characters.
    """
    widest = filters.weight.size(2)
    longest += -longest % WINDOW_STEP
    if longest + widest > ids.size(1):
        # Here the end of the ids cuts off windows.
        characters = encoder.embedding(ids).transpose(1, 2)
        if as_products:
            return torch.cat([_convolve(conv, characters, dtype).amax(dim=1) for conv in filters.convolutions], 1)
        return torch.cat([conv(characters).amax(dim=2) for conv in filters.convolutions], dim=1)
    # One window from each character on and one of padding alone.
    windows = encoder.embedding(ids[:, : longest + widest]).to(dtype).unfold(1, widest, 1)
    greatest: Tensor = _Greatest.apply(windows.flatten(2), filters.weight.flatten(1), *where)
    return greatest + filters.bias


def _convolve(conv: nn.Conv1d, characters: Tensor, dtype: torch.dtype) -> Tensor:
    """A convolution as a product: cuDNN would take 10 bits of each number where they are to have 23, and oneDNN
    makes a program for every number of words.

    characters: (n, dim, n_characters). RETURNS: (n, n_windows, filters).
    """
    windows = characters.to(dtype).unfold(2, conv.kernel_size[0], 1).transpose(1, 2).flatten(2)
    answers = F.linear(windows, conv.weight.flatten(1).to(dtype)).to(characters.dtype)
    return answers if conv.bias is None else answers + conv.bias


class _Greatest(torch.autograd.Function):
    """max over windows of windows . weight^T: windows (n, n_windows, k), weight (filters, k) -> (n, filters)."""

    @staticmethod
    def forward(ctx: Any, windows: Tensor, weight: Tensor, workspace: Workspace, name: str) -> Tensor:
        n, n_windows, _ = windows.shape
        low = weight.to(windows.dtype)
        answers = workspace.get(name, n * n_windows, len(weight), dtype=windows.dtype, device=weight.device)
        torch.mm(windows.flatten(0, 1), low.t(), out=answers)
        greatest, places = answers.view(n, n_windows, -1).max(dim=1, keepdim=True)
        ctx.save_for_backward(windows, low, places)
        ctx.answers = answers
        return greatest.squeeze(1).to(weight.dtype)

    @staticmethod
    def backward(ctx: Any, d_greatest: Tensor) -> tuple[Any, ...]:
        windows, low, places = ctx.saved_tensors
        d_answers = ctx.answers.zero_()
        view = d_answers.view(*windows.shape[:2], -1)
        view.scatter_(1, places, d_greatest.unsqueeze(1).to(low.dtype))
        d_weight = torch.mm(d_answers.t(), windows.flatten(0, 1)).to(d_greatest.dtype)
        return torch.mm(d_answers, low).view(windows.shape), d_weight, None, None


def _linear(linear: nn.Linear, x: Tensor, dtype: torch.dtype) -> Tensor:
    return F.linear(x.to(dtype), linear.weight.to(dtype)).to(x.dtype) + linear.bias
