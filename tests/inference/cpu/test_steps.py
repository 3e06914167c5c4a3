import compileall
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import spacy_elmo
from spacy_elmo.inference.cpu import steps as module
from spacy_elmo.inference.cpu.features import has_bf16, has_int8, has_packed_linear
from spacy_elmo.inference.cpu.linear import LinearType, PackedAndPlainLinear, TorchLinear
from spacy_elmo.inference.factory import choose_lstm_linear

P, C = 16, 32


Ways = tuple[LinearType, LinearType]


@pytest.fixture(params=["torch", "packed and plain", "small", "fp32", "bf16", "int8"])
def ways(request: pytest.FixtureRequest) -> Ways:
    """Of the states, and of the projection."""
    if request.param == "torch":
        return TorchLinear, TorchLinear
    if request.param in ("packed and plain", "small"):
        if not has_packed_linear():
            pytest.skip("no packed products here")
        return TorchLinear if request.param == "small" else PackedAndPlainLinear, PackedAndPlainLinear
    if (request.param == "bf16" and not has_bf16()) or (request.param == "int8" and not has_int8()):
        pytest.skip(f"this processor has no {request.param}")
    return (choose_lstm_linear(request.param),) * 2


def compute_outputs(run: Any, ways: Ways, *, projects: bool, clips: bool, repeats: bool) -> list[torch.Tensor]:
    torch.manual_seed(3)
    width = P if projects else C
    states, projection = ways[0](torch.randn(4 * C, width)), [ways[1](torch.randn(P, C))] if projects else []
    # Few rows and many are multiplied in other ways.
    sizes = [12, 12, 9, 3, 1]
    firsts = [sum(sizes[:i]) for i in range(len(sizes))]
    starting: list[torch.Tensor | None] = [None, torch.tensor([1, 4]), None, torch.tensor([0]), None]
    gates = (torch.randn(9, 4 * C) if repeats else torch.randn(sum(sizes), 4 * C)).to(ways[0].dtype)
    slots = torch.randint(0, 9, (sum(sizes),)) if repeats else None
    hidden, cell, last = torch.zeros(12, width), torch.randn(12, C), torch.zeros(12, width)
    outputs = torch.empty(sum(sizes), width)
    hidden = run(
        [way.kind for way in ways], states.tensors, [t for one in projection for t in one.tensors],
        0.5 if clips else None, 0.3 if clips else None, gates, slots, firsts, sizes, starting,
        torch.ones(1, width) / 2, torch.ones(1, C), hidden, cell, last, outputs,
    )  # fmt: skip
    return [hidden.clone(), cell, last, outputs]


@pytest.mark.parametrize("projects", [True, False])
@pytest.mark.parametrize("clips", [True, False])
@pytest.mark.parametrize("repeats", [True, False])
@torch.inference_mode()
def test_compiled_as_in_python(ways: Ways, projects: bool, clips: bool, repeats: bool) -> None:
    settings = {"projects": projects, "clips": clips, "repeats": repeats}
    expected = compute_outputs(module.run_steps, ways, **settings)
    assert isinstance(module.steps(), torch.jit.CompilationUnit)
    # Torch compiles at the first calls, and otherwise at the second ones.
    for _ in range(3):
        for got, right in zip(compute_outputs(module.steps().run_steps, ways, **settings), expected, strict=True):
            assert torch.equal(got, right)


@pytest.mark.parametrize("error", [RuntimeError, AttributeError])
def test_a_torch_that_cannot_compile(error: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: str) -> None:
        raise error

    monkeypatch.setattr(torch.jit, "CompilationUnit", fail)
    assert module.steps.__wrapped__().run_steps is module.run_steps


def test_what_is_compiled_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = torch.jit.CompilationUnit

    def change(source: str) -> Any:
        return compiled(source.replace("glu(", "silu(").replace("0, 2 * cells), 1)", "0, cells))"))

    monkeypatch.setattr(torch.jit, "CompilationUnit", change)
    assert module.steps.__wrapped__().run_steps is module.run_steps


def copy_package(folder: Path) -> Path:
    """The package, its source alone."""
    package = Path(spacy_elmo.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__", "data")
    return Path(shutil.copytree(package, folder / "spacy_elmo", ignore=ignored))


def import_steps(place: Path) -> str:
    """Which kind of steps the package at a place has."""
    code = "from spacy_elmo.inference.cpu import steps; print(steps.__file__); print(type(steps.steps()).__name__)"
    where = {**os.environ, "PYTHONPATH": str(place)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=where, cwd=place.parent)
    file, kind = done.stdout.split()
    assert file.startswith(str(place))
    return kind


def test_an_installation_without_source(tmp_path: Path) -> None:
    package = copy_package(tmp_path)
    compileall.compile_dir(package, quiet=1, legacy=True)
    for file in package.rglob("*.py"):
        file.unlink()
    assert import_steps(tmp_path) == "SimpleNamespace"


def test_an_installation_in_an_archive(tmp_path: Path) -> None:
    copy_package(tmp_path / "there")
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", tmp_path / "there")
    assert import_steps(Path(archive)) == "CompilationUnit"
