"""A model as an archive that Spark sends to its workers, and that each machine unpacks once."""

import atexit
import shutil
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from hashlib import sha256 as new_digest
from pathlib import Path
from tempfile import mkdtemp
from weakref import WeakKeyDictionary

from pyspark.sql import SparkSession

from ..bilm.options import OPTIONS_NAME, Options
from ..util.atomic import temporary_folder
from ..util.hashes import sha256
from ..weights.arrays import SOFTMAX_PREFIX
from ..weights.formats.folder import WEIGHTS_NAME, write_folder
from ..weights.source import Source, read_weights

FILES = (OPTIONS_NAME, WEIGHTS_NAME)
_PREFIX = "spacy_elmo-"
# What each session, or each SparkContext, has been given.
_sent: WeakKeyDictionary[object, set[str]] = WeakKeyDictionary()


@dataclass(frozen=True)
class ModelArchive:
    """A model's files, which stay until this process ends: Spark fetches them whenever it starts a worker.

    folder (Path): The folder with `FILES`. Its name depends on their content.
    options (Options): The options of the model.
    """

    folder: Path
    options: Options

    @property
    def name(self) -> str:
        """Get the name under which workers find the folder.

        RETURNS (str): The name.
        """
        return self.folder.name

    def send(self, spark: SparkSession) -> None:
        """Let Spark send the model to its workers.

        spark (SparkSession): The session, classic or Connect; it gets a model only once.
        """
        is_connect = type(spark).__module__.startswith("pyspark.sql.connect")
        known = _sent.setdefault(spark if is_connect else spark.sparkContext, set())
        if self.name in known:
            return
        path = self.folder.with_name(f"{self.name}.zip")
        if not path.exists():
            # Weights hardly compress.
            with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
                for name in FILES:
                    file.write(self.folder / name, name)
        named = f"{path}#{self.name}"
        if is_connect:
            spark.addArtifacts(named, archive=True)
        else:
            spark.sparkContext.addArchive(named)
        known.add(self.name)


def archive_source(source: Source) -> ModelArchive:
    """Read a model, and make an archive of it.

    source (Source): As for `spacy_elmo.load`.
    RETURNS (ModelArchive): The archive.
    RAISES (FileNotFoundError, ElmoError, ImportError, OSError): As `read_weights`.
    """
    weights = read_weights(source)
    arrays = {name: array for name, array in weights.arrays.items() if not name.startswith(SOFTMAX_PREFIX)}
    return make_archive(lambda folder: write_folder(folder, weights.options, arrays))


def make_archive(write: Callable[[Path], None]) -> ModelArchive:
    """Make an archive of files.

    write (Callable[[Path], None]): Writes `FILES` into an existing, empty folder.
    RETURNS (ModelArchive): The archive.
    """
    made = Path(mkdtemp(dir=_root()))
    try:
        write(made)
        digest = new_digest("".join(sha256(made / name) for name in FILES).encode()).hexdigest()
        folder = made.with_name(f"{_PREFIX}{digest[:16]}")
        if not folder.exists():
            made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return ModelArchive(folder, Options.from_file(folder / OPTIONS_NAME))


@cache
def _root() -> Path:
    kept = ExitStack()
    atexit.register(kept.close)
    return kept.enter_context(temporary_folder())
