"""Next-token likelihoods: a full softmax, which can be trained by sampling, and PyTorch's adaptive softmax."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ..errors import ElmoError, Errors
from ..gpu.transfer import to_device
from ..runtime.memory import Workspace
from .sampled_softmax import Candidates, SampledLoss

# Scores of words in memory at a time, for each direction.
_SCORES = 1 << 25


def _split(hidden: Tensor, targets: Tensor, n_words: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Split into rows (n, P) and their targets (n,), as many at a time as memory allows."""
    n_rows = max(1, _SCORES // n_words)
    return zip(hidden.flatten(0, -2).split(n_rows), targets.flatten().split(n_rows))


class BaseSoftmax(nn.Module, ABC):
    """The interface of a softmax over the vocabulary, which both directions share.

    Not a protocol: a language model has it as a module, with parameters and a state.

    n_words (int): Words of the vocabulary, V.
    """

    n_words: int

    @abstractmethod
    def log_likelihood(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Compute the log-probability of each target among all words.

        hidden (Tensor): What predicts it: (..., P).
        targets (Tensor): Numbers in the vocabulary: (...).
        RETURNS (Tensor): In the shape of the targets.
        """

    @abstractmethod
    def log_likelihoods(self, hidden: Tensor) -> Tensor:
        """Compute the log-probability of every word.

        hidden (Tensor): What predicts it: (n, P).
        RETURNS (Tensor): (n, V).
        """

    @abstractmethod
    def loss(self, hidden: Tensor, targets: Tensor, *, dtype: torch.dtype) -> Tensor:
        """Compute the mean negative log-probability of each direction.

        hidden (Tensor): What predicts the targets: (D, n, P).
        targets (Tensor): Numbers in the vocabulary: (D, n); preferably on the host.
        dtype (torch.dtype): Of the matrix products.
        RETURNS (Tensor): (D,).
        """


class Sample(NamedTuple):
    """The part of a softmax that takes part in a batch: the candidates and, after them, the other targets.

    weight (Tensor): Their rows: (n, P).
    bias (Tensor): Theirs, corrected by how often a candidate is expected to be drawn: (n,).
    places (Tensor): Where the targets are among them: (2, n_targets).
    n_samples (int): How many of them are candidates.
    """

    weight: Tensor
    bias: Tensor
    places: Tensor
    n_samples: int

    def loss(self, hidden: Tensor, places: Tensor, *, dtype: torch.dtype, workspace: Workspace) -> Tensor:
        """Compute the mean loss of each direction.

        hidden (Tensor): What predicts the targets: (D, n_targets, P).
        places (Tensor): Those of the D directions.
        dtype (torch.dtype): Of the matrix products.
        workspace (Workspace): For buffers.
        RETURNS (Tensor): (D,).
        """
        losses: Tensor = SampledLoss.apply(
            hidden, self.weight, self.bias, places, self.n_samples, dtype, workspace
        )
        return losses


class Softmax(BaseSoftmax):
    """Scores h . W^T + b of every word.

    n_words (int): Words of the vocabulary, V.
    width (int): Width of what it reads, P.
    sparse (bool): Whether gradients of the matrix are sparse: only the rows that took part have one.
    """

    def __init__(self, *, n_words: int, width: int, sparse: bool = False):
        super().__init__()
        self.n_words = n_words
        self.weight = nn.Parameter(torch.empty(n_words, width))
        self.bias = nn.Parameter(torch.zeros(n_words))
        self.sparse = sparse
        self._workspace = Workspace()
        # bilm-tf, bilm/training.py: a normal distribution of 1 / sqrt(P).
        nn.init.normal_(self.weight, std=width**-0.5)

    def log_likelihood(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """See `BaseSoftmax`."""
        parts = [
            -F.cross_entropy(F.linear(rows, self.weight, self.bias), words, reduction="none")
            for rows, words in _split(hidden, targets, self.n_words)
        ]
        return torch.cat(parts).view(targets.shape)

    def log_likelihoods(self, hidden: Tensor) -> Tensor:
        """See `BaseSoftmax`."""
        return F.log_softmax(F.linear(hidden, self.weight, self.bias), dim=-1)

    def loss(self, hidden: Tensor, targets: Tensor, *, dtype: torch.dtype) -> Tensor:
        """See `BaseSoftmax`."""
        losses = []
        for rows, words in zip(hidden, to_device(targets, hidden.device)):
            scores = F.linear(rows.to(dtype), self.weight.to(dtype)).float() + self.bias
            losses.append(F.cross_entropy(scores, words))
        return torch.stack(losses)

    def sampled_loss(
        self, hidden: Tensor, targets: Tensor, candidates: Candidates, *, dtype: torch.dtype, all_targets: Tensor
    ) -> Tensor:
        """Compute the mean sampled-softmax loss of each direction (Jean et al. 2015;
        tf.nn.sampled_softmax_loss).

        hidden (Tensor): What predicts the targets: (2, n, P).
        targets (Tensor): Numbers in the vocabulary: (2, n); preferably on the host, where they are looked up.
        candidates (Candidates): The words to compare with.
        dtype (torch.dtype): Of the matrix products.
        all_targets (Tensor): Those of all processes, so that all of them have the same rows.
        RETURNS (Tensor): (2,).
        """
        sample = self.sample(targets, candidates, all_targets=all_targets)
        return sample.loss(hidden, sample.places, dtype=dtype, workspace=self._workspace)

    def sample(self, targets: Tensor, candidates: Candidates, *, all_targets: Tensor) -> Sample:
        """Select the part of the softmax that takes part in a batch.

        targets (Tensor): Numbers in the vocabulary: (2, n).
        candidates (Candidates): The words to compare with.
        all_targets (Tensor): Those of all processes, so that all of them have the same rows.
        RETURNS (Sample): What `sampled_loss` compares with.
        """
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


class AdaptiveSoftmax(BaseSoftmax):
    """PyTorch's adaptive softmax (Grave et al. 2017): frequent words in the head, rarer ones in clusters of
    smaller width.

    n_words (int): Words of the vocabulary, V.
    width (int): Width of what it reads, P.
    cutoffs (Sequence[int]): Where the head and each cluster but the last end.
    div_value (float): What the width is divided by from cluster to cluster.
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
        """See `BaseSoftmax`."""
        parts = [self.adaptive(rows, words).output for rows, words in _split(hidden, targets, self.n_words)]
        return torch.cat(parts).view(targets.shape)

    def log_likelihoods(self, hidden: Tensor) -> Tensor:
        """See `BaseSoftmax`."""
        log_probabilities: Tensor = self.adaptive.log_prob(hidden)
        return log_probabilities

    def loss(self, hidden: Tensor, targets: Tensor, *, dtype: torch.dtype) -> Tensor:
        """See `BaseSoftmax`. Targets are preferably on the host, where their clusters are looked up."""
        pairs = zip(hidden, targets)
        return torch.stack([-self._likelihood(rows, words, dtype).mean() for rows, words in pairs])

    def _likelihood(self, rows: Tensor, words: Tensor, dtype: torch.dtype) -> Tensor:
        """Compute the log-probability (n,) of each word (n,) by its row (n, P), with the matrix products in a
        dtype of choice, which torch's own forward pass does not offer."""
        first, *ends = self.adaptive.cutoffs
        head = self.adaptive.head
        scores = F.linear(rows.to(dtype), head.weight.to(dtype)).to(rows.dtype) + head.bias
        shares = F.log_softmax(scores, dim=1)
        # In the head, a word of a cluster is represented by its cluster; clusters follow the frequent words.
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
        """Iterate over the first word and the two matrices of each cluster."""
        weights = iter(self.adaptive.tail.parameters())
        yield from zip(self.adaptive.cutoffs, weights, weights)
