"""Vocabularies by other names than vocab.txt, found by what is in them."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spacy_elmo.cli.perplexity import perplexity
from spacy_elmo.cli.substitutes import substitutes
from spacy_elmo.cli.warm import warm
from spacy_elmo.errors import ElmoPermissionError
from spacy_elmo.language_model.storage import build_language_model, read_language_model, read_model
from spacy_elmo.language_model.vocabulary import MOST_VOCABULARY
from spacy_elmo.language_model.vocabulary_files import count_words, has_vocabulary_header
from spacy_elmo.pretraining.config import ModelConfig
from spacy_elmo.pretraining.start import Start
from tests.language_models import WORDS, adaptive_softmax, full_softmax, write_source
from tests.platforms import links, named_pipes

# As in vocab-2016-09-10.txt, of the models trained on 1B Word.
OTHER_ORDER = ["</S>", "<S>", "the", "<UNK>", *WORDS[4:]]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A language model of 22 words without its vocabulary."""
    return write_source(tmp_path / "model", full_softmax(), words=None)


def write(path: Path, words: Sequence[str] = WORDS, *, end: str = "\n") -> Path:
    path.write_bytes("".join(f"{word}{end}" for word in words).encode())
    return path


def read_words(source: Path) -> list[str] | None:
    vocabulary = read_language_model(source)[1]
    return None if vocabulary is None else vocabulary.words


@pytest.mark.parametrize(
    "name", ["vocab-2016-09-10.txt", "vocab-train.txt", "elmo-vocab.txt", "words", "v.index.x"]
)
@pytest.mark.parametrize("words", [WORDS, OTHER_ORDER], ids=["bilm-tf", "1B Word"])
def test_any_name(source: Path, name: str, words: list[str]) -> None:
    write(source / name, words)
    for given in (source, source / "weights.safetensors", source / "options.json"):
        assert read_words(given) == words


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_that_are_no_words(source: Path, end: str) -> None:
    write(source / "vocab-old.txt", ["</S>", "!!!MAXTERMID", "<S>", "the", "<UNK>", *WORDS[4:]], end=end)
    assert read_words(source) == ["</S>", "<S>", "the", "<UNK>", *WORDS[4:]]


def test_vocab_txt_comes_first(source: Path) -> None:
    write(source / "elmo-vocab.txt", OTHER_ORDER)
    write(source / "vocab.txt")
    assert read_words(source) == WORDS
    # Also if it does not fit: it says that it is the one.
    write(source / "vocab.txt", WORDS[:-1])
    with pytest.raises(
        ValueError,
        match=r"EL088.*vocab.txt' has 21 words.*predicts 22\..*for `pretrain` to continue",
    ):
        read_words(source)


def test_two_that_fit(source: Path) -> None:
    write(source / "a.txt", OTHER_ORDER)
    write(source / "b.txt")
    write(source / "c.txt", [*WORDS, "more"])
    with pytest.raises(ValueError, match=r"EL295.*several vocabularies of 22 words.*\(a.txt, b.txt\)"):
        read_words(source)
    (source / "b.txt").unlink()
    assert read_words(source) == OTHER_ORDER


@pytest.mark.parametrize("link", [pytest.param(os.symlink, marks=links), os.link])
def test_two_names_of_one_file(source: Path, link: object) -> None:
    write(source / "vocab-train.txt", OTHER_ORDER)
    assert callable(link)
    link(source / "vocab-train.txt", source / "words.txt")
    assert read_words(source) == OTHER_ORDER


def test_adaptive_softmax(tmp_path: Path) -> None:
    source = write_source(tmp_path, adaptive_softmax(), words=None)
    write(source / "elmo-vocab.txt")
    assert read_words(source) == WORDS


