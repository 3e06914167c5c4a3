"""Imports run downwards only: the rooms of CONTRIBUTING.md, held against the code, at every depth."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.data import ROOT

PACKAGE = ROOT / "spacy_elmo"

# Each room may import from itself and from the rooms below it.
ROOMS = [
    "cli",
    "server",
    "visual",
    "spark",
    "compat",
    "pipeline",
    "batchers",
    "models",
    "pretraining",
    "language_model",
    "layer_cache",
    "torch",
    "elmo",
    "text_methods",
    "frames",
    "tables",
    "texts",
    "splitter",
    "inputs",
    "gradients",
    "inference",
    "weights",
    "bilm",
    "gpu",
    "runtime",
    "util",
    "errors",
]
# Which room may import which framework.
FRAMEWORKS = {
    "torch": {
        "pretraining", "language_model", "models", "elmo", "gradients", "inference", "weights", "bilm", "gpu",
        "runtime", "torch", "compat",
    },
    "triton": {"gpu", "weights"},
    "spacy": {
        "cli", "pretraining", "pipeline", "models", "text_methods", "texts", "splitter", "inputs", "batchers",
        "frames", "visual", "server",
    },
    "pandas": {"frames", "text_methods", "spark"},
    "pyarrow": {"tables", "text_methods", "spark"},
    "pyspark": {"spark"},
    "thinc": {"pipeline", "models"},
    "typer": {"cli"},
    "rich": {"cli", "weights", "util"},
    "requests": {"weights"},
    "huggingface_hub": {"weights"},
    "h5py": {"cli", "weights", "util", "compat"},
    "tensorflow": {"weights"},
    "flair": {"compat"},
    "IPython": {"visual"},
    "starlette": {"server"},
    "uvicorn": {"server"},
    "anyio": {"server"},
    "orjson": {"server"},
    "safetensors": {"language_model", "pretraining", "weights"},
    "filelock": {"layer_cache", "weights", "pretraining"},
}  # fmt: skip
# What readers may know of biLMs: what options mean, not how a model is built.
BILM_FOR_WEIGHTS = {"options", "fields", "characters", "vocabularies"}
# Names that several folders have, where the folder says the difference.
SHARED_NAMES = {
    "__init__", "engine", "encoder", "lstm", "steps", "settings", "factory", "progress", "elmo", "model",
}  # fmt: skip


def module_paths() -> list[Path]:
    """Every module but `spacy_elmo/__init__.py` and `__main__.py`."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE or path.stem[0] != "_"]


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


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


@cache
def own_imports(path: Path) -> set[tuple[str, ...]]:
    """The modules of this package that a module imports, as parts of their paths."""
    found = set()
    for name in imports(path):
        first, *parts = name.split(".")
        if first == "spacy_elmo" and parts:
            target = PACKAGE.joinpath(*parts)
            if target.with_suffix(".py").is_file() or target.is_dir():
                found.add(tuple(parts))
    # A package counts only where nothing in it was named.
    return {parts for parts in found if not any(other[: len(parts)] == parts for other in found - {parts})}


@cache
def folder_graphs() -> dict[tuple[str, ...], dict[str, set[str]]]:
    """Of each folder, which of its modules and subfolders imports which other."""
    graphs: dict[tuple[str, ...], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in module_paths():
        own = path.relative_to(PACKAGE).with_suffix("").parts
        for other in own_imports(path):
            shared = 0
            while shared < min(len(own), len(other)) and own[shared] == other[shared]:
                shared += 1
            # What stands in the folder's own __init__.py is nothing that a module of it depends on.
            if shared < min(len(own), len(other)):
                graphs[own[:shared]][own[shared]].add(other[shared])
    return graphs


@pytest.mark.parametrize("path", module_paths(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path: Path) -> None:
    assert room(path) in ROOMS, f"{path} is in no room"
    upward = {parts[0] for parts in own_imports(path) if ROOMS.index(parts[0]) < ROOMS.index(room(path))}
    assert not upward, f"{path} imports upwards: {upward}"


@pytest.mark.parametrize("path", module_paths(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_frameworks_stay_in_their_rooms(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}
    misplaced = {name for name in used & FRAMEWORKS.keys() if room(path) not in FRAMEWORKS[name]}
    assert not misplaced, f"{path} may not import {misplaced}"


@pytest.mark.parametrize("folder", sorted(folder_graphs()), ids=lambda folder: "/".join(folder) or "top")
def test_no_folder_has_a_circle(folder: tuple[str, ...]) -> None:
    try:
        TopologicalSorter(folder_graphs()[folder]).prepare()
    except CycleError as error:
        pytest.fail(f"spacy_elmo/{'/'.join(folder)} imports in a circle: {' -> '.join(error.args[1])}")


def test_readers_import_no_model_code() -> None:
    for path in module_paths():
        if room(path) == "weights":
            used = {parts[1] for parts in own_imports(path) if parts[0] == "bilm"}
            assert used <= BILM_FOR_WEIGHTS, path


def test_contributing_describes_every_room() -> None:
    table = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    assert table == ROOMS
    assert {room(path) for path in module_paths()} == set(ROOMS)


def test_the_walk_sees_imports() -> None:
    embedder = PACKAGE / "pipeline" / "embedder.py"
    assert {"spacy_elmo.elmo.Elmo", "spacy.language"} <= set(imports(embedder))
    assert {("elmo",), ("pipeline", "annotations")} <= own_imports(embedder)
    assert "inference" in folder_graphs()[()]["elmo"]
    assert "cpu" in folder_graphs()["inference",]["factory"]


def test_files_have_one_idea_each() -> None:
    """Neither two in one file nor a fragment of one."""
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in module_paths()}
    assert {path for path, n in lines.items() if n > 400} == set()
    # A room's table of messages is whole, however short.
    small = [path for path, n in lines.items() if n < 50 and path.stem != "__init__" and room(path) != "errors"]
    assert len(small) <= 20, small


def test_names_say_which_module() -> None:
    # A command has the name that users type, a table of messages that of the room.
    names = [path.stem for path in module_paths() if room(path) not in ("cli", "errors")]
    assert {name for name in names if names.count(name) > 1} <= SHARED_NAMES
