"""What a user says about the cache."""

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

from ..errors import Errors

DTYPES = ("float16", "float32")


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """Where layers are kept, and how much room they may take.

    folder: made when it is first needed. Several models may share it: each has files of its own.
    dtype: "float16", half the size: a number comes back within 2^-11 of itself, or within 2^-25 if it is below
        2^-14; or "float32", which keeps every bit.
    max_gb: most that the files of one model take, in units of 10^9 bytes. What no longer fits is computed each
        time that it is asked for.
    RAISES: ValueError for a value that is not allowed.
    """

    folder: str
    dtype: str = "float16"
    max_gb: float = 8.0

    def __post_init__(self) -> None:
        if not isinstance(self.folder, str) or not self.folder:
            raise ValueError(Errors.EL106.format(got=self.folder))
        if self.dtype not in DTYPES:
            allowed = ", ".join(DTYPES)
            raise ValueError(Errors.EL030.format(what="dtype of the layer cache", got=self.dtype, allowed=allowed))
        size = self.max_gb
        if isinstance(size, bool) or not isinstance(size, Real) or not 0 < float(size) < math.inf:
            raise ValueError(Errors.EL105.format(got=size))

    @property
    def limit(self) -> int:
        """max_gb in bytes."""
        return int(self.max_gb * 1e9)


def check_cache(cache: Any) -> CacheSettings | None:
    """The settings of a component. RAISES: ValueError if they are neither None nor of `configure_layer_cache`."""
    if cache is None or isinstance(cache, CacheSettings):
        return cache
    raise ValueError(Errors.EL267.format(got=cache))


def configure_layer_cache(folder: str, dtype: str = "float16", max_gb: float = 8.0) -> CacheSettings:
    """Registered as spacy-elmo.layer_cache.v1: see `CacheSettings`."""
    return CacheSettings(folder=folder, dtype=dtype, max_gb=max_gb)
