"""Names of outputs in a folder."""

import os
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.cli.embedding.plan import Plan, plan_outputs
from tests.platforms import links, named_pipes


def make(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def plan(*given: str, folder: str = "out", **settings: Any) -> Plan:
    defaults: dict[str, Any] = {
        "output_format": "h5",
        "format": None,
        "source": (),
        "resume": False,
        "force": False,
    }
    return plan_outputs([*given], Path(folder), **{**defaults, **settings})


def names(*given: str, **settings: Any) -> dict[str, str]:
    return {task.path.as_posix(): task.output.as_posix() for task in plan(*given, **settings).tasks}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_folder_is_mirrored() -> None:
    make("corpus/a b.txt", "corpus/news/ü.txt.gz", "corpus/news/x/a b.txt")
    expected = {
        "corpus/a b.txt": "out/a b.txt.h5",
        "corpus/news/x/a b.txt": "out/news/x/a b.txt.h5",
        "corpus/news/ü.txt.gz": "out/news/ü.txt.gz.h5",
    }
    assert names("corpus") == names("./corpus/") == expected
    os.chdir("corpus")
    assert set(names(".", output_format="parquet").values()) == {
        "out/a b.txt.parquet", "out/news/x/a b.txt.parquet", "out/news/ü.txt.gz.parquet",
    }  # fmt: skip
    absolute = str(Path("news").resolve())
    assert set(names(absolute, output_format="arrow").values()) == {"out/ü.txt.gz.arrow", "out/x/a b.txt.arrow"}


def test_files_and_patterns() -> None:
    make("corpus/a.txt", "corpus/news/b.txt", "corpus/news/c.txt", "corpus/old/b.txt")
    assert names("corpus/news/c.txt") == {"corpus/news/c.txt": "out/c.txt.h5"}
    # A file that is named twice is embedded once.
    assert names("corpus/a.txt", "corpus/a.txt") == {"corpus/a.txt": "out/a.txt.h5"}
    assert names("corpus/*/b.txt") == {
        "corpus/news/b.txt": "out/news/b.txt.h5",
        "corpus/old/b.txt": "out/old/b.txt.h5",
    }
    assert names("corpus/news/*.txt") == {
        "corpus/news/b.txt": "out/b.txt.h5",
        "corpus/news/c.txt": "out/c.txt.h5",
    }
    assert names("*/new*/../a.txt") == {"corpus/news/../a.txt": "out/corpus/a.txt.h5"}
    # The brackets are part of a name.
    make("a[1].txt")
    assert names("a[1].txt") == {"a[1].txt": "out/a[1].txt.h5"}


def test_two_inputs_with_one_output() -> None:
    make("x/a.txt", "y/a.txt")
    with pytest.raises(ValueError, match=r"EL231.*'x[/\\]a.txt' and 'y[/\\]a.txt'.*out[/\\]a.txt.h5"):
        plan("x/a.txt", "y/a.txt")
    with pytest.raises(ValueError, match="EL231"):
        plan("x", "y")
    make("x/a.txt.h5/b.txt")
    with pytest.raises(ValueError, match=r"EL231.*'x[/\\]a.txt' and 'x[/\\]a.txt.h5[/\\]b.txt'"):
        plan("x")


@pytest.mark.parametrize("ignores_case", [True, False])
def test_names_that_differ_in_case(monkeypatch: pytest.MonkeyPatch, ignores_case: bool) -> None:
    """On Windows and macOS, they are one file."""
    monkeypatch.setattr("spacy_elmo.cli.embedding.plan._IGNORES_CASE", ignores_case)
    make("x/a.txt", "y/A.txt")
    if ignores_case:
        with pytest.raises(ValueError, match=r"EL231.*'x[/\\]a.txt' and 'y[/\\]A.txt'"):
            plan("x", "y")
    else:
        assert names("x", "y") == {"x/a.txt": "out/a.txt.h5", "y/A.txt": "out/A.txt.h5"}


def test_outputs_are_no_inputs() -> None:
    make("corpus/a.txt", "corpus/out/a.txt.h5", "corpus/out/a.txt.parquet", "corpus/out/b.txt")
    with pytest.raises(FileExistsError, match=r"EL232.*out[/\\]a.txt.h5' already exists \(1 in all\)"):
        plan("corpus", folder="corpus/out")
    found = plan("corpus", folder="corpus/out", resume=True)
    assert (found.n_existing, [task.path.as_posix() for task in found.tasks]) == (1, ["corpus/out/b.txt"])
    # In a format whose files have any ending, and beside the inputs.
    make("tokens/a", "tokens/b", "tokens/a.h5")
    found = plan("tokens", folder="tokens", format="tokens", resume=True)
    assert (found.n_existing, [task.path.as_posix() for task in found.tasks]) == (1, ["tokens/b"])
    # Patterns find them, too.
    assert names("tokens/*", folder="tokens", format="tokens", force=True) == {
        "tokens/a": "tokens/a.h5",
        "tokens/b": "tokens/b.h5",
    }


@links
def test_a_folder_by_a_link() -> None:
    make("tokens/a", "tokens/b", "tokens/a.h5")
    Path("link").symlink_to("tokens")
    assert plan("tokens", folder="link", format="tokens", resume=True).n_existing == 1


def test_existing_outputs() -> None:
    make("corpus/a.txt", "corpus/b.txt", "out/a.txt.h5")
    with pytest.raises(FileExistsError, match=r"EL232.*--resume.*--force"):
        plan("corpus")
    assert len(plan("corpus", force=True).tasks) == 2
    found = plan("corpus", resume=True)
    assert (found.n_existing, [task.path.name for task in found.tasks]) == (1, ["b.txt"])
    assert plan("corpus", resume=True, output_format="arrow").n_existing == 0
    make("out/b.txt.h5/c")
    for resume in (True, False):
        with pytest.raises(ValueError, match=r"EL067.*b.txt.h5"):
            plan("corpus", resume=resume, force=not resume)


@links
def test_inputs_are_not_replaced() -> None:
    make("corpus/a.txt", "model/weights.hdf5", "out/b")
    for target in ("corpus/a.txt", "model/weights.hdf5"):
        link = Path("out/a.txt.h5")
        link.symlink_to(Path(target).resolve())
        with pytest.raises(ValueError, match=r"EL066.*out[/\\]a.txt.h5"):
            plan("corpus", source=[Path("model/weights.hdf5")], force=True)
        link.unlink()


def test_unsuitable_folders() -> None:
    make("a.txt", "file")
    with pytest.raises(OSError, match=r"EL221.*'file'.*File exists"):
        plan("a.txt", folder="file")
    with pytest.raises(ValueError, match=r"EL228.*'-' has no name.*out/elmo.h5"):
        plan("-")


@named_pipes
def test_a_pipe_has_no_place_in_a_folder() -> None:
    make("a.txt")
    os.mkfifo("pipe.txt")
    with pytest.raises(ValueError, match=r"EL228.*'pipe.txt'"):
        plan("a.txt", "pipe.txt")
