"""The component on a GPU: through CuPy, and through PyTorch alone. `pytest -m gpu`."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from thinc import compat
from thinc.api import get_current_ops, require_gpu, set_current_ops, use_ops

from spacy_elmo.models.module import get_module
from spacy_elmo.models.ops_arrays import to_numpy
from tests.components import get_embedder, get_trainable
from tests.pipeline.conftest import Make
from tests.pipeline.training import LISTENER, TEXTS, initialize, pipeline, tags, train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

LINES = [
    "I love NLP .", "", "One", "Many words of one text , all in a row", " \n ", "two  spaces and \n a line"
] * 4  # fmt: skip
LAYERS = ["word_emb", "lstm_outputs1", "lstm_outputs2", "elmo"]
TOLERANCE = 1e-4


def use_cpu() -> AbstractContextManager[Any]:
    """Where the reference is computed, whatever Thinc uses."""
    return use_ops("numpy")


@pytest.fixture
def cupy() -> Iterator[Any]:
    """Thinc on the GPU, as after `spacy.require_gpu()`."""
    if not compat.has_cupy_gpu:
        pytest.skip("no CuPy")
    import cupy

    before = get_current_ops()
    require_gpu()
    yield cupy
    set_current_ops(before)


@pytest.fixture
def torch_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The settings of the model where there is no CuPy."""
    monkeypatch.setattr(compat, "has_cupy_gpu", False)
    with use_ops("numpy"):
        yield {"device": "cuda"}


def assert_close(one: Any, other: Any) -> None:
    np.testing.assert_allclose(to_numpy(one), to_numpy(other), atol=TOLERANCE)


# Prediction through CuPy


@pytest.mark.parametrize("sentencizer", [False, True])
def test_devices_of_tensor_and_layers(make: Make, cupy: Any, sentencizer: bool) -> None:
    nlp = make()
    with use_cpu():
        reference = make()
    for one in (nlp, reference):
        if sentencizer:
            one.add_pipe("sentencizer", first=True)
    with use_cpu():
        expected = list(reference.pipe(LINES))
    for doc, other in zip(nlp.pipe(LINES), expected):
        assert isinstance(doc.tensor, cupy.ndarray)
        assert doc.tensor.dtype == np.float32
        assert doc.tensor.flags.c_contiguous
        assert_close(doc.tensor, other.tensor)
        assert doc._.elmo.names == LAYERS
        for name, array in doc._.elmo.items():
            assert isinstance(array, np.ndarray)
            assert_close(array, getattr(other._.elmo, name))
        if len(doc):
            assert isinstance(doc[0].tensor, cupy.ndarray)


def test_one_by_one_as_in_a_pipe(make: Make, cupy: Any) -> None:
    nlp = make(vectors=True)
    for batch_size in (1, 3, 100):
        for doc, line in zip(nlp.pipe(LINES, batch_size=batch_size), LINES):
            alone = nlp(line)
            assert doc.text == line
            assert_close(doc.tensor, alone.tensor)
            assert_close(doc._.elmo.elmo, alone._.elmo.elmo)
            if len(doc):
                assert_close(doc.vector, alone.vector)
                seen = not doc[0].is_space
                assert doc[0].similarity(alone[0]) == pytest.approx(float(seen), abs=TOLERANCE)


def test_layers_on_the_gpu(make: Make, cupy: Any) -> None:
    nlp = make(layers_on_gpu=True)
    for doc in nlp.pipe(LINES):
        assert all(isinstance(array, cupy.ndarray) for _, array in doc._.elmo.items())
        assert_close(doc._.elmo.elmo, doc.tensor)
        doc.tensor *= 0
        assert float(abs(doc._.elmo.elmo).sum()) > 0 or not any(not token.is_space for token in doc)
        again = Doc(nlp.vocab).from_bytes(doc.to_bytes())
        assert isinstance(again._.elmo.elmo, np.ndarray)
        assert_close(again._.elmo.elmo, doc._.elmo.elmo)


def test_the_tensor_alone(make: Make, cupy: Any) -> None:
    with use_cpu():
        expected = make(layers=[])
    for doc, other in zip(make(layers=[]).pipe(LINES), expected.pipe(LINES)):
        assert doc._.elmo.names == []
        assert_close(doc.tensor, other.tensor)


def test_model_on_the_cpu(make: Make, cupy: Any) -> None:
    with use_cpu():
        expected = make()
    for doc, other in zip(make(model={"device": "cpu"}).pipe(LINES), expected.pipe(LINES)):
        assert isinstance(doc.tensor, cupy.ndarray)
        assert isinstance(doc._.elmo.elmo, np.ndarray)
        assert_close(doc.tensor, other.tensor)


