"""The engines of a module follow its parameters: vectors are those of the parameters now."""

import copy
import io
import pickle
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spacy_elmo.torch import ElmoModule
from tests.module import golden
from tests.module.replicas import replicate

SENTENCES = golden.batches()[0]
NAME = "forward_stack.layers.0.projection.weight"


def vectors(module: ElmoModule) -> Tensor:
    with torch.no_grad():
        layer: Tensor = module(SENTENCES).layers["lstm_outputs2"].clone()
    return layer


def in_place(parameter: nn.Parameter) -> None:
    with torch.no_grad():
        parameter.mul_(1.5)


def by_data(parameter: nn.Parameter) -> None:
    parameter.data.mul_(1.5)


def by_new_data(parameter: nn.Parameter) -> None:
    parameter.data = parameter.data * 1.5


def by_numpy(parameter: nn.Parameter) -> None:
    parameter.detach().numpy()[...] *= 1.5


@pytest.mark.parametrize("change", [in_place, by_data, by_new_data, by_numpy])
@pytest.mark.parametrize("frozen", [True, False])
def test_changed_parameters(change: Any, frozen: bool) -> None:
    module = golden.make_module(frozen=frozen).eval()
    before = vectors(module)
    assert torch.equal(vectors(module), before)
    change(module.bilm.get_parameter(NAME))
    expected = golden.make_module()
    in_place(expected.bilm.get_parameter(NAME))
    assert not torch.allclose(vectors(module), before)
    assert torch.equal(vectors(module), vectors(expected))


def test_loaded_state(warm_tiny: Path) -> None:
    trained, module = golden.make_module(frozen=False), golden.make_module()
    vectors(module)
    in_place(trained.bilm.get_parameter(NAME))
    in_place(trained.mixes[1].gamma)  # type: ignore[arg-type]
    names = module.load_state_dict(trained.state_dict())
    assert not names.missing_keys
    assert not names.unexpected_keys
    torch.testing.assert_close(module(SENTENCES).mixes[1], trained(SENTENCES).mixes[1], rtol=0, atol=1e-5)
    assert {name.split(".")[0] for name in module.state_dict()} == {"bilm", "mixes"}
    warm = ElmoModule(warm_tiny, initial_state="warm")
    assert {name.split(".")[0] for name in warm.state_dict()} == {"bilm", "mixes", "warm_hidden", "warm_cell"}


def test_eval_after_training_is_exact() -> None:
    """What a step of training leaves is what `eval()` computes with."""
    module = golden.make_module(frozen=False)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.001)
    for _ in range(2):
        module.train()(SENTENCES).mixes[0].sum().backward()
        optimizer.step()
        module.eval()
        with torch.no_grad():
            fast = module(SENTENCES).mixes[0]
        torch.testing.assert_close(fast, module(SENTENCES).mixes[0].detach(), rtol=0, atol=1e-5)


def copy_by_torch(module: ElmoModule) -> ElmoModule:
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    loaded: ElmoModule = torch.load(file, weights_only=False)
    return loaded


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), copy_by_torch])
@pytest.mark.parametrize("frozen", [True, False])
def test_copies(duplicate: Any, frozen: bool) -> None:
    module = golden.make_module(frozen=frozen, initial_state="carry")
    module(SENTENCES)
    twin = duplicate(module)
    for _ in range(2):
        assert torch.equal(twin(SENTENCES).mixes[1], module(SENTENCES).mixes[1])
    # Copies have parameters, engines and state of their own.
    twin.reset_state()
    before = vectors(twin)
    in_place(module.bilm.get_parameter(NAME))
    module.reset_state()
    assert not torch.allclose(vectors(module), before)
    twin.reset_state()
    assert torch.equal(vectors(twin), before)


