"""Warm states: made from text, and kept for models that are stored without one."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from .bilm.build import build_parts, state_arrays
from .engine.choose import make_engine
from .engine.warm import RECIPE, mean_final_state
from .weights.arrays import Arrays, Weights, encoder_shapes
from .weights.cache import keep_state, read_state, state_path

SENTENCES = Path(__file__).parent / "data" / "warm_sentences.txt"


def make_state(weights: Weights, sentences: Iterable[Sequence[str]], *, n_threads: int | None = None) -> Arrays:
    """The warm state that tokenised sentences make, whatever the precision and the device that a model runs with.

    n_threads: see `Settings`.
    RETURNS: float32, by the names of `weights.arrays.warm_state_shapes`.
    RAISES: ValueError if there are too few sentences.
    """
    encoder = {name: weights.arrays[name] for name in encoder_shapes(weights.options)}
    engine = make_engine(
        weights.options,
        build_parts(weights.options, encoder).bilm,
        precision="fp32",
        device=torch.device("cpu"),
        initial_state=None,
        n_threads=n_threads,
    )
    return state_arrays(mean_final_state(engine, sentences, lstm=weights.options.lstm))


def shipped_state(weights: Weights, *, n_threads: int | None = None) -> Arrays:
    """The warm state that the sentences of this package make, for weights without one: from the user's cache, or
    made now and put there. For the result and n_threads see `make_state`."""
    path = state_path(weights, text=SENTENCES, recipe=RECIPE)
    state = read_state(path, weights.options)
    if state is None:
        state = make_state(weights, shipped_sentences(), n_threads=n_threads)
        keep_state(path, state, source=weights.source)
    return state


def shipped_sentences() -> list[list[str]]:
    """Tokenised English sentences that come with the package; see data/README.md."""
    return [line.split() for line in SENTENCES.read_text("utf-8").splitlines()]