def count_bytes(cupy: Any) -> int:
    """Bytes in arrays and tensors on the GPU; CuPy's pool may have got its memory from torch."""
    torch.cuda.synchronize()
    pools = [cupy.get_default_memory_pool()]
    from thinc.backends import context_pools

    pools += [pool for pool in context_pools.get().values() if hasattr(pool, "used_bytes")]
    from_torch = sum(pool.total_bytes() for pool in pools[1:])
    return int(torch.cuda.memory_allocated() - from_torch + sum(pool.used_bytes() for pool in pools))


def test_kept_docs_keep_their_tensors_and_no_more(make: Make, cupy: Any) -> None:
    nlp = make(model={"max_batch_tokens": 512})
    texts = [" ".join(f"w{(i * k) % 50}" for k in range(1 + i % 40)) for i in range(600)]
    list(nlp.pipe(texts))
    before = count_bytes(cupy)
    kept = [doc for i, doc in enumerate(nlp.pipe(texts)) if i % 20 == 0]
    grown = count_bytes(cupy) - before
    # CuPy gives memory out in pieces of 512 bytes.
    own = sum(doc.tensor.nbytes + 512 for doc in kept)
    assert grown <= own + (64 << 10)
    del kept
    assert count_bytes(cupy) - before <= 64 << 10


def test_device_memory_stays_as_it_is(make: Make, cupy: Any) -> None:
    nlp = make(set_tensor=False, model={"max_batch_tokens": 512})
    texts = [" ".join(f"w{(i * k) % 50}" for k in range(1 + i % 40)) for i in range(600)]
    list(nlp.pipe(texts))
    before = count_bytes(cupy)
    kept = list(nlp.pipe(texts))
    assert count_bytes(cupy) - before <= 64 << 10
    assert len(kept) == 600


