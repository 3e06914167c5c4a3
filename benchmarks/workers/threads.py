"""The setting `n_threads`, also for versions of this package from before it was there."""

import inspect

import torch


def thread_setting(function, n_threads):
    """What to hand on to the function so that n_threads work; None: its default."""
    if n_threads is None:
        return {}
    if "n_threads" in inspect.signature(function).parameters:
        return {"n_threads": n_threads}
    torch.set_num_threads(n_threads)
    return {}
