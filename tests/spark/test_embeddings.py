"""ElmoEmbeddings and the stages before it: values, positions, types and metadata."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.bilm.layers import LayerName
from spacy_elmo.elmo import Elmo
from tests.data import TINY, shared_path
from tests.extras import is_installed

if is_installed("pyspark"):
    from pyspark.errors import PythonException
    from pyspark.ml import Pipeline, PipelineModel
    from pyspark.sql import functions as F

    from spacy_elmo.spark import ANNOTATIONS, DocumentAssembler, ElmoEmbeddings, SentenceDetector, Tokenizer, start

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

pytestmark = pytest.mark.needs("pyspark")

# Annotation.scala of Spark NLP, as Spark writes the type.
ANNOTATION_OF_SCALA = """{"type":"array","containsNull":true,"elementType":{"type":"struct","fields":[
{"name":"annotatorType","type":"string","nullable":true,"metadata":{}},
{"name":"begin","type":"integer","nullable":false,"metadata":{}},
{"name":"end","type":"integer","nullable":false,"metadata":{}},
{"name":"result","type":"string","nullable":true,"metadata":{}},
{"name":"metadata","nullable":true,"metadata":{},
 "type":{"type":"map","keyType":"string","valueType":"string","valueContainsNull":true}},
{"name":"embeddings","nullable":true,"metadata":{},
 "type":{"type":"array","elementType":"float","containsNull":false}}]}}"""
TEXT = "I like it. You 😀 do!\n\n 😀😀 And 2."
SENTENCES = [["I", "like", "it", "."], ["You", "😀", "do", "!"], ["😀", "😀", "And", "2", "."]]


def make_stages(source: Path = TINY) -> "list[Any]":
    return [
        DocumentAssembler().setInputCol("text").setOutputCol("document"),
        SentenceDetector().setInputCols(["document"]).setOutputCol("sentence"),
        Tokenizer().setInputCols(["sentence"]).setOutputCol("token"),
        ElmoEmbeddings(source=source).setInputCols(["sentence", "token"]).setOutputCol("embeddings"),
    ]


@pytest.fixture(scope="module")
def model(spark: "SparkSession") -> "PipelineModel":
    return Pipeline(stages=make_stages()).fit(spark.createDataFrame([[""]], "text string"))


def make_frame(spark: "SparkSession", texts: Sequence[str | None]) -> "DataFrame":
    return spark.createDataFrame([[text] for text in texts], "text string")


def first(frame: "DataFrame") -> "Row":
    row = frame.first()
    assert row is not None
    return row


def embedder(model: "PipelineModel") -> "ElmoEmbeddings":
    """The last stage, a copy."""
    stage = model.stages[-1].copy()
    assert isinstance(stage, ElmoEmbeddings)
    return stage


def vectors(row: "Row", column: str = "embeddings") -> np.ndarray:
    return np.array([one.embeddings for one in row[column]], dtype=np.float32)


def check(elmo: Elmo, row: "Row", sentences: list[list[str]], layer: str = "elmo") -> None:
    """The vectors of a row are those of its sentences, embedded without Spark."""
    expected = np.concatenate([output[layer] for output in elmo.embed(sentences)])
    np.testing.assert_allclose(vectors(row), expected, atol=1e-6)


@pytest.mark.parametrize("source", ["en_sm", pytest.param("sparknlp", marks=pytest.mark.needs("tensorflow"))])
def test_published_page(spark: "SparkSession", source: str) -> None:
    """The lines of the model's page, on the bundled model and on one that Spark NLP saved."""
    if source == "sparknlp":
        source = str(shared_path("parity") / "tf_checkpoint" / "sparknlp")

    document_assembler = DocumentAssembler().setInputCol("text").setOutputCol("document")
    sentence_detector = SentenceDetector().setInputCols(["document"]).setOutputCol("sentence")
    tokenizer = Tokenizer().setInputCols(["sentence"]).setOutputCol("token")
    embeddings = (
        ElmoEmbeddings.pretrained(source, "en")
        .setInputCols(["sentence", "token"])
        .setOutputCol("embeddings")
        .setPoolingLayer("elmo")
    )
    nlp_pipeline = Pipeline(stages=[document_assembler, sentence_detector, tokenizer, embeddings])
    pipeline_model = nlp_pipeline.fit(spark.createDataFrame([[""]]).toDF("text"))
    result = pipeline_model.transform(spark.createDataFrame([["I love NLP"]]).toDF("text"))

    elmo = spacy_elmo.load(source)
    row = first(result)
    assert [(one.result, one.begin, one.end) for one in row.embeddings] == [
        ("I", 0, 0),
        ("love", 2, 5),
        ("NLP", 7, 9),
    ]
    check(elmo, row, [["I", "love", "NLP"]])
    assert result.schema["embeddings"].metadata == {
        "annotatorType": "word_embeddings",
        "dimension": elmo.width("elmo"),
        "ref": source,
    }