def test_replicas_of_data_parallel() -> None:
    """A replica is a shallow copy whose parameters are other tensors, and no nn.Parameters."""
    module = golden.make_module(frozen=False, initial_state="carry")
    expected = module(SENTENCES)
    module.reset_state()
    replica = replicate(module)
    assert isinstance(replica, ElmoModule)
    assert not list(replica.bilm.parameters())
    outputs = replica(module.encode(SENTENCES))
    assert type(outputs.layers) is dict
    assert torch.equal(outputs.mixes[0], expected.mixes[0])
    outputs.mixes[0].sum().backward()
    expected.mixes[0].sum().backward()
    # Gradients of both have reached the module's parameters.
    for parameter in module.bilm.parameters():
        assert parameter.grad is not None
    assert module.carried.state is None
    torch.nn.DataParallel(module)(module.encode(SENTENCES))


def test_hooks_run_once() -> None:
    module = golden.make_module(frozen=False, max_batch_tokens=8)
    parameter = module.bilm.get_parameter(NAME)
    calls: list[Tensor] = []
    parameter.register_hook(lambda gradient: calls.append(gradient))
    module(SENTENCES).mixes[0].sum().backward()
    assert len(calls) == 1
    assert parameter.grad is not None
    assert torch.equal(calls[0], parameter.grad)


def test_two_passes_and_two_batches() -> None:
    """Several batches before one backward pass, and several backward passes over one batch."""
    module = golden.make_module(frozen=False)
    one, two = (module(batch).mixes[0].sum() for batch in golden.batches()[:2])
    (one + two).backward()
    together = [parameter.grad.clone() for parameter in module.bilm.parameters()]  # type: ignore[union-attr]
    module.zero_grad()
    for batch in golden.batches()[:2]:
        module(batch).mixes[0].sum().backward()
    for expected, parameter in zip(together, module.bilm.parameters()):
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-4, atol=1e-5)
    module.zero_grad()
    loss = module(SENTENCES).mixes[0].sum()
    loss.backward(retain_graph=True)
    once = [parameter.grad.clone() for parameter in module.bilm.parameters()]  # type: ignore[union-attr]
    loss.backward()
    for expected, parameter in zip(once, module.bilm.parameters()):
        assert torch.equal(parameter.grad, 2 * expected)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_weights_that_change_before_the_backward_pass() -> None:
    module = golden.make_module(frozen=False)
    loss = module(SENTENCES).mixes[0].sum()
    in_place(module.bilm.get_parameter(NAME))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_gradients_without_accumulation() -> None:
    module = golden.make_module(frozen=False)
    parameters = list(module.parameters())
    found = torch.autograd.grad(module(SENTENCES).mixes[1].sum(), parameters, allow_unused=True)
    assert all(parameter.grad is None for parameter in parameters)
    assert sum(gradient is None for gradient in found) == 2  # of the other mix


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("frozen", [True, False])
def test_other_dtypes(dtype: torch.dtype, frozen: bool) -> None:
    expected = golden.make_module()(SENTENCES).mixes[0]
    module = golden.make_module(frozen=frozen).to(dtype)
    outputs = module(SENTENCES)
    assert {mix.dtype for mix in outputs.mixes} == {layer.dtype for layer in outputs.layers.values()} == {dtype}
    worst = float((outputs.mixes[0].detach().to(expected.dtype) - expected.detach()).abs().max())
    assert worst < {torch.float16: 0.05, torch.bfloat16: 0.4, torch.float64: 1e-5}[dtype]
    outputs.mixes[0].float().sum().backward()
    if not frozen:
        assert all(parameter.grad.dtype == dtype for parameter in module.bilm.parameters())  # type: ignore
    # And back: an engine of the first dtype is not used again.
    assert module.float()(SENTENCES).mixes[0].dtype == torch.float32


