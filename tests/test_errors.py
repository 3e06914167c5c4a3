"""Messages: each has a code, and no code stands twice."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.errors import Errors, Warnings, check_number, printable


def test_codes() -> None:
    codes = Counter(name for cls in Errors.__mro__ for name in vars(cls) if name.startswith("EL"))
    assert len(codes) > 100
    assert [code for code, count in codes.items() if count > 1] == []
    assert all(getattr(Errors, code).startswith(f"[{code}] ") for code in codes)
    assert Warnings.WL003.startswith("[WL003] ")


def test_what_is_put_into_a_message_is_text() -> None:
    evil = "\x1b[31m\x9b2J\r\u202eä\ud800"
    for value in (evil, Path(evil), ValueError(evil)):
        text = Errors.EL021.format(path=value, name=value, got=evil)
        assert printable(text) == text
        assert text.startswith("[EL021] \\x1b[31m\\x9b2J\\r\\u202eä\\ud800: ")
    assert Warnings.WL001.format(path="a\nb", count=1000, total=2000, arrays="c").startswith(
        "[WL001] a\nb: 1,000 of 2,000"
    )
    assert Errors.EL060.format(path="a", suffix="\x1b", allowed="b").count("'\\x1b'") == 1


@pytest.mark.parametrize(
    ("got", "settings", "text"),
    [
        (-1, {"low": 0}, "from 0 up; got -1"),
        (2, {"low": 0, "high": 1}, "from 0 to 1; got 2"),
        (1.0, {"low": 0, "high": 1, "below": True}, r"from 0 to less than 1; got 1\.0"),
        (float("nan"), {"low": 0}, "from 0 up; got nan"),
        ("1", {"low": 0}, "from 0 up; got '1'"),
        (None, {"low": 0}, "from 0 up; got None"),
    ],
)
def test_numbers_that_are_not_allowed(got: Any, settings: Any, text: str) -> None:
    with pytest.raises(ValueError, match=rf"\[EL098\] 'rate' must be a number {text}"):
        check_number("rate", got, **settings)


@pytest.mark.parametrize("got", [0, 0.5, 1])
def test_numbers_that_are(got: Any) -> None:
    check_number("rate", got, low=0, high=1)
    check_number("rate", got / 2, low=0, high=1, below=True)
    check_number("rate", got, low=0)
