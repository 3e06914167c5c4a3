"""Start Spark so that its workers find this package, and read what they send fast."""

import os
import sys

from pyspark.sql import SparkSession

from ..errors import ElmoError, Errors

# Of Arrow in Java: without a check of every number of every vector that Spark reads, of which it knows the length.
JAVA_OPTIONS = "-Darrow.enable_unsafe_memory_access=true -Darrow.enable_null_check_for_get=false"


def start(**settings: object) -> SparkSession:
    """Get the Spark session, or start one on this machine.

    Spark starts its workers as "python3", which is not the Python of a virtual environment; here they get the
    Python of this process, unless PYSPARK_PYTHON is set. Java gets options by which it reads vectors
    faster, unless there are others.

    settings (object): Settings of Spark, with underscores in place of dots: `spark_driver_memory="4g"`.
    RETURNS (SparkSession): The session.
    RAISES (ElmoError): If a setting is not one of Spark's.
    """
    for name in settings:
        if not name.startswith("spark_"):
            raise ElmoError(Errors.EL864.format(name=name))
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # With Spark Connect, or from spark-submit, there is a session already, and it has its settings.
    if {"SPARK_REMOTE", "PYSPARK_GATEWAY_PORT"} & os.environ.keys() or "spark_remote" in settings:
        defaults = {}
    else:
        defaults = {f"spark.{part}.extraJavaOptions": JAVA_OPTIONS for part in ("driver", "executor")}
        if "MASTER" not in os.environ:
            defaults["spark.master"] = "local[*]"
    given = {name.replace("_", "."): str(value) for name, value in settings.items()}
    builder = SparkSession.builder.appName("spacy_elmo")
    for name, value in {**defaults, **given}.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
