"""`POST /api/embed`: the vectors are those of `Elmo.embed`, and every wrong request has its answer."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.server.running import Running, get_error

SENTENCES = [["I", "love", "NLP", "."], ["It", "is", "fun", "!"]]
TEXT = "I love NLP.  It is\nfun!"
# Half of a character beyond U+FFFF.
LONE = "\ud83d"
STRANGE = ["\0", "\u202e", "<b>", "\U0001f600", "e\u0301", LONE, "b" + LONE, '"', "\\"]


def check_vectors(served: Running, fields: dict[str, Any], sentences: list[list[str]], layers: Any = "*") -> None:
    """The answer has these sentences, and exactly the numbers of `Elmo.embed`."""
    response = served.post(fields)
    assert response.status_code == 200, response.text[:300]
    answer = response.json()
    assert answer.keys() == {"model", "sentences"}
    assert answer["model"] == "tiny"
    assert [sentence["tokens"] for sentence in answer["sentences"]] == sentences
    for sentence, expected in zip(answer["sentences"], served.model.elmo.embed(sentences, layers=layers)):
        assert list(sentence["layers"]) == expected.names
        for name, rows in sentence["layers"].items():
            # In the fewest digits that give the same number.
            got = np.array(rows, dtype=np.float32).reshape(len(rows), served.model.elmo.width(name))
            np.testing.assert_array_equal(got, expected[name])


@pytest.mark.parametrize(
    ("fields", "sentences"),
    [
        ({"tokens": SENTENCES}, SENTENCES),
        ({"tokens": SENTENCES[0]}, SENTENCES[:1]),
        ({"tokens": []}, []),
        ({"tokens": [[], ["one"], []]}, [[], ["one"], []]),
        ({"text": TEXT}, SENTENCES),
        ({"text": ""}, []),
        ({"text": " \n\t "}, []),
        ({"text": "<script>alert(1)</script>"}, [["<", "script", ">", "alert(1)</script", ">"]]),
        ({"text": "nul \0 here"}, [["nul", "\0", "here"]]),
        ({"tokens": STRANGE}, [STRANGE]),
    ],
)  # fmt: skip
def test_vectors(served: Running, fields: dict[str, Any], sentences: list[list[str]]) -> None:
    check_vectors(served, fields, sentences)


def test_layers(served: Running) -> None:
    for layers in ("*", ["elmo"], ["lstm_outputs2", "word_emb"], []):
        check_vectors(served, {"tokens": SENTENCES, "layers": layers}, SENTENCES, layers)


@pytest.mark.filterwarnings("ignore:.*WL046")
def test_tokens_that_look_like_padding(served: Running) -> None:
    check_vectors(served, {"tokens": ["a", ""]}, [["a", ""]])


def test_long_sentence(served: Running) -> None:
    """Many pieces, and rows that are written in several parts."""
    tokens = [f"word{number}" for number in range(2_000)]
    check_vectors(served, {"tokens": [tokens, ["end"]]}, [tokens, ["end"]])


def test_type_with_charset(served: Running) -> None:
    headers = {"Content-Type": 'application/JSON; charset="UTF-8"'}
    assert served.send(b'{"text": "a"}', headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({}, "EL344", "has none of 'text' and 'tokens'. Give one"),
        ({"text": "a", "tokens": ["a"]}, "EL344", "has both of 'text' and 'tokens'"),
        ({"text": "a", "layer": "*"}, "EL343", "'layer' is not a field of this request; allowed: text, tokens, "),
        ({"text": None}, "EL345", "'text' is null; allowed: a string"),
        ({"text": 1}, "EL345", "'text' is 1"),
        ({"text": ["a"]}, "EL345", "'text' is ['a'] (list)"),
        ({"tokens": "a b"}, "EL345", "'tokens' is 'a b'; allowed: a list of sentences"),
        ({"tokens": {"a": 1}}, "EL345", "'tokens' is {'a': 1} (dict)"),
        ({"tokens": [1]}, "EL345", "'tokens[0]' is 1; allowed: a list of strings"),
        ({"tokens": [["a"], "b"]}, "EL345", "'tokens[1]' is 'b'; allowed: a list of strings"),
        ({"tokens": ["a", ["b"]]}, "EL345", "'tokens[1]' is ['b'] (list); allowed: a string"),
        ({"tokens": [["a"], ["b", True]]}, "EL345", "'tokens[1][1]' is true; allowed: a string"),
        ({"tokens": [["a", None]]}, "EL345", "'tokens[0][1]' is null"),
        ({"text": "a", "layers": "elmo"}, "EL039", "elmo"),
        ({"text": "a", "layers": None}, "EL039", "None"),
        ({"text": "a", "layers": ["lstm_outputs9"]}, "EL031", "word_emb, lstm_outputs1, lstm_outputs2, elmo"),
        ({"text": "a", "layers": [["elmo"]]}, "EL030", "elmo"),
        ({"text": "ab" + LONE}, "EL346", "half a character at position 2 (\\ud83d"),
    ],
)  # fmt: skip
def test_wrong_fields(served: Running, fields: dict[str, Any], code: str, words: str) -> None:
    found, message = get_error(served.post(fields), 422)
    assert found == code
    assert words in message


def test_too_much(served: Running) -> None:
    too_many = served.post({"tokens": [["a"] * 1_500, ["b"] * 600]})
    assert get_error(too_many, 413) == (
        "EL340",
        "The request has 2,100 tokens, but 2,048 are allowed. Send the text in parts.",
    )
    assert "2,049 sentences" in get_error(served.post({"tokens": [[]] * 2_049}), 413)[1]
    assert "tokens, but 2,048 are allowed" in get_error(served.post({"text": "a word. " * 1_000}), 413)[1]


ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=4), max_leaves=20)
KEYS = st.sampled_from(
    ["text", "tokens", "layers", "style", "layer", "token", "word", "pair", "same_sentence", "x"]
)
STYLED = {"text": st.text(max_size=20), "style": st.sampled_from(["map", "drift", "similarity", "neighbours"])}
BODIES = (
    st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.dictionaries(KEYS, VALUES, max_size=4).map(lambda fields: json.dumps(fields).encode())
    | st.fixed_dictionaries({"text": st.text(st.characters(), max_size=40)}).map(lambda f: json.dumps(f).encode())
    | st.fixed_dictionaries({"tokens": VALUES, "layers": VALUES}).map(lambda f: json.dumps(f).encode())
    | st.fixed_dictionaries(STYLED).map(lambda fields: json.dumps(fields).encode())
)  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*WL046")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES, path=st.sampled_from(["/api/embed", "/api/view"]))
@example(body=b"[" * 100_000, path="/api/embed")
@example(body=b'{"text":' + b"[" * 100_000, path="/api/embed")
@example(body=b'{"layers": ' + b"9" * 5_000 + b"}", path="/api/embed")
@example(body=b'{"text": "\\ud800"}', path="/api/view")
@example(body=b'{"text": "a", "style": "\\ud800"}', path="/api/view")
@example(body=b'{"\\ud800\\u001b": 1}', path="/api/embed")
@example(body=b'{"text": "a", "layers": ["\\ud800"]}', path="/api/embed")
def test_any_body(served: Running, body: bytes, path: str) -> None:
    """Whatever is sent, the server does not fail."""
    response = served.send(body, path)
    assert response.status_code in (200, 400, 413, 422), response.text[:300]
    if response.status_code != 200:
        code, message = get_error(response, response.status_code)
        assert code.startswith("EL")
        assert message
