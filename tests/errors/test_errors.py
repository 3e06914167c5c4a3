"""Messages and exceptions: one table of texts, each with a code that a program can ask for."""

import ast
import builtins
import pickle
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import spacy_elmo
from spacy_elmo import errors
from spacy_elmo.bilm.layers import LayerOutputs
from spacy_elmo.errors import CodedError, ElmoError, Errors, Warnings, check_number, printable
from spacy_elmo.pretraining.config import ModelConfig, check_config
from spacy_elmo.util.atomic import WriteError
from spacy_elmo.weights.archives import RefusedError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CodedError)]
RAISED: list[CodedError] = [
    *(kind(Errors.EL057) for kind in KINDS),
    WriteError(Path("weights.h5"), 28, "No space left on device"),
    RefusedError(Errors.EL153.format(path="a.zip", reason="it holds no files")),
]
# What is raised with a name alone, as Python does itself.
NAMED = {"KeyError", "AttributeError"}


def test_codes() -> None:
    codes = Counter(name for cls in Errors.__mro__ for name in vars(cls) if name.startswith("EL"))
    assert len(codes) > 100
    assert [code for code, count in codes.items() if count > 1] == []
    assert all(getattr(Errors, code).startswith(f"[{code}] ") for code in codes)
    assert Warnings.WL003.startswith("[WL003] ")


def test_escaped_values() -> None:
    evil = "\x1b[31m\x9b2J\r\u202eä\ud800"
    for value in (evil, Path(evil), ValueError(evil)):
        text = Errors.EL021.format(path=value, name=value, got=evil)
        assert printable(text) == text
        assert text.startswith("[EL021] \\x1b[31m\\x9b2J\\r\\u202eä\\ud800: ")
    assert Warnings.WL001.format(path="a\nb", count=1000, total=2000, arrays="c").startswith(
        "[WL001] a\nb: 1,000 of 2,000"
    )
    assert Errors.EL060.format(path="a", suffix="\x1b", allowed="b").count("'\\x1b'") == 1


@pytest.mark.parametrize(
    ("got", "settings", "text"),
    [
        (-1, {"low": 0}, "from 0 up; got -1"),
        (2, {"low": 0, "high": 1}, "from 0 to 1; got 2"),
        (1.0, {"low": 0, "high": 1, "below": True}, r"from 0 to less than 1; got 1\.0"),
        (float("nan"), {"low": 0}, "from 0 up; got nan"),
        ("1", {"low": 0}, "from 0 up; got '1'"),
        (None, {"low": 0}, "from 0 up; got None"),
    ],
)
def test_numbers_that_are_not_allowed(got: Any, settings: Any, text: str) -> None:
    with pytest.raises(ValueError, match=rf"\[EL098\] 'rate' must be a number {text}"):
        check_number("rate", got, **settings)


@pytest.mark.parametrize("got", [0, 0.5, 1])
def test_numbers_that_are(got: Any) -> None:
    check_number("rate", got, low=0, high=1)
    check_number("rate", got / 2, low=0, high=1, below=True)
    check_number("rate", got, low=0)


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_code_survives_pickle(error: CodedError) -> None:
    assert re.fullmatch(r"EL\d{3}", error.code)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.code, str(again)) == (type(error), error.code, str(error))


def test_kinds_are_built_in() -> None:
    assert spacy_elmo.ElmoError is ElmoError
    assert issubclass(ElmoError, ValueError)
    assert len(KINDS) > 10
    for kind in set(KINDS) - {CodedError, ElmoError}:
        assert issubclass(kind, getattr(builtins, kind.__name__.removeprefix("Elmo")))
        assert not issubclass(kind, ValueError)


def test_codes_of_raised_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rate") as wrong:
        check_number("rate", -1, low=0)
    assert code(wrong.value) == "EL098"
    with pytest.raises(FileNotFoundError) as missing:
        spacy_elmo.load(str(tmp_path / "nothing"))
    assert code(missing.value) == "EL010"
    with pytest.raises(KeyError) as layer:
        LayerOutputs({}, n_layers=2)["elmo"]
    assert code(layer.value) == "EL035"


def code(error: BaseException) -> str:
    assert isinstance(error, CodedError)
    return error.code


def test_light_import() -> None:
    program = "import sys, spacy_elmo; spacy_elmo.ElmoError; print({'torch', 'spacy', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_code_in_a_worker_process() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        done = pool.submit(check_number, "rate", -1, low=0)
        with pytest.raises(ElmoError, match="rate") as found:
            done.result()
    assert found.value.code == "EL098"


def test_text_without_a_code() -> None:
    assert ElmoError("no weights").code == ""


def test_errors_in_pydantic_validators() -> None:
    with pytest.raises(ValidationError, match=r"Value error, \[EL700\].*got neither"):
        ModelConfig()
    with pytest.raises(ElmoError, match=r"  model: \[EL700\].*got both\. .*one of them\.\n") as found:
        check_config({"model": {"source": "en_sm", "options": {}}})
    assert found.value.code == "EL074"
    assert "Value error" not in str(found.value)


def test_no_message_outside_the_table() -> None:
    """An error takes its text from the table; only reasons, which are put into such a text, stand elsewhere."""
    root = Path(spacy_elmo.__file__).parent
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(root.rglob("*.py"))}
    reasons = subclasses(trees.values(), "ReasonError")
    assert len(reasons) > 2
    found = [
        f"{path.relative_to(root)}:{call.lineno}: {ast.unparse(call)}"
        for path, tree in trees.items()
        for call in raised(tree)
        if isinstance(call.func, ast.Name) and call.func.id not in reasons and not is_coded(call, call.func.id)
    ]
    # Python's own words for a name that a module lacks.
    assert [line.partition(":")[0] for line in found] == ["__init__.py", "spark/__init__.py"]


def subclasses(trees: Any, name: str) -> set[str]:
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = {name}
    while more := {c.name for c in classes if any(ast.unparse(b) in found for b in c.bases)} - found:
        found |= more
    return found


def raised(tree: ast.AST) -> Iterator[ast.Call]:
    """Every exception that is made with arguments, raised at once or returned to be raised."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            kind = getattr(builtins, node.func.id, None)
            is_error = isinstance(kind, type) and issubclass(kind, Exception)
            if is_error or node.func.id.endswith("Error") or node.func.id == "BadParameter":
                yield node


def is_coded(call: ast.Call, name: str) -> bool:
    if hasattr(builtins, name):
        return name in NAMED and isinstance(call.args[0], ast.Name)
    return not isinstance(call.args[0], (ast.Constant, ast.JoinedStr))
