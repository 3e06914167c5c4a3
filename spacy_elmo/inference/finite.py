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
from ..errors.once import OnceWarner

# Answers of a GPU that are waited for at most; the oldest are dropped.
MOST_PENDING = 64
GetArrays = Callable[[], Mapping[str, NDArray[np.floating]]]


@dataclass(frozen=True)
class FiniteCheck:
    """Looks for NaN and infinite numbers in layers.

    On the CPU an answer is there at once. A GPU answers later: `report` looks at what has arrived until then.

    warn (OnceWarner): Takes the warning.
    source (str): Where the weights are from, for the warning.
    pending (deque): Layer, bounds and event of each answer that was not looked at yet.
    """

    warn: OnceWarner
    source: str
    pending: deque[tuple[str, Tensor, torch.cuda.Event | None]] = field(
        default_factory=partial(deque, maxlen=MOST_PENDING)
    )

    @torch.inference_mode()
    def add(self, layers: Mapping[str, Tensor]) -> None:
        """Look at layers; `report` tells what was seen.

        layers (Mapping[str, Tensor]): Name -> (n_tokens, width), as they were computed.
        """
        if self.warn.has_given(Warnings.WL045):
            return
        for name, layer in layers.items():
            if not layer.numel():
                continue
            # The fastest pass, if nothing is wrong: a sum is finite only if all of it is.
            if not layer.is_cuda and bool(torch.isfinite(layer.sum())):
                continue
            # No sum can overflow in this one; NaN is the lowest and the highest where there is one.
            bounds = torch.stack(torch.aminmax(layer))
            if not bounds.is_cuda:
                self.pending.append((name, bounds, None))
                continue
            arrived = torch.empty(2, dtype=bounds.dtype, pin_memory=True).copy_(bounds, non_blocking=True)
            event = torch.cuda.Event()
            event.record(torch.cuda.current_stream(bounds.device))
            self.pending.append((name, arrived, event))

    def report(self, weights: GetArrays) -> None:
        """Warn of what is known by now.

        weights (GetArrays): Gives the weights, in which a cause is looked for.
        """
        while self.pending:
            try:
                name, bounds, event = self.pending.popleft()
            except IndexError:
                # Another thread was faster.
                break
            if event is not None and not event.query():
                self.pending.appendleft((name, bounds, event))
                break
            if not bool(torch.isfinite(bounds).all()) and not self.warn.has_given(Warnings.WL045):
                cause = _explain(weights())
                self.warn(Warnings.WL045.format(layer=name, source=self.source, cause=cause))


def _explain(arrays: Mapping[str, NDArray[np.floating]]) -> str:
    """The likely cause of vectors that are not finite."""
    largest = {name: float(np.abs(array).max(initial=0)) for name, array in arrays.items()}
    bad = [name for name, value in largest.items() if not np.isfinite(value)]
    if bad:
        return f"Its weights are not finite either, in {', '.join(bad[:3])}."
    name = max(largest, key=largest.__getitem__)
    return f"Its largest weight, {largest[name]:.3g} in {name}, is far larger than training produces."