@pytest.mark.parametrize("frozen", [True, False])
def test_autocast(frozen: bool) -> None:
    """The biLM computes in float32; what stands above it, in bfloat16."""
    module, head = golden.make_module(frozen=frozen), nn.Linear(16, 4)
    expected = module(SENTENCES).mixes[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = module(SENTENCES)
        scores = head(outputs.mixes[0])
        loss = scores.float().pow(2).mean()
    assert scores.dtype == torch.bfloat16
    assert torch.equal(outputs.mixes[0], expected)
    loss.backward()
    assert all(parameter.grad is not None for parameter in module.bilm.parameters()) != frozen
    assert module.mixes[0].weights.grad is not None


def test_modes_of_torch() -> None:
    module = golden.make_module(frozen=False)
    expected = module(SENTENCES).mixes[0].detach()
    with torch.inference_mode():
        assert torch.allclose(module(SENTENCES).mixes[0], expected, atol=1e-5)
    # And afterwards, the same engine serves computations with gradients.
    module.requires_grad_(False)
    head = nn.Linear(16, 1)
    head(module(SENTENCES).mixes[0]).sum().backward()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.allclose(golden.make_module()(SENTENCES).mixes[0], expected, atol=1e-5)
    finally:
        torch.set_default_dtype(before)


def test_threads_share_a_module() -> None:
    module, found = golden.make_module().eval(), {}
    expected = [vectors_of(golden.make_module().eval(), batch) for batch in golden.batches()]

    def run(number: int) -> None:
        found[number] = vectors_of(module, golden.batches()[number % 4])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, layer in found.items():
        torch.testing.assert_close(layer, expected[number % 4], rtol=0, atol=1e-5)


def vectors_of(module: ElmoModule, batch: list[list[str]]) -> Tensor:
    with torch.no_grad():
        layer: Tensor = module(batch).layers["lstm_outputs1"]
    return layer


PROGRAM = """
import sys, torch
model = torch.load(sys.argv[1], weights_only=False)
torch.save(model.eval()([["The", "bank", "."], ["Hello"]]).mixes[1].detach(), sys.argv[2])
"""


def test_fresh_process(tmp_path: Path) -> None:
    """A model that was saved whole is loaded by a program that imports nothing else."""
    module = golden.make_module(frozen=False)
    in_place(module.bilm.get_parameter(NAME))
    torch.save(module, tmp_path / "model.pt")
    arguments = [sys.executable, "-c", PROGRAM, str(tmp_path / "model.pt"), str(tmp_path / "out.pt")]
    subprocess.run(arguments, check=True, cwd=tmp_path)
    expected = module.eval()([["The", "bank", "."], ["Hello"]]).mixes[1].detach()
    torch.testing.assert_close(torch.load(tmp_path / "out.pt"), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("max_batch_tokens", [None, 8])
def test_memory_of_a_batch_without_backward_pass(max_batch_tokens: int | None) -> None:
    """It is freed at once: nothing refers to itself."""
    module = golden.make_module(frozen=False, max_batch_tokens=max_batch_tokens)
    outputs = module(SENTENCES)
    layers = [weakref.ref(outputs.layers[name]) for name in outputs.layers]
    rows = [*map(weakref.ref, outputs.layers._rows.values())]
    del outputs
    assert [one() for one in (*layers, *rows)] == [None] * 6


def test_layers_that_were_read_without_gradients() -> None:
    module = golden.make_module(frozen=False)
    outputs = module(SENTENCES)
    with torch.no_grad():
        assert not outputs.layers["lstm_outputs2"].requires_grad
    outputs.layers["lstm_outputs2"].sum().backward()
    assert module.bilm.get_parameter(NAME).grad is not None


def test_parameters_outside_of_the_loss() -> None:
    """They get no gradient, so that weight decay leaves them alone."""
    module = golden.make_module(frozen=False)
    module(SENTENCES).layers["word_emb"].sum().backward()
    for name, parameter in module.bilm.named_parameters():
        assert (parameter.grad is not None) == name.startswith("char_encoder")


@pytest.mark.parametrize("frozen", [True, False])
def test_carried_state_and_empty_batches(frozen: bool) -> None:
    one, other = (golden.make_module(frozen=frozen, initial_state="carry") for _ in range(2))
    for module in (one, other):
        module(SENTENCES)
    other([[], []])
    assert torch.equal(one(SENTENCES).mixes[0], other(SENTENCES).mixes[0])
