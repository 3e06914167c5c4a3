"""A source, as users write it, to weights: unpacks archives and calls the reader."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors.heard import hear, warn
from ..util.atomic import temporary_folder
from .archives import unpack
from .arrays import Weights
from .formats import reader_of
from .locate import Files, Source, files_of_folder, find_files
from .sniff import ARCHIVES, sniff

# An archive may hold another, as Spark NLP's models do.
MOST_ARCHIVES = 3


class Opened(NamedTuple):
    """files: on disk, no archive. origin: what the files were found in, the archive or the weights themselves."""

    files: Files
    origin: Path

    @property
    def is_unpacked(self) -> bool:
        return self.origin != self.files.weights

    def read(self) -> Weights:
        """RAISES: as `read_weights`."""
        reader = reader_of(self.files.weights)
        if not self.is_unpacked:
            weights: Weights = reader.read(*self.files)
            return weights
        with hear() as heard:
            weights = reader.read(*self.files)
        for text in heard:
            warn(text.replace(str(self.files.weights.parent), str(self.origin)))
        # What is mapped into memory would lose its file. One by one, so that the weights are not held twice.
        arrays = {name: np.array(weights.arrays.pop(name)) for name in list(weights.arrays)}
        return replace(weights, arrays=arrays, source=str(self.origin))


def read_weights(source: Source) -> Weights:
    """Options and arrays of a source.

    source: a name of the catalogue, a folder, one of a model's files, an archive, or the pair [options, weights].
    RAISES: FileNotFoundError if there is nothing by that name; ValueError if what is there is no readable
        biLM; ImportError if its format needs a package that is not installed; OSError if a download fails, or the
        system does not let a file be read.
    """
    with opened(source) as found:
        return found.read()


@contextmanager
def opened(source: Source) -> Iterator[Opened]:
    """The files of a source, of an archive in a folder that is there as long as the block runs.

    RAISES: as `read_weights`.
    """
    files = find_files(source)
    if files.options is not None or sniff(files.weights) not in ARCHIVES:
        yield Opened(files, files.weights)
        return
    with temporary_folder() as folder, _named_after(files.weights, str(folder)):
        yield Opened(_unpacked(files.weights, folder, MOST_ARCHIVES), files.weights)


def _unpacked(archive: Path, folder: Path, depth: int) -> Files:
    inside = folder / str(depth)
    unpack(archive, inside, variable="TMPDIR")
    files = files_of_folder(inside)
    again = depth > 1 and sniff(files.weights) in ARCHIVES
    return _unpacked(files.weights, folder, depth - 1) if again else files


@contextmanager
def _named_after(archive: Path, folder: str) -> Iterator[None]:
    """Let errors speak of the archive: its user has never heard of the folder."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        text = re.sub(rf"{re.escape(folder)}[/\\]\d+", lambda _: str(archive), str(error))
        if folder not in str(error):
            raise
        raise type(error)(text) from error
