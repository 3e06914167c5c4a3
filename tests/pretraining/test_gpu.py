"""Pre-training on a GPU equals that on the processor, with and without graphs, also if a run moves."""

import warnings
from functools import partial
from operator import add
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from spacy_elmo.gpu import support
from spacy_elmo.gpu.training_graphs import Graphs
from spacy_elmo.gradients.encoder import encode
from spacy_elmo.pretraining.run import Run
from spacy_elmo.runtime.memory import Workspace
from tests.gradients import test_encoder as test_encoder
from tests.language_model.fused import found_by, rounded
from tests.language_model.test_recurrence import SIZES, Layer, sizes
from tests.pretraining import runs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

# Nothing is drawn by chance: a GPU draws other numbers.
STILL: dict[str, Any] = {"training__dropout": 0.0, "optimizer__name": "adagrad"}
KINDS: dict[str, dict[str, Any]] = {
    "sampled": {},
    "full": {"softmax__kind": "full"},
    "adaptive": {"softmax__kind": "adaptive", "softmax__cutoffs": [5], "softmax__div_value": 2.0},
}


def to_gpu(layer: Layer) -> Layer:
    layer.to("cuda")
    layer.given = [part.detach().cuda().requires_grad_() for part in layer.given]
    return layer


def batches(run: Run, n: int) -> list[list[float]]:
    """Train some batches; return the losses and the norm of each."""
    found = [run.trainer.train_batch(flags=(False, True)) for _ in range(n)]
    assert all(trained.flags == (False, True) for trained in found)
    return [[*trained.losses.tolist(), float(trained.norm)] for trained in found]


def tensors_of(run: Run) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in run.trainer.tensors().items()}


def trained(folder: Path, *, device: str, n: int = 8, **settings: Any) -> tuple[Any, dict[str, Tensor], float]:
    """Train some batches; return losses and norms, all that training changes, and the dev text's perplexity."""
    folder.mkdir(exist_ok=True)
    config = runs.make_config(folder, training__device=device, **settings)
    with runs.a_run(config, folder / "run") as run:
        return batches(run, n), tensors_of(run), run.perplexity().average


def assert_near(one: dict[str, Tensor], other: dict[str, Tensor], *, most: float) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], atol=most, rtol=most, msg=partial(add, name))


def test_kernels_are_in_use() -> None:
    """Otherwise, the tests below would test torch's operators."""
    assert support.usable(torch.device("cuda", torch.cuda.current_device()))


@sizes
@pytest.mark.parametrize("shape", [(6, 3), (1, 1), (20, 128)], ids=str)
def test_layer(lstm: Any, shape: Any) -> None:
    """Kernels give outputs, the state and every gradient as torch's operators do."""
    n_steps, n_rows = shape
    layer = to_gpu(Layer(n_steps=n_steps, n_rows=n_rows, dtype=torch.float32, **lstm))
    if n_steps > 6:
        # Large weights make of a last bit a number within so many steps, in either way.
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.mul_(0.3)
    for got, expected in zip(found_by(layer, fused=True), found_by(layer, fused=False), strict=True):
        largest = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(got, expected, atol=2e-5 * largest, rtol=0)


@pytest.mark.parametrize("lstm", [SIZES["clips"], SIZES["bare"]], ids=["clips", "bare"])
def test_layer_in_bf16(lstm: Any) -> None:
    rounded(lstm, device="cuda")


