"""`spacy-elmo embed` with a folder as output, in one process: bad files, existing files, a full disk."""

import errno
import multiprocessing
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.cli.embedding.embed_settings import EmbedSettings
from spacy_elmo.cli.embedding.embedder import FileEmbedder, PipelineCache
from spacy_elmo.cli.embedding.folder import FolderSummary, embed_files
from spacy_elmo.util.atomic import WriteError
from tests.cli.command import embed, run
from tests.cli.test_embed import datasets

OUTPUTS = ["a.txt", "news/b.txt", "news/c.txt.gz"]


def list_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def embed_corpus(corpus: Path, tiny: Path, **settings: Any) -> FolderSummary:
    return embed_files(corpus, corpus.parent / "out", EmbedSettings(source=str(tiny)), **settings)


@pytest.mark.parametrize("output_format", ["h5", "parquet", "arrow"])
@pytest.mark.parametrize("initial_state", ["zero", "carry"])
def test_same_bytes_as_one_by_one(
    corpus: Path,
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    output_format: str,
    initial_state: str,
) -> None:
    monkeypatch.setattr(multiprocessing, "get_context", lambda *_: pytest.fail("a process was started"))
    shares: list[tuple[float, int]] = []
    found = embed_files(
        [corpus],
        tmp_path / "new" / "out",
        EmbedSettings(source=str(tiny), initial_state=initial_state),
        output_format=output_format,
        report=lambda share, n_tokens: shares.append((share, n_tokens)),
    )
    assert (found.n_files, found.n_existing, found.n_missing, found.failures) == (3, 0, 0, [])
    assert list_files(tmp_path / "new" / "out") == [f"{name}.{output_format}" for name in OUTPUTS]
    n_sentences = n_tokens = 0
    for name in OUTPUTS:
        one = tmp_path / f"one.{output_format}"
        summary = embed(corpus / name, tiny, one, initial_state=initial_state)
        assert one.read_bytes() == (tmp_path / "new" / "out" / f"{name}.{output_format}").read_bytes()
        n_sentences, n_tokens = n_sentences + summary.n_sentences, n_tokens + summary.n_tokens
    assert (found.total.n_sentences, found.total.n_tokens) == (n_sentences, n_tokens)
    assert shares == sorted(shares)
    assert shares[-1] == (1.0, n_tokens)


