"""`ElmoEmbeddings`: the stage that embeds, in place of Spark NLP's of the same name."""

import json
import os
import warnings
from functools import partial
from typing import cast

from pyspark.errors import AnalysisException
from pyspark.ml import Transformer
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsReader, DefaultParamsWriter, MLReadable, MLWritable
from pyspark.sql import DataFrame, SparkSession

from ..bilm.fields import Json
from ..bilm.layers import LayerName, layer_width
from ..errors import ElmoError, ElmoFileNotFoundError, Errors, Warnings
from ..inference.settings import PrecisionName, Settings
from ..weights.catalogue import BUNDLED, CATALOGUE, resolve
from ..weights.source import Source
from .annotation import ANNOTATIONS, ANNOTATOR_TYPE, SENTENCE_EMBEDDINGS, WORD_EMBEDDINGS
from .archive import ModelArchive, archive_source
from .columns import NewColumn, add_column
from .elmo_params import ElmoParams
from .embed_rows import Pooling, Recipe, embed_rows
from .input_columns import find_inputs
from .params import BLANK_ENGLISH, HasColumns, HasPipeline, set_or_clear
from .saved_weights import load_weights, save_weights, shorten_reason
from .worker import load_split

# The catalogue's name of the model that Spark NLP publishes, and the name that models on its vectors ask for.
_PUBLISHED = "elmo"
_CLASS = "spacy_elmo.spark.ElmoEmbeddings"
_CLASS_OF_SPARK_NLP = "com.johnsnowlabs.nlp.embeddings.ElmoEmbeddings"
# Not the dimension, which is the model's.
_OF_SPARK_NLP = (
    "batchSize", "caseSensitive", "inputCols", "lazyAnnotator", "outputCol", "poolingLayer", "storageRef",
)  # fmt: skip


class ElmoEmbeddings(Transformer, HasColumns, HasPipeline, ElmoParams, MLReadable, MLWritable):
    """Embeds each sentence of each row with ELMo.

    inputCols (list[str]): A column of texts, or the columns with the sentences (or documents) and the tokens, as
        annotations of this package's stages or of Spark NLP's.
    outputCol (str): The column to write, with an annotation for each token, or with a pooling for each sentence.
    source (Source): The model, as for `spacy_elmo.load`. It is read on the driver, which sends it to the workers;
        a saved stage contains it.
    poolingLayer (LayerName): The layer whose vectors are written.
    pooling (Pooling | None): "AVERAGE" or "SUM": a vector for each sentence, from its tokens. None: a vector
        for each token.
    precision (PrecisionName): As for `spacy_elmo.load`.
    maxBatchTokens (int | None): As `max_batch_tokens` for `spacy_elmo.load`, in each worker.
    pipeline (str): The spaCy pipeline that splits a column of texts, as for `HasPipeline.setPipeline`.
    storageRef (str): The name of the embeddings; by default, that of the stage.
    RAISES (ElmoError): If a value is not allowed.
    """

    # The name that is saved, for ever.
    __module__ = "spacy_elmo.spark"

    def __init__(
        self,
        *,
        inputCols: list[str] | None = None,
        outputCol: str | None = None,
        source: Source | None = None,
        poolingLayer: LayerName | None = None,
        pooling: Pooling | None = None,
        precision: PrecisionName | None = None,
        maxBatchTokens: int | None = None,
        pipeline: str | None = None,
        storageRef: str | None = None,
    ):
        super().__init__()
        # The source, and its model; and whether this was loaded with the stage.
        self._archive: tuple[str | list[str], ModelArchive] | None = None
        self._is_saved = False
        self._setDefault(
            inputCols=["sentence", "token"],
            outputCol="embeddings",
            source=BUNDLED,
            precision="fp32",
            maxBatchTokens=None,
            poolingLayer="elmo",
            pooling=None,
            pipeline=BLANK_ENGLISH,
            storageRef=self.uid,
            batchSize=32,
            caseSensitive=True,
            lazyAnnotator=False,
        )
        set_or_clear(
            self,
            inputCols=inputCols,
            outputCol=outputCol,
            source=source,
            poolingLayer=poolingLayer,
            pooling=pooling,
            precision=precision,
            maxBatchTokens=maxBatchTokens,
            pipeline=pipeline,
            storageRef=storageRef,
        )

    @staticmethod
    def pretrained(name: str = _PUBLISHED, lang: str = "en", remote_loc: None = None) -> "ElmoEmbeddings":
        """Make a stage with a published model, which is downloaded once.

        name (str): The model, as for `spacy_elmo.load`; by default, the one that Spark NLP publishes.
        lang (str): The language of the model and of the texts.
        remote_loc (None): Not supported: where models are downloaded from is said by environment variables.
        RETURNS (ElmoEmbeddings): The stage.
        RAISES (ElmoError): If the model is of another language; and as `spacy_elmo.load`.
        """
        if remote_loc is not None:
            raise ElmoError(Errors.EL858.format(got=remote_loc))
        entry = resolve(name)
        if entry is not None and entry.language != lang:
            known = [one.name for one in CATALOGUE.values() if one.language == lang]
            shown = {"name": name, "language": entry.language, "lang": lang}
            raise ElmoError(Errors.EL859.format(**shown, models=", ".join(known) or "none"))
        is_published = entry is not None and entry is resolve(_PUBLISHED)
        ref = _PUBLISHED if is_published else name
        stage = ElmoEmbeddings(source=name, pipeline=f"blank:{lang}", storageRef=ref)
        stage.get_archive()
        return stage

    @staticmethod
    def loadSavedModel(folder: str, spark: SparkSession | None = None) -> "ElmoEmbeddings":
        """Make a stage with a model in a folder, such as one of TF Hub.

        folder (str): The folder, as for `spacy_elmo.load`.
        spark (SparkSession | None): Not used; Spark NLP requires it.
        RETURNS (ElmoEmbeddings): The stage.
        RAISES (ElmoError): As `spacy_elmo.load`.
        """
        stage = ElmoEmbeddings(source=folder)
        stage.get_archive()
        return stage

    def getDimension(self) -> int:
        """Get the width of the vectors, which the model and the layer decide.

        RETURNS (int): The width.
        """
        return layer_width(self.getPoolingLayer(), self.get_archive().options)

    def get_archive(self) -> ModelArchive:
        """Read the model, the first time.

        RETURNS (ModelArchive): Its files.
        RAISES (ElmoError): As `spacy_elmo.load`; or if a saved model was removed after it was loaded.
        """
        source = self.getSource()
        if self._archive is not None and self._archive[0] == source:
            archive = self._archive[1]
            if archive.folder.exists():
                return archive
            if self._is_saved:
                # What the source is now need not be what was saved.
                raise ElmoError(Errors.EL865.format(path=archive.folder))
        self._archive, self._is_saved = (source, archive_source(source)), False
        return self._archive[1]

    def set_archive(self, archive: ModelArchive) -> None:
        """Use a saved model in place of that of the source, until another source is set.

        archive (ModelArchive): Its files.
        """
        self._archive, self._is_saved = (self.getSource(), archive), True

    def _transform(self, dataset: DataFrame) -> DataFrame:
        stage = type(self).__name__
        inputs = find_inputs(dataset, self.getInputCols(), stage=stage)
        width, archive, pooling = self.getDimension(), self.get_archive(), self.getPooling()
        if self.isSet(self.dimension) and self.getOrDefault(self.dimension) != width:
            given, layer = self.getOrDefault(self.dimension), self.getPoolingLayer()
            warnings.warn(Warnings.WL060.format(given=given, layer=layer, width=width), stacklevel=2)
        pipeline = self.getPipeline() if inputs.are_texts else None
        if pipeline is not None:
            # An unknown name fails here, and not in a worker.
            load_split(pipeline)
        archive.send(dataset.sparkSession)
        recipe = Recipe(
            model=archive.name,
            layer=self.getPoolingLayer(),
            settings=Settings(precision=self.getPrecision(), max_batch_tokens=self.getMaxBatchTokens()),
            pooling=pooling,
            pipeline=pipeline,
        )
        metadata = {
            ANNOTATOR_TYPE: WORD_EMBEDDINGS if pooling is None else SENTENCE_EMBEDDINGS,
            "dimension": width,
            "ref": self.getStorageRef(),
        }
        column = NewColumn(name=self.getOutputCol(), type=ANNOTATIONS, metadata=metadata)
        return add_column(dataset, inputs.columns, partial(embed_rows, recipe=recipe), column)

    def write(self) -> "ElmoWriter":
        """Prepare to save the stage with its weights.

        RETURNS (ElmoWriter): The writer.
        """
        return ElmoWriter(self)

    @classmethod
    def read(cls) -> "ElmoReader":
        """Prepare to load a stage.

        RETURNS (ElmoReader): The reader.
        """
        return ElmoReader(cast(type[DefaultParamsReadable[ElmoEmbeddings]], cls))


