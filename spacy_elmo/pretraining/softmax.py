"""Next-token likelihoods: the full softmax, the sampled one of training, and PyTorch's adaptive softmax."""

from typing import Any, Iterable, Iterator, NamedTuple, Sequence, Tuple, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import Errors
from .workspace import Workspace

_aten = torch.ops.aten

# Scores of words that are held at once.
_SCORES = 1 << 25
# The score of a column that is added to measure the normaliser: far below the others, far above underflow.
_PROBE = -20.0
# The score of columns that only fill up: matrix tiles are 32 wide.
_NOTHING = -1e4


class Candidates(NamedTuple):
    """What a sampled softmax compares with.

    ids: (n,), int64, distinct words. expected: (V,), how often each word was to be expected among them.
    """

    ids: NDArray[np.int64]
    expected: NDArray[np.float64]


def draw_candidates(n_words: int, n_samples: int, rng: np.random.Generator) -> Candidates:
    """n_samples distinct words, drawn log-uniformly: P(k) = log((k + 2) / (k + 1)) / log(V + 1), so that words
    must be sorted by falling frequency (TensorFlow, log_uniform_candidate_sampler with unique=True)."""
    tries = np.empty(0, dtype=np.int64)
    first = np.empty(0, dtype=np.int64)
    while len(first) < n_samples:
        drawn = np.exp(rng.random(4 * n_samples) * np.log(n_words + 1)).astype(np.int64) - 1
        tries = np.concatenate([tries, np.clip(drawn, 0, n_words - 1)])
        at = np.full(n_words, -1, dtype=np.int64)
        at[tries[::-1]] = np.arange(len(tries))[::-1]
        first = np.sort(at[at >= 0])
    n_tries = int(first[n_samples - 1]) + 1
    k = np.arange(n_words, dtype=np.float64)
    chance = np.log((k + 2) / (k + 1)) / np.log(n_words + 1)
    return Candidates(tries[first[:n_samples]], -np.expm1(n_tries * np.log1p(-chance)))


