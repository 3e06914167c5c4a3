"""Checkpoints: one file each, complete or not there, with a checksum; damaged ones are passed over."""

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from ..errors import ElmoError, ElmoOSError, Errors, ReasonError, Warnings
from ..util.atomic import atomic_write
from ..util.files import sha256
from ..util.temporary import remove

# In a run's folder; by it one is told.
CHECKPOINT_FOLDER = "checkpoints"
_NAME = re.compile(r"batch-(\d{9,})\.safetensors")


@dataclass(frozen=True)
class Checkpoint:
    """batch: how many batches were trained. tensors: everything that changes. meta: what the run is, in JSON."""

    batch: int
    tensors: dict[str, Tensor]
    meta: dict[str, Any]


class Checkpoints:
    """The checkpoints of a run.

    folder: made when the first is written. keep: how many of the newest stay.
    """

    def __init__(self, folder: Path, *, keep: int):
        self.folder = folder
        self.keep = keep
        self._damaged: list[Path] = []

    def paths(self) -> list[Path]:
        """What is there, the newest first."""
        found = self.folder.iterdir() if self.folder.is_dir() else iter(())
        return sorted((path for path in found if _NAME.fullmatch(path.name)), reverse=True)

    def write(self, batch: int, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> Path:
        """Write a checkpoint, then remove those that are too old or after it, and those that `newest` passed over.

        RAISES (OSError): With nothing lost, if it cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"batch-{batch:09d}.safetensors"
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        try:
            for left in self.folder.glob(".batch-*.tmp"):
                # Of a process that was killed while it wrote.
                remove(left)
            with atomic_write(path, in_folder=True) as temporary:
                safetensors.torch.save_file(contiguous, temporary, metadata={"meta": json.dumps(dict(meta))})
                # The checksum is there first, so that every checkpoint has one.
                with atomic_write(_digest_path(path)) as digest:
                    digest.write_text(sha256(temporary) + "\n", "utf-8")
        except (OSError, safetensors.SafetensorError) as error:
            reason = getattr(error, "reason", error)
            raise ElmoOSError(Errors.EL075.format(path=path, reason=reason)) from error
        damaged = [other for other in self._damaged if other != path]
        whole = [other for other in self.paths() if other not in damaged]
        place = whole.index(path)
        for other in (*damaged, *whole[:place], *whole[place + self.keep :]):
            other.unlink(missing_ok=True)
            _digest_path(other).unlink(missing_ok=True)
        self._damaged = []
        self._remove_lone_digests()
        return path

    def _remove_lone_digests(self) -> None:
        """Of checkpoints that never came: the process was killed between the two files."""
        for digest in self.folder.glob("batch-*.sha256"):
            if not digest.with_suffix(".safetensors").exists():
                digest.unlink(missing_ok=True)

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that is whole; None if there is none at all.

        Warns of every damaged one that is passed over.
        RAISES (ElmoError): If there are checkpoints, and all are damaged.
        """
        paths = self.paths()
        self._damaged = []
        for path in paths:
            try:
                return _read(path)
            except (ReasonError, ValueError, OSError, KeyError, safetensors.SafetensorError) as error:
                self._damaged.append(path)
                warnings.warn(Warnings.WL002.format(path=path, reason=error), UserWarning, stacklevel=2)
        if paths:
            raise ElmoError(Errors.EL076.format(path=self.folder, count=len(paths)))
        return None


def _read(path: Path) -> Checkpoint:
    expected = _digest_path(path).read_text("utf-8").strip()
    if sha256(path) != expected:
        raise ReasonError("its content does not match its checksum")
    with safetensors.safe_open(path, framework="pt") as file:
        meta = json.loads(file.metadata()["meta"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return Checkpoint(int(match.group(1)), tensors, meta)


def _digest_path(path: Path) -> Path:
    return path.with_suffix(".sha256")
