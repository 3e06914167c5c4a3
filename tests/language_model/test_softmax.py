import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from spacy_elmo.language_model import softmax as softmax_module
from spacy_elmo.language_model.sampled_softmax import Candidates, draw_candidates
from spacy_elmo.language_model.softmax import AdaptiveSoftmax, Softmax
from tests.pretraining.tiny import lm_error, lm_randomise

V, P, N = 60, 5, 12


def make(*, sparse: bool = False, dtype: torch.dtype = torch.float64) -> Softmax:
    softmax = Softmax(n_words=V, width=P, sparse=sparse).to(dtype)
    lm_randomise(softmax)
    return softmax


def make_hidden(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, P, dtype=dtype, generator=torch.Generator().manual_seed(1)).requires_grad_()


def candidates_of(ids: Sequence[int]) -> Candidates:
    """Make candidates with different expected counts."""
    return Candidates(np.array(ids), np.linspace(0.9, 0.05, V))


# Targets of both directions: N predictions each, against the candidates 0 to 19.
TARGETS = {
    "all_candidates": [range(12), range(8, 20)],
    "no_candidate": [range(20, 32), range(40, 52)],
    "both": [[0, 25, 3, 30, 19, 59, 7, 20, 1, 2, 44, 45], [59, 58, 0, 1, 2, 3, 33, 34, 35, 36, 18, 19]],
    "repeated": [[4] * 6 + [50] * 6, [50] * 5 + [4] * 5 + [51, 5]],
    "one_word": [[30] * 12, [30] * 12],
}


def dense_reference(softmax: Softmax, hidden: Tensor, targets: Tensor, candidates: Candidates) -> Tensor:
    """Compute the loss as tf.nn.sampled_softmax_loss is documented, a prediction at a time: from scores minus the
    logarithm of the expected count, with the target and all candidates but the target."""
    log_expected = np.log(candidates.expected)
    losses: list[Tensor] = []
    for h, target in zip(hidden.flatten(0, 1), targets.flatten().tolist()):
        words = [target, *(int(word) for word in candidates.ids if word != target)]
        scores = [h @ softmax.weight[word] + softmax.bias[word] - log_expected[word] for word in words]
        losses.append(-torch.log_softmax(torch.stack(scores), dim=0)[0])
    return torch.stack(losses).view(targets.shape).mean(dim=1)


def gradients(losses: Tensor, softmax: Softmax, hidden: Tensor, *, times: float = 1.0) -> list[Tensor]:
    found = torch.autograd.grad(losses.mean() * times, [hidden, softmax.weight, softmax.bias])
    return [gradient.to_dense() for gradient in found]


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
def test_sampled_loss(targets: Any, sparse: bool) -> None:
    """The value and the gradients equal those of the definition."""
    softmax, hidden = make(sparse=sparse), make_hidden(2, N)
    wanted, candidates = torch.tensor([list(part) for part in targets]), candidates_of(range(20))
    got = softmax.sampled_loss(hidden, wanted, candidates, dtype=torch.float64, all_targets=wanted.flatten())
    expected = dense_reference(softmax, hidden, wanted, candidates)
    torch.testing.assert_close(got, expected, atol=1e-9, rtol=0)
    both = [gradients(losses, softmax, hidden, times=7.0) for losses in (got, expected)]
    for one, other in zip(*both, strict=True):
        assert other.any()
        torch.testing.assert_close(one, other, atol=1e-9, rtol=0)


def test_sampled_loss_of_drawn_candidates() -> None:
    softmax, hidden = make(), make_hidden(2, N)
    rng = np.random.default_rng(3)
    targets = torch.from_numpy(rng.integers(0, V, size=(2, N)))
    candidates = draw_candidates(V, 25, rng)
    got = softmax.sampled_loss(hidden, targets, candidates, dtype=torch.float64, all_targets=targets.flatten())
    torch.testing.assert_close(got, dense_reference(softmax, hidden, targets, candidates), atol=1e-9, rtol=0)


