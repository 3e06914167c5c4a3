"""`POST /api/view`: a text becomes a picture of its vectors, for the page."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import orjson

from ..bilm.layers import check_layer_exists
from ..splitter import SplitSentence
from ..visual.figures import LAYERS, check_style, draw_figure, draw_mixes
from ..visual.passages import Passage, passage_of_sentences
from .bounded_splitter import BoundedSplitter
from .embedding_request import check_text
from .request_body import Fields, parse_fields, refuse_value
from .served_model import ServedModel

FIELDS = ("text", "style", "layer", "token", "word", "pair", "same_sentence")
# Words that the page offers for a map, each with uses to compare.
_N_WORDS, _LEAST_USES = 20, 2
# Fields that are options of each style.
_OPTIONS = {
    "neighbours": ("layer", "token", "same_sentence"),
    "similarity": ("layer",),
    "map": ("layer", "word"),
    "drift": (),
}


class View(NamedTuple):
    """The sentences of a text.

    lines (list[list[SplitSentence]]): Those of each line that has tokens: each line is a text.
    sentences (list[SplitSentence]): All of them.
    tokens (list[str]): All tokens.
    """

    lines: list[list[SplitSentence]]
    sentences: list[SplitSentence]
    tokens: list[str]

    @classmethod
    def from_lines(cls, lines: Sequence[list[SplitSentence]]) -> "View":
        """Number the sentences and tokens of all lines.

        lines (Sequence[list[SplitSentence]]): The sentences of each line.
        RETURNS (View): The view.
        """
        sentences = [sentence for line in lines for sentence in line]
        tokens = [token for sentence in sentences for token in sentence.tokens]
        return cls([*lines], sentences, tokens)


def answer_view(body: bytes, *, model: ServedModel, splitter: BoundedSplitter) -> Iterator[bytes]:
    """Draw the picture that a request asks for.

    body (bytes): The body of the request.
    model (ServedModel): The model.
    splitter (BoundedSplitter): Splits the text.
    YIELDS (bytes): JSON.
    RAISES (ElmoError): If the request is wrong, or the picture cannot be drawn.
    """
    fields = _check_fields(parse_fields(body, allowed=FIELDS), model)
    view = View.from_lines(splitter.split(check_text(fields.get("text")).splitlines()))
    _check_numbers(fields, view)
    if fields.get("word", "").lower() not in {token.lower() for token in view.tokens}:
        # While somebody types, a word that was chosen is gone for a moment: all are shown.
        fields.pop("word", None)
    yield orjson.dumps(
        {
            "html": _draw(fields, view, model),
            "n_tokens": len(view.tokens),
            "sentences": list(_describe_sentences(view)),
            "words": _count_words(view.tokens),
        }
    )


def _check_fields(fields: Fields, model: ServedModel) -> Fields:
    """Check types. RETURNS (Fields): The fields that have a value."""
    given = {name: value for name, value in fields.items() if value is not None}
    check_style(given.get("style"))
    if "layer" in given:
        check_layer_exists(given["layer"], n_layers=model.elmo.n_layers)
    if not isinstance(given.get("word", ""), str):
        raise refuse_value("word", given["word"], "a string or null")
    if not isinstance(given.get("same_sentence", False), bool):
        raise refuse_value("same_sentence", given["same_sentence"], "true or false")
    return given


def _check_numbers(fields: Fields, view: View) -> None:
    token, pair = fields.get("token"), fields.get("pair")
    if token is not None and not _is_number(token, len(view.tokens)):
        raise refuse_value("token", token, f"a whole number below {len(view.tokens)}, or null")
    if pair is not None and (
        not isinstance(pair, list) or len(pair) != 2 or not all(_is_number(number) for number in pair)
    ):
        raise refuse_value("pair", pair, "two whole numbers from 0, or null")


def _is_number(value: object, end: float = math.inf) -> bool:
    # A truth value is a number in Python alone.
    return type(value) is int and 0 <= value < end


def _draw(fields: Fields, view: View, model: ServedModel) -> str:
    style: str = fields["style"]
    if style == LAYERS:
        return draw_mixes(model.mixes)
    if not view.tokens:
        return ""
    options = {name: fields[name] for name in _OPTIONS[style] if name in fields}
    if style == "similarity":
        return draw_figure(_choose_pair(fields.get("pair"), view, model), style, options)
    outputs = iter(model.elmo.embed([sentence.tokens for sentence in view.sentences]))
    passages = [
        passage_of_sentences(line, [next(outputs) for _ in line], label=str(number))
        for number, line in enumerate(view.lines, start=1)
    ]
    return draw_figure(passages, style, options)


def _choose_pair(pair: Sequence[int] | None, view: View, model: ServedModel) -> list[Passage]:
    # A sentence that is gone for a moment is the last one.
    last = len(view.sentences) - 1
    numbers = dict.fromkeys(min(number, last) for number in ((0, 1) if pair is None else pair))
    sentences = [view.sentences[number] for number in numbers]
    outputs = model.elmo.embed([sentence.tokens for sentence in sentences])
    return [
        passage_of_sentences([sentence], [output], label=str(number + 1))
        for number, sentence, output in zip(numbers, sentences, outputs)
    ]


def _describe_sentences(view: View) -> Iterator[Mapping[str, object]]:
    first = 0
    for sentence in view.sentences:
        yield {"text": sentence.text, "first": first, "n_tokens": len(sentence.tokens)}
        first += len(sentence.tokens)


def _count_words(tokens: Sequence[str]) -> list[tuple[str, int]]:
    counts = Counter(token.lower() for token in tokens if any(map(str.isalnum, token)))
    return [(word, count) for word, count in counts.most_common(_N_WORDS) if count >= _LEAST_USES]
