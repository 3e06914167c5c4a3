import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spacy_elmo.language_model.vocabulary import Vocabulary
from tests.data import shared_path

SPECIAL = ["<S>", "</S>", "<UNK>"]


def from_counts(counts: Any, **settings: Any) -> list[str]:
    return Vocabulary.from_counts(list(counts), list(counts.values()), **settings).words


def test_frequent_words_first() -> None:
    counts = {"a": 2, "b": 5, "c": 1, "d": 5, "e": 2, "f": 3}
    assert from_counts(counts) == [*SPECIAL, "b", "d", "f", "a", "e", "c"]
    # Large counts are sorted as numbers, not as floats of little precision.
    large = {"a": 2**60, "b": 2**60 + 1, "c": 2**60}
    assert from_counts(large) == [*SPECIAL, "b", "a", "c"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"min_count": 2}, ["b", "d", "f", "a", "e"]),
        ({"min_count": 3}, ["b", "d", "f"]),
        ({"min_count": 6}, []),
        ({"max_size": 5}, ["b", "d"]),
        ({"max_size": 9}, ["b", "d", "f", "a", "e", "c"]),
        ({"max_size": 3}, []),
        ({"max_size": 100}, ["b", "d", "f", "a", "e", "c"]),
        ({"min_count": 2, "max_size": 7}, ["b", "d", "f", "a"]),
    ],
)
def test_limits(settings: Any, words: list[str]) -> None:
    counts = {"a": 2, "b": 5, "c": 1, "d": 5, "e": 2, "f": 3}
    assert from_counts(counts, **settings) == [*SPECIAL, *words]


def test_special_words_of_the_text() -> None:
    """<UNK> and <S> in a text keep their place at the beginning, once."""
    assert from_counts({"a": 1, "<UNK>": 9, "<S>": 1, "b": 3}, min_count=2) == [*SPECIAL, "b"]


def test_ids() -> None:
    vocabulary = Vocabulary(["the", "<S>", "</S>", "<UNK>", "cat"])
    assert vocabulary.unknown == 3
    ids = vocabulary.ids(["cat", "dog", "the", "", "<S>", "The", "</S>", "<UNK>"])
    np.testing.assert_array_equal(ids, np.array([4, 3, 0, 3, 1, 3, 2, 3]))
    assert ids.dtype == np.int64
    assert (len(vocabulary), "cat" in vocabulary, "dog" in vocabulary, 4 in vocabulary) == (5, True, False, False)
    assert vocabulary == Vocabulary(["the", "<S>", "</S>", "<UNK>", "cat"])
    assert vocabulary != Vocabulary(["the", "</S>", "<S>", "<UNK>", "cat"])
    assert vocabulary != ["the", "<S>", "</S>", "<UNK>", "cat"]


def test_vocabulary_of_bilm_tf() -> None:
    """A vocab.txt that bilm-tf was trained with is read as bilm-tf reads it: each line is stripped."""
    path = shared_path("parity/lm/vocab.txt")
    with path.open(encoding="utf-8") as file:
        expected = [line.strip() for line in file]
    vocabulary = Vocabulary.read(path)
    assert vocabulary.words == expected
    assert [expected.index(word) for word in SPECIAL] == vocabulary.ids(SPECIAL).tolist()
    first = subprocess.run(["head", "-n", "5", path], capture_output=True, check=True, text=True).stdout.split()
    assert vocabulary.ids(first).tolist() == [0, 1, 2, 3, 4]


def test_round_trip(tmp_path: Path) -> None:
    # Separators that Unicode and str.splitlines() know, and texts that look like something else.
    words = [
        "a\u2028b",
        "c\u2029",
        "d\x0be",
        "\x0cf",
        "g\x85h",
        "i\x1cj",
        "\ufeff",
        "k\rl",
        "#",
        " m ",
        "𝄞",
        "NaN",
    ]
    vocabulary = Vocabulary.from_counts(words, range(len(words), 0, -1))
    assert vocabulary.words == [*SPECIAL, *words]
    vocabulary.write(tmp_path / "vocab.txt")
    assert Vocabulary.read(tmp_path / "vocab.txt") == vocabulary
    assert (tmp_path / "vocab.txt").read_bytes().count(b"\n") == len(vocabulary)
    assert [path.name for path in tmp_path.iterdir()] == ["vocab.txt"]


def test_unwritable_words() -> None:
    assert from_counts({"a\nb": 3, "\n": 2, "a\r": 2, "c": 1}) == [*SPECIAL, "c"]


@pytest.mark.parametrize(
    "content",
    [
        "<S>\n</S>\n<UNK>\na\nb",
        "<S>\r\n</S>\r\n<UNK>\r\na\r\nb\r\n",
        "\ufeff<S>\n</S>\n<UNK>\na\nb\n",
    ],
)
def test_files_of_other_systems(tmp_path: Path, content: str) -> None:
    (tmp_path / "vocab.txt").write_bytes(content.encode("utf-8"))
    assert Vocabulary.read(tmp_path / "vocab.txt").words == [*SPECIAL, "a", "b"]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"<S>\n</S>\na\n", r"EL072.*vocab\.txt' is not a vocabulary: it lacks <UNK>\. A vocab\.txt has"),
        (b"<s>\n</s>\n<unk>\n", r"EL072.*it lacks <S>, </S>, <UNK>\."),
        (b"", r"EL072"),
        (b"<S>\n</S>\n<UNK>\na\nb\na\n", r"EL073.*vocab\.txt: the word 'a' is on line 4 and again on line 6\."),
        (b"<S>\n</S>\n<UNK>\n<UNK>\n<UNK>\n", r"EL073.*the word '<UNK>' is on line 3 and again on line 4\."),
        (
            b"!!!MAXTERMID\n<S>\n</S>\na\n!!!MAXTERMID\na\n<UNK>\n",
            r"EL073.*'a' is on line 4 and again on line 6",
        ),
        (
            b"<S>\n</S>\n<UNK>\n\na\n\n",
            r"EL073.*the empty word \(a blank line\) is on line 4 and again on line 6",
        ),
        (b"<S>\n</S>\n<UNK>\nb\xe4\n", r"EL061.*vocab\.txt, line 4: not UTF-8 \(.* at byte 1\)\..*iconv "),
    ],
)
def test_invalid_vocabularies(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(ValueError, match=match):
        Vocabulary.read(tmp_path / "vocab.txt")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"EL026.*vocab\.txt.*spacy-elmo vocab"):
        Vocabulary.read(tmp_path / "vocab.txt")


def test_skipped_line(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("!!!MAXTERMID\n<S>\n</S>\n<UNK>\na\n", "utf-8")
    assert Vocabulary.read(path).words == ["<S>", "</S>", "<UNK>", "a"]
