from typing import Any

import pytest
from confection import Config

from spacy_elmo.cli.elmo_config.references import find_references, is_reference, look_up, replace_references


@pytest.mark.parametrize("value", ["${a.b}", '"${a.b}"', "${a:b}", "${a}"])
def test_a_reference(value: str) -> None:
    assert is_reference(value)


@pytest.mark.parametrize("value", ["${a.b}c", "a.b", "$a", "${}", 1, None, {"a": "${a.b}"}, ["${a.b}"]])
def test_no_reference(value: Any) -> None:
    assert not is_reference(value)


def test_find_references() -> None:
    value = {"x": {"y": "${a.b}"}, "z": ['"${c:d}/${e.f.g}"', 1, None]}
    assert find_references(value) == ["${a.b}", "${c:d}", "${e.f.g}"]
    assert [reference.path for reference in find_references(value)] == [("a", "b"), ("c", "d"), ("e", "f", "g")]


def test_look_up() -> None:
    assert look_up({"a": {"b": 1}}, ("a", "b")) == 1
    assert look_up({"a": 1}, ()) == {"a": 1}
    with pytest.raises(KeyError):
        look_up({"a": {"b": 1}}, ("a", "b", "c"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${a.width}", 96),
        ("${a:width}", 96),
        ("${a.nothing}", None),
        ("${a.block}", {"x": [1]}),
        ("${b.width}", "${b.width}"),
        ('"${a.name}/model"', "small/model"),
        ('"${a.name}/${b.name}"', '"small/${b.name}"'),
        ("[${a.width}, 3]", [96, 3]),
        ("${a.name} model", "small model"),
        ({"x": ["${a.width}", "${b.width}", 7]}, {"x": [96, "${b.width}", 7]}),
        ('"${a.width}"', "96"),
        ('"$$5 for ${a.name}"', "$5 for small"),
        ('"$$5 for ${b.name}"', '"$$5 for ${b.name}"'),
        ("$5", "$5"),
        (True, True),
    ],
)
def test_filled_in(value: Any, expected: Any) -> None:
    known = {"width": 96, "nothing": None, "block": {"x": [1]}, "name": "small"}
    config = Config({"a": known, "b": {"width": 3, "name": "large"}})
    assert replace_references(value, config, chosen=lambda reference: reference.path[0] == "a") == expected
