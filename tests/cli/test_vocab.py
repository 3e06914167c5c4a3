from pathlib import Path

import pytest

from spacy_elmo.cli.vocab import vocab
from spacy_elmo.pretraining.vocabulary import Vocabulary
from tests.cli.command import run

TEXT = "A dog saw a cat. A cat saw a dog.\nA bird sang.\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, "utf-8")
    return path


def test_the_most_frequent_first(text: Path, tmp_path: Path) -> None:
    output = tmp_path / "vocab.txt"
    done = run("vocab", text, "-o", output)
    # A, a full stop (3 each), then the pairs, as they come in the text, then the bird.
    assert Vocabulary.read(output).words == [
        "<S>", "</S>", "<UNK>", "A", ".", "dog", "saw", "a", "cat", "bird", "sang",
    ]  # fmt: skip
    assert "11 words" in done.stderr
    assert "16 tokens of 8 types" in done.stderr


def test_rare_words_are_left_out_and_counted(text: Path, tmp_path: Path) -> None:
    made = vocab([text], tmp_path / "vocab.txt", min_count=2)
    assert (made.n_words, made.n_types, made.n_tokens) == (9, 8, 16)
    assert made.unknown == pytest.approx(2 / 16)
    assert vocab([text], tmp_path / "vocab.txt", max_size=4).n_words == 4


def test_several_texts(text: Path, tmp_path: Path) -> None:
    assert vocab([text, text], tmp_path / "vocab.txt").n_tokens == 32


def test_nothing_to_count(tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("\n  \n", "utf-8")
    with pytest.raises(ValueError, match="EL071"):
        vocab([empty], tmp_path / "vocab.txt")
    assert not (tmp_path / "vocab.txt").exists()


def test_outputs_that_will_not_do(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are told before anything is counted."""
    monkeypatch.setattr("spacy_elmo.pretraining.tokens.read_tokens", lambda *_: pytest.fail("read the text"))
    with pytest.raises(FileNotFoundError, match="EL064"):
        vocab([text], tmp_path / "nowhere" / "vocab.txt")
    with pytest.raises(ValueError, match="EL066"):
        vocab([text], text)
    assert text.read_text("utf-8") == TEXT