def test_all_words_as_candidates() -> None:
    softmax, hidden = make(), make_hidden(2, N)
    targets = torch.arange(2 * N).view(2, N)
    candidates = Candidates(np.arange(V)[::-1].copy(), np.ones(V))
    got = softmax.sampled_loss(hidden, targets, candidates, dtype=torch.float64, all_targets=targets.flatten())
    torch.testing.assert_close(got, -softmax.log_likelihood(hidden, targets).mean(dim=1), atol=1e-9, rtol=0)


def test_sparse_gradients() -> None:
    softmax, hidden = make(sparse=True), make_hidden(2, N)
    targets, candidates = torch.tensor([[40] * N, [3] * N]), candidates_of([3, 1, 7])
    losses = softmax.sampled_loss(
        hidden, targets, candidates, dtype=torch.float64, all_targets=torch.tensor([40, 3, 55, 40])
    )
    losses.mean().backward()
    gradient = softmax.weight.grad
    assert gradient is not None
    assert gradient.is_sparse
    # The targets of other processes have rows as well, without a number in them.
    assert gradient._indices().tolist() == [[3, 1, 7, 40, 55]]
    assert gradient.to_dense()[[3, 1, 7, 40]].any(dim=1).all()
    assert not gradient.to_dense()[55].any()


