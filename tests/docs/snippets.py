"""How the blocks of a page are run: Python in one namespace, commands in this process, configs by Thinc.

`python` and `bash` run. `py` and `sh` are what cannot run here: the code of other programs, what needs a GPU or a
download; their syntax is checked, and the options of our own commands.
"""

import ast
import configparser
import re
import shlex
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sybil import Example
from thinc.api import Config
from typer.testing import CliRunner

from spacy_elmo.cli.commands import app
from tests.data import ROOT
from tests.docs.pages import page_name, read_examples

# The beginning of a comment that says what a line gives: a shape, a value.
VALUE = r"\([\d, ]*\)|\[[^#]*\]|\{[^#]*\}|'[^']*'|\"[^\"]*\"|-?\d+(\.\d+)?|True|False|None"
RESULT = re.compile(rf"#\s+(?P<value>{VALUE})(?=$|[:;,.]| )")
EXTRA = re.compile(r"\.\[([\w,-]+)\]")

# Sizes of a model that trains in a second.
SMALL_RUN = "--training.n_epochs 1 --training.n_rows 4 --vocabulary.min_count 1"
# Spark's own page takes a port.
WITHOUT_PAGE = ("start()", "start(spark_ui_enabled='false')")
# By page: what is too large for tests, or cannot be had there.
REPLACED = {
    "pretraining.md": [
        ("--dev dev.txt.xz --lang en", "--dev dev.txt.xz --lang en --options options.json"),
        ("spacy-elmo pretrain config.cfg", f"spacy-elmo pretrain config.cfg {SMALL_RUN}"),
    ],
    "sequences.md": [("--source seqvec", "--source uniref50_v2"), ('"seqvec"', '"uniref50_v2"')],
    "spark.md": [WITHOUT_PAGE],
    "coming_from/spark_nlp.md": [WITHOUT_PAGE],
}


class Result(NamedTuple):
    """An expression with a comment that begins with a value.

    number (int): Which statement of the block it is.
    code (str): The expression.
    expected (Any): The value; a tuple may be a shape.
    """

    number: int
    code: str
    expected: Any


def run_python(example: Example) -> None:
    check_code(str(example.parsed), example.namespace, path=example.path, line=example.line)


def check_code(code: str, namespace: dict[str, Any], *, path: str, line: int) -> None:
    """Run a block, and check the comments that say what a line gives.

    code (str): The block.
    namespace (dict[str, Any]): What the blocks before it have defined.
    path (str): Of the page, for messages.
    line (int): Where the block begins in it.
    """
    tree = ast.parse(code)
    results = {result.number: result for result in find_results(code)}
    # Such a line runs once, as all others: its value is kept for the check.
    tree.body = [_keep(node, index) if index in results else node for index, node in enumerate(tree.body)]
    ast.increment_lineno(ast.fix_missing_locations(tree), line)
    exec(compile(tree, path, "exec"), namespace)
    for index, (_, expression, expected) in results.items():
        value = namespace.pop(f"_result{index}")
        if isinstance(expected, tuple) and hasattr(value, "shape"):
            value = tuple(value.shape)
        where = f"{path}, block of line {line}: {expression}"
        assert _matches(value, expected), f"{where} gives {value!r}, the comment says {expected!r}"


def _keep(node: ast.stmt, index: int) -> ast.stmt:
    assert isinstance(node, ast.Expr)
    return ast.copy_location(ast.Assign([ast.Name(f"_result{index}", ast.Store())], node.value), node)


def find_results(code: str) -> Iterator[Result]:
    """Find the expressions of a block with a comment that begins with a value."""
    lines = code.splitlines()
    for index, node in enumerate(ast.parse(code).body):
        if not isinstance(node, ast.Expr) or node.end_lineno is None or node.end_col_offset is None:
            continue
        # Columns count bytes.
        rest = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
        if (found := RESULT.match(rest.strip())) is None:
            continue
        try:
            expected = ast.literal_eval(found["value"])
        except (SyntaxError, ValueError):
            # Such as [a, b]: no value, but words.
            continue
        yield Result(index, ast.unparse(node.value), expected)


def _matches(value: Any, expected: Any) -> bool:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(expected, float):
        return bool(abs(value - expected) < 0.01)
    return bool(value == expected)


def compile_python(example: Example) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile(str(example.parsed), f"{example.path}:{example.line}", "exec")


def run_shell(example: Example) -> None:
    """Run our own commands, line by line; of an installation, check that the extras exist."""
    for words in read_commands(str(example.parsed)):
        where = f"{example.path}, block of line {example.line}: {shlex.join(words)}"
        if words[:2] == ["pip", "install"]:
            check_extras(shlex.join(words))
            continue
        assert words[0] == "spacy-elmo", f"{where}: cannot be run here; make it a block of `sh`"
        done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert done.exit_code == 0, f"{where}\n{done.output}"


def check_shell(example: Example) -> None:
    for words in read_commands(str(example.parsed)):
        check_extras(shlex.join(words))
        if words[0] == "spacy-elmo":
            check_options(words[1:], f"{example.path}, block of line {example.line}")


def read_commands(code: str) -> Iterator[list[str]]:
    for line in code.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def check_options(words: list[str], where: str) -> None:
    """Check that a command and its options exist."""
    done = CliRunner().invoke(app, [words[0], "-h"] if words[0][0] != "-" else ["-h"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, f"{where}: no command {words[0]}"
    known = {*re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", done.output)}
    for word in words[1:]:
        # Overrides of a config have a dot.
        if word.startswith("-") and word != "-" and "." not in word:
            assert word.partition("=")[0] in known, f"{where}: {words[0]} has no {word}"


def check_extras(line: str) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    for names in EXTRA.findall(line):
        for name in names.split(","):
            assert name in setup["options.extras_require"], f"no extra {name}: {line}"


def read_config(example: Example) -> None:
    parse_config(str(example.parsed))


def parse_config(text: str) -> Config:
    """Parse a part of a config, whose parents it does not repeat."""
    sections = re.findall(r"^\[([\w.]+)\]$", text, re.M)
    parents = {".".join(name.split(".")[:end]) for name in sections for end in range(1, name.count(".") + 1)}
    missing = sorted(parents - {*sections})
    return Config().from_str("".join(f"[{name}]\n\n" for name in missing) + text, interpolate=False)


EVALUATORS = {
    "python": run_python,
    "py": compile_python,
    "bash": run_shell,
    "sh": check_shell,
    "ini": read_config,
}
# What is shown, and run by no program of ours.
SHOWN = {"text", "json", "javascript", "jsonnet", "html", "dockerfile", "bibtex", "yaml", "toml", "scala"}


def read_page(page: Path, languages: Iterable[str]) -> Iterator[Example]:
    """The blocks in these languages, with what is replaced in them."""
    for example in read_examples(page, {language: EVALUATORS[language] for language in languages}):
        for old, new in REPLACED.get(page_name(page), []):
            example.parsed = str(example.parsed).replace(old, new)
        yield example
