"""Text files of a corpus, as a stream of texts or Docs."""

import gzip
import json
import lzma
import sys
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Union

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..errors import Errors
from ..lines import Line, bad_line, numbered_lines

# How each file is opened, by its last ending.
_OPENERS: Dict[str, Callable[[Path], Any]] = {
    ".xz": lzma.LZMAFile,
    ".gz": gzip.GzipFile,
}
KINDS = (".txt", ".jsonl", ".spacy", ".txt.gz", ".txt.xz", ".jsonl.gz", ".jsonl.xz")


def check_text_file(path: Path) -> None:
    """RAISES: FileNotFoundError if there is no such file; ValueError if its ending is none of `KINDS`."""
    if not path.is_file():
        raise FileNotFoundError(Errors.EL026.format(path=path, closest="Give a text file of the corpus."))
    if not path.name.lower().endswith(KINDS):
        raise ValueError(Errors.EL060.format(path=path, suffix=path.suffix, allowed=", ".join(KINDS)))


def read_texts(path: Path, vocab: Vocab, *, longest: int = sys.maxsize) -> Iterator[Union[str, Doc]]:
    """The texts of a file, in order, read as they are asked for.

    .txt: a text a line, empty lines left out. .jsonl: {"text": ...} a line. Both also as .gz or .xz.
    .spacy: the Docs of a DocBin, over `vocab`; these are tokenised already, and read at once.
    longest: characters that a text may have.
    RAISES: as `check_text_file`; ValueError, once it is reached, for a line that cannot be read or is too long, or
        a file that is damaged.
    """
    check_text_file(path)
    if path.suffix.lower() == ".spacy":
        yield from read_docs(path, vocab)
    else:
        jsonl = path.name.lower().removesuffix(".gz").removesuffix(".xz").endswith(".jsonl")
        for number, line, _ in _lines(path):
            if not line.strip():
                continue
            text = _text(path, number, line) if jsonl else line
            if len(text) > longest:
                reason = f"a text of {len(text):,} characters, and the pipeline takes no more than {longest:,}"
                raise bad_line(path, number, f"{reason}; cut it, or use a blank pipeline")
            yield text


def _lines(path: Path) -> Iterator[Line]:
    opener = _OPENERS.get(path.suffix.lower(), lambda path: path.open("rb"))
    try:
        with opener(path) as file:
            yield from numbered_lines(file, path)
    except (lzma.LZMAError, zlib.error, gzip.BadGzipFile, EOFError) as error:
        raise ValueError(Errors.EL023.format(path=path, reason=error)) from error


def _text(path: Path, number: int, line: str) -> str:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise bad_line(path, number, f"not JSON ({error})") from error
    text = record.get("text") if isinstance(record, dict) else None
    if not isinstance(text, str):
        raise bad_line(path, number, 'no {"text": text}')
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise bad_line(path, number, f"text that is not Unicode ({error.reason})") from error
    return text


def read_docs(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """The Docs of a DocBin file. RAISES: ValueError if it is none."""
    try:
        docs = DocBin().from_disk(path)
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise ValueError(Errors.EL023.format(path=path, reason=f"no DocBin ({error})")) from error
    yield from docs.get_docs(vocab)