def _parts(hidden: Tensor, targets: Tensor, n_words: int) -> Iterator[Tuple[Tensor, Tensor]]:
    """Rows (n, P) and their targets (n,), as many at a time as memory allows."""
    n_rows = max(1, _SCORES // n_words)
    return zip(hidden.flatten(0, -2).split(n_rows), targets.flatten().split(n_rows))


class Softmax(nn.Module):
    """Scores h . W^T + b of every word, shared by both directions.

    n_words: V. width: P. sparse: gradients of the matrix touch only the rows that took part.
    """

    def __init__(self, *, n_words: int, width: int, sparse: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_words, width))
        self.bias = nn.Parameter(torch.zeros(n_words))
        self.sparse = sparse
        self._workspace = Workspace()
        # bilm-tf, bilm/training.py: a normal distribution of 1 / sqrt(P).
        nn.init.normal_(self.weight, std=width**-0.5)

    @property
    def n_words(self) -> int:
        return self.weight.size(0)

    def log_likelihood(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of each target among all words.

        hidden: (..., P). targets: (...). RETURNS: the shape of the targets.
        """
        parts = [
            -F.cross_entropy(F.linear(rows, self.weight, self.bias), words, reduction="none")
            for rows, words in _parts(hidden, targets, self.n_words)
        ]
        return torch.cat(parts).view(targets.shape)

    def log_likelihoods(self, hidden: Tensor) -> Tensor:
        """Log-probability of every word. hidden: (n, P). RETURNS: (n, V)."""
        return F.log_softmax(F.linear(hidden, self.weight, self.bias), dim=-1)

    def loss(self, hidden: Tensor, targets: Tensor, *, dtype: torch.dtype) -> Tensor:
        """Mean negative log-probability of each direction. hidden: (2, n, P). targets: (2, n). RETURNS: (2,)."""
        losses = []
        for rows, words in zip(hidden, targets):
            scores = F.linear(rows.to(dtype), self.weight.to(dtype)).float() + self.bias
            losses.append(F.cross_entropy(scores, words))
        return torch.stack(losses)

    def sampled_loss(
        self, hidden: Tensor, targets: Tensor, candidates: Candidates, *, dtype: torch.dtype, all_targets: Tensor
    ) -> Tensor:
        """Mean sampled-softmax loss of each direction (Jean et al. 2015; tf.nn.sampled_softmax_loss).

        hidden: (2, n, P). targets: (2, n). all_targets: those of every process, so that all have the same rows.
        RETURNS: (2,).
        """
        device = hidden.device
        ids = torch.from_numpy(candidates.ids).to(device)
        place = torch.full((self.n_words,), -1, dtype=torch.int64, device=device)
        place[ids] = torch.arange(len(ids), device=device)
        others = torch.unique(all_targets[place[all_targets] < 0])
        place[others] = torch.arange(len(others), device=device) + len(ids)
        rows = torch.cat([ids, others])
        expected = torch.from_numpy(candidates.expected).to(device)[rows].log().to(self.bias.dtype)
        weight = F.embedding(rows, self.weight, sparse=self.sparse)
        bias = self.bias.index_select(0, rows) - expected
        losses: Tensor = _SampledLoss.apply(hidden, weight, bias, place[targets], len(ids), dtype, self._workspace)
        return losses


class AdaptiveSoftmax(nn.Module):
    """PyTorch's adaptive softmax (Grave et al. 2017), shared by both directions: frequent words in the head, rarer
    ones in clusters of smaller width.

    cutoffs: words up to which the head and each cluster but the last go. div_value: by which the width falls.
    RAISES: ValueError if the cutoffs do not rise or do not fit the vocabulary, or a cluster has no width left.
    """

    def __init__(self, *, n_words: int, width: int, cutoffs: Sequence[int], div_value: float = 4.0):
        super().__init__()
        if list(cutoffs) != sorted({*cutoffs}) or not cutoffs or cutoffs[0] < 1 or cutoffs[-1] >= n_words:
            raise ValueError(Errors.EL077.format(got=list(cutoffs), n_words=n_words))
        narrowest = int(width // div_value ** len(cutoffs))
        if narrowest < 1:
            raise ValueError(Errors.EL082.format(got=div_value, n=len(cutoffs), width=width))
        self.n_words = n_words
        self.adaptive = nn.AdaptiveLogSoftmaxWithLoss(width, n_words, list(cutoffs), div_value, head_bias=True)

    def log_likelihood(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of each target among all words. hidden: (..., P). targets: (...)."""
        parts = [self.adaptive(rows, words).output for rows, words in _parts(hidden, targets, self.n_words)]
        return torch.cat(parts).view(targets.shape)

    def log_likelihoods(self, hidden: Tensor) -> Tensor:
        """Log-probability of every word. hidden: (n, P). RETURNS: (n, V)."""
        found: Tensor = self.adaptive.log_prob(hidden)
        return found

    def loss(self, hidden: Tensor, targets: Tensor, *, dtype: torch.dtype) -> Tensor:
        """Mean negative log-probability of each direction. hidden: (2, n, P). targets: (2, n). RETURNS: (2,)."""
        pairs = zip(hidden, targets)
        return torch.stack([-self._likelihood(rows, words, dtype).mean() for rows, words in pairs])

    def _likelihood(self, rows: Tensor, words: Tensor, dtype: torch.dtype) -> Tensor:
        """Log-probability of each word, with the matrix products in a dtype of choice, which torch's own forward
        pass does not offer. rows: (n, P). words: (n,). RETURNS: (n,)."""
        first, *ends = self.adaptive.cutoffs
        head = self.adaptive.head
        scores = F.linear(rows.to(dtype), head.weight.to(dtype)).to(rows.dtype) + head.bias
        shares = F.log_softmax(scores, dim=1)
        # A word of a cluster counts in the head as its cluster, whose places come after the frequent words'.
        clusters = torch.bucketize(
            words.contiguous(), torch.tensor([first, *ends[:-1]], device=words.device), right=True
        )
        places = torch.where(clusters == 0, words, first + clusters - 1)
        found = shares.gather(1, places.unsqueeze(1)).squeeze(1)
        for k, (start, narrow, wide) in enumerate(self._clusters()):
            inside = (clusters == k + 1).nonzero().squeeze(1)
            if len(inside):
                reduced = F.linear(rows[inside].to(dtype), narrow.to(dtype))
                within = F.log_softmax(F.linear(reduced, wide.to(dtype)).to(rows.dtype), dim=1)
                share = within.gather(1, (words[inside] - start).unsqueeze(1)).squeeze(1)
                found = found.index_add(0, inside, share)
        return found

    def _clusters(self) -> Iterator[Tuple[int, Tensor, Tensor]]:
        """First word, and the two matrices, of each cluster."""
        for start, cluster in zip(self.adaptive.cutoffs, cast(Iterable[nn.Sequential], self.adaptive.tail)):
            narrow, wide = (cast(nn.Linear, linear) for linear in cluster)
            yield start, narrow.weight, wide.weight


class _SampledLoss(torch.autograd.Function):
    """Loss and gradients in one pass over the scores, which are never kept: one matrix of them is what memory and
    time go to. Candidates that are a row's own target do not count against it."""

    @staticmethod
    def forward(
        ctx: Any,
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
        columns[n_samples, width] = _PROBE
        columns[n_samples + 1 :, width] = _NOTHING
        scores, shares = workspace.get("shares", 2, n, len(columns), dtype=dtype, device=hidden.device)
        d_hidden = torch.empty_like(hidden)
        d_weight, d_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        losses = torch.empty(2, dtype=full, device=hidden.device)
        for direction, (h, place) in enumerate(zip(hidden, places)):
            rows = h.new_ones(n, width + 32, dtype=dtype)
            rows[:, :width] = h
            own = weight[place]
            own_score = (h * own).sum(dim=1) + bias[place]
            _aten._softmax.out(torch.mm(rows, columns.t(), out=scores), 1, False, out=shares)
            normaliser = _PROBE - shares[:, n_samples].to(full).log()
            hit = (place < n_samples).nonzero().squeeze(1)
            shares[hit, place[hit]] = 0
            together = torch.where(place < n_samples, normaliser, torch.logaddexp(normaliser, own_score))
            losses[direction] = (together - own_score).mean()
            # Shares were of the candidates alone; with the target among them they are less.
            scale = ((normaliser - together).exp() / n).unsqueeze(1)
            d_own = ((own_score - together).exp() - 1).unsqueeze(1) / n
            d_hidden[direction] = scale * (shares @ columns[:, :width]).to(full) + d_own * own
            rows *= scale
            d_columns = (rows.t().contiguous() @ shares).to(full).t()[:n_samples]
            d_weight[:n_samples] += d_columns[:, :width]
            d_bias[:n_samples] += d_columns[:, width]
            d_weight.index_add_(0, place, d_own * h)
            d_bias.index_add_(0, place, d_own.squeeze(1))
        ctx.save_for_backward(d_hidden, d_weight, d_bias)
        ctx.n = n
        return losses

    @staticmethod
    def backward(ctx: Any, d_losses: Tensor) -> Any:
        d_hidden, d_weight, d_bias = ctx.saved_tensors
        # Both directions share the matrix, and their losses are weighed alike.
        scale = d_losses[0]
        return d_hidden * scale, d_weight * scale, d_bias * scale, None, None, None, None
