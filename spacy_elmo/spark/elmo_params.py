"""The parameters of `ElmoEmbeddings`: Spark NLP's, and those of this package."""

import os
from typing import cast

from pyspark.ml.param import Params, TypeConverters

from ..bilm.layers import LayerName, check_layer_name
from ..errors import ElmoError, Errors
from ..inference.factory import PRECISIONS
from ..inference.settings import PrecisionName, Settings
from ..weights.source import Source
from .embed_rows import POOLINGS, Pooling
from .params import S, make_param, set_or_clear


def to_layer(value: object) -> str:
    """Check the name of a layer.

    value (object): What was given.
    RETURNS (str): The name.
    RAISES (ElmoError): If no model has such a layer.
    """
    return check_layer_name(value, what="poolingLayer")


def to_pooling(value: object) -> str | None:
    """Check a pooling.

    value (object): "AVERAGE" or "SUM", in any case, or None.
    RETURNS (str | None): The pooling, in capitals.
    RAISES (ElmoError): For anything else.
    """
    name = value.upper() if isinstance(value, str) else value
    if name is not None and name not in POOLINGS:
        raise ElmoError(Errors.EL030.format(what="pooling", got=value, allowed=f"{', '.join(POOLINGS)}, None"))
    return cast("str | None", name)


def to_precision(value: object) -> str:
    """Check a precision.

    value (object): What was given.
    RETURNS (str): Its name.
    RAISES (ElmoError): If there is no such precision, or not on the workers, which have no GPU.
    """
    name = Settings(precision=cast(PrecisionName, value)).precision
    devices = PRECISIONS[name].devices
    if "cpu" not in devices:
        raise ElmoError(Errors.EL041.format(got=name, device="cpu", devices=" or ".join(devices)))
    return name


def to_count(value: object) -> int | None:
    """Check a number of tokens.

    value (object): What was given.
    RETURNS (int | None): The number.
    RAISES (ElmoError): If it is not a positive integer or None.
    """
    return Settings(max_batch_tokens=cast("int | None", value)).max_batch_tokens


def to_source(value: object) -> str | list[str]:
    """Convert the source of a model to what can be saved.

    value (object): A name or path, or a pair of paths.
    RETURNS (str | list[str]): The source.
    RAISES (ElmoError): For anything else.
    """
    parts = [value] if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, (str, os.PathLike)) for part in parts):
        raise ElmoError(Errors.EL027.format(got=repr(value)))
    texts = [os.fspath(part) for part in parts]
    return texts[0] if len(texts) == 1 else texts


