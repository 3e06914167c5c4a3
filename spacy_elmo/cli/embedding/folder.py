"""`spacy-elmo embed` with a folder as output: a file for each input file, by one process or several."""

import time
import warnings
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ...errors import ElmoError, Errors, Warnings
from ...inputs.paths import Given, parse_name, shorten
from ...util.atomic import WriteError
from ...weights.source import find_files
from .embed_settings import EmbedSettings
from .embedder import FileEmbedder, Report, Summary
from .formats import choose_format
from .one_file import FileResult, embed_file
from .plan import FileTask, plan_outputs
from .processes import embed_in_processes


class FolderSummary(NamedTuple):
    """What was embedded.

    n_files (int): Number of files that were written.
    n_existing (int): Number of files that existed and were kept.
    n_missing (int): Number of files that were not written: of failures, and those that were not begun.
    failures (list[str]): The messages.
    total (Summary): Sentences and tokens of the files that were written, and the time.
    """

    n_files: int
    n_existing: int
    n_missing: int
    failures: list[str]
    total: Summary

    def check(self) -> None:
        """Check that all files were written.

        RAISES (ElmoError): If one was not, with all messages.
        """
        if self.n_missing:
            n_all = self.n_files + self.n_existing + self.n_missing
            failures = "\n".join(self.failures)
            raise ElmoError(Errors.EL233.format(n=self.n_missing, total=n_all, failures=failures))


def embed_files(
    given: Given | Sequence[Given],
    folder: Path,
    settings: EmbedSettings,
    *,
    output_format: str = "h5",
    n_process: int = 1,
    resume: bool = False,
    force: bool = True,
    report: Report = lambda done, n_tokens: None,
) -> FolderSummary:
    """Embed each input file into a file of its own. A file that fails does not stop the others.

    given (Given | Sequence[Given]): The inputs, as for `find_inputs`.
    folder (Path): The folder of the outputs, which is made if need be.
    settings (EmbedSettings): How they are embedded.
    output_format (str): "h5", "parquet" or "arrow".
    n_process (int): The number of processes; with 1, none is started. They share the processors, unless the
        settings have a number of threads for each.
    resume (bool): Whether to keep existing outputs, and write only the others.
    force (bool): Whether to replace existing outputs.
    report (Report): Called with the share of the bytes that is done and the tokens so far.
    RETURNS (FolderSummary): What was embedded, and what was not.
    RAISES (FileNotFoundError, ElmoError): For an unsuitable input, source or setting; and as `plan_outputs`.
    """
    from ...inference.settings import check_count

    check_count("n_process", n_process)
    settings.check(choose_format(folder, name=output_format))
    tasks, n_existing = plan_outputs(
        [given] if isinstance(given, (str, Path)) else given,
        folder,
        output_format=output_format,
        format=settings.format,
        source=find_files(settings.source).paths,
        resume=resume,
        force=force,
    )
    n_process = min(n_process, len(tasks))
    if n_process > 1 and settings.n_threads is None:
        from ...runtime.processors import count_processors

        settings = replace(settings, n_threads=max(1, count_processors() // n_process))
    if n_process == 1:
        # Several processes would need the memory of a large batch each.
        has_ids = all((settings.format or parse_name(task.path)[0]) == "fasta" for task in tasks)
        settings = settings.choose_batch_tokens(has_ids=has_ids)
    tally = _Tally(tasks, report)
    embedder = _load(settings, output_format, folder) if tasks else None
    if n_process > 1:
        # The model of this process has shown that it can be loaded.
        del embedder
        results = embed_in_processes(tasks, settings, output_format, n_process=n_process, report=tally.report)
    else:
        results = _embed_here(tasks, embedder, tally.report)
    with closing(results):
        for task, result in results:
            tally.add(task, result)
            if result.stops_others:
                break
    return tally.summarize(n_existing)


class _Tally:
    """Counts what became of files."""

    def __init__(self, tasks: Sequence[FileTask], report: Report):
        self._tasks = tasks
        self._report = report
        self._start = time.perf_counter()
        self._all_bytes = sum(task.size for task in tasks) or 1
        self._n_bytes = self._n_sentences = self._n_tokens = self._n_files = 0
        self._failures: list[str] = []
        self._empty: list[str] = []

    def report(self, n_bytes: float, n_tokens: int) -> None:
        """Report the progress.

        n_bytes (float): The bytes of unfinished files that are done.
        n_tokens (int): The tokens of unfinished files that are done.
        """
        self._report((self._n_bytes + n_bytes) / self._all_bytes, self._n_tokens + n_tokens)

    def add(self, task: FileTask, result: FileResult) -> None:
        """Add a file.

        task (FileTask): The file.
        result (FileResult): What became of it.
        """
        self._n_bytes += task.size
        if result.summary is not None:
            self._n_files += 1
            self._n_sentences += result.summary.n_sentences
            self._n_tokens += result.summary.n_tokens
        elif result.is_empty:
            self._empty.append(str(task.path))
        else:
            self._failures.append(result.failure)
        for text in result.warnings:
            warnings.warn(text, stacklevel=3)
        self.report(0, 0)

    def summarize(self, n_existing: int) -> FolderSummary:
        """Summarize all files.

        n_existing (int): The number of other files, which were kept.
        RETURNS (FolderSummary): The summary.
        RAISES (ElmoError): If there is no sentence in any file.
        """
        seconds = time.perf_counter() - self._start
        if self._empty:
            if len(self._empty) == len(self._tasks) and not n_existing:
                raise ElmoError(Errors.EL062.format(path=shorten(self._empty)))
            warnings.warn(Warnings.WL039.format(names=shorten(self._empty)), stacklevel=3)
        n_missing = len(self._tasks) - self._n_files - len(self._empty)
        failures = [*self._failures]
        if n_missing > len(failures):
            failures.append(Errors.EL235.format(n=n_missing - len(failures)))
        total = Summary(self._n_sentences, self._n_tokens, seconds)
        return FolderSummary(self._n_files, n_existing, n_missing, failures, total)


def _load(settings: EmbedSettings, output_format: str, folder: Path) -> FileEmbedder:
    """Load the model and the pipeline, and make the folder: what fails here fails for all files."""
    embedder = FileEmbedder(settings, output_format)
    embedder.load_pipeline()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(folder, error.errno, error.strerror or str(error)) from error
    return embedder


def _embed_here(
    tasks: Sequence[FileTask], embedder: FileEmbedder | None, report: Report
) -> Generator[tuple[FileTask, FileResult]]:
    for task in tasks:
        assert embedder is not None
        yield task, embed_file(embedder, task, report)
