"""Checkpoints: one file each, complete or absent, with a checksum; damaged ones are skipped."""

import json
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ..errors import ElmoError, ElmoOSError, Errors, ReasonError, Warnings
from ..errors.advice import explain_writing
from ..util.atomic import atomic_write
from ..util.hashes import sha256
from ..util.temporary import remove

# In the folder of a run: a folder that has it is one.
CHECKPOINT_FOLDER = "checkpoints"
_NAME = re.compile(r"batch-(\d{9,})\.safetensors")


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after a batch.

    batch (int): How many batches were trained.
    tensors (dict[str, Tensor]): Everything that training changes, by name.
    meta (dict[str, Any]): What identifies the run, as JSON: see `pretraining.identity`.
    """

    batch: int
    tensors: dict[str, Tensor]
    # Parsed JSON: what is read from it is checked where it is read.
    meta: dict[str, Any]


class Checkpoints:
    """The checkpoints of a run.

    folder (Path): Where they are; created when the first one is written.
    keep (int): How many of the newest stay.
    """

    def __init__(self, folder: Path, *, keep: int):
        self.folder = folder
        self.keep = keep
        self._damaged: list[Path] = []

    def paths(self) -> list[Path]:
        """List the files of the checkpoints.

        RETURNS (list[Path]): The newest first.
        """
        found = self.folder.iterdir() if self.folder.is_dir() else iter(())
        return sorted((path for path in found if _NAME.fullmatch(path.name)), reverse=True)

    def write(self, batch: int, tensors: Mapping[str, Tensor], meta: Mapping[str, object]) -> Path:
        """Write a checkpoint, then remove those that are too old or of later batches, and those that `newest`
        skipped as damaged.

        batch (int): How many batches were trained.
        tensors (Mapping[str, Tensor]): Everything that training changes, by name.
        meta (Mapping[str, object]): What identifies the run, as JSON.
        RETURNS (Path): The file.
        RAISES (OSError): If it cannot be written; earlier checkpoints stay as they are.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"batch-{batch:09d}.safetensors"
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        try:
            for left in self.folder.glob(".batch-*.tmp"):
                # A process was killed while it wrote this.
                remove(left)
            with atomic_write(path, in_folder=True) as temporary:
                safetensors.torch.save_file(contiguous, temporary, metadata={"meta": json.dumps(dict(meta))})
                # Before the checkpoint itself, so that every checkpoint has a checksum.
                with atomic_write(_digest_path(path)) as digest:
                    digest.write_text(sha256(temporary) + "\n", "utf-8")
        except (OSError, safetensors.SafetensorError) as error:
            raise ElmoOSError(Errors.EL075.format(path=path, **explain_writing(error))) from error
        damaged = [other for other in self._damaged if other != path]
        intact = [other for other in self.paths() if other not in damaged]
        place = intact.index(path)
        for other in (*damaged, *intact[:place], *intact[place + self.keep :]):
            # On Windows, a file stays while it is open elsewhere, or mapped into memory: the next call removes it.
            with suppress(PermissionError):
                other.unlink(missing_ok=True)
                _digest_path(other).unlink(missing_ok=True)
        self._damaged = []
        self._remove_orphaned_digests()
        return path

    def _remove_orphaned_digests(self) -> None:
        """Remove checksums without a checkpoint: a process was killed between the two files."""
        for digest in self.folder.glob("batch-*.sha256"):
            if not digest.with_suffix(".safetensors").exists():
                digest.unlink(missing_ok=True)

    def newest(self) -> Checkpoint | None:
        """Read the newest checkpoint that is not damaged, with a warning for each damaged one that is skipped.

        RETURNS (Checkpoint | None): None if there are no checkpoints.
        RAISES (ElmoError): If all checkpoints are damaged.
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
    # Older versions of safetensors make tensors on the default device, which other code may have set.
    with torch.device("cpu"), safetensors.safe_open(path, framework="pt") as file:
        meta = json.loads(file.metadata()["meta"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return Checkpoint(int(match.group(1)), tensors, meta)


def _digest_path(path: Path) -> Path:
    return path.with_suffix(".sha256")