class ElmoParams(Params):
    """What is computed, and how."""

    source = make_param("source", "The model, as for spacy_elmo.load.", to_source)
    precision = make_param("precision", "The precision, as for spacy_elmo.load.", to_precision)
    maxBatchTokens = make_param("maxBatchTokens", "Tokens that run together.", to_count)
    poolingLayer = make_param("poolingLayer", "The layer: word_emb, lstm_outputs1, ... or elmo.", to_layer)
    pooling = make_param("pooling", "None: vectors of tokens; AVERAGE or SUM: of sentences.", to_pooling)
    dimension = make_param("dimension", "The width of the vectors.", TypeConverters.toInt)
    storageRef = make_param(
        "storageRef", "The name of the embeddings, for models on them.", TypeConverters.toString
    )
    batchSize = make_param("batchSize", "Without effect: see maxBatchTokens.", TypeConverters.toInt)
    caseSensitive = make_param("caseSensitive", "Without effect: ELMo reads the case.", TypeConverters.toBoolean)
    lazyAnnotator = make_param("lazyAnnotator", "Without effect.", TypeConverters.toBoolean)
    configProtoBytes = make_param("configProtoBytes", "Without effect: of TensorFlow.", TypeConverters.toListInt)

    def setSource(self: S, value: Source) -> S:
        """Set the model. It is read on the driver, which sends it to the workers.

        value (Source): As for `spacy_elmo.load`.
        RETURNS (S): The stage.
        RAISES (ElmoError): If it is no source.
        """
        return self._set(source=value)

    def setPrecision(self: S, value: PrecisionName) -> S:
        """Set how exactly the model computes.

        value (PrecisionName): As for `spacy_elmo.load`.
        RETURNS (S): The stage.
        RAISES (ElmoError): If there is no such precision.
        """
        return self._set(precision=value)

    def setMaxBatchTokens(self: S, value: int | None) -> S:
        """Bound the memory of a worker.

        value (int | None): As `max_batch_tokens` for `spacy_elmo.load`.
        RETURNS (S): The stage.
        RAISES (ElmoError): If it is not a positive integer or None.
        """
        return set_or_clear(self, maxBatchTokens=value)

    def setPoolingLayer(self: S, value: LayerName) -> S:
        """Set the layer whose vectors are written.

        value (LayerName): "word_emb", "lstm_outputs1", "lstm_outputs2" (as many as the model has) or "elmo".
        RETURNS (S): The stage.
        RAISES (ElmoError): If no model has such a layer.
        """
        return self._set(poolingLayer=value)

    def setPooling(self: S, value: Pooling | None) -> S:
        """Set whether tokens or sentences have vectors.

        value (Pooling | None): None for tokens; "AVERAGE" or "SUM" of its tokens for each sentence.
        RETURNS (S): The stage.
        RAISES (ElmoError): For anything else.
        """
        return set_or_clear(self, pooling=value)

    def setDimension(self: S, value: int) -> S:
        """Say how wide the vectors are. The model decides: another number gives a warning.

        value (int): The width.
        RETURNS (S): The stage.
        """
        return self._set(dimension=value)

    def setStorageRef(self: S, value: str) -> S:
        """Set the name of the embeddings, which models that were trained on them ask for.

        value (str): The name.
        RETURNS (S): The stage.
        """
        return self._set(storageRef=value)

    def setBatchSize(self: S, value: int) -> S:
        """Accept Spark NLP's number of sentences in a batch. It has no effect: see `setMaxBatchTokens`.

        value (int): The number.
        RETURNS (S): The stage.
        """
        return self._set(batchSize=value)

    def setCaseSensitive(self: S, value: bool) -> S:
        """Accept Spark NLP's setting. It has no effect, here and there: ELMo reads words as they are.

        value (bool): The setting.
        RETURNS (S): The stage.
        """
        return self._set(caseSensitive=value)

    def setLazyAnnotator(self: S, value: bool) -> S:
        """Accept Spark NLP's setting. It has no effect.

        value (bool): The setting.
        RETURNS (S): The stage.
        """
        return self._set(lazyAnnotator=value)

    def setConfigProtoBytes(self: S, value: list[int]) -> S:
        """Accept Spark NLP's configuration of TensorFlow. It has no effect.

        value (list[int]): The bytes.
        RETURNS (S): The stage.
        """
        return self._set(configProtoBytes=value)

    def getSource(self) -> str | list[str]:
        """Get the model.

        RETURNS (str | list[str]): The value.
        """
        return cast("str | list[str]", self.getOrDefault(self.source))

    def getPrecision(self) -> PrecisionName:
        """Get how exactly the model computes.

        RETURNS (PrecisionName): The value.
        """
        return cast(PrecisionName, self.getOrDefault(self.precision))

    def getMaxBatchTokens(self) -> int | None:
        """Get the bound of tokens that run together.

        RETURNS (int | None): The value.
        """
        return cast("int | None", self.getOrDefault(self.maxBatchTokens))

    def getPoolingLayer(self) -> LayerName:
        """Get the layer whose vectors are written.

        RETURNS (LayerName): The value.
        """
        return cast(LayerName, self.getOrDefault(self.poolingLayer))

    def getPooling(self) -> Pooling | None:
        """Get whether tokens or sentences have vectors.

        RETURNS (Pooling | None): The value.
        """
        return cast("Pooling | None", self.getOrDefault(self.pooling))

    def getStorageRef(self) -> str:
        """Get the name of the embeddings.

        RETURNS (str): The value.
        """
        return cast(str, self.getOrDefault(self.storageRef))

    def getBatchSize(self) -> int:
        """Get Spark NLP's number of sentences in a batch.

        RETURNS (int): The value.
        """
        return cast(int, self.getOrDefault(self.batchSize))

    def getCaseSensitive(self) -> bool:
        """Get Spark NLP's setting.

        RETURNS (bool): The value.
        """
        return cast(bool, self.getOrDefault(self.caseSensitive))

    def getLazyAnnotator(self) -> bool:
        """Get Spark NLP's setting.

        RETURNS (bool): The value.
        """
        return cast(bool, self.getOrDefault(self.lazyAnnotator))

    def getConfigProtoBytes(self) -> list[int]:
        """Get Spark NLP's configuration of TensorFlow.

        RETURNS (list[int]): The bytes.
        """
        return cast("list[int]", self.getOrDefault(self.configProtoBytes))
