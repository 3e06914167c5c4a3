"""Spark in several processes: a cluster with two workers, Spark Connect, and a worker that is killed.

Each runs in a process of its own, because a process has one kind of session.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.data import ROOT, TINY

pytestmark = [pytest.mark.needs("pyspark"), pytest.mark.slow, pytest.mark.usefixtures("java")]

START = f"""
import os, sys
import numpy as np
import spacy_elmo
from pyspark.ml import Pipeline, PipelineModel
from pyspark.sql import SparkSession, functions as F
from spacy_elmo.spark import *

SOURCE = {str(TINY)!r}
elmo = spacy_elmo.load(SOURCE)

def check(rows):
    "Every row has the vectors of its sentence."
    for row in rows:
        expected = elmo.embed([row.text.split()])[0].elmo
        found = np.array([one.embeddings for one in row.embeddings], dtype=np.float32)
        assert np.abs(found - expected).max() < 1e-6

def make_pipeline():
    return Pipeline(stages=[
        DocumentAssembler(), SentenceDetector(), Tokenizer(), ElmoEmbeddings(source=SOURCE),
    ])
"""
CLUSTER = """
spark = start(spark_master="local-cluster[2,1,1024]", spark_ui_enabled="false", spark_executor_memory="1g")
texts = [f"I love NLP {i}" for i in range(200)]
frame = spark.createDataFrame([(text,) for text in texts], "text string").repartition(4)
model = make_pipeline().fit(frame)
rows = model.transform(frame).collect()
check(rows)
assert sorted(row.text for row in rows) == sorted(texts)
model.save(sys.argv[1])
check(PipelineModel.load(sys.argv[1]).transform(frame).collect())
hosts = model.transform(frame).select(F.spark_partition_id().alias("id")).distinct().count()
print("executors", spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1, "partitions", hosts)
spark.stop()
"""
CONNECT = """
os.environ["PYSPARK_PYTHON"] = sys.executable
spark = SparkSession.builder.remote("local[2]").getOrCreate()
assert type(spark).__module__.startswith("pyspark.sql.connect")
frame = spark.createDataFrame([("I love NLP",), ("Hi",)], "text string")
model = make_pipeline().fit(frame)
result = model.transform(frame)
check(result.collect())
assert result.schema["embeddings"].dataType == ANNOTATIONS
assert result.schema["embeddings"].metadata["annotatorType"] == "word_embeddings"
assert result.schema["embeddings"].metadata["dimension"] == elmo.width("elmo")
model.save(sys.argv[1])
check(PipelineModel.load(sys.argv[1]).transform(frame).collect())
assert [row.token for row in elmo.predict(frame).collect()] == ["I", "love", "NLP", "Hi"]
print("connected")
spark.stop()
"""
# The worker that runs the model is killed while it is at work; Spark runs its task again.
KILLED = """
import signal, subprocess, threading, time

def find_workers():
    table = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    processes = [line.split(None, 2) for line in table.splitlines()[1:]]
    python = {pid: ppid for pid, ppid, arguments in processes if "pyspark.daemon" in arguments}
    # The daemon of an executor is the parent of its workers.
    return [int(pid) for pid, ppid in python.items() if ppid in python and is_ours(ppid)]

def is_ours(pid):
    try:
        return f"MARK={os.getpid()}".encode() in open(f"/proc/{pid}/environ", "rb").read().split(b"\\0")
    except OSError:
        return False

killed = []

def count_ticks(pid):
    try:
        return sum(map(int, open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[11:13]))
    except OSError:
        return 0

def find_busy():
    before = {pid: count_ticks(pid) for pid in find_workers()}
    time.sleep(0.2)
    return [pid for pid, ticks in before.items() if count_ticks(pid) >= ticks + 10]

def count_failed():
    executors = spark.sparkContext._jsc.sc().statusStore().executorList(True)
    return sum(executors.apply(i).failedTasks() for i in range(executors.size()))

def kill():
    # One at work: others wait for the next query, or go on with what nobody waits for, and no task fails without
    # them. A task may fail three times.
    while not count_failed() and len(killed) < 3 and not done.is_set():
        for pid in find_busy()[:1]:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            time.sleep(0.5)

spark = start(
    spark_master="local-cluster[2,1,1024]", spark_ui_enabled="false", spark_executor_memory="1g",
    spark_executorEnv_MARK=os.getpid(), spark_sql_execution_arrow_maxRecordsPerBatch=20,
)
texts = [" | ".join(["I love NLP so very much indeed"] * 40) + f" {i}" for i in range(400)]
frame = spark.createDataFrame(list(enumerate(texts)), "id int, text string").repartition(4)
stage = ElmoEmbeddings(source="en_sm", inputCols=["text"], pooling="AVERAGE", pipeline="tokenizer:en")
result = stage.transform(frame).select("id", F.col("embeddings")[0]["embeddings"].alias("vector"))
# The model is sent and loaded before.
result.limit(1).collect()
done = threading.Event()
thread = threading.Thread(target=kill)
thread.start()
rows = sorted(result.collect(), key=lambda row: row.id)
done.set()
thread.join()
assert killed
assert count_failed() >= 1
assert [row.id for row in rows] == list(range(400))
large = spacy_elmo.load("en_sm")
for row in rows[::40]:
    expected = large.embed([texts[row.id].split()])[0].elmo.mean(0)
    assert np.abs(np.array(row.vector) - expected).max() < 1e-5
print("killed and run again")
spark.stop()
"""


def run(program: str, folder: Path, **environment: str) -> str:
    """Run a program; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", START + textwrap.dedent(program), str(folder / "saved")],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return done.stdout


def test_cluster(tmp_path: Path) -> None:
    """Two executors, each a process: the model is sent to both, and so is a loaded one."""
    assert run(CLUSTER, tmp_path) == "executors 2 partitions 4\n"


def test_connect(tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="Spark Connect needs the packages of pyspark[connect]")
    assert run(CONNECT, tmp_path).endswith("connected\n")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the workers in /proc")
def test_killed_worker(tmp_path: Path) -> None:
    """Nothing is lost, and nothing is there twice."""
    assert run(KILLED, tmp_path) == "killed and run again\n"
