"""The settings of the cache."""

import math
from dataclasses import dataclass
from numbers import Real

from ..errors import ElmoError, Errors

DTYPES = ("float16", "float32")


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """Where layers are stored, in what precision, and how much space they may take.

    folder (str): Created when it is first needed. Several models may share it: each has its own files.
    dtype (str): "float16", half the size, with a relative error of at most 2^-11, or an absolute one of 2^-25 for
        numbers below 2^-14; or "float32", which keeps every bit.
    max_gb (float): Largest size of the files of one model, in units of 10^9 bytes. Layers that do not fit are
        computed each time.
    RAISES (ElmoError): If a value is invalid.
    """

    folder: str
    dtype: str = "float16"
    max_gb: float = 8.0

    def __post_init__(self) -> None:
        if not isinstance(self.folder, str) or not self.folder:
            raise ElmoError(Errors.EL106.format(got=self.folder))
        if self.dtype not in DTYPES:
            allowed = ", ".join(DTYPES)
            raise ElmoError(Errors.EL030.format(what="dtype of the layer cache", got=self.dtype, allowed=allowed))
        size = self.max_gb
        if isinstance(size, bool) or not isinstance(size, Real) or not 0 < float(size) < math.inf:
            raise ElmoError(Errors.EL105.format(got=size))

    @property
    def limit(self) -> int:
        """`max_gb` in bytes."""
        return int(self.max_gb * 1e9)


def check_cache(cache: object) -> CacheSettings | None:
    """Check the layer cache of a component.

    cache (object): The component's setting.
    RETURNS (CacheSettings | None): The same; None: no cache.
    RAISES (ElmoError): If it is not from `configure_layer_cache`.
    """
    if cache is None or isinstance(cache, CacheSettings):
        return cache
    raise ElmoError(Errors.EL267.format(got=cache))


def configure_layer_cache(folder: str, dtype: str = "float16", max_gb: float = 8.0) -> CacheSettings:
    """Configure a layer cache, which keeps the layers of the training text on disk while the biLM is frozen.
    Registered as spacy-elmo.layer_cache.v1.

    folder (str): See `CacheSettings`.
    dtype (str): See `CacheSettings`.
    max_gb (float): See `CacheSettings`.
    RETURNS (CacheSettings): The settings.
    RAISES (ElmoError): If a value is invalid.
    """
    return CacheSettings(folder=folder, dtype=dtype, max_gb=max_gb)