@pytest.mark.needs("tensorflow")
def test_name_of_spark_nlp(spark: "SparkSession", monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`pretrained()` takes what Spark NLP publishes, here from a mirror, under the name that models ask for."""
    import shutil

    from spacy_elmo.weights.catalogue import resolve

    entry = resolve("elmo")
    assert entry is not None
    saved = shared_path("parity") / "tf_checkpoint" / "sparknlp"
    shutil.make_archive(str(tmp_path / entry.files[0].name.removesuffix(".zip")), "zip", saved)
    monkeypatch.setenv("SPACY_ELMO_MIRROR", tmp_path.as_uri())
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SPACY_ELMO_OFFLINE")
    stage = ElmoEmbeddings.pretrained()
    monkeypatch.setenv("SPACY_ELMO_OFFLINE", "1")
    result = stage.setInputCols("text").transform(make_frame(spark, ["I love NLP"]))
    row = first(result)
    check(spacy_elmo.load(saved), row, [["I", "love", "NLP"]])
    assert result.schema["embeddings"].metadata["ref"] == "elmo"


def test_type_and_metadata(spark: "SparkSession", model: "PipelineModel") -> None:
    """Equal to Scala's type by the JVM's own equals, and what consumers look up."""
    result = model.transform(make_frame(spark, [TEXT]))
    assert spark._jvm is not None
    expected = spark._jvm.org.apache.spark.sql.types.DataType.fromJson(ANNOTATION_OF_SCALA)
    for name, kind in (("document", "document"), ("sentence", "document"), ("token", "token")):
        assert result._jdf.schema().apply(name).dataType().equals(expected)
        assert result.schema[name].metadata == {"annotatorType": kind}
    assert result._jdf.schema().apply("embeddings").dataType().equals(expected)
    assert result.schema["embeddings"].dataType == ANNOTATIONS
    metadata = result._jdf.schema().apply("embeddings").metadata()
    assert metadata.getString("annotatorType") == "word_embeddings"
    assert metadata.getLong("dimension") == spacy_elmo.load(TINY).width("elmo")
    assert metadata.getString("ref") == model.stages[-1].uid


def test_annotations(spark: "SparkSession", model: "PipelineModel", elmo: Elmo) -> None:
    """Positions in UTF-16, and the five strings of each token; every sentence has its own vectors."""
    row = first(model.transform(make_frame(spark, [TEXT])))
    units = TEXT.encode("utf-16-le")
    for name in ("document", "sentence", "token", "embeddings"):
        for one in row[name]:
            assert units[2 * one.begin : 2 * one.end + 2].decode("utf-16-le") == one.result
            assert one.annotatorType == {"embeddings": "word_embeddings", "sentence": "document"}.get(name, name)
    tokens = [(number, token) for number, sentence in enumerate(SENTENCES) for token in sentence]
    assert [one.metadata for one in row.embeddings] == [
        {"sentence": str(number), "token": token, "pieceId": "-1", "isWordStart": "true", "isOOV": "false"}
        for number, token in tokens
    ]
    assert [(one.begin, one.end, one.result) for one in row.embeddings] == [
        (one.begin, one.end, one.result) for one in row.token
    ]
    assert all(one.embeddings == [] for name in ("document", "sentence", "token") for one in row[name])
    check(elmo, row, SENTENCES)


def test_known_fault_of_spark_nlp(spark: "SparkSession", model: "PipelineModel", elmo: Elmo) -> None:
    """There, every sentence of a row after the first has the vectors of the first one's words."""
    row = first(model.transform(make_frame(spark, ["I love NLP. Spark is big."])))
    check(elmo, row, [["I", "love", "NLP", "."], ["Spark", "is", "big", "."]])
    both = vectors(row)
    assert np.abs(both[:4] - both[4:]).max() > 0.1


def test_many_sentences(spark: "SparkSession", model: "PipelineModel", elmo: Elmo) -> None:
    """More than the 32 that Spark NLP runs at a time."""
    sentences = [[f"word{i}", *["more"] * (i % 3), "."] for i in range(40)]
    row = first(model.transform(make_frame(spark, [" ".join(" ".join(words) for words in sentences)])))
    assert [one.result for one in row.embeddings] == [token for sentence in sentences for token in sentence]
    check(elmo, row, sentences)


def test_texts_without_tokens(spark: "SparkSession", model: "PipelineModel") -> None:
    """Nulls too: an empty array, not null; the document annotation is Spark NLP's of an empty text."""
    rows = model.transform(make_frame(spark, [None, "", " \n", "Hi", None])).collect()
    assert [[one.result for one in row.embeddings] for row in rows] == [[], [], [], ["Hi"], []]
    assert [(one.begin, one.end, one.result) for row in rows[:2] for one in row.document] == [(0, -1, "")] * 2
    assert [row.sentence for row in rows[:3]] == [[], [], []]


def test_text_column(spark: "SparkSession", model: "PipelineModel") -> None:
    """A column of texts gives the same annotations as the stages that split it, and other columns stay."""
    frame = make_frame(spark, [TEXT, None, "I love NLP"]).withColumn("a.b", F.lit(1))
    expected = model.transform(frame).select("embeddings", "`a.b`").collect()
    result = ElmoEmbeddings(source=TINY).setInputCols("text").transform(frame)
    assert result.select("embeddings", "`a.b`").collect() == expected
    assert result.columns == ["text", "a.b", "embeddings"]


def test_document_in_place_of_sentence(spark: "SparkSession", elmo: Elmo) -> None:
    """Spark NLP's own test: ELMo on document and token, where a row is one sentence; columns in any order."""
    texts = [
        "I like pancakes in the summer. I hate ice cream in winter.",
        "If I had asked people what they wanted, they would have said faster horses",
    ]
    stages = make_stages()
    stages[2].setInputCols("document")
    stages[3].setInputCols("token", "document").setPoolingLayer("word_emb")
    result = Pipeline(stages=stages).fit(make_frame(spark, texts)).transform(make_frame(spark, texts))
    for row in result.collect():
        tokens = [one.result for one in row.token]
        assert {one.metadata["sentence"] for one in row.embeddings} == {"0"}
        check(elmo, row, [tokens], "word_emb")
    assert result.schema["embeddings"].metadata["dimension"] == elmo.width("word_emb")


def test_sentences_and_tokens(spark: "SparkSession", elmo: Elmo) -> None:
    """Spark NLP's Python test: two texts of two sentences, word_emb."""
    texts = [
        f"{which} document, this is my first sentence. This is my second sentence."
        for which in ("First", "Second")
    ]
    stages = make_stages()
    stages[3].setPoolingLayer("word_emb")
    for row in Pipeline(stages=stages).fit(make_frame(spark, texts)).transform(make_frame(spark, texts)).collect():
        first = row.text.split()[0]
        sentences = [
            [first, "document", ",", "this", "is", "my", "first", "sentence", "."],
            ["This", "is", "my", "second", "sentence", "."],
        ]
        assert [one.metadata["sentence"] for one in row.embeddings] == ["0"] * 9 + ["1"] * 6
        check(elmo, row, sentences, "word_emb")


def test_tokens_removed_before(spark: "SparkSession", model: "PipelineModel", elmo: Elmo, tmp_path: Path) -> None:
    """Spark NLP's "not crash on empty embeddings": sentences keep their numbers, and the frame can be stored."""
    texts = ["First one here. Second one too.", "Nothing is left. Of this."]
    frame = model.transform(make_frame(spark, texts)).drop("embeddings")
    metadata = frame.schema["token"].metadata
    few = frame.withColumn("token", F.filter("token", lambda one: one["result"].isin("Second", "too")))
    few = few.withMetadata("token", metadata)
    rows = model.stages[-1].transform(few).collect()
    assert [(one.result, one.metadata["sentence"]) for one in rows[0].embeddings] == [
        ("Second", "1"),
        ("too", "1"),
    ]
    check(elmo, rows[0], [["Second", "too"]])
    assert rows[1].embeddings == []

    path = str(tmp_path / "stored.parquet")
    few.write.parquet(path)
    # After Parquet, all fields are nullable; the metadata stays.
    stored = model.stages[-1].transform(spark.read.parquet(path)).orderBy("text")
    assert [row.embeddings for row in stored.collect()] == [row.embeddings for row in rows]
    pooled = embedder(model).setPooling("AVERAGE").transform(few).collect()
    assert [[len(one.embeddings) for one in row.embeddings] for row in pooled] == [[0, elmo.width("elmo")], [0, 0]]


def test_annotations_by_hand(spark: "SparkSession", elmo: Elmo) -> None:
    """As SQL makes them: other nullabilities, and numbers of 64 bits."""
    struct = "named_struct('begin', {}, 'end', {}, 'result', '{}', 'metadata', map('sentence', '0'))"
    token, sentence = struct.format("0L", "1L", "Hi"), struct.format(0, 5, "Hi you")
    frame = spark.sql(f"SELECT array({token}) AS t, array({sentence}) AS s")
    frame = frame.withMetadata("t", {"annotatorType": "token"}).withMetadata("s", {"annotatorType": "document"})
    row = first(ElmoEmbeddings(source=TINY, inputCols=["s", "t"]).transform(frame))
    check(elmo, row, [["Hi"]])


def test_changed_tokens(spark: "SparkSession", model: "PipelineModel", elmo: Elmo) -> None:
    """What is embedded is the text of the token annotation, as a normalizer leaves it."""
    frame = model.transform(make_frame(spark, ["I LOVE it"])).drop("embeddings")
    lower = F.transform("token", lambda one: one.withField("result", F.lower(one["result"])))
    changed = frame.withColumn("token", lower).withMetadata("token", {"annotatorType": "token"})
    row = first(model.stages[-1].transform(changed))
    check(elmo, row, [["i", "love", "it"]])


@pytest.mark.parametrize("pooling", ["AVERAGE", "sum"])
def test_pooling(spark: "SparkSession", model: "PipelineModel", elmo: Elmo, pooling: str) -> None:
    stage = embedder(model).setPooling(cast(Any, pooling))
    result = stage.transform(model.transform(make_frame(spark, [TEXT, None])).drop("embeddings"))
    rows = result.collect()
    assert result.schema["embeddings"].metadata["annotatorType"] == "sentence_embeddings"
    assert [(one.begin, one.end, one.result) for one in rows[0].embeddings] == [
        (one.begin, one.end, one.result) for one in rows[0].sentence
    ]
    assert rows[0].embeddings[1].metadata == {
        "sentence": "1", "token": "You 😀 do!", "pieceId": "-1", "isWordStart": "true"
    }  # fmt: skip
    assert rows[1].embeddings == []
    outputs = [output.elmo for output in elmo.embed(SENTENCES)]
    expected = [output.mean(0) if pooling == "AVERAGE" else output.sum(0) for output in outputs]
    np.testing.assert_allclose(vectors(rows[0]), np.stack(expected), atol=1e-5)
    assert stage.setPooling(None).getPooling() is None


@pytest.mark.parametrize("layer", ["word_emb", "lstm_outputs1", "lstm_outputs2", "elmo"])
def test_layers(spark: "SparkSession", elmo: Elmo, layer: str) -> None:
    stage = ElmoEmbeddings(source=str(TINY), inputCols=["text"], poolingLayer=cast(LayerName, layer))
    result = stage.transform(make_frame(spark, ["I love NLP"]))
    row = first(result)
    check(elmo, row, [["I", "love", "NLP"]], layer)
    assert result.schema["embeddings"].metadata["dimension"] == elmo.width(layer) == stage.getDimension()


def test_large_batches(spark: "SparkSession", elmo: Elmo) -> None:
    """10,000 rows in one partition, which are a batch of Spark's; each keeps its place."""
    frame = spark.range(0, 10_000, 1, 1).select(
        F.col("id"), F.concat(F.lit("row "), F.col("id") % 97, F.lit(" says hello")).alias("text")
    )
    result = ElmoEmbeddings(source=TINY, inputCols=["text"]).transform(frame)
    first = F.col("embeddings")[1]
    rows = result.select("id", first["result"].alias("word"), first["embeddings"][0].alias("number")).collect()
    assert [(row.id, row.word) for row in rows] == [(i, str(i % 97)) for i in range(10_000)]
    expected = [output.elmo[1, 0] for output in elmo.embed([["row", str(i), "says", "hello"] for i in range(97)])]
    np.testing.assert_allclose([row.number for row in rows], [expected[i % 97] for i in range(10_000)], atol=1e-6)


@pytest.mark.slow
def test_row_of_100_000_tokens(spark: "SparkSession", elmo: Elmo) -> None:
    """In one sentence of 1,000 tokens after the other; and all of them in one."""
    words = [f"w{i % 50}" for i in range(100_000)]
    text = "".join(f"{word}{'. ' if i % 1000 == 999 else ' '}" for i, word in enumerate(words))
    result = ElmoEmbeddings(source=TINY, inputCols=["text"]).transform(make_frame(spark, [text, "Hi"]))
    sizes = result.select(
        F.size("embeddings").alias("n"), F.get("embeddings", F.lit(100_098)).alias("last")
    ).collect()
    assert [row.n for row in sizes] == [100_100, 1]
    last = elmo.embed([[*words[99_000:], "."]])[0].elmo
    np.testing.assert_allclose(sizes[0].last.embeddings, last[-2], atol=1e-6)
    whole = ElmoEmbeddings(source=TINY, inputCols=["text"], poolingLayer="word_emb", pipeline="tokenizer:en")
    assert whole.transform(make_frame(spark, [text])).select(F.size("embeddings")).first() == (100_100,)


def test_filter_and_select(spark: "SparkSession", model: "PipelineModel") -> None:
    result = model.transform(make_frame(spark, ["I love NLP", "", "Hi"])).filter(F.size("embeddings") > 0)
    assert [row.text for row in result.select("text").collect()] == ["I love NLP", "Hi"]
    words = result.select(F.explode("embeddings").alias("one")).select("one.result").collect()
    assert [row.result for row in words] == ["I", "love", "NLP", "Hi"]


def test_streaming(spark: "SparkSession", model: "PipelineModel", tmp_path: Path) -> None:
    make_frame(spark, [f"I love NLP {i}" for i in range(5)]).repartition(3).write.text(str(tmp_path / "in"))
    stream = spark.readStream.schema("value string").text(str(tmp_path / "in")).withColumnRenamed("value", "text")
    query = (
        model.transform(stream)
        .writeStream.trigger(availableNow=True)
        .option("checkpointLocation", str(tmp_path / "checkpoint"))
        .format("parquet")
        .start(str(tmp_path / "out"))
    )
    query.awaitTermination()
    rows = spark.read.parquet(str(tmp_path / "out")).orderBy("text").collect()
    assert [[one.result for one in row.embeddings] for row in rows] == [
        ["I", "love", "NLP", str(i)] for i in range(5)
    ]


def test_params(spark: "SparkSession") -> None:
    """Every setter of Spark NLP's stage gives the stage back; values that change nothing are kept."""
    stage = (
        ElmoEmbeddings(source=TINY)
        .setBatchSize(8)
        .setCaseSensitive(False)
        .setConfigProtoBytes([1, 2])
        .setLazyAnnotator(False)
        .setStorageRef("mine")
        .setPrecision("fp32")
        .setMaxBatchTokens(100)
        .setPipeline("blank:de")
        .setInputCols("text")
    )
    assert (stage.getBatchSize(), stage.getCaseSensitive(), stage.getLazyAnnotator()) == (8, False, False)
    assert (stage.getStorageRef(), stage.getPipeline(), stage.getInputCols()) == ("mine", "blank:de", ["text"])
    assert (stage.getPrecision(), stage.getMaxBatchTokens(), stage.getPoolingLayer()) == ("fp32", 100, "elmo")
    assert first(stage.transform(make_frame(spark, ["z.B. so"])))["embeddings"][0].result == "z.B."
    assert stage.setMaxBatchTokens(None).getMaxBatchTokens() is None
    other = stage.copy({stage.storageRef: "other"})
    assert (other.getStorageRef(), stage.getStorageRef()) == ("other", "mine")


def test_wrong_dimension(spark: "SparkSession") -> None:
    """Spark NLP's default, which people copy: the model decides, and says so."""
    stage = ElmoEmbeddings(source=TINY, inputCols=["text"]).setDimension(512)
    width = spacy_elmo.load(TINY).width("elmo")
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        result = stage.transform(make_frame(spark, ["Hi"]))
        stage.setDimension(width).transform(make_frame(spark, ["Hi"]))
    # Spark has some of its own.
    [message] = [str(one.message) for one in given if one.category is UserWarning]
    assert re.search(f"WL060.*dimension = 512.*'elmo' have {width} numbers", message)
    assert result.schema["embeddings"].metadata["dimension"] == width


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"poolingLayer": "top"}, "EL030.*poolingLayer 'top'.*word_emb"),
        ({"pooling": "MAX"}, "EL030.*pooling 'MAX'.*AVERAGE, SUM"),
        ({"precision": "half"}, r"EL030.*precision 'half'"),
        ({"precision": "tf32"}, r"EL041.*'tf32'.*device = 'cpu'"),
        ({"maxBatchTokens": 0}, "EL038.*got 0"),
        ({"source": 7}, "EL027"),
    ],
    ids=str,
)
def test_values_not_allowed(java: None, spark: "SparkSession", values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ElmoEmbeddings(**values)


def test_errors_on_the_driver(spark: "SparkSession", model: "PipelineModel", tmp_path: Path) -> None:
    """Before Spark computes anything."""
    frame = model.transform(make_frame(spark, ["Hi"])).drop("embeddings")
    stage = model.stages[-1]
    with pytest.raises(ValueError, match=r"EL031.*lstm_outputs7.*2 LSTM"):
        embedder(model).setPoolingLayer("lstm_outputs7").transform(frame)
    with pytest.raises(ValueError, match=r"EL851.*'tokens' does not exist.*text, document, sentence, token"):
        embedder(model).setInputCols("sentence", "tokens").transform(frame)
    with pytest.raises(ValueError, match=r"EL852.*got 'sentence' \(annotations of type document\)"):
        embedder(model).setInputCols("sentence").transform(frame)
    with pytest.raises(ValueError, match=r"EL852.*'token' \(annotations without annotatorType"):
        stage.transform(frame.select("sentence", F.col("token").alias("token", metadata={"other": 1})))
    with pytest.raises(ValueError, match=r"EL852.*'n' \(int\)"):
        embedder(model).setInputCols("n").transform(frame.withColumn("n", F.lit(1)))
    with pytest.raises(ValueError, match=r"EL852.*'document' \(annotations of type document\)"):
        DocumentAssembler().setInputCol("document").transform(frame)
    with pytest.raises(ValueError, match=r"EL852.*'text' \(string\)"):
        Tokenizer().setInputCols("text").transform(frame)
    with pytest.raises(FileNotFoundError, match=r"EL010.*nothing_here"):
        ElmoEmbeddings.loadSavedModel(str(tmp_path / "nothing_here"), spark)
    wrong: list[tuple[Any, ...]] = [(), (None,), (F.col("token"),), ([F.col("token")],), (3,)]
    for columns in wrong:
        with pytest.raises(ValueError, match="EL857"):
            embedder(model).setInputCols(*columns)
    with pytest.raises(
        FileNotFoundError, match=r"EL866.*nothing_here' has no saved stage \(.*nothing_here/metadata"
    ):
        ElmoEmbeddings.load(str(tmp_path / "nothing_here"))


def test_wrong_pretrained(java: None, spark: "SparkSession") -> None:
    with pytest.raises(ValueError, match=r"EL859.*'elmo' is a model for the language 'en'.*manylangs/de"):
        ElmoEmbeddings.pretrained("elmo", "de")
    with pytest.raises(ValueError, match=r"EL858.*SPACY_ELMO_MIRROR"):
        ElmoEmbeddings.pretrained("en_sm", "en", "public/models")  # type: ignore[arg-type]


def test_bad_row(spark: "SparkSession", model: "PipelineModel") -> None:
    frame = model.transform(make_frame(spark, ["Fine", "Not fine at all"])).drop("embeddings")
    null = F.lit(None).cast(ANNOTATIONS.elementType)
    bad = F.when(F.col("text") == "Fine", F.col("token")).otherwise(F.concat(F.col("token"), F.array(null)))
    frame = frame.coalesce(1).withColumn("token", bad).withMetadata("token", {"annotatorType": "token"})
    with pytest.raises(
        Exception, match=r"EL853\] Row 1 of partition 0 \(its text begins with 'Not fine at all'\)"
    ):
        model.stages[-1].transform(frame).collect()


def test_bad_encoding(spark: "SparkSession") -> None:
    """Spark does not check what is in a string."""
    frame = make_frame(spark, ["Fine", "bad"]).coalesce(1)
    bad = F.when(F.col("text") == "bad", F.expr("cast(X'61FF62' as string)")).otherwise(F.col("text"))
    frame = frame.select(bad.alias("text"))
    for stage in (ElmoEmbeddings(source=TINY, inputCols=["text"]), DocumentAssembler()):
        with pytest.raises(PythonException, match=r"EL862\] Row 1 of partition 0 is not text in UTF-8"):
            stage.transform(frame).collect()


def test_start(java: None) -> None:
    with pytest.raises(ValueError, match=r"EL864.*start\(memory=...\)"):
        start(memory="4g")


def test_unknown_pipeline(spark: "SparkSession") -> None:
    stage = ElmoEmbeddings(source=TINY, inputCols=["text"])
    with pytest.raises(ValueError, match=r"EL070.*'no_such'"):
        stage.setPipeline("no_such").transform(make_frame(spark, ["Hi"]))