def test_targets_of_other_processes() -> None:
    softmax, hidden = make(), make_hidden(2, N)
    targets, candidates = torch.arange(10, 10 + 2 * N).view(2, N), candidates_of(range(20))
    found = []
    for others in ([], [58, 2, 59, 50]):
        all_targets = torch.cat([torch.tensor(others, dtype=torch.int64), targets.flatten()])
        losses = softmax.sampled_loss(hidden, targets, candidates, dtype=torch.float64, all_targets=all_targets)
        found.append([losses, *gradients(losses, softmax, hidden)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-14, rtol=0)


@pytest.mark.parametrize("shift", [-10.0, 50.0])
def test_sampled_loss_of_far_scores(shift: float) -> None:
    """Scores far from zero give the same results in float32."""
    softmax, hidden = make(dtype=torch.float32), make_hidden(2, N, dtype=torch.float32)
    targets, candidates = torch.arange(10, 10 + 2 * N).view(2, N), candidates_of(range(20))
    expected = dense_reference(softmax, hidden, targets, candidates)
    wanted = gradients(expected, softmax, hidden)
    with torch.no_grad():
        softmax.bias.add_(shift)
    got = softmax.sampled_loss(hidden, targets, candidates, dtype=torch.float32, all_targets=targets.flatten())
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    for one, other in zip(gradients(got, softmax, hidden), wanted, strict=True):
        assert lm_error(one, other) < 1e-5


def test_sampled_loss_in_bf16_is_near() -> None:
    """bfloat16 has 8 bits: 0.4% of a number. Losses and the targets' scores have full precision."""
    softmax, hidden = make(dtype=torch.float32), make_hidden(2, N, dtype=torch.float32)
    targets, candidates = torch.arange(10, 10 + 2 * N).view(2, N), candidates_of(range(20))
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        losses = softmax.sampled_loss(hidden, targets, candidates, dtype=dtype, all_targets=targets.flatten())
        assert losses.dtype == torch.float32
        found.append([losses, *gradients(losses, softmax, hidden)])
    for exact, rounded in zip(*found, strict=True):
        assert 1e-6 < lm_error(rounded, exact) < 0.01


def test_used_workspace() -> None:
    softmax = make(dtype=torch.float32)
    for n in (N, 3, 40, 1, N):
        hidden, targets = make_hidden(2, n, dtype=torch.float32), torch.arange(2 * n).view(2, n) % V
        found = []
        for one in (softmax, make(dtype=torch.float32)):
            losses = one.sampled_loss(
                hidden, targets, candidates_of(range(n + 5)), dtype=torch.float32, all_targets=targets.flatten()
            )
            found.append([losses, *gradients(losses, one, hidden)])
        for one, other in zip(*found, strict=True):
            assert torch.equal(one, other)


def reference_log_likelihoods(softmax: Softmax, hidden: Tensor) -> Tensor:
    scores = hidden @ softmax.weight.T + softmax.bias
    return scores - scores.exp().sum(dim=-1, keepdim=True).log()


def test_log_likelihood() -> None:
    softmax, hidden = make(), make_hidden(2, N)
    targets = torch.arange(2 * N).view(2, N)
    expected = reference_log_likelihoods(softmax, hidden)
    wanted = expected.gather(2, targets.unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(softmax.log_likelihood(hidden, targets), wanted, atol=1e-12, rtol=0)
    torch.testing.assert_close(softmax.log_likelihood(hidden[0], targets[0]), wanted[0], atol=1e-12, rtol=0)
    everything = softmax.log_likelihoods(hidden[0])
    torch.testing.assert_close(everything, expected[0], atol=1e-12, rtol=0)
    torch.testing.assert_close(everything.exp().sum(dim=1), torch.ones(N, dtype=torch.float64))
    losses = softmax.loss(hidden, targets, dtype=torch.float64)
    torch.testing.assert_close(losses.double(), -wanted.mean(dim=1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("rows", [1, 5, N, 2 * N])
def test_split_targets(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, targets = make_hidden(2, N), torch.arange(2 * N).view(2, N)
    for softmax in (make(), make_adaptive()):
        expected = softmax.log_likelihood(hidden, targets)
        with monkeypatch.context() as patch:
            patch.setattr(softmax_module, "_SCORES", rows * V)
            got = softmax.log_likelihood(hidden, targets)
        torch.testing.assert_close(got, expected, atol=1e-12, rtol=0)


def test_gradients_of_the_full_loss() -> None:
    softmax, hidden = make(), make_hidden(2, N)
    targets = torch.arange(2 * N).view(2, N)
    expected = -reference_log_likelihoods(softmax, hidden).gather(2, targets.unsqueeze(2)).mean(dim=(1, 2))
    losses = softmax.loss(hidden, targets, dtype=torch.float64)
    both = [gradients(part, softmax, hidden) for part in (losses, expected)]
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=0)


def test_fresh_weights() -> None:
    torch.manual_seed(0)
    softmax = Softmax(n_words=2000, width=64)
    # 128,000 numbers: their deviation is known to 0.2%.
    assert float(softmax.weight.detach().std()) == pytest.approx(1 / 8, rel=0.01)
    assert float(softmax.weight.detach().mean()) == pytest.approx(0, abs=0.002)
    assert not softmax.bias.any()
    assert softmax.n_words == 2000


CUTOFFS = [6, 20]


def make_adaptive(*, dtype: torch.dtype = torch.float64) -> AdaptiveSoftmax:
    softmax = AdaptiveSoftmax(n_words=V, width=P, cutoffs=CUTOFFS, div_value=2.0).to(dtype)
    lm_randomise(softmax)
    return softmax


def reference_adaptive(softmax: AdaptiveSoftmax, hidden: Tensor) -> Tensor:
    """Grave et al. 2017: P(word) = P(cluster) * P(word | cluster)."""
    named = dict(softmax.named_parameters())
    head = hidden @ named["adaptive.head.weight"].T + named["adaptive.head.bias"]
    head = head.log_softmax(dim=-1)
    parts = [head[..., : CUTOFFS[0]]]
    for k in range(len(CUTOFFS)):
        narrow = hidden @ named[f"adaptive.tail.{k}.0.weight"].T
        scores = narrow @ named[f"adaptive.tail.{k}.1.weight"].T
        parts.append(scores.log_softmax(dim=-1) + head[..., CUTOFFS[0] + k].unsqueeze(-1))
    return torch.cat(parts, dim=-1)


def test_adaptive_likelihoods() -> None:
    softmax, hidden = make_adaptive(), make_hidden(2, N)
    targets = (torch.arange(2 * N) * 7 % V).view(2, N)
    expected = reference_adaptive(softmax, hidden)
    wanted = expected.gather(2, targets.unsqueeze(2)).squeeze(2)
    assert expected.shape == (2, N, V)
    torch.testing.assert_close(softmax.log_likelihoods(hidden[0]), expected[0], atol=1e-12, rtol=0)
    torch.testing.assert_close(softmax.log_likelihood(hidden, targets), wanted, atol=1e-12, rtol=0)
    torch.testing.assert_close(softmax.log_likelihood(hidden[1], targets[1]), wanted[1], atol=1e-12, rtol=0)
    losses = softmax.loss(hidden, targets, dtype=torch.float64)
    torch.testing.assert_close(losses, -wanted.mean(dim=1), atol=1e-12, rtol=0)
    sums = softmax.log_likelihoods(hidden[0]).exp().sum(dim=1)
    torch.testing.assert_close(sums, torch.ones(N, dtype=torch.float64))


@pytest.mark.parametrize("words", [range(N), range(6), range(20, 20 + N)], ids=["some", "head", "last_cluster"])
def test_gradients_of_the_adaptive_loss(words: Any) -> None:
    """The matrices of a cluster without a target have no gradient."""
    softmax, hidden = make_adaptive(), make_hidden(2, len(words))
    targets = torch.tensor([list(words)] * 2)
    expected = -reference_adaptive(softmax, hidden).gather(2, targets.unsqueeze(2)).mean(dim=(1, 2))
    losses = softmax.loss(hidden, targets, dtype=torch.float64)
    parameters = [hidden, *softmax.parameters()]
    got, wanted = (
        torch.autograd.grad(part.mean(), parameters, allow_unused=True, materialize_grads=True)
        for part in (losses, expected)
    )
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_widths_of_the_clusters() -> None:
    softmax = AdaptiveSoftmax(n_words=V, width=16, cutoffs=CUTOFFS, div_value=4.0)
    shapes = {name: tuple(parameter.shape) for name, parameter in softmax.named_parameters()}
    assert shapes == {
        "adaptive.head.weight": (8, 16),
        "adaptive.head.bias": (8,),
        "adaptive.tail.0.0.weight": (4, 16),
        "adaptive.tail.0.1.weight": (14, 4),
        "adaptive.tail.1.0.weight": (1, 16),
        "adaptive.tail.1.1.weight": (40, 1),
    }


@pytest.mark.parametrize("make_softmax", [make, make_adaptive])
def test_loss_in_bf16_is_near(make_softmax: Callable[..., Any]) -> None:
    """bfloat16 has 8 bits: 0.4% of a number."""
    softmax, hidden = make_softmax(dtype=torch.float32), make_hidden(2, N, dtype=torch.float32)
    targets = (torch.arange(2 * N) * 7 % V).view(2, N)
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        losses = softmax.loss(hidden, targets, dtype=dtype)
        assert losses.dtype == torch.float32
        parameters = [hidden, *softmax.parameters()]
        found.append([losses, *torch.autograd.grad(losses.mean(), parameters)])
    for exact, rounded in zip(*found, strict=True):
        assert rounded.dtype == torch.float32
        assert 1e-6 < lm_error(rounded, exact) < 0.02


@pytest.mark.parametrize("cutoffs", [[], [0, 5], [-3], [5, 5], [7, 3], [5, V], [V + 1]])
def test_bad_cutoffs(cutoffs: list[int]) -> None:
    with pytest.raises(
        ValueError, match=rf"below the {V} words.*got {re.escape(str(cutoffs))}\. .*softmax\.cutoffs"
    ):
        AdaptiveSoftmax(n_words=V, width=P, cutoffs=cutoffs)


@pytest.mark.parametrize(("div_value", "cutoffs"), [(6.0, [5]), (2.5, [5, 9])])
def test_clusters_without_width(div_value: float, cutoffs: list[int]) -> None:
    with pytest.raises(
        ValueError, match=rf"div_value = {div_value} .*last of the {len(cutoffs)} .*width of the model is {P}\."
    ):
        AdaptiveSoftmax(n_words=V, width=P, cutoffs=cutoffs, div_value=div_value)


def test_cutoffs_at_their_limits() -> None:
    softmax = AdaptiveSoftmax(n_words=V, width=P, cutoffs=[1, V - 1], div_value=2.0)
    assert softmax.log_likelihoods(make_hidden(3, dtype=torch.float32)).shape == (3, V)
