"""The engine on a GPU. `pytest -m gpu`."""

import gc
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spacy_elmo
from spacy_elmo.inference.reference import ReferenceEngine
from spacy_elmo.inference.settings import PrecisionName
from tests.inference.cuda.models import LSTMS, distance, engines, options, random_state, sentences

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.needs("triton"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

# Small models of widely spread weights; the bundled one is trained.
TOLERANCES = {"fp32": 2e-5, "tf32": 2e-2, "bf16": 6e-2}
BATCHES: list[list[int]] = [[20], [5, 2, 7], [3, 1, 2, 4, 2, 1, 1], [1, 4] * 20, [7, 2, 30, 1] * 60, [9] * 700]
KINDS = [
    *(("clips", precision) for precision in TOLERANCES),
    *((lstm, "fp32") for lstm in LSTMS if lstm != "clips"),
]


@pytest.mark.parametrize(("lstm", "precision"), KINDS)
def test_layers(lstm: str, precision: PrecisionName) -> None:
    """Launched, recorded and replayed; by single rows, narrow and wide tiles."""
    engine, exact = engines(options(lstm), "cuda", precision)
    for lengths in BATCHES:
        batch = sentences(lengths)
        expected = exact.run(batch, n_layers=2, state=None)
        runs = [engine.run(batch, n_layers=2, state=None) for _ in range(3)]
        assert distance(runs[0], expected) < TOLERANCES[precision], lengths
        for run in runs[1:]:
            assert all(torch.equal(one, other) for one, other in zip(run.lstm, runs[0].lstm)), lengths
    assert len(engine._stack._graphs)


@pytest.mark.parametrize("precision", TOLERANCES)
def test_carried_state(precision: PrecisionName) -> None:
    small = options("clips")
    engine, exact = engines(small, "cuda", precision)
    for lengths in ([2], [1, 0, 2], [2, 1, 0, 5, 2, 1] * 9):
        batch, state = sentences(lengths), random_state(small, len(lengths))
        got = engine.run(batch, n_layers=2, state=type(state)(*(part.cuda() for part in state)))
        expected = exact.run(batch, n_layers=2, state=type(state)(*(part.double() for part in state)))
        assert distance(got, expected) < TOLERANCES[precision]


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("tf32", 1e-2), ("bf16", 6e-2)])
def test_the_bundled_model(text: Path, precision: PrecisionName, tolerance: float) -> None:
    from spacy_elmo.inference.cuda.engine import CudaEngine

    batch = [line.split() for line in text.read_text("utf-8").splitlines()] * 3
    exact = spacy_elmo.load().embed(batch)
    elmo = spacy_elmo.load(device="cuda", precision=precision)
    assert isinstance(elmo.engine, CudaEngine)
    for budget in (100_000, 64):
        elmo.budget.tokens = budget
        got = elmo.embed(batch)
        for one, other in zip(got, exact, strict=True):
            for name, array in one.items():
                np.testing.assert_allclose(array, getattr(other, name), atol=tolerance)
                assert array.dtype == np.float32
    assert all(
        np.array_equal(a, b)
        for a, b in zip(elmo.named_arrays().values(), spacy_elmo.load().named_arrays().values())
    )


def test_sizes_that_no_kernel_has(tiny: Path) -> None:
    elmo = spacy_elmo.load(tiny, device="cuda")
    assert isinstance(elmo.engine, ReferenceEngine)
    got, expected = (model.embed([["I", "love"], [], ["NLP"]]) for model in (elmo, spacy_elmo.load(tiny)))
    for one, other in zip(got, expected):
        np.testing.assert_allclose(one.elmo, other.elmo, atol=1e-5)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_without_kernels(tiny: Path, precision: PrecisionName) -> None:
    got = spacy_elmo.load(tiny, device="cuda", precision=precision).embed([["I", "love", "NLP"]])[0]
    expected = spacy_elmo.load(tiny).embed([["I", "love", "NLP"]])[0]
    np.testing.assert_allclose(got.elmo, expected.elmo, atol=5e-2)


def test_without_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no graphs in this test")

    engine, _ = engines(options("clips"), "cuda")
    batch = sentences([20])
    expected = engine.run(batch, n_layers=2, state=None)
    monkeypatch.setattr(torch.cuda.CUDAGraph, "capture_begin", fail)
    with pytest.warns(UserWarning, match=r"\[WL016\].*no graphs in this test"):
        got = engine.run(batch, n_layers=2, state=None)
    assert torch.equal(got.lstm[1], expected.lstm[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine.run(batch, n_layers=2, state=None)


def test_settings_of_torch_are_left_alone() -> None:
    for allowed in (True, False):
        torch.backends.cuda.matmul.allow_tf32 = allowed
        threads = torch.get_num_threads()
        for precision in ("fp32", "tf32"):
            spacy_elmo.load(device="cuda", precision=precision).embed([["a", "b"]])
        assert torch.backends.cuda.matmul.allow_tf32 == allowed
        assert torch.get_num_threads() == threads


def test_tf32_by_the_user_changes_nothing() -> None:
    batch = sentences([5, 9])
    expected = spacy_elmo.load(device="cuda").embed(batch)
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        got = spacy_elmo.load(device="cuda").embed(batch)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    assert all(np.array_equal(one.elmo, other.elmo) for one, other in zip(got, expected))


def test_memory_does_not_grow() -> None:
    elmo = spacy_elmo.load(device="cuda")
    batch = sentences([7, 3, 12] * 200)
    elmo.embed(batch)
    elmo.embed(batch)
    torch.cuda.synchronize()
    gc.collect()
    before = torch.cuda.memory_allocated()
    kept = [elmo.embed(batch) for _ in range(5)]
    torch.cuda.synchronize()
    assert torch.cuda.memory_allocated() <= before + (1 << 20)
    assert len(kept[0]) == len(batch)


def test_several_threads_at_a_time() -> None:
    elmo = spacy_elmo.load(device="cuda")
    batches = [sentences([length, 3, 2 * length] * 20) for length in range(1, 7)]
    expected = [elmo.embed(batch) for batch in batches]
    got: list[Any] = [None] * len(batches)

    def embed(i: int) -> None:
        for _ in range(3):
            got[i] = elmo.embed(batches[i])

    threads = [threading.Thread(target=embed, args=(i,)) for i in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(got, expected):
        assert all(np.array_equal(a.elmo, b.elmo) for a, b in zip(one, other))


def test_a_long_sentence() -> None:
    sentence = sentences([20_000])
    got = spacy_elmo.load(device="cuda").embed(sentence, layers=["lstm_outputs2"])[0].lstm_outputs2
    part = spacy_elmo.load().embed([sentence[0]], layers=["lstm_outputs2"])[0].lstm_outputs2
    np.testing.assert_allclose(got, part, atol=1e-4)
