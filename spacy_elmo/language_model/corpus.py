"""A corpus as token numbers on disk: written once from a stream of sentences, then memory-mapped."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ElmoError, ElmoFileNotFoundError, ElmoOSError, Errors
from ..errors.advice import explain_writing
from ..util.atomic import atomic_write
from ..util.hashes import sha256

META = "corpus.json"
TYPES = "types.json"
TOKENS = "tokens.i32"
ENDS = "ends.i64"
_VERSION = 1
# Tokens that are collected in memory before they are written.
_BLOCK = 1 << 20
# Characters of a type that are kept: more than a model reads of a token, or than a word of a vocabulary has.
LONGEST_TYPE = 1000


@dataclass(frozen=True)
class Corpus:
    """Tokenized sentences.

    types (list[str]): Every distinct token text.
    tokens (NDArray): The tokens of all sentences in order, as indices of `types`: (n_tokens,), int32.
    ends (NDArray): Where each sentence ends in `tokens`: (n_sentences,), int64.
    """

    types: list[str]
    tokens: NDArray[np.int32]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        """Count the sentences."""
        return len(self.ends)

    @property
    def n_tokens(self) -> int:
        """Number of tokens, without boundary tokens."""
        return len(self.tokens)

    def sentence(self, number: int) -> NDArray[np.int32]:
        """Get the tokens of a sentence.

        number (int): The sentence's, from 0 up.
        RETURNS (NDArray): Indices of `types`.
        """
        start = self.ends[number - 1] if number else 0
        return self.tokens[start : self.ends[number]]

    def count_types(self) -> NDArray[np.int64]:
        """Count how often each type occurs.

        RETURNS (NDArray): (n_types,).
        """
        counts = np.zeros(len(self.types), dtype=np.int64)
        for start in range(0, self.n_tokens, _BLOCK):
            counts += np.bincount(self.tokens[start : start + _BLOCK], minlength=len(self.types))
        return counts

    @classmethod
    def from_sentences(cls, sentences: Iterable[Sequence[str]]) -> "Corpus":
        """Make a small corpus in memory.

        sentences (Iterable[Sequence[str]]): Token texts.
        RETURNS (Corpus): The corpus.
        """
        numbers: dict[str, int] = {}
        listed = [[numbers.setdefault(token, len(numbers)) for token in sentence] for sentence in sentences]
        tokens = np.array([token for sentence in listed for token in sentence], dtype=np.int32)
        ends = np.cumsum([len(sentence) for sentence in listed], dtype=np.int64)
        return cls(list(numbers), tokens, ends)

    @classmethod
    def open(cls, folder: Path) -> "Corpus":
        """Map a corpus that `write_corpus` has written into memory.

        folder (Path): Where it is.
        RETURNS (Corpus): The corpus.
        RAISES (FileNotFoundError): If there is none.
        RAISES (ElmoError): If it is damaged, or of another version.
        """
        path = folder / META
        if not path.is_file():
            raise ElmoFileNotFoundError(Errors.EL026.format(path=path, closest="Write the corpus first."))
        try:
            meta = json.loads(path.read_text("utf-8"))
            sizes = meta["n_tokens"] * 4, meta["n_sentences"] * 8
            types = json.loads((folder / TYPES).read_text("utf-8"))
            found = (folder / TOKENS).stat().st_size, (folder / ENDS).stat().st_size
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise ElmoError(Errors.EL023.format(path=folder, reason=error)) from error
        if meta.get("version") != _VERSION or found != sizes or len(types) != meta["n_types"]:
            raise ElmoError(Errors.EL023.format(path=folder, reason="the sizes or versions of its files differ"))
        return cls(
            types,
            np.memmap(folder / TOKENS, dtype=np.int32, mode="r"),
            np.memmap(folder / ENDS, dtype=np.int64, mode="r"),
        )


def verify_corpus(folder: Path) -> None:
    """Check that a corpus holds the numbers that were written.

    folder (Path): Where `write_corpus` has written it. In a corpus of an earlier version, which has no checksums,
        only numbers out of range are found.
    RAISES (FileNotFoundError): If there is none.
    RAISES (ElmoError): If it is damaged, or of another version.
    """
    corpus = Corpus.open(folder)
    sums = json.loads((folder / META).read_text("utf-8")).get("sha256")
    if sums is not None:
        for name in (TYPES, TOKENS, ENDS):
            if sha256(folder / name) != sums.get(name):
                raise ElmoError(Errors.EL023.format(path=folder / name, reason="its checksum does not match"))
        return
    for start in range(0, corpus.n_tokens, _BLOCK):
        block = corpus.tokens[start : start + _BLOCK]
        if block.min() < 0 or block.max() >= len(corpus.types):
            raise ElmoError(
                Errors.EL023.format(path=folder / TOKENS, reason="it refers to word types that do not exist")
            )
    if len(corpus) and (
        (np.diff(corpus.ends) < 0).any() or corpus.ends[0] < 0 or corpus.ends[-1] != corpus.n_tokens
    ):
        raise ElmoError(Errors.EL023.format(path=folder / ENDS, reason="it has invalid sentence ends"))


def read_fingerprint(folder: Path) -> str:
    """Read what the corpus in a folder was made of.

    folder (Path): Where `write_corpus` has written it.
    RETURNS (str): The fingerprint that `write_corpus` got; "" if there is no corpus.
    """
    try:
        return str(json.loads((folder / META).read_text("utf-8"))["fingerprint"])
    except (OSError, ValueError, KeyError):
        return ""


def write_corpus(
    folder: Path,
    sentences: Iterable[Sequence[str]],
    *,
    fingerprint: str = "",
    longest: int = LONGEST_TYPE,
) -> Corpus:
    """Write a stream of sentences, of which no more than a block is held in memory, beside the types.

    folder (Path): Created if needed; a corpus in it is replaced.
    sentences (Iterable[Sequence[str]]): Token texts.
    fingerprint (str): What the corpus is made of, for `read_fingerprint`.
    longest (int): Characters of a token that are kept: types are held in memory.
    RETURNS (Corpus): The corpus, memory-mapped.
    RAISES (ElmoError): If there are no tokens.
    RAISES (OSError): If it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Without this file there is no corpus: it is removed first and written last.
    (folder / META).unlink(missing_ok=True)
    numbers: dict[str, int] = {}
    n_tokens = n_sentences = 0
    block: list[int] = []
    ends: list[int] = []
    with atomic_write(folder / TOKENS) as tokens_path, atomic_write(folder / ENDS) as ends_path:
        with tokens_path.open("wb") as tokens_file, ends_path.open("wb") as ends_file:

            def flush() -> None:
                try:
                    tokens_file.write(np.array(block, dtype=np.int32).tobytes())
                    ends_file.write(np.array(ends, dtype=np.int64).tobytes())
                except OSError as error:
                    raise ElmoOSError(Errors.EL092.format(path=folder, **explain_writing(error))) from error
                block.clear()
                ends.clear()

            for sentence in sentences:
                types = (token if len(token) <= longest else token[:longest] for token in sentence)
                block.extend(numbers.setdefault(text, len(numbers)) for text in types)
                n_tokens += len(sentence)
                n_sentences += 1
                ends.append(n_tokens)
                if len(block) >= _BLOCK:
                    flush()
            flush()
        if not n_tokens:
            raise ElmoError(Errors.EL071.format(path=folder))
    with atomic_write(folder / TYPES) as temporary:
        temporary.write_text(json.dumps(list(numbers)), "utf-8")
    meta = {
        "version": _VERSION,
        "n_sentences": n_sentences,
        "n_tokens": n_tokens,
        "n_types": len(numbers),
        "fingerprint": fingerprint,
        "sha256": {name: sha256(folder / name) for name in (TYPES, TOKENS, ENDS)},
    }
    with atomic_write(folder / META) as temporary:
        temporary.write_text(json.dumps(meta, indent=2) + "\n", "utf-8")
    return Corpus.open(folder)