def test_memory_that_runs_out(make: Make, cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = make()
    expected = [nlp(line) for line in LINES]
    engine = get_embedder(nlp).elmo.engine
    original = engine.plan

    def run(sentences: Any, **kwargs: Any) -> Any:
        if sum(map(len, sentences)) > 20:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return original(sentences, **kwargs)

    monkeypatch.setattr(engine, "plan", run)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = list(nlp.pipe(LINES))
    assert sum("WL015" in str(warning.message) for warning in caught) == 1
    for doc, other in zip(got, expected):
        assert isinstance(doc.tensor, cupy.ndarray)
        assert_close(doc.tensor, other.tensor)


# Prediction through PyTorch alone


def test_without_cupy(make: Make, torch_alone: dict[str, Any]) -> None:
    nlp, expected = make(model=torch_alone), make()
    for doc, other in zip(nlp.pipe(LINES), expected.pipe(LINES)):
        assert isinstance(doc.tensor, np.ndarray)
        assert isinstance(doc._.elmo.elmo, np.ndarray)
        assert_close(doc.tensor, other.tensor)
        for name, array in doc._.elmo.items():
            assert_close(array, getattr(other._.elmo, name))
        before = doc._.elmo.elmo.copy()
        doc.tensor *= 2
        np.testing.assert_array_equal(doc._.elmo.elmo, before)
    assert get_embedder(nlp).elmo.device.type == "cuda"


# Saving and loading


def test_a_pipeline_moves_between_cpu_and_gpu(make: Make, cupy: Any, tmp_path: Path) -> None:
    nlp = make()
    expected = nlp("a b c").tensor
    nlp.to_disk(tmp_path / "gpu")
    data = nlp.to_bytes()
    with use_cpu():
        for there in (spacy.load(tmp_path / "gpu"), make().from_bytes(data)):
            assert get_embedder(there).elmo.device.type == "cpu"
            doc = there("a b c")
            assert isinstance(doc.tensor, np.ndarray)
            assert_close(doc.tensor, expected)
        there.to_disk(tmp_path / "cpu")
        data = there.to_bytes()
    for back in (spacy.load(tmp_path / "cpu"), make().from_bytes(data)):
        assert get_embedder(back).elmo.device.type == "cuda"
        assert isinstance(back("a b c").tensor, cupy.ndarray)
        assert_close(back("a b c").tensor, expected)


def test_thinc_moves_a_model(make: Make, cupy: Any) -> None:
    with use_cpu():
        nlp = make()
        expected = nlp("a b c").tensor
    model = get_embedder(nlp).model
    model.to_gpu(0)
    assert get_module(model).sync().device.type == "cuda"
    assert isinstance(nlp("a b c").tensor, cupy.ndarray)
    assert_close(nlp("a b c").tensor, expected)
    model.to_cpu()
    assert get_module(model).sync().device.type == "cpu"
    assert_close(nlp("a b c").tensor, expected)


# Training

UNFROZEN = {"frozen": False, "learn_rate_factor": 0.1}
SETUPS: dict[str, dict[str, Any]] = {
    "frozen": {},
    "unfrozen": UNFROZEN,
    "in parts": {**UNFROZEN, "model": {"max_batch_tokens": 8}},
    "shared mix": {**UNFROZEN, "listener": {**LISTENER, "pooling_layer": "elmo"}},
    "layer norm": {**UNFROZEN, "listener": {**LISTENER, "layer_norm": True, "grad_factor": 0.5}},
}


def train_and_run(config: dict[str, Any], *, second: bool = False) -> list[Any]:
    """Losses of some steps, tags, and vectors of a pipeline that has learnt. second: another listener."""
    nlp = pipeline("tagger", **config)
    if second:
        nlp.add_pipe("tagger", name="second", config={"model": {"tok2vec": LISTENER}})
    sgd = initialize(nlp)
    sgd.averages = {}
    draw_weights(nlp)
    losses = [train(nlp, sgd, steps=1) for _ in range(4)]
    with nlp.use_params(sgd.averages):
        averaged = [to_numpy(nlp(text).tensor) for text, _ in TEXTS]
    return [losses, tags(nlp), [to_numpy(nlp(text).tensor) for text, _ in TEXTS], averaged]


def draw_weights(nlp: Language) -> None:
    """Start from the same numbers on every device: those that NumPy and CuPy draw differ."""
    for pipe in nlp.pipe_names:
        if pipe == "elmo_embedder":
            continue
        numbers = np.random.default_rng(0)
        for node in get_trainable(nlp, pipe).model.walk():
            for param in node.param_names:
                if node.has_param(param) and node.name != "elmo_mix":
                    values = 0.1 * numbers.standard_normal(node.get_param(param).shape)
                    node.set_param(param, node.ops.asarray_f(values.astype(np.float32)))


def assert_equal(one: list[Any], other: list[Any]) -> None:
    for losses, others in zip(one[0], other[0]):
        assert losses.keys() == others.keys()
        for name in losses:
            assert losses[name] == pytest.approx(others[name], abs=TOLERANCE, rel=TOLERANCE)
    assert one[1] == other[1]
    for tensors, expected in ((one[2], other[2]), (one[3], other[3])):
        for tensor, wanted in zip(tensors, expected):
            assert_close(tensor, wanted)


@pytest.mark.parametrize("setup", list(SETUPS))
def test_training_gives_the_numbers_of_the_cpu(cupy: Any, setup: str) -> None:
    with use_cpu():
        expected = train_and_run(SETUPS[setup])
    assert_equal(train_and_run(SETUPS[setup]), expected)


@pytest.mark.parametrize("setup", ["frozen", "unfrozen", "in parts"])
def test_training_through_pytorch_alone(torch_alone: dict[str, Any], setup: str) -> None:
    config = SETUPS[setup]
    expected = train_and_run(config)
    assert_equal(train_and_run({**config, "model": {**config.get("model", {}), **torch_alone}}), expected)


def test_two_listeners(cupy: Any) -> None:
    with use_cpu():
        expected = train_and_run(UNFROZEN, second=True)
    assert_equal(train_and_run(UNFROZEN, second=True), expected)


def test_a_cache_feeds_the_gpu(cupy: Any, tmp_path: Path) -> None:
    def cached(folder: str) -> dict[str, Any]:
        return {"cache": {"@misc": "spacy-elmo.layer_cache.v1", "folder": str(tmp_path / folder)}}

    with use_cpu():
        expected = train_and_run(cached("cpu"))
    assert_equal(train_and_run(cached("gpu")), expected)


def test_replaced_listeners(cupy: Any) -> None:
    results = []
    for where in (use_cpu, lambda: use_ops("cupy")):
        contexts: Callable[[], AbstractContextManager[Any]] = where
        with contexts():
            nlp = pipeline("tagger")
            sgd = initialize(nlp)
            draw_weights(nlp)
            train(nlp, sgd, steps=2)
            nlp.replace_listeners("elmo_embedder", "tagger", ["model.tok2vec"])
            losses = train(nlp, sgd, steps=2)
            results.append((losses["tagger"], tags(nlp)))
    assert results[0][0] == pytest.approx(results[1][0], abs=TOLERANCE, rel=TOLERANCE)
    assert results[0][1] == results[1][1]