@pytest.mark.parametrize("name", ["relu", "tanh", "long", "wide_filters", "as_wide_as_a_token"])
@pytest.mark.parametrize("words", ["very_different", "all_full", "more_than_a_step"])
def test_words(name: str, words: str) -> None:
    """Products have full float32: the 10 bits of cuDNN's convolutions would give errors of 1e-3."""
    encoder, ids = test_encoder.make(test_encoder.OPTIONS[name], test_encoder.WORDS[words], torch.float32)
    found = []
    for device in ("cpu", "cuda"):
        encoder.to(device)
        got = encode(encoder, ids, dtype=torch.float32, workspace=Workspace())
        weights = torch.randn(got.shape, generator=torch.Generator().manual_seed(1)).to(device)
        gradients = torch.autograd.grad((got * weights).sum(), list(encoder.parameters()))
        found.append([part.detach().cpu() for part in (got, *gradients)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5 * max(1.0, float(other.abs().max())), rtol=0)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_equal_to_the_processor(tmp_path: Path, kind: dict[str, Any]) -> None:
    """Compare losses, norms, weights, the optimizer's state, the carried state, and the dev perplexity."""
    losses, tensors, dev = trained(tmp_path, device="cpu", **STILL, **kind)
    got, found, perplexity = trained(tmp_path / "gpu", device="cuda", **STILL, **kind)
    torch.testing.assert_close(torch.tensor(got), torch.tensor(losses), atol=1e-4, rtol=1e-4)
    assert_near(found, tensors, most=1e-4)
    assert perplexity == pytest.approx(dev, rel=1e-4)


def test_adamw_equal_to_the_processor(tmp_path: Path) -> None:
    """Compare what is learned: AdamW moves numbers with tiny gradients as far as others."""
    settings: dict[str, Any] = {"training__dropout": 0.0, "optimizer__learn_rate": 0.002}
    losses, tensors, dev = trained(tmp_path, device="cpu", **settings)
    got, found, perplexity = trained(tmp_path / "gpu", device="cuda", **settings)
    torch.testing.assert_close(torch.tensor(got), torch.tensor(losses), atol=1e-3, rtol=1e-3)
    assert found.keys() == tensors.keys()
    assert perplexity == pytest.approx(dev, rel=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_graphs(tmp_path: Path, precision: str) -> None:
    """Graphs change nothing across batches, with dropout, and with a dev text, of other sizes, between them."""
    found = []
    for graphs in (Graphs(), None):
        folder = tmp_path / str(graphs is None)
        folder.mkdir()
        settings = {"training__precision": precision, "optimizer__name": "adagrad"}
        config = runs.make_config(folder, training__device="cuda", **settings)
        with runs.a_run(config, folder / "run") as run:
            run.model.graphs = graphs
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                losses = batches(run, 5)
                dev = run.perplexity().average
                losses += batches(run, 5)
            found.append((losses, dev, tensors_of(run)))
            if graphs is not None:
                # Both passes of both layers.
                assert sum(graph is not None for _, graph in graphs._found.values()) == 4
    (losses, dev, tensors), (wanted, dev_wanted, others) = found
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(wanted), atol=1e-5, rtol=1e-5)
    assert dev == pytest.approx(dev_wanted, rel=1e-5)
    assert_near(tensors, others, most=1e-3)


def test_checkpoint_of_the_processor(tmp_path: Path) -> None:
    """Three runs of the same batches are equal; one moves to a GPU, and one from it."""
    found = {}
    for name, devices in {"cpu": ("cpu", "cpu"), "there": ("cpu", "cuda"), "back": ("cuda", "cpu")}.items():
        folder = tmp_path / name
        folder.mkdir()
        for device in devices:
            resume = (folder / "run" / "checkpoints").exists()
            config = runs.make_config(folder, training__device=device, **STILL)
            with runs.a_run(config, folder / "run", resume=resume) as run:
                assert run.trainer.batch == (5 if resume else 0)
                losses = batches(run, 5)
                run.save()
        found[name] = losses, tensors_of(run)
    for name in ("there", "back"):
        torch.testing.assert_close(
            torch.tensor(found[name][0]), torch.tensor(found["cpu"][0]), atol=1e-4, rtol=1e-4
        )
        assert_near(found[name][1], found["cpu"][1], most=1e-4)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_bf16_is_near(tmp_path: Path, kind: dict[str, Any]) -> None:
    exact, _, _ = trained(tmp_path, device="cuda", **STILL, **kind)
    got, _, _ = trained(tmp_path / "bf16", device="cuda", training__precision="bf16", **STILL, **kind)
    assert got != exact
    torch.testing.assert_close(torch.tensor(got), torch.tensor(exact), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_batch_does_not_synchronize(tmp_path: Path, kind: dict[str, Any]) -> None:
    """The processor submits batches without waiting for results of the GPU."""
    config = runs.make_config(tmp_path, training__device="cuda", **kind)
    with runs.a_run(config, tmp_path / "run") as run:
        batches(run, 3)
        with warnings.catch_warnings():
            # It says that it does not see everything.
            warnings.simplefilter("ignore")
            torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(3):
                run.trainer.train_batch(flags=(False, True))
        finally:
            torch.cuda.set_sync_debug_mode("default")
