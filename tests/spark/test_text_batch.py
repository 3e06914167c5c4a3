"""Texts with the places of their tokens, as the JVM counts them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.extras import is_installed

if is_installed("pyspark"):
    from spacy_elmo.spark.text_batch import split_batch, to_utf16
    from spacy_elmo.spark.worker import load_split

pytestmark = pytest.mark.needs("pyspark")

texts = st.text(st.sampled_from("ab. !\n😀é𝄞́"), max_size=25)


def cut(text: str, begin: int, end: int) -> str:
    """The part of a text between two UTF-16 units."""
    return text.encode("utf-16-le")[2 * begin : 2 * end + 2].decode("utf-16-le")


@settings(deadline=None)
@given(st.lists(st.none() | texts, min_size=1, max_size=4))
def test_places(rows: list[str | None]) -> None:
    batch = split_batch([text or "" for text in rows], load_split("blank:en"))
    assert batch.n_rows == len(rows)
    for row, text in enumerate(rows):
        some = slice(batch.offsets[row], batch.offsets[row + 1])
        found = [cut(text or "", *span) for span in zip(batch.begin[some], batch.end[some])]
        assert found == batch.text[some]
        # Nothing but whitespace is left out.
        assert "".join("".join(found).split()) == "".join((text or "").split())
        some = slice(batch.sentences.offsets[row], batch.sentences.offsets[row + 1])
        spans = zip(batch.sentences.begin[some], batch.sentences.end[some])
        assert [cut(text or "", *span) for span in spans] == batch.sentences.text[some]
        assert batch.sentences.number[some].tolist() == list(range(some.stop - some.start))


def test_units() -> None:
    assert to_utf16("a😀é𝄞", [[0, 1, 2, 3, 4], [4]]) == [[0, 1, 3, 4, 6], [6]]
    assert to_utf16("aé", [[0, 1, 2]]) == [[0, 1, 2]]
    assert to_utf16("", [[0], []]) == [[0], []]


def test_other_pipelines() -> None:
    batch = split_batch(["Eins. Zwei z.B. drei."], load_split("blank:de"))
    assert list(batch.groups()) == [["Eins", "."], ["Zwei", "z.B.", "drei", "."]]
    whole = split_batch(["One. Two."], load_split("tokenizer:en"))
    assert list(whole.groups()) == [["One", ".", "Two", "."]]
    with pytest.raises(ValueError, match=r"EL070.*no_such"):
        load_split("no_such")
