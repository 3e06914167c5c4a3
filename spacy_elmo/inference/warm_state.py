"""Warm states: the mean final state of the LSTMs over running text, computed once and cached."""

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from ..bilm.build import build_parts, state_arrays
from ..bilm.lstm import LSTMState
from ..bilm.options import LSTMOptions, Options
from ..errors import ElmoError, Errors, Warnings
from ..runtime.isolation import isolate
from ..util.atomic import atomic_write
from ..util.batching import windows
from ..util.files import check_regular
from ..util.hashes import hash_arrays
from ..util.user_cache import CACHE_VARIABLE, cache_folder
from ..weights.arrays import Arrays, Weights, encoder_shapes, warm_state_shapes
from ..weights.training_text import describe_text, find_entry, is_ordinary_english
from .base import N_BOUNDARIES, Engine, Sentence
from .factory import make_engine
from .settings import Settings

# Rows of sentences that are read in parallel, each row with carried state.
N_ROWS = 32
# The first sentences of each row, which are left out of the mean: their states still depend on the initial zeros.
BURN_IN = 4
# Tokens that run together, whatever the model's settings, so that batches and their rounding stay the same.
BATCH_TOKENS = 8192

LEAST_SENTENCES = N_ROWS * (BURN_IN + 1)
# The constants that the result depends on.
RECIPE = f"rows {N_ROWS}, burn-in {BURN_IN}, tokens {BATCH_TOKENS}"

SENTENCES = Path(__file__).parent.parent / "data" / "warm_sentences.txt"


@isolate()
@torch.inference_mode()
def compute_mean_state(engine: Engine, sentences: Iterable[Sentence], *, lstm: LSTMOptions) -> LSTMState:
    """Compute the mean of the states after each sentence's closing boundary token, with carried state, except
    for the first sentences of each row.

    engine (Engine): On the CPU, in float32.
    sentences (Iterable[Sentence]): Token texts, read batch by batch; empty sentences are left out.
    lstm (LSTMOptions): The options of the LSTMs.
    RETURNS (LSTMState): Hidden (2, L, P) and cell (2, L, C), float32, forward first.
    RAISES (ElmoError): If there are fewer than LEAST_SENTENCES.
    """
    shape = (2, lstm.n_layers, N_ROWS)
    state = LSTMState(torch.zeros(*shape, lstm.projection_dim), torch.zeros(*shape, lstm.dim))
    sums = LSTMState(*(part.new_zeros(2, lstm.n_layers, part.size(-1), dtype=torch.float64) for part in state))
    n_read = 0
    filled = (sentence for sentence in sentences if sentence)
    for number, batch in enumerate(windows(filled, size=lambda _: 1, budget=N_ROWS)):
        _advance(engine, batch, state)
        n_read += len(batch)
        if number >= BURN_IN:
            for total, part in zip(sums, state, strict=True):
                total += part[:, :, : len(batch)].sum(dim=2, dtype=torch.float64)
    if n_read < LEAST_SENTENCES:
        advice = "Give a longer text."
        raise ElmoError(Errors.EL095.format(got=n_read, least=LEAST_SENTENCES, advice=advice))
    return LSTMState(*((total / (n_read - N_ROWS * BURN_IN)).float() for total in sums))


def _advance(engine: Engine, batch: "list[Sentence]", state: LSTMState) -> None:
    """Advance the first rows of the state by a sentence each, in place."""
    n_layers, start = state.hidden.size(1), 0
    for window in windows(batch, size=lambda sentence: len(sentence) + N_BOUNDARIES, budget=BATCH_TOKENS):
        rows = torch.arange(start, start + len(window))
        final = engine.run(window, n_layers=n_layers, state=state.rows(rows)).state
        for part, new in zip(state, final or (), strict=True):
            part.index_copy_(2, rows, new)
        start += len(window)


