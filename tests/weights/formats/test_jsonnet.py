"""Configurations that were edited by hand: comments and trailing commas, and nothing else of Jsonnet."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_elmo.weights.formats.jsonnet import read_config, strip_comments
from spacy_elmo.weights.source import read_weights
from tests.weights.formats.test_allennlp import archive  # noqa: F401

EDITED = """// An NER model.
{
  /* over
     lines: "not a string" */
  "model": {
    "type": "crf_tagger", // the end of a line
    "initializer": [["transitions$", {"type": "l2",},],],
    "text": "http://example.org/*.json, // and # and /* inside, ] \\" , }",
  },
  # of Python's kind
  "trainer": {"lr": 1e-3, "optimizer": "adam" , }  ,
}
// the end"""
CONTENT = {
    "model": {
        "type": "crf_tagger",
        "initializer": [["transitions$", {"type": "l2"}]],
        "text": 'http://example.org/*.json, // and # and /* inside, ] " , }',
    },
    "trainer": {"lr": 1e-3, "optimizer": "adam"},
}


def test_comments_and_commas(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for text in (EDITED, "\ufeff" + EDITED, EDITED.replace("\n", "\r\n")):
        path.write_bytes(text.encode("utf-8"))
        assert read_config(path) == CONTENT


def test_plain_json_stays(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONTENT), "utf-8")
    assert read_config(path) == CONTENT
    assert strip_comments(json.dumps(CONTENT)) == json.dumps(CONTENT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a/*#",\\]} \n'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='a/*#",\\]}'), inner),
)


@given(content=JSON, indent=st.sampled_from([None, 1]))
def test_strings_are_left_alone(content: object, indent: int | None) -> None:
    text = json.dumps(content, indent=indent)
    assert strip_comments(text) == text
    edited = text.replace("\n", " // ] , }\n") if indent else f"/* {{ */{text}#\n"
    assert json.loads(strip_comments(edited)) == content


def test_lines_stay(tmp_path: Path) -> None:
    """For the place that the message names."""
    path = tmp_path / "config.json"
    path.write_text('/* a\n\n b */ {\n"a": 1 "b"}', "utf-8")
    with pytest.raises(ValueError, match=r"EL005.*config.json is not valid JSON"):
        read_config(path)
    assert strip_comments(path.read_text("utf-8")).count("\n") == 3


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("local dim = 128;\n{}", r"variables \(local\)"),
        ('{"dim": std.extVar("DIM")}', "functions"),
        ("{f(x):: function(x) x}", "functions"),
        ("local c = import 'other.jsonnet';\nc + {}", r"variables \(local\), imports"),
        ('{"a": 1} + {"b": 2}', r"sums of objects or strings \(\+\)"),
        ('{"a"+: {"b": 2}}', r"sums of objects or strings"),
        ('{"a": "b" + "c"}', r"sums of objects or strings"),
        ('{"a": [x for x in [1]]}', r"conditions or loops \(if, for\)"),
        ('{"a": $.b, "b": self.c}', r"references \(self, super, \$\)"),
        ("{'a': 1}", "strings in single quotes"),
        ("{a: 1}", "names without quotes"),
        ('{"a": |||\n text\n|||}', r"blocks of text"),
    ],
)
def test_real_jsonnet(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text, "utf-8")
    with pytest.raises(
        ValueError,
        match=rf"EL296.*config.json' is Jsonnet, not JSON \(.*: it has .*{what}.*evaluate_file\('config.json'\)",
    ):
        read_config(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1,,]",
        '{"a": 1e+5, ',
        '{"a": tru}',
        "/* no end",
        '{"a": "local',
        '"function" "std.x"',
        "{} // a\n}",
    ],
)
def test_neither(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"EL005.*config.json is not valid JSON"):
        read_config(path)


def test_a_field_twice(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"a": 1, "a": 2,}', "utf-8")
    with pytest.raises(ValueError, match=r"EL255.*the field 'a' occurs twice"):
        read_config(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: '"' * n,
        lambda n: "/*" * n,
        lambda n: "/" + "*" * n,
        lambda n: '"' + '\\"' * n + "\\",
        lambda n: "\\" * n,
        lambda n: "," * n,
        lambda n: ("," + " " * 50) * (n // 50),
        lambda n: "," + " " * n,
        lambda n: "//" * n,
        lambda n: "#\n" * n,
        lambda n: '"a' * n,
        lambda n: "{" + "a" * n,
        lambda n: "{a " * (n // 3),
        lambda n: "a + " * (n // 4),
        lambda n: "{" * n,
        lambda n: "[1," * (n // 3),
        lambda n: "'" * n,
    ],
)
def test_hostile_texts(tmp_path: Path, make: Callable[[int], str]) -> None:
    """Time grows with the length, not with its square, and nesting is no way to crash."""
    path = tmp_path / "config.json"
    times = []
    for n in (25_000, 400_000):
        path.write_text(make(n)[: 1 << 20], "utf-8")
        start = time.perf_counter()
        with pytest.raises(ValueError, match=r"EL005|EL296"):
            read_config(path)
        times.append(time.perf_counter() - start)
    assert times[1] < 3
    assert times[1] < 100 * max(times[0], 0.005)


def test_large_files_are_json_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"a": 1,}' + " " * (1 << 20), "utf-8")
    with pytest.raises(ValueError, match="EL005"):
        read_config(path)
    with path.open("r+b") as file:
        file.truncate(1 << 30)
    with pytest.raises(ValueError, match="EL252"):
        read_config(path)


def test_archive_edited_by_hand(archive: Path) -> None:  # noqa: F811
    expected = read_weights(archive)
    path = archive / "config.json"
    text = path.read_text("utf-8").rstrip()
    path.write_text(f"// edited\n{text[:-1]},\n}} /* end */\n", "utf-8")
    with pytest.raises(ValueError, match=r"Expecting|Illegal"):
        json.loads(path.read_text("utf-8"))
    for source in (archive, path, archive / "weights.th"):
        found = read_weights(source)
        assert found.options == expected.options
        assert all(np.array_equal(found.arrays[name], array) for name, array in expected.arrays.items())
    path.write_text(f"local x = 1;\n{text}", "utf-8")
    with pytest.raises(ValueError, match=r"EL296.*variables \(local\)"):
        read_weights(archive)
