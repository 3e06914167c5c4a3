import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.attrs import LEMMA
from spacy.tokens import Doc, DocBin, Span

from spacy_elmo.inputs.reader import Inputs


def write(path: Path, *docs: Doc, **settings: Any) -> Path:
    DocBin(docs=docs, **settings).to_disk(path)
    return path


def tokens(path: Path) -> Any:
    return [sentence.tokens for sentence in Inputs(path).read()]


def test_docs(tmp_path: Path) -> None:
    vocab = spacy.blank("en").vocab
    docs = [
        Doc(vocab, words=["a", "b", "c"], sent_starts=[True, False, True]),
        Doc(vocab, words=[]),
        # Without sentences, a Doc is not split: its owner has tokenised it as wanted.
        Doc(vocab, words=["d", ".", "e", "."]),
        Doc(vocab, words=["\n"]),
        Doc(vocab, words=["f", "\u3000"]),
        # Sentences from a parse.
        Doc(vocab, words=["g", "h", "i"], heads=[0, 0, 2], deps=["ROOT", "x", "ROOT"]),
    ]
    sentences = list(Inputs(write(tmp_path / "a.spacy", *docs)).read())
    expected = [["a", "b"], ["c"], [], ["d", ".", "e", "."], ["\n"], ["f", "\u3000"], ["g", "h"], ["i"]]
    assert [one.tokens for one in sentences] == expected
    assert [one.visible for one in sentences][4:6] == [[], ["f"]]
    assert [one.done for one in sentences] == pytest.approx([1 / 6, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1, 1])
    (tmp_path / "b.spacy.gz").write_bytes(gzip.compress((tmp_path / "a.spacy").read_bytes()))
    assert tokens(tmp_path / "b.spacy.gz") == expected
    assert tokens(write(tmp_path / "few.spacy", *docs, attrs=["SENT_START"]))[:3] == expected[:3]
    assert tokens(write(tmp_path / "empty.spacy")) == []


def test_ignores_other_content(tmp_path: Path) -> None:
    doc = spacy.blank("en")("I don't.")
    doc.spans["x"] = [Span(doc, 0, 1, label="Y")]
    doc.cats = {"z": 1.0}
    doc.user_data["k"] = [1]
    path = write(tmp_path / "a.spacy", doc, store_user_data=True)
    assert tokens(path) == [["I", "do", "n't", "."]]


def without_strings(message: dict[str, Any]) -> None:
    message["strings"] = []


def without_orth(message: dict[str, Any]) -> None:
    message["attrs"][0] = LEMMA


def short(message: dict[str, Any]) -> None:
    message["tokens"] = message["tokens"][:-8]


def without_lengths(message: dict[str, Any]) -> None:
    del message["lengths"]


@pytest.mark.parametrize("change", [without_strings, without_orth, short, without_lengths])
def test_damaged(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = write(tmp_path / "a.spacy", spacy.blank("en")("I don't."), spacy.blank("en")("You do."))
    message = srsly.msgpack_loads(zlib.decompress(path.read_bytes()))
    change(message)
    path.write_bytes(zlib.compress(srsly.msgpack_dumps(message)))
    with pytest.raises(ValueError, match=r"EL023.*a\.spacy.*DocBin"):
        Inputs(path).check()


@pytest.mark.parametrize("content", [b"", b"no docbin", zlib.compress(b"no msgpack"), zlib.compress(b"\x93abc")])
def test_no_docbin(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.spacy").write_bytes(content)
    with pytest.raises(ValueError, match=r"EL023.*a\.spacy.*not a DocBin"):
        Inputs(tmp_path / "a.spacy").check()
