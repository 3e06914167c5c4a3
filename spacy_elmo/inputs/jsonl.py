"""Reader of JSON lines: {"text": ...}, {"tokens": [texts]}, and the formats of Prodigy and `Doc.to_json`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from ..errors import ReasonError
from ..util.files import bad_line
from .items import Item
from .text import Lines

_KINDS = '{"tokens": [texts]} nor {"text": text}'


class _Place(NamedTuple):
    """The place of a token in the text of its record.

    start (int): Its first character.
    end (int): The character after its last one.
    """

    start: int
    end: int


def read_jsonl(lines: Lines) -> Iterator[Item]:
    """Read a record from each line that is not blank. If it has tokens and a text, the tokens are used.

    Tokens are texts, or objects with a `text`, or with `start` and `end` as places in the record's text. With
    places, the record is split into the sentences of its `sents`, as in `Doc.to_json`.

    lines (Lines): The lines of the file.
    YIELDS (Item): Each sentence or text.
    RAISES (ElmoError): When it reaches a line that is not such a record.
    """
    for number, line, _ in lines:
        if not line.strip():
            continue
        try:
            yield from _read_record(json.loads(line, object_pairs_hook=_check_pairs), number, lines.n_bytes)
        except json.JSONDecodeError as error:
            raise bad_line(lines.path, number, f"not JSON ({error}){_hint(line, number)}") from error
        except RecursionError as error:
            raise bad_line(lines.path, number, "JSON that is nested too deeply") from error
        except UnicodeEncodeError as error:
            raise bad_line(lines.path, number, f"text that is not Unicode ({error.reason})") from error
        except (ReasonError, ValueError) as error:
            raise bad_line(lines.path, number, str(error)) from error


def _check_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        for name, value in pairs:
            if value != found[name]:
                raise ReasonError(f"the field {_show_value(name)} occurs twice, with different values")
    return found


def _hint(line: str, number: int) -> str:
    if number == 1 and line.lstrip().startswith(("[", "{")):
        return "; JSONL has one complete object per line, as `jq -c .` and `jq -c .[]` write it"
    return ""


def _read_record(record: object, number: int, end: int) -> Iterator[Item]:
    if isinstance(record, list):
        raise ReasonError(f"neither {_KINDS}, but a list; `jq -c .[]` writes one item per line")
    if not isinstance(record, dict):
        raise ReasonError(f"neither {_KINDS}")
    tokens, text = record.get("tokens"), record.get("text")
    if tokens is None and isinstance(text, str):
        text.encode("utf-8")
        yield Item(text, None, end, number)
    elif not isinstance(tokens, list):
        raise ReasonError(f"neither {_KINDS}")
    elif all(isinstance(token, str) for token in tokens):
        _check_texts(tokens)
        yield Item(" ".join(tokens), tokens, end, number)
    else:
        yield from _read_objects(record, tokens, end, number)


def _read_objects(record: Mapping[str, object], tokens: list[object], end: int, number: int) -> Iterator[Item]:
    text = record.get("text")
    text = text if isinstance(text, str) else None
    texts = [_read_token(token, text, place) for place, token in enumerate(tokens, start=1)]
    _check_texts(texts)
    placed = [token for token in tokens if isinstance(token, dict) and {"start", "end"} <= token.keys()]
    if text is None or len(placed) < len(tokens):
        yield Item(" ".join(texts), texts, end, number)
        return
    places = _read_places(placed)
    begins = _sentence_starts(record, places)
    starts = [k for k, place in enumerate(places) if k == 0 or place.start in begins]
    for first, after in zip(starts, [*starts[1:], len(places)]):
        sentence = text[places[first].start : places[after - 1].end]
        yield Item(sentence, texts[first:after], end, number, by_spacy=True)


def _read_token(token: object, text: str | None, place: int) -> str:
    if not isinstance(token, dict):
        kinds = "a text, or an object with `text`, or with `start` and `end` in the record's text"
        raise ReasonError(f"neither {_KINDS}: token {place} is {_show_value(token)}, and must be {kinds}")
    own = token.get("text")
    if isinstance(own, str):
        return own
    start, end = token.get("start"), token.get("end")
    if text is None or type(start) is not int or type(end) is not int:
        raise ReasonError(f"neither {_KINDS}: token {place} has no `text`, nor a `start` and `end` in the text")
    if not 0 <= start <= end <= len(text):
        raise ReasonError(f"token {place} is at {start} to {end}, but the text has {len(text)} characters")
    return text[start:end]


def _check_texts(tokens: list[str]) -> None:
    if "" in tokens:
        reason = "which a model would read as a word; remove padding"
        raise ReasonError(f"token {tokens.index('') + 1} is empty, {reason}")


def _read_places(tokens: Sequence[Mapping[str, object]]) -> list[_Place]:
    places: list[_Place] = []
    before = 0
    for place, token in enumerate(tokens, start=1):
        start, end = token["start"], token["end"]
        if type(start) is not int or type(end) is not int or not before <= start <= end:
            raise ReasonError(f"token {place} is at {start} to {end}, and the one before it ends at {before}")
        places.append(_Place(start, end))
        before = end
    return places


def _sentence_starts(record: Mapping[str, object], places: Sequence[_Place]) -> set[int]:
    # Anything else raises one of the errors below.
    sents = cast(Sequence[Mapping[str, int]], record.get("sents") or [])
    try:
        begins = {sent["start"] for sent in sents}
    except (TypeError, KeyError) as error:
        raise ReasonError("`sents` is not a list of objects with `start` and `end`") from error
    for start in begins - {place.start for place in places}:
        raise ReasonError(f"a sentence of `sents` begins at {start}, but no token begins there")
    return begins


def _show_value(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
