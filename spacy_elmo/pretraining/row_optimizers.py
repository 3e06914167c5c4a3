"""Optimizers of a matrix of which a batch moves a few rows, without a wait for the GPU.

PyTorch's own bring the rows into order first, and count them, before every step. Here a gradient's rows are
distinct to begin with, as those of the sampled softmax are. The formulas and the state are PyTorch's, so that a
checkpoint of the one goes on with the other.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


class RowAdagrad(torch.optim.Adagrad):
    """Adagrad for sparse gradients (n, width) over distinct rows."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Change the rows that have a gradient."""
        for group, parameter, rows, values in _gradients(self):
            state = self.state[parameter]
            state["step"] += 1
            total = state["sum"].index_select(0, rows).addcmul_(values, values)
            state["sum"].index_copy_(0, rows, total)
            parameter.index_add_(0, rows, values / total.sqrt_().add_(group["eps"]), alpha=-group["lr"])


class RowAdam(torch.optim.SparseAdam):
    """Adam for sparse gradients (n, width) over distinct rows: moments of other rows stand still."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Change the rows that have a gradient."""
        for group, parameter, rows, values in _gradients(self):
            state = self.state[parameter]
            if not state:
                state["step"] = 0
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["step"] += 1
            first, second = group["betas"]
            mean = state["exp_avg"].index_select(0, rows).lerp_(values, 1 - first)
            square = state["exp_avg_sq"].index_select(0, rows).lerp_(values * values, 1 - second)
            state["exp_avg"].index_copy_(0, rows, mean)
            state["exp_avg_sq"].index_copy_(0, rows, square)
            rate = group["lr"] * math.sqrt(1 - second ** state["step"]) / (1 - first ** state["step"])
            parameter.index_add_(0, rows, mean / square.sqrt_().add_(group["eps"]), alpha=-rate)


def _gradients(optimizer: torch.optim.Optimizer) -> Iterator[tuple[Any, Tensor, Tensor, Tensor]]:
    """Group, parameter, rows (n,) and their gradients (n, width)."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                yield group, parameter, parameter.grad._indices()[0], parameter.grad._values()
