"""ELMo on Spark: `ElmoEmbeddings` in place of Spark NLP's, and the stages that split text for it.

    from spacy_elmo.spark import DocumentAssembler, ElmoEmbeddings, SentenceDetector, Tokenizer

The stages are pyspark.ml Transformers, named and configured as Spark NLP's. Their columns have Spark NLP's type
and metadata, so stages of either package can follow each other.
"""

from typing import TYPE_CHECKING

from ..errors import ElmoImportError, Errors

if TYPE_CHECKING:
    from .annotation import ANNOTATIONS
    from .embeddings import ElmoEmbeddings
    from .session import start
    from .splitters import DocumentAssembler, SentenceDetector, Tokenizer

__all__ = ["ANNOTATIONS", "DocumentAssembler", "ElmoEmbeddings", "SentenceDetector", "Tokenizer", "start"]

# Saved stages name their class by this package: these names are for ever. Imported on first access, because the
# worker processes of Spark import this package without needing any of them.
_LAZY = {
    "ANNOTATIONS": "annotation",
    "DocumentAssembler": "splitters",
    "ElmoEmbeddings": "embeddings",
    "SentenceDetector": "splitters",
    "Tokenizer": "splitters",
    "start": "session",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'spacy_elmo.spark' has no attribute '{name}'")
    from importlib import import_module

    try:
        module = import_module(f"{__name__}.{_LAZY[name]}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in ("pyspark", "pyarrow", "pandas"):
            raise
        raise ElmoImportError(Errors.EL850.format(package=error.name)) from error
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
