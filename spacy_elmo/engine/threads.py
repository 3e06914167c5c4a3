"""Threads of torch in forked processes."""

import os

import torch

_process = os.getpid()


def after_fork() -> None:
    """To be called before torch works: in a forked process, make it use one thread.

    OpenMP's threads do not survive a fork, and waiting for them never ends (spaCy's issue 6662). In a forked
    worker one thread is right anyway: its siblings use the other cores. Nothing changes in a process that was not
    forked since this module was imported.
    """
    global _process
    if os.getpid() != _process:
        _process = os.getpid()
        torch.set_num_threads(1)
