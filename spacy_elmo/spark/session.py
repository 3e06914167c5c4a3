"""Start Spark so that its workers find this package."""

import os
import sys

from pyspark.sql import SparkSession


def start(**settings: object) -> SparkSession:
    """Get the Spark session, or start one on this machine.

    Spark starts its workers as "python3", which is not the Python of a virtual environment; here they get the
    Python of this process, unless PYSPARK_PYTHON is set.

    settings (object): Settings of Spark, with underscores in place of dots: `spark_driver_memory="4g"`.
    RETURNS (SparkSession): The session.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("spacy_elmo")
    if "SPARK_REMOTE" not in os.environ and "spark_master" not in settings and "MASTER" not in os.environ:
        builder = builder.master("local[*]")
    for name, value in settings.items():
        builder = builder.config(name.replace("_", "."), str(value))
    return builder.getOrCreate()
