"""Docstrings of functions that others use describe each parameter, in one style: `name (type): text`."""

import ast
import re
from collections.abc import Iterator

from tests.test_layering import PACKAGE, module_paths

# A docstring may leave parameters to another one.
REFERENCE = re.compile(r"\ASee `|\b[Tt]he (other )?arguments are those of `")


def documented() -> Iterator[tuple[str, ast.FunctionDef, str]]:
    """Every public function with a docstring, but commands, whose docstrings are what `--help` shows."""
    for path in module_paths():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_") or node.name.endswith("_cli"):
                continue
            text = ast.get_docstring(node)
            if text is not None:
                yield f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}", node, text


def parameters(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument.arg for argument in every if argument.arg not in ("self", "cls")]


def test_parameters_are_described() -> None:
    found = list(documented())
    lacking = [
        f"{where}: {name}"
        for where, function, text in found
        if not REFERENCE.search(text)
        for name in parameters(function)
        if not re.search(rf"^\s*{name} \(", text, re.MULTILINE)
    ]
    assert lacking == []
    assert len(found) > 500


def test_entries_have_types() -> None:
    untyped = [
        f"{where}: {name}"
        for where, function, text in documented()
        for name in ("RETURNS", "YIELDS", "RAISES", *parameters(function))
        if re.search(rf"^\s*{name}: ", text, re.MULTILINE)
    ]
    assert untyped == []
