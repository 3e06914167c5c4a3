"""The columns of annotations that Spark NLP's stages exchange: their type, and the metadata that describes one.

Source: Annotation.scala, HasInputAnnotationCols.scala and HasEmbeddingsProperties.scala of Spark NLP.
"""

from pyspark.sql.types import (
    ArrayType,
    DataType,
    FloatType,
    IntegerType,
    MapType,
    StringType,
    StructField,
    StructType,
)

DOCUMENT, TOKEN = "document", "token"
WORD_EMBEDDINGS, SENTENCE_EMBEDDINGS = "word_embeddings", "sentence_embeddings"
# The key of a column's metadata that says what its annotations are.
ANNOTATOR_TYPE = "annotatorType"

# Equal to Scala's Annotation.dataType, nullability included: consumers compare the whole type.
_ANNOTATION = StructType(
    [
        StructField("annotatorType", StringType()),
        StructField("begin", IntegerType(), nullable=False),
        StructField("end", IntegerType(), nullable=False),
        StructField("result", StringType()),
        StructField("metadata", MapType(StringType(), StringType())),
        StructField("embeddings", ArrayType(FloatType(), containsNull=False)),
    ]
)
ANNOTATIONS = ArrayType(_ANNOTATION)
"""The type of a column of annotations: an array of structs with `annotatorType`, `begin`, `end`, `result`,
`metadata` and `embeddings`, as in Spark NLP."""

# What a stage reads of the annotations of others.
_READ = ("begin", "end", "result", "metadata")


def is_annotations(data_type: DataType) -> bool:
    """Check for a column of annotations. One that was stored as Parquet has other nullabilities.

    data_type (DataType): The type of the column.
    RETURNS (bool): Whether its elements have the fields of an annotation.
    """
    element = data_type.elementType if isinstance(data_type, ArrayType) else None
    if not isinstance(element, StructType) or not {*_READ} <= {*element.names}:
        return False
    types = [element[name].dataType for name in _READ]
    # Nullability is not compared: nothing here depends on it.
    return [one.simpleString().replace("bigint", "int") for one in types] == [
        _ANNOTATION[name].dataType.simpleString() for name in _READ
    ]