def test_none_that_fits(source: Path) -> None:
    write(source / "vocab-train.txt", WORDS[:-2])
    (source / "text.txt").write_text("It is <S> not </S> a vocabulary <UNK>\n", "utf-8")
    with pytest.warns(UserWarning, match=r"WL085.*'vocab-train.txt' has 20 words, but the softmax predicts 22\."):
        assert read_words(source) is None
    with pytest.warns(UserWarning, match="WL085"), pytest.raises(FileNotFoundError, match=r"EL091.*22 words"):
        build_language_model(read_model(source))


def test_weights_without_softmax(tiny: Path, tmp_path: Path) -> None:
    """Pre-training goes on with the words of such a model, too."""
    folder = Path(shutil.copytree(tiny, tmp_path / "model"))
    assert read_words(folder) is None
    write(folder / "vocab-2016-09-10.txt", OTHER_ORDER)
    assert read_words(folder) == OTHER_ORDER
    write(folder / "vocab-dev.txt")
    with pytest.warns(UserWarning, match=r"WL085.*'vocab-2016-09-10.txt' is one of several; 'vocab-dev.txt'"):
        assert read_words(folder) is None


def test_hdf5_beside(source: Path, tiny: Path) -> None:
    """The pair decides which weights are read, and both have the same words."""
    shutil.copy(tiny / "weights.hdf5", source / "elmo_weights.hdf5")
    write(source / "vocab-train.txt")
    assert read_words(source / "elmo_weights.hdf5") == WORDS
    found = read_model([source / "options.json", source / "weights.safetensors"])
    assert found.vocabulary is not None
    assert found.vocabulary.words == WORDS


@pytest.mark.parametrize("ending", ["zip", "tar", "gztar", "bztar", "xztar"])
def test_archives(source: Path, tmp_path: Path, ending: str) -> None:
    write(source / "vocab-2016-09-10.txt", OTHER_ORDER)
    archive = shutil.make_archive(str(tmp_path / "packed"), ending, tmp_path, "model")
    assert read_words(Path(archive)) == OTHER_ORDER


def test_commands(source: Path, text: Path, tmp_path: Path) -> None:
    write(source / "vocab-2016-09-10.txt", OTHER_ORDER)
    named = Path(shutil.copytree(source, tmp_path / "named"))
    (named / "vocab-2016-09-10.txt").rename(named / "vocab.txt")
    got, expected = (perplexity(folder, [text], format="tokens") for folder in (source, named))
    assert got == expected
    substitutes(source, [text], output=tmp_path / "words.jsonl", format="tokens")
    assert (tmp_path / "words.jsonl").read_text("utf-8").count('"the"') > 3
    (tmp_path / "long.txt").write_text(text.read_text("utf-8") * 20, "utf-8")
    warm(source, [tmp_path / "long.txt"], tmp_path / "warm", format="tokens")
    assert (tmp_path / "warm" / "vocab.txt").read_text("utf-8").split("\n")[:-1] == OTHER_ORDER


def test_continued_pretraining(source: Path) -> None:
    write(source / "vocab-train.txt", OTHER_ORDER)
    start = Start.from_config(ModelConfig(source=str(source)))
    assert start.vocabulary is not None
    assert start.vocabulary.words == OTHER_ORDER


@pytest.mark.needs("tensorflow")
def test_checkpoint(parity: Path, tmp_path: Path) -> None:
    """A checkpoint of bilm-tf with the vocabulary's published name, and DeepPavlov's folder of both."""
    expected = (parity / "lm" / "vocab.txt").read_text("utf-8").split()
    folder, saves = tmp_path / "lm", tmp_path / "lm" / "saves"
    shutil.copytree(parity / "lm", folder, ignore=shutil.ignore_patterns("*.hdf5", "*.npz", "t*.txt", "e*.json"))
    (folder / "vocab.txt").rename(folder / "vocab-2016-09-10.txt")
    assert read_words(folder) == expected
    saves.mkdir()
    for ending in ("index", "data-00000-of-00001"):
        (folder / f"model.ckpt-1056.{ending}").rename(saves / f"model.{ending}")
    (folder / "checkpoint").unlink()
    archive = shutil.make_archive(str(tmp_path / "elmo-lm-ready4fine-tuning-ru-wiki"), "gztar", tmp_path, "lm")
    weights = read_language_model(folder)[0]
    assert weights.has_softmax
    for source in (folder, saves / "model.index", folder / "options.json", saves, Path(archive), saves / "model"):
        assert read_words(source) == expected
    found = read_language_model(Path(archive))[0]
    assert all(np.array_equal(found.arrays[name], array) for name, array in weights.arrays.items())


