"""Parameters that several stages have, with the setters that users of Spark NLP know."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasInputCol, HasInputCols, HasOutputCol

from ..errors import ElmoError, Errors, short_repr

S = TypeVar("S", bound=Params)

BLANK_ENGLISH = "blank:en"


def make_param(name: str, doc: str, convert: Callable[[Any], object]) -> "Param[Any]":
    """Declare a parameter of a class.

    name (str): Its name.
    doc (str): What it is.
    convert (Callable[[Any], object]): Converts what a user gives to the value, or raises an error.
    RETURNS (Param): The parameter.
    """
    return Param(Params._dummy(), name, doc, typeConverter=convert)


def set_or_clear(stage: S, **values: object) -> S:
    """Set parameters; None stands for the default, which Spark's own way cannot bring back.

    stage (S): The stage.
    values (object): The values by the names of parameters.
    RETURNS (S): The stage.
    """
    for name, value in values.items():
        if value is None:
            stage.clear(stage.getParam(name))
        else:
            stage._set(**{name: value})
    return stage


class HasOutput(HasOutputCol):
    """A stage with an output column."""

    def setOutputCol(self: S, value: str) -> S:
        """Set the name of the column with the annotations.

        value (str): The name. A column that has it already is replaced.
        RETURNS (S): The stage.
        """
        return self._set(outputCol=value)


class HasColumns(HasInputCols, HasOutput):
    """A stage with several input columns and an output column."""

    def setInputCols(self: S, *value: str | Iterable[str]) -> S:
        """Set the input columns.

        value (str | Iterable[str]): Their names, in any order: several arguments, or one list.
        RETURNS (S): The stage.
        RAISES (ElmoError): If there are none, or not as texts.
        """
        first = value[0] if len(value) == 1 else value
        try:
            names = [first] if isinstance(first, str) else list(first)
        except TypeError:
            # Such as None, or a column of Spark.
            names = []
        if not names or not all(isinstance(name, str) for name in names):
            raise ElmoError(Errors.EL857.format(stage=type(self).__name__, got=short_repr(value)))
        return self._set(inputCols=names)


class HasColumn(HasInputCol, HasOutput):
    """A stage with one input column and an output column."""

    def setInputCol(self: S, value: str) -> S:
        """Set the column with the texts.

        value (str): Its name.
        RETURNS (S): The stage.
        """
        return self._set(inputCol=value)


class HasPipeline(Params):
    """A stage that splits texts with a spaCy pipeline."""

    pipeline = make_param("pipeline", "The spaCy pipeline that splits texts.", TypeConverters.toString)

    def setPipeline(self: S, value: str) -> S:
        """Set the spaCy pipeline that splits texts.

        value (str): "blank:en": the tokenizer and the rules for sentences of a language. Or the name or folder of
            a pipeline that is installed on all workers.
        RETURNS (S): The stage.
        """
        return self._set(pipeline=value)

    def getPipeline(self) -> str:
        """Get the spaCy pipeline that splits texts.

        RETURNS (str): Its name.
        """
        return str(self.getOrDefault(self.pipeline))
