"""Every block of README and docs runs; one that cannot, is checked as far as possible."""

import lzma
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language

from tests.data import ROOT
from tests.docs.pages import PAGES, README, page_name, read_blocks, read_examples, read_languages
from tests.docs.snippets import EVALUATORS, SHOWN, find_results, read_page
from tests.pipeline.training import initialize

# Packages that a page's code imports, beside those that are always there.
OPTIONAL = ["pandas", "pyarrow", "polars", "duckdb", "pyspark", "flair", "matplotlib", "starlette", "tensorflow"]
# Pages with tests of their own, which look at what comes out: test_values.py.
ELSEWHERE = {"sequences.md", "serve.md", "visual.md"}
# Warnings that a page speaks of.
WARNED = {"pipeline.md": ["WL026"], "coming_from/seqvec.md": ["WL093"]}


def needed(page: Path) -> list[str]:
    code = "\n".join(read_blocks(page, "python"))
    found = [name for name in OPTIONAL if re.search(rf"^\s*(import|from) {name}\b", code, re.M)]
    also = {"spacy_elmo.spark": "pyspark", "compat.flair": "flair", "predict(": "pandas", "to_arrow": "pyarrow"}
    commands = "\n".join(read_blocks(page, "bash"))
    if ".parquet" in commands or ".arrow" in commands:
        also["parquet"] = "pyarrow"
    if "--output run.png" in commands:
        found.append("matplotlib")
    return sorted({*found, *(package for words, package in also.items() if words in code + commands)})


def as_parameters(*, spark: bool) -> list[Any]:
    parameters = []
    for page in PAGES:
        packages = needed(page)
        if ("pyspark" in packages) != spark or page_name(page) in ELSEWHERE:
            continue
        marks = [pytest.mark.needs(name) for name in packages]
        marks += [pytest.mark.filterwarnings(f"ignore:.*{code}") for code in WARNED.get(page_name(page), [])]
        parameters.append(pytest.param(page, id=page_name(page), marks=marks))
    return parameters


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that pages name."""
    text = "They sat on the bank of the river.\nShe put her money in the bank.\nI love NLP.\n"
    (tmp_path / "text.txt").write_text(text, "utf-8")
    for name in ("train.txt.xz", "dev.txt.xz"):
        (tmp_path / name).write_bytes(lzma.compress(text.encode() * 20))
    for path in ("tiny/options.json", "tiny/weights.hdf5", "sequences/proteins.fasta", "allennlp/model.tar.gz"):
        shutil.copy(ROOT / "tests" / path, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    return tmp_path


def small_pipeline() -> Language:
    """In place of spaCy's models, which tests cannot fetch: components like theirs, over vectors of their own."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    for pipe in ("tagger", "parser"):
        nlp.add_pipe(pipe, config={"model": {"tok2vec": listener}})
    initialize(nlp)
    return nlp


@pytest.mark.parametrize("page", as_parameters(spark=False))
@pytest.mark.usefixtures("place")
def test_page(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From top to bottom."""
    load = spacy.load
    monkeypatch.setattr(
        spacy, "load", lambda name, **rest: small_pipeline() if name == "en_core_web_sm" else load(name, **rest)
    )
    # .ci/run runs the commands of README as they are.
    for example in read_page(page, EVALUATORS.keys() - ({"bash"} if page == README else set())):
        example.evaluate()


@pytest.mark.slow
@pytest.mark.usefixtures("java")
@pytest.mark.parametrize("page", as_parameters(spark=True))
def test_page_on_spark(page: Path, place: Path) -> None:
    """Each block in a process, which has the only session of Spark."""
    for example in read_page(page, EVALUATORS.keys() - {"python"}):
        example.evaluate()
    program = "import sys; from tests.docs.snippets import check_code; "
    program += "check_code(sys.stdin.read(), globals(), path=sys.argv[1], line=int(sys.argv[2]))"
    for example in read_page(page, ["python"]):
        code = str(example.parsed)
        command = [sys.executable, "-c", program, example.path, str(example.line)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, input=code, cwd=place, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{code}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_languages(page: Path) -> None:
    """A block says what it is, so that none is left out by mistake."""
    assert read_languages(page) <= {*EVALUATORS, *SHOWN}


def test_results_are_found() -> None:
    code = "a.shape  # (2, 3): of two\nb = 1  # (9,)\nlen(a)  # 4\nc  # (n, 2P)\nf(\n    1\n)  # [1, 'x'], yes"
    assert list(find_results(code)) == [(0, "a.shape", (2, 3)), (2, "len(a)", 4), (4, "f(1)", [1, "x"])]


@pytest.mark.parametrize(
    "code", ["x = 1\nx  # 2", "import numpy\nnumpy.zeros(3)  # (4,): three", "raise ValueError"]
)
def test_a_wrong_block_fails(code: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Text.\n\n```python\n{code}\n```\n", "utf-8")
    [example] = read_examples(page, EVALUATORS)
    with pytest.raises((AssertionError, ValueError), match=r"line 3|^$"):
        example.evaluate()
