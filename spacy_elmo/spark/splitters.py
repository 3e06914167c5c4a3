"""The stages that split texts into documents, sentences and tokens, under the names of Spark NLP's."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar

import pyarrow as pa
from pyspark.ml import Transformer
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import DataFrame

from .annotate_rows import make_documents, make_sentences, make_tokens
from .annotation import ANNOTATIONS, ANNOTATOR_TYPE, DOCUMENT, TOKEN
from .columns import NewColumn, add_column
from .input_columns import find_documents, find_text
from .params import BLANK_ENGLISH, HasColumn, HasColumns, HasPipeline, set_or_clear

# A function for the workers, with the name of a pipeline.
MakeParts = Callable[..., Iterator[pa.Array]]


class DocumentAssembler(Transformer, HasColumn, DefaultParamsReadable, DefaultParamsWritable):
    """Makes a document annotation of each text. A null text is an empty document.

    inputCol (str): The column with the texts.
    outputCol (str): The column to write.
    """

    # The name that is saved, for ever.
    __module__ = "spacy_elmo.spark"

    def __init__(self, *, inputCol: str | None = None, outputCol: str | None = None):
        super().__init__()
        self._setDefault(inputCol="text", outputCol="document")
        set_or_clear(self, inputCol=inputCol, outputCol=outputCol)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        inputs = find_text(dataset, self.getInputCol(), stage="DocumentAssembler")
        return add_column(dataset, inputs, make_documents, _column(self.getOutputCol(), DOCUMENT))


class _Splitter(Transformer, HasColumns, HasPipeline, DefaultParamsReadable, DefaultParamsWritable):
    """Splits documents or sentences; a subclass says into what."""

    _make_parts: ClassVar[MakeParts]
    _kind: ClassVar[str]
    _columns: ClassVar[tuple[str, str]]

    def __init__(
        self, *, inputCols: list[str] | None = None, outputCol: str | None = None, pipeline: str | None = None
    ):
        super().__init__()
        read, written = self._columns
        self._setDefault(inputCols=[read], outputCol=written, pipeline=BLANK_ENGLISH)
        set_or_clear(self, inputCols=inputCols, outputCol=outputCol, pipeline=pipeline)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        inputs = find_documents(dataset, self.getInputCols(), stage=type(self).__name__)
        function = partial(type(self)._make_parts, pipeline=self.getPipeline())
        return add_column(dataset, inputs, function, _column(self.getOutputCol(), self._kind))


class SentenceDetector(_Splitter):
    """Splits documents into sentences.

    inputCols (list[str]): The column with the documents.
    outputCol (str): The column to write.
    pipeline (str): The spaCy pipeline that finds sentences, as for `HasPipeline.setPipeline`.
    """

    __module__ = "spacy_elmo.spark"
    _make_parts, _kind, _columns = staticmethod(make_sentences), DOCUMENT, ("document", "sentence")


class Tokenizer(_Splitter):
    """Splits sentences or documents into tokens.

    inputCols (list[str]): The column with the sentences or documents.
    outputCol (str): The column to write.
    pipeline (str): The spaCy pipeline with the tokenizer, as for `HasPipeline.setPipeline`.
    """

    __module__ = "spacy_elmo.spark"
    _make_parts, _kind, _columns = staticmethod(make_tokens), TOKEN, ("sentence", "token")


def _column(name: str, kind: str) -> NewColumn:
    return NewColumn(name=name, type=ANNOTATIONS, metadata={ANNOTATOR_TYPE: kind})