def test_the_model_is_loaded_once(corpus: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[FileEmbedder] = []

    def make(settings: EmbedSettings, output_format: str) -> FileEmbedder:
        made.append(FileEmbedder(settings, output_format))
        return made[-1]

    monkeypatch.setattr("spacy_elmo.cli.embedding.folder.FileEmbedder", make)
    embed_corpus(corpus, tiny)
    assert len(made) == 1


def test_bad_files_do_not_stop_the_others(corpus: Path, tiny: Path) -> None:
    (corpus / "news" / "bad.txt").write_bytes(b"good\ncaf\xe9\n")
    (corpus / "deep").mkdir()
    (corpus / "deep" / "a0.txt.gz").write_bytes(b"no gzip")
    (corpus / "empty.txt").write_text("")
    with pytest.warns(UserWarning, match=r"WL039.*empty.txt"):
        found = embed_corpus(corpus, tiny)
    out = corpus.parent / "out"
    assert list_files(out) == [f"{name}.h5" for name in OUTPUTS]
    # Nothing was made for it.
    assert not (out / "deep").exists()
    assert (found.n_files, found.n_missing) == (3, 2)
    [one, other] = sorted(found.failures)
    assert "[EL023]" in one
    assert "a0.txt.gz" in one
    assert "bad.txt, line 2: not UTF-8" in other
    with pytest.raises(ValueError, match=r"EL233.*2 of 5 input files.*--resume.*:\n.*\n.*bad.txt, line 2"):
        found.check()
    before = {name: (out / f"{name}.h5").stat().st_mtime_ns for name in OUTPUTS}
    (corpus / "news" / "bad.txt").write_text("good\ncaf\u00e9\n", "utf-8")
    (corpus / "deep" / "a0.txt.gz").unlink()
    (corpus / "empty.txt").unlink()
    found = embed_corpus(corpus, tiny, resume=True)
    assert (found.n_files, found.n_existing, found.n_missing) == (1, 3, 0)
    found.check()
    assert {name: (out / f"{name}.h5").stat().st_mtime_ns for name in OUTPUTS} == before
    assert embed_corpus(corpus, tiny, resume=True).n_files == 0


def test_only_empty_files(tmp_path: Path, tiny: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("")
    inputs = [tmp_path / "a.txt", tmp_path / "b.txt"]
    with pytest.raises(ValueError, match=r"EL062.*a.txt, .*b.txt"):
        embed_files(inputs, tmp_path / "out", EmbedSettings(source=str(tiny)))


def test_errors_before_work(corpus: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "spacy_elmo.cli.embedding.folder.embed_file", lambda *_: pytest.fail("computed for nothing")
    )
    for settings, match in (
        ({"n_process": 0}, "EL038"),
        ({"output_format": "csv"}, r"EL030.*h5, parquet, arrow"),
    ):
        with pytest.raises(ValueError, match=match):
            embed_corpus(corpus, tiny, **settings)
    for wrong, match in (
        ({"layers": ["lstm_outputs9"]}, "EL031"),
        ({"precision": "fp8"}, "EL030"),
        ({"lang": "nolanguage"}, "EL070"),
        ({"lang": "en", "pipeline": "blank:en"}, "EL065"),
        ({"reduce": "top", "layers": ["elmo"]}, "EL065"),
    ):
        with pytest.raises(ValueError, match=match):
            embed_files(corpus, tmp_path / "out", EmbedSettings(source=str(tiny), **wrong))
    with pytest.raises(FileNotFoundError, match="EL010"):
        embed_files(corpus, tmp_path / "out", EmbedSettings(source="orignal"))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(ImportError, match=r"EL024.*pyarrow"):
            embed_corpus(corpus, tiny, output_format="parquet")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt.h5").write_text("old")
    with pytest.raises(FileExistsError, match=r"EL232.*a.txt.h5' already exists"):
        embed_corpus(corpus, tiny, force=False)
    assert list_files(tmp_path / "out") == ["a.txt.h5"]


def test_full_disk_ends_the_run(corpus: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill = FileEmbedder.embed

    def fail(self: FileEmbedder, inputs: Any, output: Path, report: Any) -> Any:
        if output.name == "b.txt.h5":
            raise WriteError(output, errno.ENOSPC, os.strerror(errno.ENOSPC))
        return fill(self, inputs, output, report)

    monkeypatch.setattr(FileEmbedder, "embed", fail)
    found = embed_corpus(corpus, tiny)
    assert (found.n_files, found.n_missing) == (1, 2)
    assert "[EL221]" in found.failures[0]
    assert found.failures[1].startswith("[EL235] Not begun")


def test_other_errors_are_of_one_file(corpus: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill = FileEmbedder.embed

    def fail(self: FileEmbedder, inputs: Any, output: Path, report: Any) -> Any:
        if output.name == "b.txt.h5":
            raise MemoryError("no memory")
        return fill(self, inputs, output, report)

    monkeypatch.setattr(FileEmbedder, "embed", fail)
    found = embed_corpus(corpus, tiny)
    assert (found.n_files, found.n_missing) == (2, 1)
    assert found.failures == [f"{corpus / 'news' / 'b.txt'}: MemoryError: no memory"]
    # A subfolder that cannot be made, because a file has its name.
    monkeypatch.undo()
    shutil.rmtree(corpus.parent / "out")
    (corpus.parent / "out").mkdir()
    (corpus.parent / "out" / "news").write_text("")
    found = embed_corpus(corpus, tiny)
    assert (found.n_files, found.n_missing) == (1, 2)


def test_a_pipeline_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = PipelineCache()
    first = kept("tokenizer:en")
    assert kept("tokenizer:en") is first
    monkeypatch.setattr("spacy_elmo.cli.embedding.embedder._MOST_NEW_TEXTS", 2)
    kept = PipelineCache()
    first = kept("blank:en")
    assert kept("blank:en") is first
    list(first.pipe(["neverseen andneither orthis"]))
    assert kept("blank:en") is not first


def test_texts_by_a_pipeline(tmp_path: Path, tiny: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("I don't. End.")
    settings = EmbedSettings(source=str(tiny), pipeline="blank:en")
    embed_files([tmp_path / "a.txt", tmp_path / "b.txt"], tmp_path / "out", settings)
    for name in ("a.txt.h5", "b.txt.h5"):
        assert [array.shape[1] for array in datasets(tmp_path / "out" / name)] == [4, 2]


def test_command(corpus: Path, tiny: Path, tmp_path: Path, text: Path) -> None:
    (corpus / "bad.txt").write_bytes(b"\xff")
    out = tmp_path / "out"
    done = run("embed", corpus, "-s", tiny, "-o", f"{out}/", code=1)
    wrote, error, *failures = done.stderr.splitlines()
    n_tokens = 2 * len(text.read_text("utf-8").split())
    assert f"Wrote 3 files with 20 sentences, {n_tokens} tokens to {out}" in wrote
    assert error.startswith("spacy-elmo: [EL233] Not embedded: 1 of 4 input files.")
    assert len(failures) == 1
    assert "bad.txt, line 1: not UTF-8" in failures[0]
    (corpus / "bad.txt").write_text("good")
    # The folder exists now, and needs no slash.
    done = run("embed", corpus, "-s", tiny, "-o", out, "--resume")
    assert done.stderr.splitlines()[0] == "Kept 3 files that existed"
    assert "Wrote 1 file with 1 sentence, 1 token to" in done.stderr
    assert run("embed", corpus, "-s", tiny, "-o", out, "--resume").stderr == "Kept 4 files that existed\n"


def test_quiet(corpus: Path, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt.h5").write_text("old")
    assert run("embed", corpus, "-s", tiny, "-o", tmp_path / "out", "--force", "-q").stderr == ""
    assert len(datasets(tmp_path / "out" / "a.txt.h5")) == 4


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["-o", "new", "--n-process", "2"], 1, ["EL230", "--n-process", "'new/'"]),
        (["-o", "new", "--resume"], 1, ["EL230", "--resume"]),
        (["-o", "new.parquet", "--output-format", "parquet"], 1, ["EL230", "--output-format"]),
        (["-o", "new.txt", "--output-format", "csv"], 1, ["EL030", "h5, parquet, arrow"]),
        (["-o", "new/", "--resume", "--force"], 1, ["EL065"]),
        (["-o", "new/", "--n-process", "0"], 2, ["--n-process"]),
        (["-o", "-", "--output-format", "h5"], 1, ["EL222"]),
        (["-o", "a.txt/"], 1, ["EL221", "File exists"]),
        (["-o", "new/", "--output-format", "arrow", "--forget-sentences"], 1, ["EL229"]),
    ],
)
def test_wrong_arguments(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], code: int, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("text")
    done = run("embed", "a.txt", "-s", tiny, *options, code=code)
    assert all(word in done.stderr for word in words), done.stderr
    assert os.listdir(".") == ["a.txt"]
