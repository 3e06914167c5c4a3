"""The sampled softmax: the words that a prediction is compared with, and the loss and gradients of that."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import FunctionCtx

from ..runtime.memory import Workspace

_aten = torch.ops.aten

# The score of a column that is added to measure the normalizer: far below the others, far above underflow.
_PROBE = -20.0
# The score of columns that are padding: matrix tiles are 32 wide.
_PADDING = -1e4


class Candidates(NamedTuple):
    """The words that a sampled softmax compares with.

    ids (NDArray): Distinct words: (n,), int64.
    expected (NDArray): The expected number of times that each word is among them: (V,).
    """

    ids: NDArray[np.int64]
    expected: NDArray[np.float64]


def draw_candidates(n_words: int, n_samples: int, rng: np.random.Generator) -> Candidates:
    """Draw distinct words log-uniformly: P(k) = log((k + 2) / (k + 1)) / log(V + 1) (TensorFlow,
    log_uniform_candidate_sampler with unique=True).

    n_words (int): V; words are sorted by falling frequency.
    n_samples (int): How many are drawn.
    rng (np.random.Generator): Gives the random numbers.
    RETURNS (Candidates): The words.
    """
    tries = np.empty(0, dtype=np.int64)
    first = np.empty(0, dtype=np.int64)
    while len(first) < n_samples:
        drawn = np.exp(rng.random(4 * n_samples) * np.log(n_words + 1)).astype(np.int64) - 1
        tries = np.concatenate([tries, np.clip(drawn, 0, n_words - 1)])
        at = np.full(n_words, -1, dtype=np.int64)
        at[tries[::-1]] = np.arange(len(tries))[::-1]
        first = np.sort(at[at >= 0])
    n_tries = int(first[n_samples - 1]) + 1
    return Candidates(tries[first[:n_samples]], -np.expm1(n_tries * _log_absence(n_words)))


@lru_cache(maxsize=2)
def _log_absence(n_words: int) -> NDArray[np.float64]:
    """Compute log(1 - P(k)) of each word, for one try. It is the same in every batch."""
    k = np.arange(n_words, dtype=np.float64)
    chance = np.log((k + 2) / (k + 1)) / np.log(n_words + 1)
    log_absence: NDArray[np.float64] = np.log1p(-chance)
    return log_absence


class _Context(FunctionCtx):
    saved_tensors: tuple[Tensor, Tensor, Tensor]


class SampledLoss(torch.autograd.Function):
    """Loss and gradients in one pass over the scores, which are not kept: a matrix of them takes most of the
    memory and the time. Candidates that are a row's own target do not count against it."""

    @staticmethod
    def forward(
        ctx: _Context,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        places: Tensor,
        n_samples: int,
        dtype: torch.dtype,
        workspace: Workspace,
    ) -> Tensor:
        n, width = hidden.shape[1:]
        full = weight.dtype
        # bias twice: as rounded, and what rounding took; then the column whose score is known.
        columns = torch.zeros(n_samples + 32, width + 32, dtype=dtype, device=hidden.device)
        columns[:n_samples, :width] = weight[:n_samples]
        columns[:n_samples, width] = bias[:n_samples]
        columns[:n_samples, width + 1] = bias[:n_samples] - columns[:n_samples, width].to(full)
        # Not by assignment, for which torch would wait for a GPU to receive the number.
        columns[n_samples, width].fill_(_PROBE)
        columns[n_samples + 1 :, width].fill_(_PADDING)
        # A GPU has memory for both directions at once, and is faster with fewer parts.
        parts = hidden.chunk(1 if hidden.is_cuda else 2), places.chunk(1 if hidden.is_cuda else 2)
        m = parts[1][0].numel()
        scores, shares = workspace.get("shares", 2, m, len(columns), dtype=dtype, device=hidden.device)
        d_hidden = []
        d_weight, d_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        losses = []
        for h, place in zip(*parts):
            h, place = h.flatten(0, 1), place.flatten()
            rows = h.new_ones(m, width + 32, dtype=dtype)
            rows[:, :width] = h
            own = weight[place]
            own_score = (h * own).sum(dim=1) + bias[place]
            _aten._softmax.out(torch.mm(rows, columns.t(), out=scores), 1, False, out=shares)
            normalizer = _PROBE - shares[:, n_samples].to(full).log()
            # The share of a row's own target; where that is no candidate, the probe's, which is no longer needed:
            # this way, no step depends on how many rows there are of each kind.
            shares.scatter_(1, place.clamp(max=n_samples).unsqueeze(1), 0)
            together = torch.where(place < n_samples, normalizer, torch.logaddexp(normalizer, own_score))
            losses.append((together - own_score).view(-1, n).mean(dim=1))
            # The shares are among the candidates alone; with the target they are smaller.
            scale = ((normalizer - together).exp() / n).unsqueeze(1)
            d_own = ((own_score - together).exp() - 1).unsqueeze(1) / n
            d_hidden.append(scale * (shares @ columns[:, :width]).to(full) + d_own * own)
            rows *= scale
            d_columns = (rows.t().contiguous() @ shares).to(full).t()[:n_samples]
            d_weight[:n_samples] += d_columns[:, :width]
            d_bias[:n_samples] += d_columns[:, width]
            d_weight.index_add_(0, place, d_own * h)
            d_bias.index_add_(0, place, d_own.squeeze(1))
        ctx.save_for_backward(torch.cat(d_hidden).view_as(hidden), d_weight, d_bias)
        return torch.cat(losses)

    @staticmethod
    def backward(ctx: _Context, d_losses: Tensor) -> tuple[Tensor | None, ...]:
        d_hidden, d_weight, d_bias = ctx.saved_tensors
        # Both directions share the matrix, and their losses have the same weight.
        scale = d_losses[0]
        return d_hidden * scale, d_weight * scale, d_bias * scale, None, None, None, None
