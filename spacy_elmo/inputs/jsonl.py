"""JSON lines: {"text": ...}, {"tokens": [texts]}, and what Prodigy and `Doc.to_json` write."""

import json
from collections.abc import Iterator
from typing import Any

from ..errors import ReasonError
from ..util.files import bad_line
from .items import Item
from .text import Lines

_KINDS = '{"tokens": [texts]} nor {"text": text}'


def read_jsonl(lines: Lines) -> Iterator[Item]:
    """The records, an object a line; blank lines are no records. Tokens go before a text that is there as well.

    Tokens are texts, or objects with `text`, or with `start` and `end`, characters of the record's text; with
    these, sentences are split where `sents` says so, as `Doc.to_json` has it.
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


def _check_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        for name, value in pairs:
            if value != found[name]:
                raise ReasonError(f"the field {_shown(name)} occurs twice, with different values")
    return found


def _hint(line: str, number: int) -> str:
    if number == 1 and line.lstrip().startswith(("[", "{")):
        return "; JSONL has one complete object per line, as `jq -c .` and `jq -c .[]` write it"
    return ""


def _read_record(record: Any, number: int, end: int) -> Iterator[Item]:
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


def _read_objects(record: dict[str, Any], tokens: list[Any], end: int, number: int) -> Iterator[Item]:
    text = record.get("text") if isinstance(record.get("text"), str) else None
    placed = text is not None and all(isinstance(one, dict) and {"start", "end"} <= one.keys() for one in tokens)
    texts = [_read_token(token, text, place) for place, token in enumerate(tokens, start=1)]
    _check_texts(texts)
    if text is None or not placed:
        yield Item(" ".join(texts), texts, end, number)
        return
    _check_order(tokens)
    begins = _sentence_starts(record, tokens)
    starts = [k for k, token in enumerate(tokens) if k == 0 or token["start"] in begins]
    for first, after in zip(starts, [*starts[1:], len(tokens)]):
        sentence = text[tokens[first]["start"] : tokens[after - 1]["end"]]
        yield Item(sentence, texts[first:after], end, number, by_spacy=True)


def _read_token(token: Any, text: Any, place: int) -> str:
    if not isinstance(token, dict):
        kinds = "a text, or an object with `text`, or with `start` and `end` in the record's text"
        raise ReasonError(f"neither {_KINDS}: token {place} is {_shown(token)}, and must be {kinds}")
    own = token.get("text")
    if isinstance(own, str):
        return own
    start, end = token.get("start"), token.get("end")
    if text is None or type(start) is not int or type(end) is not int:
        raise ReasonError(f"neither {_KINDS}: token {place} has no `text`, nor a `start` and `end` in the text")
    if not 0 <= start <= end <= len(text):
        raise ReasonError(f"token {place} is at {start} to {end}, but the text has {len(text)} characters")
    found: str = text[start:end]
    return found


def _check_texts(tokens: list[str]) -> None:
    if "" in tokens:
        reason = "which a model would read as a word; remove padding"
        raise ReasonError(f"token {tokens.index('') + 1} is empty, {reason}")


def _check_order(tokens: list[dict[str, Any]]) -> None:
    before = 0
    for place, token in enumerate(tokens, start=1):
        start, end = token["start"], token["end"]
        if type(start) is not int or type(end) is not int or not before <= start <= end:
            raise ReasonError(f"token {place} is at {start} to {end}, and the one before it ends at {before}")
        before = end


def _sentence_starts(record: dict[str, Any], tokens: list[dict[str, Any]]) -> set[int]:
    sents = record.get("sents") or []
    try:
        begins = {sent["start"] for sent in sents}
    except (TypeError, KeyError) as error:
        raise ReasonError("`sents` is not a list of objects with `start` and `end`") from error
    for start in begins - {token["start"] for token in tokens}:
        raise ReasonError(f"a sentence of `sents` begins at {start}, but no token begins there")
    return begins


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
