"""Find the vocabulary of a model: vocab.txt, or a file of another name with the words of its softmax."""

import re
from pathlib import Path

from ..bilm.fields import show
from ..errors import ElmoError, Errors, Warnings
from ..errors.warn import warn
from ..util.files import read_bytes, read_small
from ..weights.arrays import Weights, softmax_facts
from ..weights.model_files import Files, list_files, show_names
from ..weights.sniff import VOCAB_NAME
from .vocabulary import MOST_VOCABULARY, NO_WORD, SPECIAL

# The special words are among the first lines: in bilm-tf's order, or in that of 1B Word's vocab-2016-09-10.txt.
_FIRST_LINES, _FIRST_BYTES = 20, 1 << 14
_NO_WORDS = re.compile(rb"^" + re.escape(NO_WORD.encode()) + rb"\r?$", re.MULTILINE)


def find_vocabulary(files: Files, weights: Weights) -> Path | None:
    """Find the vocabulary beside the files of a model.

    files (Files): The files.
    weights (Weights): What was read from them.
    RETURNS (Path | None): A vocab.txt; else the only file that begins with the words that all vocabularies have,
        and has as many words as the softmax predicts, if there is one. None if there is no such file.
    RAISES (ElmoError): If several files fit the softmax, or as `softmax_facts`.
    RAISES (OSError): If the system refuses access to the folder, or the disk fails.
    """
    facts = softmax_facts(weights)
    why: list[str] = []
    for folder in files.folders:
        if (folder / VOCAB_NAME).is_file():
            return folder / VOCAB_NAME
        headers = {path: _find_header(path) for path in list_files(folder) if path not in files}
        found = [path for path, is_there in headers.items() if is_there]
        if facts is None:
            if len(found) == 1:
                return found[0]
            why += [f"'{show(path.name)}' is one of several" for path in found]
            continue
        sizes = {path: count_words(path) for path in found}
        fitting = [path for path, size in sizes.items() if size == facts.n_words]
        if len(fitting) > 1:
            names = show_names(fitting)
            raise ElmoError(Errors.EL295.format(path=folder, n_words=facts.n_words, names=names))
        if fitting:
            return fitting[0]
        why += [
            f"'{show(path.name)}' has {size:,} words, but the softmax predicts {facts.n_words:,}"
            for path, size in sizes.items()
        ]
        why += [f"'{show(path.name)}' cannot be read" for path, is_there in headers.items() if is_there is None]
    if why:
        warn(Warnings.WL085.format(path=weights.source, why="; ".join(why[:8])), stacklevel=3)
    return None


def _find_header(path: Path) -> bool | None:
    """RETURNS (bool | None): As `has_vocabulary_header`; None if the file, which may be any, cannot be read."""
    try:
        return has_vocabulary_header(path)
    except PermissionError:
        return None


def has_vocabulary_header(path: Path) -> bool:
    """Check whether a file begins with the words that every vocabulary has, among its first lines.

    path (Path): The file; it may be missing.
    RETURNS (bool): Whether it does, and is no larger than a vocabulary can be.
    """
    if not path.is_file() or path.stat().st_size > MOST_VOCABULARY:
        return False
    lines = read_bytes(path, n_bytes=_FIRST_BYTES).removeprefix(b"\xef\xbb\xbf").split(b"\n")[:_FIRST_LINES]
    return {word.encode() for word in SPECIAL} <= {line.rstrip(b"\r") for line in lines}


def count_words(path: Path) -> int:
    """Count the words of a vocabulary without reading them.

    path (Path): The file.
    RETURNS (int): Its lines, but for those that bilm-tf skips.
    """
    data = read_small(path, most=MOST_VOCABULARY)
    n_lines = data.count(b"\n") + (not data.endswith(b"\n"))
    return n_lines - len(_NO_WORDS.findall(data))
