from pathlib import Path

import pytest

from spacy_elmo.cli.vocab import vocab
from spacy_elmo.inputs.reader import Inputs
from spacy_elmo.language_model.vocabulary import Vocabulary
from tests.cli.command import run
from tests.data import shared_path

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


def test_rare_words(text: Path, tmp_path: Path) -> None:
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


def test_wrong_outputs(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are told before anything is counted."""
    monkeypatch.setattr("spacy_elmo.inputs.reader.Inputs.read", lambda *_: pytest.fail("read the text"))
    with pytest.raises(FileNotFoundError, match="EL064"):
        vocab([text], tmp_path / "nowhere" / "vocab.txt")
    with pytest.raises(ValueError, match="EL066"):
        vocab([text], text)
    assert text.read_text("utf-8") == TEXT


@pytest.mark.slow
def test_replaces_a_vocabulary_alone(text: Path, tmp_path: Path) -> None:
    output = tmp_path / "vocab.txt"
    run("vocab", text, "-o", output)
    run("vocab", text, "-o", output, "--max-size", "4")
    assert len(Vocabulary.read(output)) == 4
    for other in ("", "a corpus\n", "<S>\n</S>\n"):
        output.write_text(other)
        assert "EL068" in run("vocab", text, "-o", output, code=1).stderr
        assert output.read_text() == other
    run("vocab", text, "-o", output, "--force")
    assert len(Vocabulary.read(output)) == 11


def test_a_tokenised_corpus(tmp_path: Path) -> None:
    """Every token counts as it stands, in shards without an ending too."""
    line = "He was born in the mid-July of 9-11 Blvd. today ??? , said Mr . Smith .\n"
    for number in (1, 2):
        (tmp_path / f"news.en-0000{number}-of-00002").write_text(line, "utf-8")
    run("vocab", tmp_path / "news.en-*", "--format", "tokens", "-o", tmp_path / "vocab.txt")
    words = Vocabulary.read(tmp_path / "vocab.txt").words[3:]
    assert (words[0], sorted(words)) == (".", sorted(set(line.split())))
    with pytest.raises(ValueError, match=r"EL060.*news\.en-00001-of-00002.*--format"):
        vocab(tmp_path / "news.en-*", tmp_path / "vocab.txt")


def test_treebank(tmp_path: Path) -> None:
    made = vocab(shared_path("corpora/ud_ewt/en_ewt-ud-test.conllu"), tmp_path / "vocab.txt")
    assert made.n_tokens == 25094


def test_languages(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("don't", "utf-8")
    counts = [vocab(tmp_path / "a.txt", tmp_path / "vocab.txt", lang=lang).n_tokens for lang in (None, "en", "xx")]
    assert counts == [2, 2, 1]
    with pytest.raises(ValueError, match=r"EL207.*--format tokens and --lang cannot be combined"):
        vocab(tmp_path / "a.txt", tmp_path / "vocab.txt", format="tokens", lang="en")
    with pytest.raises(ValueError, match=r"EL207.*--format tokens and --pipeline cannot be combined"):
        vocab(tmp_path / "a.txt", tmp_path / "vocab.txt", format="tokens", pipeline="en")
    with pytest.raises(ValueError, match="EL065"):
        vocab(tmp_path / "a.txt", tmp_path / "vocab.txt", lang="en", pipeline="blank:en")


def test_unwritable_words(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"tokens": ["a\\ud800", "a", "b\\n"]}')
    vocab(tmp_path / "a.jsonl", tmp_path / "vocab.txt")
    assert Vocabulary.read(tmp_path / "vocab.txt").words[3:] == ["a"]
    assert [sentence.tokens for sentence in Inputs(tmp_path / "a.jsonl").read()] == [["a\ud800", "a", "b\n"]]
