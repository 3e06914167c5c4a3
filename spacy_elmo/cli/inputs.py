"""What `embed` reads: .txt, .jsonl, .conllu and .spacy files, as a stream of tokenised sentences."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from ..errors import Errors
from ..lines import bad_line, numbered_lines

Tokenizer = Callable[[str], List[str]]


@dataclass(frozen=True)
class InputSentence:
    """One sentence of the input.

    text: as it stands in the input; the key under which the output's index finds it.
    tokens: all its tokens. done: share of the input that ends with this sentence, 0 to 1.
    by_spacy: spaCy has split it. Its whitespace tokens are then no words of the text, and hidden from the biLM;
        tokens that the user has given are embedded as they are.
    """

    text: str
    tokens: List[str]
    done: float
    by_spacy: bool = False

    @property
    def rows(self) -> List[int]:
        """Tokens that the biLM sees."""
        return [i for i, token in enumerate(self.tokens) if not (self.by_spacy and token.isspace())]

    @property
    def visible(self) -> List[str]:
        """The texts of `rows`."""
        return [self.tokens[i] for i in self.rows]


def read_sentences(path: Path, *, lang: Optional[str] = None) -> Iterator[InputSentence]:
    """The sentences of a file, in order; the kind of file is told by its ending.

    .txt: a sentence a line, tokens split at blanks, or by the tokenizer of `lang`.
    .jsonl: {"tokens": [...]} or {"text": ...} a line; texts are split by the tokenizer of `lang` (default "en").
    .conllu: the words of each sentence. .spacy: each Doc's sentences where they are set, else the whole Doc.
    RAISES: FileNotFoundError; ValueError for another ending, or, once it is reached, for a bad line.
    """
    if not path.is_file():
        raise FileNotFoundError(Errors.EL026.format(path=path, closest="Give a file to embed."))
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(Errors.EL060.format(path=path, suffix=path.suffix, allowed=", ".join(_READERS)))
    return reader(path, lang)


def _read_txt(path: Path, lang: Optional[str]) -> Iterator[InputSentence]:
    tokenize = str.split if lang is None else _tokenizer(lang)
    for _, line, done in _lines(path):
        yield InputSentence(line.strip(), tokenize(line.strip()), done, by_spacy=lang is not None)


def _read_jsonl(path: Path, lang: Optional[str]) -> Iterator[InputSentence]:
    tokenize: Optional[Tokenizer] = None
    for number, line, done in _lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise bad_line(path, number, f"not JSON ({error})") from error
        tokens = record.get("tokens") if isinstance(record, dict) else None
        text = record.get("text") if isinstance(record, dict) else None
        if isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
            yield InputSentence(" ".join(tokens), tokens, done)
        elif tokens is None and isinstance(text, str):
            tokenize = tokenize or _tokenizer(lang or "en")
            try:
                tokens = tokenize(text)
            except UnicodeEncodeError as error:
                raise bad_line(path, number, f"text that is not Unicode ({error.reason})") from error
            yield InputSentence(text, tokens, done, by_spacy=True)
        else:
            raise bad_line(path, number, 'neither {"tokens": [texts]} nor {"text": text}')


def _read_conllu(path: Path, lang: Optional[str]) -> Iterator[InputSentence]:
    words: List[str] = []
    done = 0.0
    for number, line, done in _lines(path):
        if not line.strip():
            if words:
                yield InputSentence(" ".join(words), words, done)
            words = []
        elif not line.startswith("#"):
            columns = line.split("\t")
            if len(columns) != 10:
                raise bad_line(path, number, f"{len(columns)} columns, but CoNLL-U has 10, separated by tabs")
            # Surface tokens (3-4) and empty nodes (5.1) are no words of the sentence.
            if columns[0].isdigit():
                words.append(columns[1])
            elif not columns[0].replace("-", "").replace(".", "").isdigit():
                raise bad_line(path, number, f"'{columns[0]}' is no word number")
    if words:
        yield InputSentence(" ".join(words), words, done)


def _read_spacy(path: Path, lang: Optional[str]) -> Iterator[InputSentence]:
    from spacy.vocab import Vocab

    from ..models.spans import sent_spans
    from ..pretraining.text import read_docs

    docs = list(read_docs(path, Vocab()))
    for number, doc in enumerate(docs, start=1):
        for span in sent_spans([doc])[0]:
            yield InputSentence(span.text, [token.text for token in span], number / len(docs), by_spacy=True)


_READERS: Dict[str, Callable[[Path, Optional[str]], Iterator[InputSentence]]] = {
    ".txt": _read_txt,
    ".jsonl": _read_jsonl,
    ".conllu": _read_conllu,
    ".spacy": _read_spacy,
}


def _tokenizer(lang: str) -> Tokenizer:
    import spacy

    tokenizer = spacy.blank(lang).tokenizer
    return lambda text: [token.text for token in tokenizer(text)]


def _lines(path: Path) -> Iterator[Tuple[int, str, float]]:
    """(number from 1, text without its line end, share of the file read)."""
    size, read = path.stat().st_size, 0
    with path.open("rb") as file:
        for line in numbered_lines(file, path):
            read += line.n_bytes
            yield line.number, line.text, read / size
