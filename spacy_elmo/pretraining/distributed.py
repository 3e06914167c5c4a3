"""Several processes as one run, each with a share of the rows, and one run at a time in a folder."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from filelock import FileLock, Timeout
from torch import Tensor

from ..elmo import check_device
from ..errors import ElmoBlockingIOError, Errors
from ..util.atomic import WriteError

# The others wait while the first process reads or measures a text, which may take hours.
_TIMEOUT = timedelta(days=7)

LOCK_NAME = ".lock"


def is_first_process() -> bool:
    """Check whether this process writes files and reports.

    RETURNS (bool): Whether it is alone, or the first of those that torchrun has started.
    """
    return os.environ.get("RANK", "0") == "0"


def select_device(name: str) -> torch.device:
    """Select the device of this process, and make a GPU torch's current one. Several processes on a machine with
    the device "cuda" use one GPU each.

    name (str): As torch names devices.
    RETURNS (torch.device): The device.
    RAISES (ElmoError): If torch does not know the device, or cannot use it here.
    """
    rank = os.environ.get("LOCAL_RANK")
    device = check_device(f"cuda:{rank}" if name == "cuda" and rank is not None else name)
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    return device


class Processes:
    """This process among those of a run.

    rank (int): Number of this process, from 0 up.
    size (int): How many there are.
    """

    def __init__(self, *, rank: int = 0, size: int = 1):
        self.rank = rank
        self.size = size

    @classmethod
    def join(cls, device: torch.device) -> "Processes":
        """Join the other processes if torchrun has started this one.

        device (torch.device): Where this process computes.
        RETURNS (Processes): This process among them, or alone.
        """
        if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_TIMEOUT)
        return cls(rank=dist.get_rank(), size=dist.get_world_size())

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return self.rank == 0

    def rows(self, n_rows: int) -> slice:
        """Select this process' share of a batch.

        n_rows (int): Rows of the batch.
        RETURNS (slice): The share.
        """
        share = n_rows // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over all processes, in one exchange.

        tensors (Sequence[Tensor]): Changed in place.
        """
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        start = 0
        for tensor in tensors:
            tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
            start += tensor.numel()

    def join_rows(self, tensor: Tensor, *, dim: int) -> Tensor:
        """Concatenate the tensors of all processes.

        tensor (Tensor): This process' one.
        dim (int): Along this dimension.
        RETURNS (Tensor): All of them, in the order of the ranks.
        """
        if self.size == 1:
            return tensor
        parts: list[Tensor] = [torch.empty_like(tensor) for _ in range(self.size)]
        dist.all_gather(parts, tensor.contiguous())
        return torch.cat(parts, dim=dim)

    def wait(self) -> None:
        """Wait until every process has called this."""
        if self.size > 1:
            dist.barrier()

    def leave(self) -> None:
        """Leave the group of processes."""
        if self.size > 1:
            dist.destroy_process_group()


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder. The operating system frees it if this process is killed.

    folder (Path): Of the run; created if needed. Of the processes of a run, the first one locks it.
    RAISES (BlockingIOError): If another run uses it.
    RAISES (OSError): If it cannot be created.
    """
    if not is_first_process():
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(folder, error.errno, error.strerror or str(error)) from error
    lock = FileLock(folder / LOCK_NAME, timeout=0)
    try:
        lock.acquire()
    except NotImplementedError:
        # Some network file systems have no locks; a run must be possible there, too.
        yield
        return
    except Timeout as error:
        raise ElmoBlockingIOError(Errors.EL273.format(path=folder)) from error
    try:
        yield
    finally:
        lock.release()
