"""Imports run downwards only: the module map, held against the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "spacy_elmo"

# Each room may import from itself and from the rooms below it.
ROOMS = [
    "cli",
    "pipeline",
    "models",
    "pretraining",
    "layer_cache",
    "elmo",
    "texts",
    "progress",
    "warm",
    "pictures",
    "inputs",
    "engine",
    "weights",
    "bilm",
    "kernels",
    "lines",
    "files",
    "errors",
]
# Which room may import which framework.
FRAMEWORKS = {
    "torch": {"pretraining", "models", "elmo", "warm", "engine", "weights", "bilm", "kernels"},
    "triton": {"kernels"},
    "spacy": {"cli", "pretraining", "pipeline", "models", "texts", "inputs"},
    "thinc": {"pipeline", "models"},
    "typer": {"cli"},
    "rich": {"cli", "weights", "progress"},
    "requests": {"weights"},
    "h5py": {"cli", "weights"},
    "tensorflow": {"weights"},
    "safetensors": {"pretraining", "weights"},
    "filelock": {"layer_cache", "weights", "pretraining"},
}
# What readers may know of biLMs: what options mean, not how a model is built.
BILM_FOR_WEIGHTS = {"options", "fields", "characters", "vocabularies", "names"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] not in ("__init__", "__main__"):
            yield parts[0], path


def imports(path: Path) -> Iterator[str]:
    """Absolute names of what a module imports, wherever in it."""
    package = ("spacy_elmo", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            full = ".".join([*base, *([node.module] if node.module else [])])
            yield full
            yield from (f"{full}.{alias.name}" for alias in node.names)


def rooms_of(path: Path) -> set[str]:
    names = [name.split(".") for name in imports(path)]
    return {name[1] for name in names if name[0] == "spacy_elmo" and len(name) > 1 and name[1] in ROOMS}


@pytest.mark.parametrize(("room", "path"), list(modules()), ids=lambda value: str(getattr(value, "name", value)))
def test_imports_run_downwards(room: str, path: Path) -> None:
    assert room in ROOMS, f"{path} is in no room of the module map"
    upward = {other for other in rooms_of(path) if ROOMS.index(other) < ROOMS.index(room)}
    assert not upward, f"{path} imports upwards: {upward}"


@pytest.mark.parametrize(("room", "path"), list(modules()), ids=lambda value: str(getattr(value, "name", value)))
def test_frameworks_stay_in_their_rooms(room: str, path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}
    misplaced = {name for name in used & FRAMEWORKS.keys() if room not in FRAMEWORKS[name]}
    assert not misplaced, f"{path} may not import {misplaced}"


def test_readers_import_no_model_code() -> None:
    for room, path in modules():
        if room == "weights":
            used = {name.split(".")[2] for name in imports(path) if name.startswith("spacy_elmo.bilm.")}
            assert used <= BILM_FOR_WEIGHTS, path


def test_the_walk_sees_imports() -> None:
    seen = set(imports(PACKAGE / "pipeline" / "embedder.py"))
    assert {"spacy_elmo.models.wrapper", "spacy_elmo.elmo.Elmo", "spacy.language"} <= seen


def test_files_are_small() -> None:
    assert {path.name for _, path in modules() if len(path.read_text("utf-8").splitlines()) > 400} == set()
