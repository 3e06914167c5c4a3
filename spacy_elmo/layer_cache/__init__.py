"""Layer outputs of a training set on disk, so that training runs a frozen biLM in the first epoch alone."""

from .cache import LayerCache as LayerCache
from .settings import CacheSettings as CacheSettings
from .settings import check_cache as check_cache
