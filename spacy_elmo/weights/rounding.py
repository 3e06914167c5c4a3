"""Weights in another floating-point type."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors


def rounded(array: NDArray[np.floating], dtype: Any, *, name: str) -> NDArray[np.floating]:
    """The array in `dtype`, contiguous; itself if it is so already.

    name: for messages.
    RAISES: ValueError if a number is finite, and too large for the dtype.
    """
    with np.errstate(over="ignore", under="ignore"):
        result = np.asarray(array, dtype=dtype, order="C")
    beyond = np.isinf(result) & np.isfinite(array)
    if beyond.any():
        worst = float(np.abs(array[beyond]).max())
        most = float(np.finfo(dtype).max)
        raise ValueError(Errors.EL086.format(name=name, got=worst, dtype=np.dtype(dtype).name, most=most))
    return result
