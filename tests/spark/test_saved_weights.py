"""Saved stages, which contain their weights."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import spacy_elmo
from tests.data import ROOT, TINY, shared_path
from tests.extras import is_installed

if is_installed("pyspark"):
    from pyspark.ml import Pipeline, PipelineModel

    from spacy_elmo.spark import DocumentAssembler, ElmoEmbeddings, SentenceDetector, Tokenizer, saved_weights

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.needs("pyspark")

# Another process, where the source does not exist.
PROGRAM = """
import sys
from pyspark.ml import PipelineModel
from spacy_elmo.spark import start

spark = start(spark_master="local[1]", spark_ui_enabled="false")
frame = spark.createDataFrame([("I love NLP",)], "text string")
row = PipelineModel.load(sys.argv[1]).transform(frame).first()
print(row.embeddings[1].result, *row.embeddings[1].embeddings)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A model that can be removed."""
    return Path(shutil.copytree(TINY, tmp_path / "source"))


@pytest.mark.slow
def test_pipeline_elsewhere(spark: "SparkSession", source: Path, tmp_path: Path) -> None:
    stages: list[Any] = [DocumentAssembler(), SentenceDetector(), Tokenizer(), ElmoEmbeddings(source=source)]
    frame = spark.createDataFrame([("I love NLP",)], "text string")
    model = Pipeline(stages=stages).fit(frame)
    expected = model.transform(frame).first()
    assert expected is not None
    path = str(tmp_path / "saved model")
    model.save(path)
    shutil.rmtree(source)

    loaded = PipelineModel.load(path)
    assert [type(stage) for stage in loaded.stages] == [type(stage) for stage in stages]
    assert loaded.transform(frame).first() == expected
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    word, *numbers = done.stdout.split()
    assert word == "love"
    assert [float(number) for number in numbers] == pytest.approx(expected.embeddings[1].embeddings, abs=1e-6)


def test_stage(spark: "SparkSession", source: Path, tmp_path: Path) -> None:
    """Parameters, the name of the stage and of its class; saved again over itself after it was loaded."""
    stage = ElmoEmbeddings(source=source, inputCols=["text"], poolingLayer="word_emb", pooling="SUM")
    path = str(tmp_path / "stage")
    stage.save(path)
    shutil.rmtree(source)
    metadata = json.loads(next(Path(path, "metadata").glob("part-*")).read_text("utf-8"))
    assert metadata["class"] == "spacy_elmo.spark.ElmoEmbeddings"

    loaded = ElmoEmbeddings.load(path)
    loaded.write().overwrite().save(path)
    loaded = ElmoEmbeddings.load(path)
    assert (loaded.uid, loaded.getPoolingLayer(), loaded.getPooling()) == (stage.uid, "word_emb", "SUM")
    assert (loaded.getStorageRef(), loaded.getMaxBatchTokens()) == (stage.uid, None)
    assert loaded.getDimension() == spacy_elmo.load(TINY).width("word_emb")
    frame = spark.createDataFrame([("I love NLP",)], "text string")
    assert loaded.transform(frame).first() == stage.transform(frame).first()
    # With another source, the saved weights are not used.
    with pytest.raises(FileNotFoundError, match="EL010"):
        loaded.setSource(str(source)).setSource(str(tmp_path / "other")).transform(frame)


@pytest.mark.needs("tensorflow")
def test_stage_of_spark_nlp(spark: "SparkSession") -> None:
    """With its own parameters, but the true dimension."""
    path = shared_path("parity") / "tf_checkpoint" / "sparknlp"
    stage = ElmoEmbeddings.load(str(path))
    assert (stage.uid, stage.getStorageRef()) == ("ELMO_EMBEDDINGS_a1b2c3d4e5f6", "elmo")
    assert (stage.getPoolingLayer(), stage.getInputCols()) == ("word_emb", ["document", "token"])
    elmo = spacy_elmo.load(path)
    assert stage.getDimension() == elmo.width("word_emb")
    row = stage.setInputCols("text").transform(spark.createDataFrame([("Hi",)], "text string")).first()
    assert row is not None
    found = row["elmo_embeddings"][0].embeddings
    assert found == pytest.approx(elmo.embed([["Hi"]])[0].word_emb[0].tolist(), abs=1e-6)


def test_large_weights(spark: "SparkSession", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In several parts and several writes."""
    monkeypatch.setattr(saved_weights, "_PART", 1000)
    monkeypatch.setattr(saved_weights, "_PARTS", 3)
    stage = ElmoEmbeddings(source=TINY)
    stage.save(str(tmp_path / "stage"))
    assert len(list((tmp_path / "stage" / "weights").glob("part-*"))) > 3
    loaded = ElmoEmbeddings.load(str(tmp_path / "stage"))
    # The name depends on the content.
    assert loaded.get_archive().name == stage.get_archive().name


def test_incomplete(spark: "SparkSession", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_weights, "_PART", 1000)
    monkeypatch.setattr(saved_weights, "_PARTS", 3)
    ElmoEmbeddings(source=TINY).save(str(tmp_path / "stage"))
    max((tmp_path / "stage" / "weights").glob("part-*")).unlink()
    with pytest.raises(ValueError, match=r"EL855.*part\(s\) of .* missing"):
        ElmoEmbeddings.load(str(tmp_path / "stage"))


def test_other_folders(spark: "SparkSession", tmp_path: Path) -> None:
    Tokenizer().save(str(tmp_path / "tokenizer"))
    with pytest.raises(ValueError, match=r"EL863.*not a saved ElmoEmbeddings, but spacy_elmo.spark.Tokenizer"):
        ElmoEmbeddings.load(str(tmp_path / "tokenizer"))
    ElmoEmbeddings(source=TINY).save(str(tmp_path / "stage"))
    shutil.rmtree(tmp_path / "stage" / "weights")
    with pytest.raises(ValueError, match=r"EL855.*PATH_NOT_FOUND"):
        ElmoEmbeddings.load(str(tmp_path / "stage"))


def test_model_removed(spark: "SparkSession", tmp_path: Path) -> None:
    """A saved one is not replaced by what its source is now."""
    stage = ElmoEmbeddings(source=TINY)
    stage.save(str(tmp_path / "stage"))
    loaded = ElmoEmbeddings.load(str(tmp_path / "stage"))
    shutil.rmtree(loaded.get_archive().folder)
    with pytest.raises(ValueError, match=r"EL865.*TMPDIR"):
        loaded.getDimension()
    assert stage.getDimension() == loaded.setSource(str(TINY) + "/").getDimension()


def test_save_over_another(spark: "SparkSession", tmp_path: Path) -> None:
    """Refused, as by Spark's own stages; what is there stays."""
    path = str(tmp_path / "stage")
    stage = ElmoEmbeddings(source=TINY)
    stage.save(path)
    with pytest.raises(Exception, match="already exists"):
        ElmoEmbeddings(source=TINY).save(path)
    assert ElmoEmbeddings.load(path).uid == stage.uid
