"""A Spark session of this machine, for all tests here; they are skipped where no Java is found."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.extras import is_installed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark(java: None, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SparkSession]":
    assert is_installed("pyspark")
    from spacy_elmo.spark import start

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        session = start(
            spark_master="local[2]",
            spark_driver_memory="3g",
            spark_ui_enabled="false",
            spark_ui_showConsoleProgress="false",
            spark_sql_shuffle_partitions="2",
            spark_sql_warehouse_dir=tmp_path_factory.mktemp("warehouse"),
        )
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()