def make_state(weights: Weights, sentences: Iterable[Sequence[str]], *, n_threads: int | None = None) -> Arrays:
    """Make the warm state of weights from sentences. It does not depend on a model's precision and device.

    weights (Weights): The weights.
    sentences (Iterable[Sequence[str]]): Tokenized sentences.
    n_threads (int | None): See `Settings`.
    RETURNS (Arrays): Float32 arrays by the names of `weights.arrays.warm_state_shapes`.
    RAISES (ElmoError): If there are too few sentences.
    """
    encoder = {name: weights.arrays[name] for name in encoder_shapes(weights.options)}
    engine = make_engine(
        weights.options,
        build_parts(weights.options, encoder).bilm,
        settings=Settings(n_threads=n_threads),
        device=torch.device("cpu"),
        warm_state=None,
    )
    return state_arrays(compute_mean_state(engine, sentences, lstm=weights.options.lstm))


def get_default_state(weights: Weights, *, n_threads: int | None = None) -> Arrays:
    """Get the warm state made from the sentences of this package: from the user's cache, or made now and
    stored there.

    weights (Weights): The weights. Their source must be a published model of English prose, as the sentences are.
    n_threads (int | None): See `Settings`.
    RETURNS (Arrays): See `make_state`.
    RAISES (ElmoError): If the model is of something else, or if nothing is known of its text.
    """
    # Before the cache is asked: earlier versions have left states there for models of any language.
    _check_text(weights.source)
    path = get_state_path(weights, text=SENTENCES, recipe=RECIPE)
    state = read_state(path, weights.options)
    if state is None:
        state = make_state(weights, read_default_sentences(), n_threads=n_threads)
        write_state(path, state, source=weights.source)
    return state


def _check_text(source: str) -> None:
    """Check that the sentences of this package are like those that a model was trained on."""
    entry = find_entry(source)
    if entry is None:
        raise ElmoError(Errors.EL301.format(source=source, least=LEAST_SENTENCES))
    if not is_ordinary_english(entry):
        text = describe_text(entry)
        raise ElmoError(Errors.EL300.format(name=entry.name, text=text, least=LEAST_SENTENCES))


def read_default_sentences() -> list[list[str]]:
    """Read the tokenized English sentences of this package; see data/README.md.

    RETURNS (list[list[str]]): The sentences.
    """
    return [line.split() for line in SENTENCES.read_text("utf-8").splitlines()]


def get_state_path(weights: Weights, *, text: Path, recipe: str) -> Path:
    """Get the file for the warm state of weights in the user's cache. Its name is a hash of all that the state
    depends on.

    weights (Weights): The weights; options and arrays of the biLM are hashed.
    text (Path): The file of sentences.
    recipe (str): The constants of the computation.
    RETURNS (Path): The file, which may not exist.
    """
    digest = hashlib.sha256(f"{recipe}\n{weights.options.to_json()}\n".encode())
    digest.update(hashlib.sha256(text.read_bytes()).digest())
    hash_arrays(digest, weights.arrays, encoder_shapes(weights.options))
    return cache_folder() / "warm_states" / f"{digest.hexdigest()}.npz"


def read_state(path: Path, options: Options) -> Arrays | None:
    """Read a file of `write_state`.

    path (Path): The file.
    options (Options): The options of the biLM.
    RETURNS (Arrays | None): The arrays; None if there is no such file, or it is damaged.
    """
    shapes = warm_state_shapes(options)
    try:
        # Only arrays, no pickles. The archive has checksums.
        check_regular(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            state: Arrays = {name: archive[name] for name in shapes}
    except Exception:  # a damaged archive fails in many ways
        return None
    good = all(array.shape == shapes[name] and array.dtype == np.float32 for name, array in state.items())
    return state if good else None


def write_state(path: Path, state: Arrays, *, source: str) -> None:
    """Write a state to a file, or warn if that fails.

    path (Path): The file.
    state (Arrays): The arrays.
    source (str): The source of the model, for the warning.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            # Their names are keywords of `savez`, some of which have other types for type checkers.
            np.savez(file, **cast(Any, state))
    except OSError as error:
        text = Warnings.WL005.format(path=path.parent, reason=error, source=source, variable=CACHE_VARIABLE)
        warnings.warn(text, UserWarning, stacklevel=2)
