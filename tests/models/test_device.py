"""Where the model runs: the setting `device`."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from thinc import compat
from thinc.api import Adam, Config
from torch import nn

from spacy_elmo.models import torch_shim
from spacy_elmo.models.architectures import build_elmo_v1
from spacy_elmo.models.module import get_module
from spacy_elmo.models.tokens import sent_spans
from spacy_elmo.models.torch_shim import TorchShim, is_same_memory, to_steps
from spacy_elmo.weights.source import read_weights

CPU = torch.device("cpu")


def pipeline(tiny: Path, **model: Any) -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": str(tiny), "model": model})
    return nlp


def model_config(**settings: Any) -> Config:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"model": settings})
    config: Config = nlp.config["components"]["elmo_embedder"]["model"]
    return config


def test_defaults() -> None:
    config = model_config()
    assert config["device"] is None
    assert config["max_batch_tokens"] is None


def test_older_config_without_device(tiny: Path) -> None:
    config = pipeline(tiny, max_batch_tokens=8192).config.copy()
    del config["components"]["elmo_embedder"]["model"]["device"]
    again = spacy.util.load_model_from_config(config, auto_fill=False)
    assert again("a b").tensor.shape == (2, 16)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "cpu", "mps"])
def test_devices_of_other_machines(device: str) -> None:
    assert model_config(device=device)["device"] == device
    assert get_module(build_elmo_v1("fp32", "zero", None, sent_spans, device)).device == torch.device(device)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "", "cuda:-1"])
def test_bad_device(device: str) -> None:
    with pytest.raises(ValueError, match="EL040"):
        spacy.blank("en").add_pipe("elmo_embedder", config={"model": {"device": device}})
    with pytest.raises(ValueError, match="EL040"):
        build_elmo_v1("fp32", "zero", None, sent_spans, device)


def test_device_as_a_number() -> None:
    with pytest.raises(ValueError, match="device"):
        spacy.blank("en").add_pipe("elmo_embedder", config={"model": {"device": 0}})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_missing_device(tiny: Path) -> None:
    nlp = pipeline(tiny, device="cuda")
    for run in (lambda: nlp("a"), nlp.initialize, lambda: list(nlp.pipe(["a"]))):
        with pytest.raises(ValueError, match=r"EL040.*device = 'cuda' is not supported on this machine"):
            run()


def test_the_cpu_by_name(tiny: Path) -> None:
    nlp = pipeline(tiny, device="cpu")
    np.testing.assert_array_equal(nlp("a b").tensor, pipeline(tiny)("a b").tensor)


def test_named_device_wins_over_thinc(tiny: Path) -> None:
    model = build_elmo_v1("fp32", "zero", None, sent_spans, "cpu")
    module = get_module(model)
    elmo = module.set_weights(read_weights(tiny), device=torch.device("meta"))
    assert elmo.device == CPU
    model.shims[0].to_device("gpu", 0)
    assert module.sync() is elmo
    shim: Any = copy.deepcopy(model.shims[0])
    for twin in (shim.module, pickle.loads(pickle.dumps(module))):
        assert twin.device == CPU
        assert twin.sync().device == CPU


def test_moving_with_thinc(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_elmo_v1("fp32", "zero", None, sent_spans)
    module = get_module(model)
    model.to_cpu()
    assert not module.has_weights
    elmo = module.set_weights(read_weights(tiny), device=CPU)
    model.to_cpu()
    assert module.sync() is elmo
    with torch.no_grad():
        elmo.mix.gamma.fill_(7.0)
    # Stands for another device: this machine may have the CPU alone.
    monkeypatch.setattr(type(elmo), "device", torch.device("cuda"))
    model.to_cpu()
    assert module.has_weights
    assert module.sync() is not elmo
    assert module.mix is module.sync().mix
    assert float(module.sync().mix.gamma.detach()) == 7.0


def test_steps_in_place_and_on_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = torch.ones(2, 3)
    assert is_same_memory(to_steps(tensor), tensor)
    assert not is_same_memory(to_steps(tensor.double()), tensor.double())
    # As with CUDA and no CuPy: the step is taken on a copy, and must come back all the same.
    expected, got = (_take_step(monkeypatch, away=away) for away in (False, True))
    np.testing.assert_array_equal(expected, got)
    assert not np.array_equal(got, np.ones((2, 2)))


def _take_step(monkeypatch: pytest.MonkeyPatch, *, away: bool) -> np.ndarray:
    shim = TorchShim(nn.Linear(2, 2, bias=False))
    weight = next(shim.module.parameters())
    weight.data.fill_(1.0)
    weight.grad = torch.full_like(weight, 0.5)
    if away:
        original = torch_shim.to_steps
        monkeypatch.setattr(torch_shim, "to_steps", lambda tensor: original(tensor.clone()))
    shim.finish_update(Adam(0.1))
    assert weight.grad is None
    return next(shim.module.parameters()).detach().numpy()


@pytest.mark.gpu
@pytest.mark.parametrize("cupy", [False, True])
def test_steps_on_the_gpu(monkeypatch: pytest.MonkeyPatch, cupy: bool) -> None:
    if not torch.cuda.is_available() or (cupy and not compat.has_cupy_gpu):
        pytest.skip("no CUDA device, or no CuPy")
    monkeypatch.setattr(compat, "has_cupy_gpu", cupy)
    results = []
    for device in ("cpu", "cuda"):
        module = nn.Linear(300, 20)
        shim = TorchShim(module)
        module.to(device)
        sgd = Adam(0.01, use_averages=True)
        for parameter in module.parameters():
            parameter.data = torch.linspace(-1, 1, parameter.numel()).reshape(parameter.shape).to(device)
        for step in range(3):
            for parameter in module.parameters():
                parameter.grad = torch.cos(step + parameter.detach())
            shim.finish_update(sgd)
        own = [parameter.detach().cpu().numpy() for parameter in module.parameters()]
        assert all(parameter.device.type == device for parameter in module.parameters())
        with shim.use_params(sgd.averages):
            averages = [parameter.detach().cpu().numpy() for parameter in module.parameters()]
            assert all(parameter.device.type == device for parameter in module.parameters())
        results.append([*own, *averages])
    for one, other in zip(*results):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert np.abs(results[1][0] - results[1][2]).max() > 0
