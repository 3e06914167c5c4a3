"""The candidates. The loss is tested in test_softmax.py."""

import numpy as np
import pytest

from spacy_elmo.language_model.sampled_softmax import draw_candidates


@pytest.mark.parametrize(("n_words", "n_samples"), [(1000, 100), (50, 49), (7, 7), (5, 1), (20_000, 512)])
def test_candidates_are_distinct_words(n_words: int, n_samples: int) -> None:
    for seed in range(20):
        ids, expected = draw_candidates(n_words, n_samples, np.random.default_rng(seed))
        assert ids.shape == (n_samples,)
        assert len(set(ids.tolist())) == n_samples
        assert ids.min() >= 0
        assert ids.max() < n_words
        assert expected.shape == (n_words,)
        assert expected.min() > 0
        assert expected.max() <= 1
        # The more frequent a word, the more it is to be expected.
        assert (np.diff(expected) <= 0).all()


def test_candidates_depend_on_the_generator() -> None:
    one, same, other = (draw_candidates(1000, 50, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.ids.tolist() == same.ids.tolist()
    assert one.expected.tolist() == same.expected.tolist()
    assert one.ids.tolist() != other.ids.tolist()


@pytest.mark.parametrize(("n_words", "n_samples"), [(300, 40), (12, 11)])
def test_candidates_are_the_first_distinct_tries(n_words: int, n_samples: int) -> None:
    """Equal to one try after the other from the same random numbers: a word that was drawn already does not count,
    and expected counts depend on the number of tries."""
    for seed in range(10):
        ids, expected = draw_candidates(n_words, n_samples, np.random.default_rng(seed))
        rng, n_tries = np.random.default_rng(seed), 0
        found: list[int] = []
        numbers: list[float] = []
        while len(found) < n_samples:
            numbers = numbers or rng.random(4 * n_samples).tolist()
            word = int((n_words + 1) ** numbers.pop(0)) - 1
            n_tries += 1
            if word not in found:
                found.append(word)
        assert ids.tolist() == found
        chances = [np.log((k + 2) / (k + 1)) / np.log(n_words + 1) for k in range(n_words)]
        assert sum(chances) == pytest.approx(1)
        np.testing.assert_allclose(expected, [1 - (1 - chance) ** n_tries for chance in chances], rtol=1e-9)


@pytest.mark.parametrize(("n_words", "n_samples"), [(40, 1), (5000, 20)])
def test_expected_counts(n_words: int, n_samples: int) -> None:
    n_draws, rng = 4000, np.random.default_rng(0)
    counts, expected = np.zeros(n_words), np.zeros(n_words)
    for _ in range(n_draws):
        candidates = draw_candidates(n_words, n_samples, rng)
        counts[candidates.ids] += 1
        expected += candidates.expected
    frequent = expected[:20]
    assert frequent[-1] > 30
    deviation = np.sqrt(frequent * (1 - frequent / n_draws))
    assert (np.abs(counts[:20] - frequent) < 4 * deviation).all()
