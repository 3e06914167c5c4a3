"""`POST /api/view`: pictures for the page."""

from typing import Any

import html5lib
import pytest

from tests.server.running import Running, get_error

TEXT = "The bank of the river. The bank with money!\n\n \nA river bank."
STYLES = ["neighbours", "similarity", "map", "layers", "drift"]


def view(served: Running, **fields: Any) -> dict[str, Any]:
    response = served.post({"text": TEXT, "style": "neighbours"} | fields, "/api/view")
    assert response.status_code == 200, response.text[:300]
    answer: dict[str, Any] = response.json()
    assert answer.keys() == {"html", "n_tokens", "sentences", "words"}
    return answer


@pytest.mark.parametrize("style", STYLES)
def test_styles(served: Running, style: str) -> None:
    answer = view(served, style=style)
    assert f'data-style="{style}"' in answer["html"]
    assert answer["n_tokens"] == 15


def test_sentences_and_words(served: Running) -> None:
    answer = view(served)
    assert answer["sentences"] == [
        {"text": "The bank of the river.", "first": 0, "n_tokens": 6},
        {"text": "The bank with money!", "first": 6, "n_tokens": 5},
        {"text": "A river bank.", "first": 11, "n_tokens": 4},
    ]
    assert answer["n_tokens"] == 15
    # The most frequent first, then in order; no punctuation.
    assert answer["words"] == [["the", 3], ["bank", 3], ["river", 2]]
    many = " ".join(f"w{number} w{number}" for number in range(30))
    assert view(served, text=many)["words"] == [[f"w{number}", 2] for number in range(20)]


@pytest.mark.parametrize("text", ["", " ", "\n\n\t\n"])
@pytest.mark.parametrize("style", STYLES)
def test_empty_text(served: Running, text: str, style: str) -> None:
    answer = view(served, text=text, style=style)
    # A mix is of the model, not of the text.
    assert bool(answer.pop("html")) == (style == "layers")
    assert answer == {"n_tokens": 0, "sentences": [], "words": []}


def test_options(served: Running) -> None:
    default = view(served)["html"]
    assert view(served, layer=None, token=None, word=None, pair=None, same_sentence=None)["html"] == default
    for options in ({"layer": "word_emb"}, {"token": 7}, {"same_sentence": True, "token": 0}):
        assert view(served, **options)["html"] != default
    assert view(served, style="map", word="bank")["html"] != view(served, style="map")["html"]
    # Options of other styles are not for this one.
    assert view(served, word="bank", pair=[0, 1])["html"] == default
    assert view(served, style="map", token=1)["html"] == view(served, style="map")["html"]


def test_pairs(served: Running) -> None:
    """Two sentences; the first two, if none are named; one with itself."""
    first = view(served, style="similarity")["html"]
    assert view(served, style="similarity", pair=[0, 1])["html"] == first
    other = view(served, style="similarity", pair=[1, 2])["html"]
    assert "money" in other
    assert ">of<" not in other
    assert view(served, style="similarity", pair=[2, 2])["html"] != other
    assert 'data-style="similarity"' in view(served, style="similarity", text="one sentence")["html"]


def test_what_is_gone_while_somebody_types(served: Running) -> None:
    """A sentence beyond the end is the last one, and a word that is not there is none."""
    last = view(served, style="similarity", pair=[1, 2])["html"]
    assert view(served, style="similarity", pair=[1, 99])["html"] == last
    assert view(served, style="map", word="gone")["html"] == view(served, style="map")["html"]


def test_same_vectors_as_in_python(served: Running) -> None:
    """The picture is that of `visual`, of the model's vectors."""
    from spacy_elmo.splitter import split_texts
    from spacy_elmo.visual.figures import draw_figure
    from spacy_elmo.visual.passages import passage_of_sentences

    lines = [line for line in TEXT.splitlines() if line.strip()]
    split = list(split_texts(lines))
    outputs = iter(served.model.elmo.embed([sentence.tokens for line in split for sentence in line]))
    passages = [
        passage_of_sentences(line, [next(outputs) for _ in line], label=str(number))
        for number, line in enumerate(split, start=1)
    ]
    assert view(served, style="drift")["html"] == draw_figure(passages, "drift")
    expected = draw_figure(passages, "map", {"word": "bank", "layer": "elmo"})
    assert view(served, style="map", word="bank", layer="elmo")["html"] == expected


@pytest.mark.parametrize("style", ["neighbours", "similarity", "map", "drift"])
def test_scripts_are_text(served: Running, style: str) -> None:
    answer = view(served, text="<script>alert(1)</script> \"><img src=x onerror='alert(1)'>\nA <b> c", style=style)
    elements = [*html5lib.parseFragment(answer["html"], namespaceHTMLElements=False).iter()]
    assert not {str(element.tag) for element in elements} & {"img", "b"}
    # Data, which no browser runs.
    assert {element.get("type") for element in elements if element.tag == "script"} <= {"application/json"}
    assert not [name for element in elements for name in element.attrib if name.startswith("on")]


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"style": "pie"}, "EL030", "neighbours, similarity, map, layers, drift"),
        ({"style": None}, "EL030", "neighbours"),
        ({"style": ["map"]}, "EL030", "neighbours"),
        ({"text": None}, "EL345", "'text' is null; allowed: a string"),
        ({"text": 5}, "EL345", "'text' is 5"),
        ({"text": "\ud800"}, "EL346", "position 0"),
        ({"layer": "lstm_outputs9"}, "EL031", "lstm_outputs2"),
        ({"layer": 1}, "EL031", "lstm_outputs2"),
        ({"word": 1}, "EL345", "'word' is 1; allowed: a string or null"),
        ({"same_sentence": 1}, "EL345", "'same_sentence' is 1; allowed: true or false"),
        ({"token": 15}, "EL345", "'token' is 15; allowed: a whole number below 15, or null"),
        ({"token": -1}, "EL345", "'token' is -1"),
        ({"token": True}, "EL345", "'token' is true"),
        ({"token": 1.0}, "EL345", "'token' is 1.0"),
        ({"pair": [0]}, "EL345", "'pair' is [0] (list); allowed: two whole numbers from 0, or null"),
        ({"pair": [0, -1]}, "EL345", "'pair' is"),
        ({"pair": [0, False]}, "EL345", "'pair' is"),
        ({"pair": "01"}, "EL345", "'pair' is '01'"),
        ({"tokens": ["a"]}, "EL343", "'tokens' is not a field of this request"),
    ],
)
def test_wrong_fields(served: Running, fields: dict[str, Any], code: str, words: str) -> None:
    found, message = get_error(served.post({"text": TEXT, "style": "map"} | fields, "/api/view"), 422)
    assert found == code
    assert words in message


def test_too_much(served: Running) -> None:
    fields = {"text": "word\n" * 3_000, "style": "map"}
    assert "3,000 lines, but 2,048" in get_error(served.post(fields, "/api/view"), 413)[1]
