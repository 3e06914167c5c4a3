"""Next-token likelihoods: a full softmax, which can be trained by sampling, and PyTorch's adaptive softmax."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ..errors import ElmoError, Errors
from ..gpu.transfer import to_device
from ..runtime.memory import Workspace
from .sampled_softmax import Candidates, SampledLoss

# Scores of words that are held at once, for each direction.
_SCORES = 1 << 25


def _parts(hidden: Tensor, targets: Tensor, n_words: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows (n, P) and their targets (n,), as many at a time as memory allows."""
    n_rows = max(1, _SCORES // n_words)
    return zip(hidden.flatten(0, -2).split(n_rows), targets.flatten().split(n_rows))


class Sample(NamedTuple):
    """The part of a softmax that a batch has to do with.

    weight: (n, P), bias: (n,), of the candidates, which come first, and of the other targets. The bias is less
        what a candidate's being drawn adds. places: (2, n_targets), of the targets among them.
    """

    weight: Tensor
    bias: Tensor
    places: Tensor
    n_samples: int

    def loss(self, hidden: Tensor, places: Tensor, *, dtype: torch.dtype, workspace: Workspace) -> Tensor:
        """Mean loss of each direction. hidden: (D, n_targets, P). places: theirs. RETURNS: (D,)."""
        losses: Tensor = SampledLoss.apply(
            hidden, self.weight, self.bias, places, self.n_samples, dtype, workspace
        )
        return losses


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
        for rows, words in zip(hidden, to_device(targets, hidden.device)):
            scores = F.linear(rows.to(dtype), self.weight.to(dtype)).float() + self.bias
            losses.append(F.cross_entropy(scores, words))
        return torch.stack(losses)

    def sampled_loss(
        self, hidden: Tensor, targets: Tensor, candidates: Candidates, *, dtype: torch.dtype, all_targets: Tensor
    ) -> Tensor:
        """Mean sampled-softmax loss of each direction (Jean et al. 2015; tf.nn.sampled_softmax_loss).

        hidden: (2, n, P). targets: (2, n). all_targets: those of every process, so that all have the same rows.
        Targets had best be on the host, which looks them up.
        RETURNS: (2,).
        """
        sample = self.sample(targets, candidates, all_targets=all_targets)
        return sample.loss(hidden, sample.places, dtype=dtype, workspace=self._workspace)

    def sample(self, targets: Tensor, candidates: Candidates, *, all_targets: Tensor) -> Sample:
        """What `sampled_loss` compares with; arguments as there."""
        device = self.weight.device
        ids, targets, all_targets = torch.from_numpy(candidates.ids), targets.cpu(), all_targets.cpu()
        place = torch.full((self.n_words,), -1, dtype=torch.int64)
        place[ids] = torch.arange(len(ids))
        others = torch.unique(all_targets[place[all_targets] < 0])
        place[others] = torch.arange(len(others)) + len(ids)
        rows = torch.cat([ids, others])
        expected = torch.from_numpy(candidates.expected)[rows].log().to(self.bias.dtype)
        rows, expected, places = (to_device(part, device) for part in (rows, expected, place[targets]))
        weight = F.embedding(rows, self.weight, sparse=self.sparse)
        bias = self.bias.index_select(0, rows) - expected
        return Sample(weight, bias, places, len(ids))


class AdaptiveSoftmax(nn.Module):
    """PyTorch's adaptive softmax (Grave et al. 2017), shared by both directions: frequent words in the head, rarer
    ones in clusters of smaller width.

    cutoffs: words up to which the head and each cluster but the last go. div_value: by which the width falls.
    RAISES (ElmoError): If the cutoffs do not rise or do not fit the vocabulary, or a cluster has no width left.
    """

    def __init__(self, *, n_words: int, width: int, cutoffs: Sequence[int], div_value: float = 4.0):
        super().__init__()
        if list(cutoffs) != sorted({*cutoffs}) or not cutoffs or cutoffs[0] < 1 or cutoffs[-1] >= n_words:
            raise ElmoError(Errors.EL077.format(got=list(cutoffs), n_words=n_words))
        narrowest = int(width // div_value ** len(cutoffs))
        if narrowest < 1:
            raise ElmoError(Errors.EL082.format(got=div_value, n=len(cutoffs), width=width))
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
        """Mean negative log-probability of each direction. hidden: (2, n, P). targets: (2, n), best on the host,
        which looks up their clusters. RETURNS: (2,)."""
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
        places = to_device(torch.where(clusters == 0, words, first + clusters - 1), rows.device)
        found = shares.gather(1, places.unsqueeze(1)).squeeze(1)
        for k, (start, narrow, wide) in enumerate(self._clusters()):
            inside = (clusters == k + 1).nonzero().squeeze(1)
            if len(inside):
                places = to_device((words[inside] - start).unsqueeze(1), rows.device)
                inside = to_device(inside, rows.device)
                reduced = F.linear(rows[inside].to(dtype), narrow.to(dtype))
                within = F.log_softmax(F.linear(reduced, wide.to(dtype)).to(rows.dtype), dim=1)
                share = within.gather(1, places).squeeze(1)
                found = found.index_add(0, inside, share)
        return found

    def _clusters(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """First word, and the two matrices, of each cluster."""
        for start, cluster in zip(self.adaptive.cutoffs, cast(Iterable[nn.Sequential], self.adaptive.tail)):
            narrow, wide = (cast(nn.Linear, linear) for linear in cluster)
            yield start, narrow.weight, wide.weight
