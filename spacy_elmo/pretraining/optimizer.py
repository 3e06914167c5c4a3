"""Optimizers, gradient clipping and the schedule of the learning rate."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..runtime.parts import N_PARTS, Parts
from .config import OptimizerConfig


class RowAdagrad(torch.optim.Adagrad):
    """Adagrad for sparse gradients (n, width) over distinct rows."""

    @torch.no_grad()
    def step(self, closure: object = None) -> None:  # type: ignore[override]
        """Change the rows that have a gradient.

        closure (object): Must be None: gradients are computed before.
        """
        for group, parameter, rows, values in _iter_gradients(self):
            state = self.state[parameter]
            state["step"] += 1
            total = state["sum"].index_select(0, rows).addcmul_(values, values)
            state["sum"].index_copy_(0, rows, total)
            parameter.index_add_(0, rows, values / total.sqrt_().add_(group["eps"]), alpha=-group["lr"])


class RowAdam(torch.optim.SparseAdam):
    """Adam for sparse gradients (n, width) over distinct rows: the moments of other rows do not change."""

    @torch.no_grad()
    def step(self, closure: object = None) -> None:  # type: ignore[override]
        """Change the rows that have a gradient.

        closure (object): Must be None: gradients are computed before.
        """
        for group, parameter, rows, values in _iter_gradients(self):
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


def _iter_gradients(optimizer: torch.optim.Optimizer) -> Iterator[tuple[dict[str, Any], Tensor, Tensor, Tensor]]:
    """Iterate over group, parameter, rows (n,) and their gradients (n, width)."""

    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                yield group, parameter, parameter.grad._indices()[0], parameter.grad._values()


def learn_rate(config: OptimizerConfig, step: int, n_steps: int) -> float:
    """Compute the learning rate of a step: it rises linearly over `warmup_steps`, stays constant, and falls over
    the last `decay` of the run to zero, linearly or along a cosine.

    config (OptimizerConfig): The settings of the schedule.
    step (int): The step, from 0 up.
    n_steps (int): Steps of the run.
    RETURNS (float): The rate.
    """
    rate = config.learn_rate * min(1.0, (step + 1) / max(config.warmup_steps, 1))
    left = (n_steps - step) / max(config.decay * n_steps, 1)
    if left < 1:
        rate *= left if config.decay_shape == "linear" else (1 - math.cos(math.pi * left)) / 2
    return rate


class Optimizer:
    """Adagrad or AdamW over parameters, also those with sparse gradients.

    parameters (Mapping[str, nn.Parameter]): By name.
    config (OptimizerConfig): The settings.
    sparse (Iterable[str]): Names of the parameters with sparse gradients.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], *, config: OptimizerConfig, sparse: Iterable[str]):
        sparse_names = set(sparse)
        self._dense = [p for name, p in parameters.items() if name not in sparse_names]
        self._sparse = [p for name, p in parameters.items() if name in sparse_names]
        self._names = {id(p): name for name, p in parameters.items()}
        self._parts: list[torch.optim.Optimizer] = []
        for group, is_sparse in (*((share, False) for share in _split(self._dense)), (self._sparse, True)):
            if not group:
                continue
            by_rows = is_sparse and group[0].is_cuda
            if config.name == "adagrad":
                adagrad = RowAdagrad if by_rows else torch.optim.Adagrad
                self._parts.append(adagrad(group, initial_accumulator_value=config.initial_accumulator))
            elif is_sparse:
                adam = RowAdam if by_rows else torch.optim.SparseAdam
                self._parts.append(adam(group, betas=config.betas))
            else:
                self._parts.append(
                    torch.optim.AdamW(group, betas=config.betas, weight_decay=config.weight_decay, fused=True)
                )

    def gradients(self) -> list[Tensor]:
        """List the values of all gradients. A parameter that took no part in the batch gets zeros: so all
        processes exchange the same tensors, and every parameter has a state.

        RETURNS (list[Tensor]): To be changed in place.
        """
        for p in self._dense:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        found = [p.grad for p in (*self._dense, *self._sparse) if p.grad is not None]
        return [grad._values() if grad.is_sparse else grad for grad in found]

    def clip(self, most: float) -> Tensor:
        """Scale the gradients down to a common norm.

        most (float): The largest norm; 0: no limit.
        RETURNS (Tensor): The norm before: ().
        """
        grads = self.gradients()
        norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
        if most > 0:
            torch._foreach_mul_(grads, torch.clamp(most / (norm + 1e-6), max=1.0))
        return norm

    def step(self, rate: float, parts: Parts | None = None) -> None:
        """Change the parameters, and delete the gradients.

        rate (float): The learning rate.
        parts (Parts | None): Run the parts of the parameters side by side; None: one after the other.
        """

        def step(part: torch.optim.Optimizer) -> None:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()
            part.zero_grad(set_to_none=True)

        # While it is undecided whether sparse tensors are checked, a step warns. The setting is the process'.
        with torch.sparse.check_sparse_tensor_invariants(enable=False):
            if parts is None:
                for part in self._parts:
                    step(part)
            else:
                parts.map(step, self._parts)

    def state(self) -> dict[str, Tensor]:
        """Collect what the optimizer remembers.

        RETURNS (dict[str, Tensor]): By "parameter/quantity", for `restore`.
        """
        found: dict[str, Tensor] = {}
        for part in self._parts:
            for parameter, values in part.state.items():
                for key, value in values.items():
                    found[f"{self._names[id(parameter)]}/{key}"] = torch.as_tensor(value)
        return found

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from an earlier state.

        state (Mapping[str, Tensor]): What `state` returned.
        RAISES (KeyError): If the state of a parameter is missing.
        """
        for part in self._parts:
            for group in part.param_groups:
                for parameter in group["params"]:
                    name = self._names[id(parameter)]
                    values = {
                        key.rpartition("/")[2]: value
                        for key, value in state.items()
                        if key.rpartition("/")[0] == name
                    }
                    if not values:
                        raise KeyError(name)
                    kept = part.state[parameter]
                    for key, value in values.items():
                        # SparseAdam counts its steps in an int, Adagrad in a tensor on the CPU, and the fused
                        # AdamW in one on the device of its parameter.
                        if isinstance(part, torch.optim.SparseAdam) and key == "step":
                            kept[key] = int(value)
                        elif isinstance(part, torch.optim.Adagrad) and key == "step":
                            kept[key] = value.clone()
                        else:
                            kept[key] = value.to(parameter.device, copy=True)


def _split(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Split parameters on the CPU into parts of similar size; those on a GPU stay together."""
    shares: list[list[nn.Parameter]] = [[] for _ in range(1 if parameters and parameters[0].is_cuda else N_PARTS)]
    for parameter in sorted(parameters, key=lambda parameter: -parameter.numel()):
        min(shares, key=lambda share: sum(other.numel() for other in share)).append(parameter)
    return shares
