from pathlib import Path

import pytest

from spacy_elmo.lines import bad_line, numbered_lines

PATH = Path("a.txt")


def test_only_a_line_feed_ends_a_line() -> None:
    found = list(numbered_lines([b"\xef\xbb\xbfa\r\n", "b\u2028c\n".encode(), b"\n", b"d"], PATH))
    assert [(line.number, line.text) for line in found] == [(1, "a"), (2, "b\u2028c"), (3, ""), (4, "d")]
    assert [line.n_bytes for line in found] == [6, 6, 1, 1]


def test_the_line_that_is_not_utf_8() -> None:
    lines = numbered_lines([b"a\n", b"b\xff\n"], PATH)
    assert next(lines).text == "a"
    with pytest.raises(ValueError, match=r"EL061.*a\.txt, line 2: not UTF-8 \(invalid start byte at byte 1\)"):
        next(lines)


def test_messages_name_the_place() -> None:
    assert "a.txt, line 7: too long" in str(bad_line(PATH, 7, "too long"))