class ElmoWriter(DefaultParamsWriter):
    """Saves a stage: its weights, and then the metadata, which says that it is complete."""

    def saveImpl(self, path: str) -> None:
        """Save the stage.

        path (str): The folder, in any of Spark's file systems.
        """
        save_weights(self.sparkSession, path, cast(ElmoEmbeddings, self.instance).get_archive())
        super().saveImpl(path)


class ElmoReader(DefaultParamsReader[ElmoEmbeddings]):
    """Loads a stage that was saved with its weights, by this package or by Spark NLP."""

    def load(self, path: str) -> ElmoEmbeddings:
        """Load the stage. What was saved is not needed any more afterwards.

        path (str): The folder, in any of Spark's file systems; one of Spark NLP's must be on this machine.
        RETURNS (ElmoEmbeddings): The stage.
        RAISES (ElmoFileNotFoundError): If Spark finds no stage there.
        RAISES (ElmoError): If weights are missing.
        """
        try:
            row = self.sparkSession.read.text(os.path.join(path, "metadata")).first()
        except AnalysisException as error:
            raise ElmoFileNotFoundError(Errors.EL866.format(path=path, reason=shorten_reason(error))) from error
        metadata = json.loads(row[0]) if row is not None else {}
        if metadata.get("class") == _CLASS_OF_SPARK_NLP:
            return _convert(path, metadata)
        if metadata.get("class") != _CLASS:
            raise ElmoError(Errors.EL863.format(path=path, got=metadata.get("class")))
        stage = super().load(path)
        stage.set_archive(load_weights(self.sparkSession, path))
        return stage


def _convert(path: str, metadata: Json) -> ElmoEmbeddings:
    """Make a stage of one that Spark NLP saved: its model, and the parameters that have a meaning here."""
    stage = ElmoEmbeddings(source=path.removeprefix("file://"))
    stage._resetUid(metadata["uid"])
    stage._setDefault(storageRef=stage.uid)
    for name, value in {**metadata.get("defaultParamMap", {}), **metadata["paramMap"]}.items():
        if name in _OF_SPARK_NLP:
            stage._set(**{name: value})
    stage.get_archive()
    return stage
