"""The log of a run, a line of JSON every so many batches, and its picture."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ElmoError, ElmoFileNotFoundError, ElmoOSError, Errors
from ..util.atomic import atomic_write
from ..util.files import bad_line
from ..util.plotting import picture
from .trainer import Trained


class Log:
    """Collects what became of each batch, and writes means.

    path: appended to; lines after `from_batch` are of a run that broke off, and are removed.
    n_batches: of the whole run. report: called with each entry. active: False writes and reports nothing.
    pending: what `pending` gave when the run broke off.
    """

    def __init__(
        self,
        path: Path,
        *,
        from_batch: int,
        n_batches: int,
        report: Callable[[dict[str, Any]], None],
        active: bool = True,
        pending: Tensor | None = None,
    ):
        self._path = path
        self._n_batches = n_batches
        self._report = report
        self._active = active
        self._pending = torch.empty(0, 3, dtype=torch.float32, device="cpu") if pending is None else pending
        self._batches: list[Trained] = []
        self._start = time.perf_counter()
        if active and path.is_file():
            kept = [line for line in path.read_text("utf-8").splitlines() if _batch(line) <= from_batch]
            with atomic_write(path) as temporary:
                temporary.write_text("".join(f"{line}\n" for line in kept), "utf-8")

    def write_start(self, text: str) -> None:
        """What the run starts from."""
        self._write({"batch": 0, "start": text})

    def add(self, trained: Trained) -> None:
        self._batches.append(trained)

    def pending(self) -> Tensor:
        """Losses of each direction and norm of every batch since the last means, (n, 3): with them, a run that
        goes on has the means of one that never stopped."""
        if not self._batches:
            return self._pending
        losses = torch.stack([trained.losses for trained in self._batches])
        norms = torch.stack([trained.norm for trained in self._batches])
        return torch.cat([self._pending, torch.cat([losses, norms.unsqueeze(1)], dim=1).cpu()])

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the block's time out of the speed."""
        start = time.perf_counter()
        yield
        self._start += time.perf_counter() - start

    def write_training(self, *, batch: int, epoch: float, learn_rate: float, n_tokens: int) -> None:
        """Means since the last call: loss and perplexity of each direction by the training's own softmax, the
        gradients' norm, and speed. n_tokens: of a batch, each read in both directions."""
        pending = self.pending()
        if not len(pending):
            return
        forward, backward, norm = pending.mean(dim=0).tolist()
        seconds = max(time.perf_counter() - self._start, 1e-9)
        speed = len(self._batches) * n_tokens / seconds
        self._write({
            "batch": batch, "n_batches": self._n_batches, "epoch": round(epoch, 4), "forward": forward,
            "backward": backward, "loss": (forward + backward) / 2, "norm": norm, "learn_rate": learn_rate,
            "tokens_per_second": round(speed),
        })  # fmt: skip
        self._pending, self._batches = torch.empty(0, 3, dtype=torch.float32, device="cpu"), []
        self._start = time.perf_counter()

    def write_dev(self, *, batch: int, epoch: float, forward: float, backward: float, average: float) -> None:
        """Perplexities of the held-out text, by the full softmax."""
        self._write({
            "batch": batch, "epoch": round(epoch, 4), "dev_forward": forward, "dev_backward": backward,
            "dev_perplexity": average,
        })  # fmt: skip

    def _write(self, entry: dict[str, Any]) -> None:
        if self._active:
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    # Not by srsly, which fails on NaN and writes fewer digits than a float has.
                    file.write(json.dumps(entry) + "\n")
            except OSError as error:
                raise ElmoOSError(Errors.EL092.format(path=self._path, reason=error)) from error
            self._report(entry)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The entries of a log, in order, without a line at its end that was cut when the process ended.

    RAISES (ElmoError): If another line is no entry.
    """
    entries: list[dict[str, Any]] = []
    lines = path.read_text("utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(json.loads(line))
        except ValueError as error:
            if number < len(lines):
                raise bad_line(path, number, f"not JSON ({error})") from error
    return entries


def _batch(line: str) -> float:
    try:
        return int(json.loads(line)["batch"])
    except (ValueError, KeyError, TypeError):
        # A line that was cut when the process ended.
        return float("inf")


def plot_run(log: Path, output: Path) -> None:
    """Draw the losses of a run's log: training above, the held-out text's perplexity and the learning rate below.

    RAISES (FileNotFoundError): If there is no log.
    RAISES (ElmoError): If nothing is logged yet; as `picture`.
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
        # A falling curve may never cross a power of ten, and 9 x 10^1 is no number that anyone says.
        perplexity.yaxis.set_major_formatter(ScalarFormatter())
        perplexity.yaxis.set_minor_formatter(ScalarFormatter())
        rate.plot(*_series(entries, "learn_rate"), color="tab:gray")
        rate.set_ylabel("learning rate")
        rate.set_xlabel("epoch")


def _series(entries: Sequence[dict[str, Any]], name: str) -> tuple[list[float], list[float]]:
    found = [entry for entry in entries if name in entry]
    return [entry["epoch"] for entry in found], [entry[name] for entry in found]
