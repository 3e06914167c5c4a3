"""Whether vectors are finite, without waiting for a GPU."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import Warnings
from ..errors.warn import OnceWarner

# Answers of a GPU that are waited for at most; the oldest are dropped.
MOST_PENDING = 64
GetArrays = Callable[[], Mapping[str, NDArray[np.floating]]]


@dataclass(frozen=True)
class FiniteCheck:
    """Looks for NaN and infinite numbers in layers.

    The CPU answers at once, a GPU later: `report` reads the answers that have arrived.

    warn (OnceWarner): Gives the warning.
    source (str): The source of the weights, for the warning.
    pending (deque): Layer, bounds and event of each answer that was not read yet.
    """

    warn: OnceWarner
    source: str
    pending: deque[tuple[str, Tensor, torch.cuda.Event | None]] = field(
        default_factory=partial(deque, maxlen=MOST_PENDING)
    )

    @torch.inference_mode()
    def add(self, layers: Mapping[str, Tensor]) -> None:
        """Check layers; `report` gives the warning.

        layers (Mapping[str, Tensor]): By name, (n_tokens, width).
        """
        if self.warn.has_given(Warnings.WL045):
            return
        for name, layer in layers.items():
            if not layer.numel():
                continue
            # The fastest check for the usual case: a sum is finite only if every number is.
            if not layer.is_cuda and bool(torch.isfinite(layer.sum())):
                continue
            # Unlike a sum, extremes cannot overflow; both are NaN if a number is.
            bounds = torch.stack(torch.aminmax(layer))
            if not bounds.is_cuda:
                self.pending.append((name, bounds, None))
                continue
            arrived = torch.empty(2, dtype=bounds.dtype, pin_memory=True).copy_(bounds, non_blocking=True)
            event = torch.cuda.Event()
            event.record(torch.cuda.current_stream(bounds.device))
            self.pending.append((name, arrived, event))

    def report(self, weights: GetArrays) -> None:
        """Warn if an answer that has arrived is bad.

        weights (GetArrays): Returns the weights, which may be the cause.
        """
        while self.pending:
            try:
                name, bounds, event = self.pending.popleft()
            except IndexError:
                # Another thread has read it.
                break
            if event is not None and not event.query():
                self.pending.appendleft((name, bounds, event))
                break
            if not bool(torch.isfinite(bounds).all()) and not self.warn.has_given(Warnings.WL045):
                cause = _explain(weights())
                self.warn(Warnings.WL045.format(layer=name, source=self.source, cause=cause))


def _explain(arrays: Mapping[str, NDArray[np.floating]]) -> str:
    """Describe the likely cause of vectors that are not finite."""
    largest = {name: float(np.abs(array).max(initial=0)) for name, array in arrays.items()}
    bad = [name for name, value in largest.items() if not np.isfinite(value)]
    if bad:
        return f"Its weights are not finite either, in {', '.join(bad[:3])}."
    name = max(largest, key=largest.__getitem__)
    return f"Its largest weight, {largest[name]:.3g} in {name}, is far larger than training produces."