def test_header(tmp_path: Path) -> None:
    path = tmp_path / "vocab"
    assert not has_vocabulary_header(path)
    for content in (
        b"<S>\n</S>\n<UNK>",
        b"\xef\xbb\xbf<UNK>\r\n</S>\r\n<S>\r\n",
        b"a\n" * 17 + b"<S>\n</S>\n<UNK>\n",
    ):
        path.write_bytes(content)
        assert has_vocabulary_header(path)
    for content in (
        b"",
        b"<S> </S> <UNK>\n",
        b"<s>\n</s>\n<unk>\n",
        b"a\n" * 18 + b"<S>\n</S>\n<UNK>\n",
        b"\0" * 99,
    ):
        path.write_bytes(content)
        assert not has_vocabulary_header(path)


@pytest.mark.parametrize(
    ("content", "n_words"),
    [
        (b"<S>\n</S>\n<UNK>", 3),
        (b"<S>\n</S>\n<UNK>\n", 3),
        (b"!!!MAXTERMID\n<S>\n</S>\n<UNK>\n!!!MAXTERMID\r\n", 3),
        (b"<S>\n!!!MAXTERMIDS\n</S>\n<UNK>\n x\n", 5),
    ],
)
def test_counts(tmp_path: Path, content: bytes, n_words: int) -> None:
    path = tmp_path / "vocab"
    path.write_bytes(content)
    assert count_words(path) == n_words


def test_gigabytes(source: Path) -> None:
    """Of a file that nobody's softmax has so many words for, nothing but its beginning is ever read."""
    path = write(source / "vocab-train.txt")
    with path.open("r+b") as file:
        file.truncate(1 << 30)
    assert not has_vocabulary_header(path)
    assert read_words(source) is None
    path.rename(source / "vocab.txt")
    with pytest.raises(ValueError, match=rf"EL252.*vocab.txt' has 1,073,741,824 bytes.*{MOST_VOCABULARY:,}"):
        read_words(source)


def test_hostile_names(source: Path) -> None:
    write(source / "a\x1b[2J\n.txt", OTHER_ORDER)
    write(source / "b.txt")
    with pytest.raises(ValueError, match=r"EL295.*\(a\\x1b\[2J\\n.txt, b.txt\)") as caught:
        read_words(source)
    assert str(caught.value).isprintable()


def test_unreadable_files(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most files of a folder are not the vocabulary; if there is none, they are named."""

    def refuse(path: Path, *, n_bytes: int) -> bytes:
        if path.name == "notes":
            raise ElmoPermissionError("[EL253] no")
        return path.read_bytes()[:n_bytes]

    monkeypatch.setattr("spacy_elmo.language_model.vocabulary_files.read_bytes", refuse)
    write(source / "notes")
    path = write(source / "vocab-train.txt", OTHER_ORDER)
    assert read_words(source) == OTHER_ORDER
    path.unlink()
    with pytest.warns(UserWarning, match=r"WL085.*used as its vocabulary: 'notes' cannot be read\."):
        assert read_words(source) is None


@named_pipes
def test_links_to_nothing_and_to_themselves(source: Path) -> None:
    (source / "vocab-a.txt").symlink_to("nothing")
    (source / "vocab-b.txt").symlink_to("vocab-b.txt")
    os.mkfifo(source / "vocab-c.txt")
    write(source / "vocab-d.txt")
    assert read_words(source) == WORDS
