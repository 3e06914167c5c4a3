"""The log of a run, lines of JSON, and its picture."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..errors import ElmoError, ElmoFileNotFoundError, ElmoOSError, Errors
from ..errors.advice import explain_writing
from ..language_model.likelihood import Perplexity
from ..util.atomic import atomic_write
from ..util.files import bad_line
from ..util.plotting import picture
from .trainer import BatchResult

# One line of the log.
Entry: TypeAlias = dict[str, Any]


class Log:
    """Collects the results of batches, and writes their means.

    path (Path): The file; see `open`.
    n_batches (int): Of the whole run.
    report (Callable[[Entry], None]): Called with each entry.
    active (bool): Whether anything is written and reported.
    pending (Tensor | None): What `pending` returned when the run stopped.
    """

    def __init__(
        self,
        path: Path,
        *,
        n_batches: int,
        report: Callable[[Entry], None],
        active: bool = True,
        pending: Tensor | None = None,
    ):
        self._path = path
        self._n_batches = n_batches
        self._report = report
        self._active = active
        self._pending = torch.empty(0, 3, dtype=torch.float32, device="cpu") if pending is None else pending
        self._results: list[BatchResult] = []
        self._start = time.perf_counter()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        from_batch: int,
        n_batches: int,
        report: Callable[[Entry], None],
        active: bool = True,
        pending: Tensor | None = None,
    ) -> "Log":
        """Open a log to append to it.

        path (Path): The file; it may be missing.
        from_batch (int): The batch that the run continues after. Entries of later batches are removed.
        n_batches (int): Of the whole run.
        report (Callable[[Entry], None]): Called with each entry.
        active (bool): Whether anything is written and reported.
        pending (Tensor | None): What `pending` returned when the run stopped.
        RETURNS (Log): The log.
        """
        if active and path.is_file():
            kept = [line for line in path.read_text("utf-8").splitlines() if _parse_batch(line) <= from_batch]
            with atomic_write(path) as temporary:
                temporary.write_text("".join(f"{line}\n" for line in kept), "utf-8")
        return cls(path, n_batches=n_batches, report=report, active=active, pending=pending)

    def write_start(self, text: str) -> None:
        """Write what the run starts from.

        text (str): A description.
        """
        self._write({"batch": 0, "start": text})

    def add(self, result: BatchResult) -> None:
        """Add the result of a batch.

        result (BatchResult): For the next means.
        """
        self._results.append(result)

    def pending(self) -> Tensor:
        """Collect the results since the last means: with them, a run that continues writes the means of one that
        never stopped.

        RETURNS (Tensor): Losses of both directions and norm of each batch: (n, 3).
        """
        if not self._results:
            return self._pending
        losses = torch.stack([result.losses for result in self._results])
        norms = torch.stack([result.norm for result in self._results])
        return torch.cat([self._pending, torch.cat([losses, norms.unsqueeze(1)], dim=1).cpu()])

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the time that the block takes out of the speed."""
        start = time.perf_counter()
        yield
        self._start += time.perf_counter() - start

    def write_training(self, *, batch: int, epoch: float, learn_rate: float, n_tokens: int) -> None:
        """Write means since the last call: the losses of both directions by the training's softmax, the norm of
        the gradients, and the speed.

        batch (int): Batches so far.
        epoch (float): How many times the text was read.
        learn_rate (float): Of the last batch.
        n_tokens (int): Tokens of a batch, each of which is read in both directions.
        """
        pending = self.pending()
        if not len(pending):
            return
        forward, backward, norm = pending.mean(dim=0).tolist()
        seconds = max(time.perf_counter() - self._start, 1e-9)
        speed = len(self._results) * n_tokens / seconds
        self._write({
            "batch": batch, "n_batches": self._n_batches, "epoch": round(epoch, 4), "forward": forward,
            "backward": backward, "loss": (forward + backward) / 2, "norm": norm, "learn_rate": learn_rate,
            "tokens_per_second": round(speed),
        })  # fmt: skip
        self._pending, self._results = torch.empty(0, 3, dtype=torch.float32, device="cpu"), []
        self._start = time.perf_counter()

    def write_dev(self, perplexity: Perplexity, *, batch: int, epoch: float) -> None:
        """Write perplexities of the held-out text.

        perplexity (Perplexity): By the full softmax.
        batch (int): Batches so far.
        epoch (float): How many times the text was read.
        """
        self._write({
            "batch": batch, "epoch": round(epoch, 4), "dev_forward": perplexity.forward,
            "dev_backward": perplexity.backward, "dev_perplexity": perplexity.average,
        })  # fmt: skip

    def _write(self, entry: Entry) -> None:
        if self._active:
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    # Not by srsly, which fails on NaN and writes fewer digits than a float has.
                    file.write(json.dumps(entry) + "\n")
            except OSError as error:
                raise ElmoOSError(Errors.EL092.format(path=self._path, **explain_writing(error))) from error
            self._report(entry)


def read_log(path: Path) -> list[Entry]:
    """Read the entries of a log. An incomplete last line, of a process that was killed, is skipped.

    path (Path): The file.
    RETURNS (list[Entry]): In order.
    RAISES (ElmoError): If it is not a log, or another line is not JSON.
    """
    entries: list[Entry] = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ElmoError(Errors.EL115.format(path=path)) from error
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(json.loads(line))
        except ValueError as error:
            if number == 1 < len(lines):
                raise ElmoError(Errors.EL115.format(path=path)) from error
            if number < len(lines):
                raise bad_line(path, number, f"not JSON ({error})") from error
    return entries


def _parse_batch(line: str) -> float:
    try:
        return int(json.loads(line)["batch"])
    except (ValueError, KeyError, TypeError):
        # An incomplete line of a process that was killed.
        return float("inf")


def plot_run(log: Path, output: Path) -> None:
    """Draw the curves of a run's log: training losses, perplexity of the held-out text, and learning rate.

    log (Path): The log.
    output (Path): The picture; its ending names the format.
    RAISES (FileNotFoundError): If there is no log.
    RAISES (ElmoError): If it has no losses yet, and as `picture`.
    """
    if not log.is_file():
        raise ElmoFileNotFoundError(
            Errors.EL026.format(path=log, closest="Give the folder of a pre-training run.")
        )
    entries = read_log(log)
    if not any("loss" in entry for entry in entries):
        raise ElmoError(Errors.EL069.format(path=log))
    with picture(output, size=(8, 8)) as figure:
        from matplotlib.ticker import ScalarFormatter

        losses, perplexity, rate = figure.subplots(3, 1, sharex=True)
        for name in ("forward", "backward"):
            losses.plot(*_series(entries, name), label=name, linewidth=1)
        losses.set_ylabel("training loss, nats per token")
        losses.legend()
        perplexity.plot(*_series(entries, "dev_perplexity"), marker=".", color="tab:green")
        perplexity.set_ylabel("held-out perplexity")
        perplexity.set_yscale("log")
        # A falling curve may cross no power of ten, and 90 is easier to read than 9 x 10^1.
        perplexity.yaxis.set_major_formatter(ScalarFormatter())
        perplexity.yaxis.set_minor_formatter(ScalarFormatter())
        rate.plot(*_series(entries, "learn_rate"), color="tab:gray")
        rate.set_ylabel("learning rate")
        rate.set_xlabel("epoch")


def _series(entries: Sequence[Entry], name: str) -> tuple[list[float], list[float]]:
    selected = [entry for entry in entries if name in entry]
    return [entry["epoch"] for entry in selected], [entry[name] for entry in selected]
