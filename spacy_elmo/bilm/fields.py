"""Reads JSON objects field by field, so that wrong and missing fields are named, and unknown ones known."""

import difflib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, NoReturn

from ..errors import ElmoError, Errors, Warnings
from ..errors.heard import warn
from ..util.files import read_small

Json = dict[str, Any]

REQUIRED: Any = object()
# Options with a vocabulary of two million words have as many bytes; corpora and damaged files have more.
MOST_JSON = 64 << 20
# A number written as text, as some trainers write it.
_MOST_DIGITS = 18
MOST_FLOAT = 3.4e38
# Of kinds, and of unknown fields that are looked at for misspelt ones: far more than any model has.
_MOST_FILTERS = 1000
_MOST_LOOKED_AT = 1000


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    RAISES (ElmoError): Naming the file, if it is none, is no regular file or too large, or has a field twice with
        different values.
    RAISES (FileNotFoundError): If there is none.
    RAISES (OSError): If it may not be read.
    """
    return parse_json(read_small(path, most=MOST_JSON), where=str(path))


def parse_json(text: "str | bytes", *, where: str) -> Any:
    """RAISES (ElmoError): See `read_json`. where: for messages."""

    def unique(pairs: list[tuple[str, Any]]) -> Json:
        found: Json = {}
        for name, value in pairs:
            if name in found and found[name] != value:
                first, second = _brief(found[name]), _brief(value)
                raise ElmoError(Errors.EL255.format(where=where, field=show(name), first=first, second=second))
            found[name] = value
        return found

    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8-sig")
        return json.loads(decoded, object_pairs_hook=unique)
    except ElmoError:
        raise
    except (ValueError, RecursionError) as error:
        raise ElmoError(Errors.EL005.format(where=where, reason=error)) from error


class Fields:
    """The fields of one JSON object, taken one by one, so that what is left over is known to be unknown.

    pydantic is not used: loading a model would import it, which takes longer than all else here, and its errors
    would have to be translated field by field.

    where: the file, for messages. path: of the object in it, with a dot at its end. is_strict: whether a field
    that is unknown is an error, as in what users write by hand.
    """

    def __init__(self, data: Any, *, where: str, path: str, is_strict: bool = False):
        self.where = where
        self.path = path
        self.is_strict = is_strict
        if not isinstance(data, dict):
            raise self.wrong(path.rstrip(".") or "options", data, "a JSON object {...}", full=True)
        self.data: Json = data
        self.taken: dict[str, None] = {}
        # Those for which a value was taken that the file does not have.
        self.defaulted: list[str] = []

    def take(self, name: str, default: Any) -> Any:
        self.taken[name] = None
        value = self.data.get(name)
        if value is not None:
            return value
        if default is REQUIRED:
            what = "is null" if name in self.data else "is missing"
            close = difflib.get_close_matches(
                name, [key[:100] for key in self.data if key != name], n=1, cutoff=0.75
            )
            hint = f" ('{show(self.path + close[0])}' may be a misspelling of it)" if close else ""
            raise ElmoError(Errors.EL002.format(where=self.where, field=self.path + name, what=what + hint))
        if default is not None:
            self.defaulted.append(name)
        return default

    def wrong(self, name: str, got: Any, expected: str, *, full: bool = False) -> ElmoError:
        path = name if full else self.path + name
        return ElmoError(Errors.EL003.format(where=self.where, field=path, got=_Brief(got), expected=expected))

    def contradiction(self, field: str, got: Any, other: str, rule: str) -> NoReturn:
        raise ElmoError(
            Errors.EL004.format(where=self.where, field=field, got=_Brief(got), other=other, rule=rule)
        )

    def require(self, name: str, allowed: tuple[Any, ...], rule: str) -> None:
        """A field that other programs write, and that names another network unless it has one of these values."""
        value = self.data.get(name)
        if value is not None and value not in allowed:
            field = self.path + name
            raise ElmoError(Errors.EL264.format(where=self.where, field=field, got=_Brief(value), rule=rule))

    def section(self, name: str) -> "Fields":
        data = self.take(name, REQUIRED)
        return Fields(data, where=self.where, path=f"{self.path}{name}.", is_strict=self.is_strict)

    def whole(self, name: str, default: Any = REQUIRED, *, low: int = 1, high: int | None = None) -> int:
        value = self.take(name, default)
        number = _whole(value)
        if number is None or number < low or (high is not None and number > high):
            upper = "up" if high is None else f"to {high}"
            raise self.wrong(name, value, f"a whole number from {low} {upper}")
        return number

    def clip(self, name: str) -> float | None:
        # 0 and null both mean that nothing is clipped, and so does infinity.
        value = self.take(name, 0)
        number = _number(value)
        if number is None or not number >= 0 or MOST_FLOAT < number < float("inf"):
            raise self.wrong(name, value, f"a number from 0 up to {MOST_FLOAT:g}, or null (no clip)")
        return None if number == float("inf") else number or None

    def boolean(self, name: str, default: bool) -> bool:
        value = self.take(name, default)
        # 0 and 1 are what Python programs take for false and true.
        if not isinstance(value, (bool, int, float)) or value not in (0, 1):
            raise self.wrong(name, value, "true or false")
        return bool(value)

    def choice(self, name: str, allowed: tuple[Any, ...], default: Any = REQUIRED) -> Any:
        value = self.take(name, default)
        if isinstance(value, bool) or value not in allowed:
            value = _whole(value)
            if value is None or value not in allowed:
                raise self.wrong(name, self.data[name], " or ".join(repr(one) for one in allowed))
        return allowed[allowed.index(value)]

    def filters(self, name: str) -> tuple[tuple[int, int], ...]:
        value = self.take(name, REQUIRED)
        pairs = [
            tuple(map(_whole, pair)) if isinstance(pair, list) else ()
            for pair in (value if isinstance(value, list) else [])
        ]
        good = [(width, number) for width, number in (p for p in pairs if len(p) == 2) if width and number]
        if not 0 < len(good) <= _MOST_FILTERS or len(good) < len(pairs) or any(min(pair) < 1 for pair in good):
            raise self.wrong(name, value, "a list of [width, number of filters]")
        return tuple(good)

    def unknown(self, known: Collection[str] = ()) -> list[str]:
        """Fields that were not taken, and are not among the known ones, by their whole names.

        RAISES (ElmoError): For a field that looks like a misspelt one which is missing, as its value would be
            lost; and for any if the fields are strict.
        """
        allowed = sorted({*self.taken, *known})
        found = [name for name in self.data if name not in self.taken and name not in known]
        for name in found[:_MOST_LOOKED_AT]:
            meant, cutoff = (allowed, 0.6) if self.is_strict else (self.defaulted, 0.75)
            close = difflib.get_close_matches(name[:100], meant, n=1, cutoff=cutoff)
            if close or self.is_strict:
                raise ElmoError(Errors.EL001.format(
                    where=self.where, field=show(self.path + name), allowed=", ".join(allowed),
                    hint=f"; did you mean '{self.path}{close[0]}'?" if close else "",
                ))  # fmt: skip
        return [self.path + name for name in found]


def warn_of_unknown(where: str, names: list[str], allowed: Iterable[str], *, most: int = 12) -> None:
    """One warning for all fields of a file that are not used."""
    if names:
        shown = ", ".join(show(name) for name in names[:most])
        more = f" and {len(names) - most} more" if len(names) > most else ""
        text = Warnings.WL050.format(where=where, fields=shown + more, allowed=", ".join(allowed))
        warn(text, stacklevel=3)


def show(name: str, most: int = 80) -> str:
    """A name from a file as it can be put into a message: without control characters, of a bounded length."""
    plain = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in name[: most + 1])
    return plain if len(name) <= most else f"{plain[:most]}..."


class _Brief:
    """Whose `repr` fits into a message."""

    def __init__(self, value: Any):
        self.value = value

    def __repr__(self) -> str:
        return _brief(self.value)


def _brief(value: Any, most: int = 200) -> str:
    # A large value is not written out whole to be cut.
    if isinstance(value, (list, dict)) and len(value) > most:
        return f"{type(value).__name__} of {len(value):,} items"
    if isinstance(value, str):
        value = value[: most + 1]
    try:
        text = repr(value)
    except RecursionError:
        text = f"a deeply nested {type(value).__name__}"
    return text if len(text) <= most else f"{text[:most]}..."


def _number(value: Any) -> float | None:
    """A number, or the text of one; None for anything else."""
    if isinstance(value, str) and len(value) <= _MOST_DIGITS:
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        float(value)
    except OverflowError:
        return None
    return value


def _whole(value: Any) -> int | None:
    """A whole number, also one like 512.0 or "512"; None for anything else."""
    number = _number(value)
    if isinstance(number, float):
        return int(number) if number.is_integer() else None
    return number
