"""Layer outputs of a training set on disk, so that a frozen biLM runs in the first epoch alone."""

from .cache import LayerCache as LayerCache
from .settings import CacheSettings as CacheSettings
