"""Spark beside a spaCy pipeline in one process: `python -m benchmarks.spark`. Prints ratios within each round.

Both split the same texts and compute one layer with two threads in all: `nlp.pipe` with n_threads = 2 here, Spark
on local[2] in two workers. A third program in each round has Spark pass vectors of 1,024 numbers without a model:
what it costs to convert them, and to send them to the JVM, on two cores.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import pyarrow as pa
import spacy
import typer
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rich.console import Console
from spacy.language import Language

from spacy_elmo.inputs.reader import Inputs
from spacy_elmo.spark import ANNOTATIONS, ElmoEmbeddings, start
from spacy_elmo.spark.annotation_arrays import FlatAnnotations, make_annotations
from spacy_elmo.spark.columns import NewColumn, add_column

from .model import make_model

HERE = Path(__file__).parent
EWT = HERE.parent.parent / "shared" / "corpora" / "ud_ewt" / "en_ewt-ud-dev.conllu"
# Sentences in a row.
N_SENTENCES = 5
WIDTH, N_VECTORS = 1024, 200_000
console = Console(width=120)


def main(
    text: Annotated[Path, typer.Option(help="Sentences: .txt, .jsonl, .conllu or .spacy.")] = EWT,
    source: Annotated[str, typer.Option(help="The model; 'random': the sizes of the original.")] = "random",
    n_rows: Annotated[int, typer.Option(help="Rows of five sentences.")] = 200,
    n_rounds: Annotated[int, typer.Option(help="Rounds in which every program has its turn.")] = 5,
    plain: Annotated[bool, typer.Option("--plain", help="Without the options of start() for Java.")] = False,
) -> None:
    """Measure both programs in turns."""
    model = str(make_model(HERE / "build" / "model")) if source == "random" else source
    sentences = [sentence.text for sentence in Inputs(text).read()]
    texts = [" ".join(sentences[i : i + N_SENTENCES]) for i in range(0, len(sentences), N_SENTENCES)]
    # Several times, if more are wanted: words that were seen before are no less work here than there.
    rows = list(islice(cycle(texts), n_rows))
    java = {"spark_driver_extraJavaOptions": "-Dplain=true"} if plain else {}
    spark = start(spark_master="local[2]", spark_ui_enabled="false", spark_driver_memory="4g", **java)
    spark.sparkContext.setLogLevel("ERROR")
    frame = spark.createDataFrame([(row,) for row in rows], "text string").repartition(2).cache()
    nlp = make_pipeline(model)
    n_tokens = sum(len(doc) for doc in nlp.pipe(rows))
    stage = ElmoEmbeddings(inputCols=["text"], source=model)
    programs: dict[str, Callable[[], object]] = {
        "nlp.pipe": lambda: [doc.tensor for doc in nlp.pipe(rows)],
        "Spark": lambda: run(stage.transform(frame)),
        "vectors alone": lambda: run(pass_vectors(spark, N_VECTORS)),
        "a job alone": lambda: run(pass_vectors(spark, 200)),
    }
    for program in programs.values():
        program()
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(n_rounds):
        for name, program in programs.items():
            started = time.perf_counter()
            program()
            times[name].append(time.perf_counter() - started)
    ratios = [pipe / spark for pipe, spark in zip(times["nlp.pipe"], times["Spark"])]
    console.print(f"{len(rows):,} rows, {n_tokens:,} tokens, {model}")
    for name, n in (("nlp.pipe", n_tokens), ("Spark", n_tokens), ("vectors alone", N_VECTORS)):
        console.print(f"{name}: {median(times[name]) / n * 1e6:.1f} µs per token")
    console.print(f"a job with two rows: {median(times['a job alone']):.2f} s")
    console.print(f"Spark, times nlp.pipe: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    console.print(f"making annotations in Python: {measure_arrays():.2f} µs per token of {WIDTH} numbers")
    console.print(f"memory of a worker, at most: {measure_workers() / 2**20:.2f} GB")
    spark.stop()


def make_pipeline(source: str) -> Language:
    """Make the pipeline that does the same."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    config = {"source": source, "layers": [], "model": {"n_threads": 2}}
    nlp.add_pipe("elmo_embedder", config=config)
    return nlp


def run(frame: DataFrame) -> None:
    """Compute all columns, and write them nowhere."""
    frame.write.format("noop").mode("overwrite").save()


def pass_vectors(spark: SparkSession, n_tokens: int) -> DataFrame:
    """Make a frame whose rows get annotations of 100 tokens."""
    frame = spark.range(0, n_tokens // 100, 1, numPartitions=2)
    column = NewColumn(name="embeddings", type=ANNOTATIONS, metadata={})
    return add_column(frame, [F.col("id")], partial(make_rows, n_tokens=100), column)


def make_rows(batches: Iterator[tuple[pa.Array, ...]], *, n_tokens: int) -> Iterator[pa.Array]:
    """Make annotations for each row, in parts as a worker makes them."""
    for (ids,) in batches:
        for first in range(0, len(ids), 40):
            yield annotate(min(40, len(ids) - first), n_tokens)


def annotate(n_rows: int, n_tokens: int) -> pa.Array:
    """Make annotations of rows."""
    n = n_rows * n_tokens
    text = ["token"] * n
    return make_annotations(
        FlatAnnotations(
            kind="word_embeddings",
            offsets=np.arange(n_rows + 1) * n_tokens,
            begin=np.arange(n),
            end=np.arange(n),
            result=text,
            metadata={
                "sentence": ["0"] * n,
                "token": text,
                "pieceId": "-1",
                "isWordStart": "true",
                "isOOV": "false",
            },
            values=np.zeros(n * WIDTH, np.float32),
            value_offsets=np.arange(n + 1) * WIDTH,
        )
    )


def measure_workers() -> int:
    """RETURNS (int): The most memory that a worker had, in KB, as the system says on Linux."""
    peaks = [0]
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"pyspark.daemon" in (folder / "cmdline").read_bytes():
                lines = (folder / "status").read_text().splitlines()
                peaks += [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return max(peaks)


def measure_arrays() -> float:
    """RETURNS (float): Microseconds per token to make annotations, without sending them."""
    times = []
    for _ in range(20):
        started = time.perf_counter()
        annotate(40, 100)
        times.append(time.perf_counter() - started)
    return median(times) / 4000 * 1e6


if __name__ == "__main__":
    typer.run(main)
