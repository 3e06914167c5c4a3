"""`spacy-elmo embed --n-process`: the same bits, and processes that are killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from spacy_elmo.cli.embedding import worker
from spacy_elmo.cli.embedding.embed_settings import EmbedSettings
from spacy_elmo.cli.embedding.folder import FolderSummary, embed_files
from spacy_elmo.cli.embedding.plan import FileTask
from spacy_elmo.cli.embedding.processes import embed_in_processes
from tests.cli.embedding.test_folder import OUTPUTS, embed_corpus, list_files
from tests.platforms import KILL, proc

LINE = "one sentence of many words to keep it busy for a while\n"


def wait_until(condition: Callable[[], object]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("it did not happen in a minute")


def test_same_bytes_as_in_one_process(corpus: Path, tiny: Path, tmp_path: Path) -> None:
    (corpus / "bad.txt").write_bytes(b"\xff")
    (corpus / "empty.txt").write_text("")
    # A warning of another process.
    (corpus / "returns.txt").write_bytes(b"a b\rc\n")
    shares: list[float] = []
    settings = EmbedSettings(source=str(tiny))
    with pytest.warns(UserWarning, match="WL03[79]") as found:
        summary = embed_files(
            corpus,
            tmp_path / "out",
            settings,
            output_format="parquet",
            n_process=2,
            report=lambda share, n_tokens: shares.append(share),
        )
    texts = sorted(str(one.message) for one in found)
    assert [text[:7] for text in texts] == ["[WL037]", "[WL039]"]
    assert (summary.n_files, summary.n_missing) == (4, 1)
    assert "bad.txt, line 1: not UTF-8" in summary.failures[0]
    assert shares[-1] == 1.0
    (corpus / "bad.txt").unlink()
    (corpus / "empty.txt").unlink()
    with pytest.warns(UserWarning, match="WL037"):
        embed_files(corpus, tmp_path / "one", settings, output_format="parquet")
    names = list_files(tmp_path / "one")
    assert names == sorted(f"{name}.parquet" for name in [*OUTPUTS, "returns.txt"]) == list_files(tmp_path / "out")
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert not multiprocessing.active_children()


def test_processors_are_shared(corpus: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int | None]] = []

    def spy(tasks: list[FileTask], settings: EmbedSettings, *_: object, n_process: int, **__: object) -> None:
        seen.append((n_process, settings.n_threads))
        raise KeyboardInterrupt

    monkeypatch.setattr("spacy_elmo.cli.embedding.folder.embed_in_processes", spy)
    monkeypatch.setattr("spacy_elmo.runtime.processors.count_processors", lambda: 7)
    for settings, n_process in (
        (EmbedSettings(source=str(tiny)), 2),
        # There are three files.
        (EmbedSettings(source=str(tiny)), 100),
        (EmbedSettings(source=str(tiny), n_threads=5), 2),
    ):
        with pytest.raises(KeyboardInterrupt):
            embed_files(corpus, corpus.parent / "out", settings, n_process=n_process)
    assert seen == [(2, 3), (3, 2), (2, 5)]


@pytest.mark.slow
def test_killed_process(corpus: Path, tiny: Path, tmp_path: Path) -> None:
    """Its file is reported; the others are embedded by the other process and a new one."""
    for name in ("big.txt", "huge.txt"):
        (corpus / name).write_text(LINE * (40_000 if name == "huge.txt" else 20_000))
    out = tmp_path / "out"
    found: list[FolderSummary] = []
    thread = threading.Thread(target=lambda: found.append(embed_corpus(corpus, tiny, n_process=2)))
    thread.start()
    wait_until(lambda: len([*out.glob(".*.tmp")]) == 2)
    multiprocessing.active_children()[0].kill()
    thread.join()
    [summary] = found
    assert (summary.n_files, summary.n_missing) == (4, 1)
    [failure] = summary.failures
    [lost] = {"big.txt", "huge.txt"} - {path.name.removesuffix(".h5") for path in out.iterdir()}
    assert failure.startswith(f"[EL234] The process that embedded '{corpus / lost}' has ended")
    assert not [*out.rglob(".*")]
    assert embed_corpus(corpus, tiny, n_process=2, resume=True).n_files == 1


def test_processes_that_always_die(corpus: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [FileTask(corpus / "a.txt", corpus / f"{k}.h5", 1) for k in range(9)]
    # A process ends if its first function fails.
    monkeypatch.setattr("spacy_elmo.cli.embedding.processes.prepare", os.fspath)
    settings = EmbedSettings(source=str(tiny))
    results = embed_in_processes(tasks, settings, "h5", n_process=2, report=lambda *_: None)
    found = []
    for _, result in results:
        found.append(result)
        if result.stops_others:
            break
    results.close()
    assert [result.stops_others for result in found] == [False, False, True]
    assert all("[EL234]" in result.failure for result in found)
    assert not multiprocessing.active_children()


def test_a_model_that_cannot_be_loaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process, after it was loaded by the first one."""
    state = worker._State([0.0, 0.0], EmbedSettings(source=str(tmp_path / "gone")), "h5")  # type: ignore[arg-type]
    monkeypatch.setattr(worker, "_state", state, raising=False)
    result = worker.embed_task(FileTask(tmp_path / "a.txt", tmp_path / "a.h5", 1))
    assert result.stops_others
    assert result.failure.startswith(f"{tmp_path / 'a.txt'}: [EL010]")


def _children(parent: int) -> set[int]:
    """The processes of a process that are not dead, by Linux's table."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.add(int(path.parent.name))
    return found


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, KILL])
@pytest.mark.parametrize("n_process", [1, 2])
def test_interrupted(tiny: Path, tmp_path: Path, number: int, n_process: int) -> None:
    """Neither processes nor temporary files are left, and what is complete stays."""
    corpus, out = tmp_path / "corpus", tmp_path / "out"
    corpus.mkdir()
    for k in range(3):
        (corpus / f"{k}.txt").write_text(LINE * 100_000)
    command = [sys.executable, "-m", "spacy_elmo", "embed", str(corpus), "-s", str(tiny), "-o", f"{out}/"]
    # Ctrl-C reaches all processes of a terminal.
    with subprocess.Popen(
        [*command, "--n-process", str(n_process)], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            wait_until(lambda: len([*out.glob(".*.tmp")]) == n_process)
            children = _children(process.pid)
            assert len(children) >= (n_process if n_process > 1 else 0)
            (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
            _, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in error
    wait_until(lambda: not any(map(_is_running, children)))
    if number != KILL or n_process > 1:
        assert [*out.iterdir()] == []
