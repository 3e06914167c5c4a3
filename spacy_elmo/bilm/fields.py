"""Read JSON objects field by field, so that messages name the wrong, missing and unknown fields."""

import difflib
import json
from collections.abc import Collection, Iterable
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ..errors import ElmoError, Errors, Warnings
from ..errors.warn import warn
from ..util.files import read_small

# A JSON object.
Json = dict[str, Any]
T = TypeVar("T")


class Default(Enum):
    """The default of a field without one."""

    REQUIRED = 0


REQUIRED = Default.REQUIRED
# The size of options with a vocabulary of two million words; larger files are corpora, or damaged.
MOST_JSON = 64 << 20
# Some trainers write numbers as text.
_MOST_DIGITS = 18
MOST_FLOAT = 3.4e38
# Kinds of filters, and unknown fields that are compared with known ones: far more than in any model.
_MOST_FILTERS = 1000
_MOST_COMPARED = 1000


def read_json(path: Path) -> Any:
    """Read a JSON file.

    path (Path): The file.
    RETURNS (Any): Its content.
    RAISES (ElmoError): If it is not JSON, is not a regular file, is too large, or has a field twice with different
        values.
    RAISES (FileNotFoundError): If it does not exist.
    RAISES (OSError): If the system does not allow reading it.
    """
    return parse_json(read_small(path, most=MOST_JSON), where=str(path))


def parse_json(text: str | bytes, *, where: str) -> object:
    """Parse JSON.

    text (str | bytes): The text; bytes are UTF-8.
    where (str): The name of the file, for messages.
    RETURNS (object): The content.
    RAISES (ElmoError): If it is not JSON, or has a field twice with different values.
    """

    def merge(pairs: list[tuple[str, object]]) -> Json:
        found: Json = {}
        for name, value in pairs:
            if name in found and found[name] != value:
                first, second = _brief(found[name]), _brief(value)
                raise ElmoError(Errors.EL255.format(where=where, field=show(name), first=first, second=second))
            found[name] = value
        return found

    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8-sig")
        found: object = json.loads(decoded, object_pairs_hook=merge)
        return found
    except ElmoError:
        raise
    except (ValueError, RecursionError) as error:
        raise ElmoError(Errors.EL005.format(where=where, reason=error)) from error


class Fields:
    """Reads the fields of a JSON object one by one, so that the rest is unknown.

    pydantic is not used: importing it would take longer than loading a model, and its errors would have to be
    translated field by field.

    data (object): The object.
    where (str): The name of the file, for messages.
    path (str): The path of the object in the file, with a dot at its end; "" for the file itself.
    is_strict (bool): Whether unknown fields are errors, as in what users write by hand.
    RAISES (ElmoError): If `data` is not an object.
    """

    def __init__(self, data: object, *, where: str, path: str, is_strict: bool = False):
        self.where = where
        self.path = path
        self.is_strict = is_strict
        if not isinstance(data, dict):
            raise self.wrong(path.rstrip(".") or "options", data, "a JSON object {...}", full=True)
        self.data: Json = data
        self.taken: dict[str, None] = {}
        # Fields that were missing, so that their defaults were used.
        self.defaulted: list[str] = []

    def take(self, name: str, default: object) -> Any:
        """Get the value of a field, which then counts as known.

        name (str): The field.
        default (object): The value if the field is missing or null; `REQUIRED`: there is none.
        RETURNS (Any): The value.
        RAISES (ElmoError): If a required field is missing.
        """
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

    def wrong(self, name: str, got: object, expected: str, *, full: bool = False) -> ElmoError:
        """Make the error for a wrong value.

        name (str): The field.
        got (object): Its value.
        expected (str): What is allowed.
        full (bool): Whether `name` is the whole path.
        RETURNS (ElmoError): The error.
        """
        path = name if full else self.path + name
        return ElmoError(Errors.EL003.format(where=self.where, field=path, got=_Brief(got), expected=expected))

    def contradiction(self, field: str, got: object, other: str, rule: str) -> NoReturn:
        """Raise the error for a value that contradicts another field.

        field (str): The path of the field.
        got (object): Its value.
        other (str): The other field and its value.
        rule (str): What holds between them.
        RAISES (ElmoError): Always.
        """
        raise ElmoError(
            Errors.EL004.format(where=self.where, field=field, got=_Brief(got), other=other, rule=rule)
        )

    def require(self, name: str, allowed: tuple[object, ...], rule: str) -> None:
        """Check a field of other programs, with which the network would be a different one.

        name (str): The field, which may be missing.
        allowed (tuple[object, ...]): Values that mean this network.
        rule (str): What the network does, for the message.
        RAISES (ElmoError): For another value.
        """
        value = self.data.get(name)
        if value is not None and value not in allowed:
            field = self.path + name
            raise ElmoError(Errors.EL264.format(where=self.where, field=field, got=_Brief(value), rule=rule))

    def section(self, name: str) -> "Fields":
        """Read a field that is an object.

        name (str): The field.
        RETURNS (Fields): Its fields.
        RAISES (ElmoError): If it is missing, or not an object.
        """
        data = self.take(name, REQUIRED)
        return Fields(data, where=self.where, path=f"{self.path}{name}.", is_strict=self.is_strict)

    def whole(self, name: str, default: int | Default = REQUIRED, *, low: int = 1, high: int | None = None) -> int:
        """Read a whole number.

        name (str): The field.
        default (int | Default): The value if the field is missing or null; `REQUIRED`: there is none.
        low (int): The smallest number allowed.
        high (int | None): The largest number allowed; None if there is none.
        RETURNS (int): The number.
        RAISES (ElmoError): If a required field is missing, or for anything else.
        """
        value = self.take(name, default)
        number = _whole(value)
        if number is None or number < low or (high is not None and number > high):
            upper = "up" if high is None else f"to {high}"
            raise self.wrong(name, value, f"a whole number from {low} {upper}")
        return number

    def clip(self, name: str) -> float | None:
        """Read the bound of a clip.

        name (str): The field.
        RETURNS (float | None): The bound; None: no clip.
        RAISES (ElmoError): If it is neither null nor infinity nor a number from 0 to `MOST_FLOAT`.
        """
        # 0, null and infinity all mean no clip.
        value = self.take(name, 0)
        number = _number(value)
        if number is None or not number >= 0 or MOST_FLOAT < number < float("inf"):
            raise self.wrong(name, value, f"a number from 0 up to {MOST_FLOAT:g}, or null (no clip)")
        return None if number == float("inf") else number or None

    def boolean(self, name: str, default: bool) -> bool:
        """Read true or false.

        name (str): The field.
        default (bool): The value if the field is missing or null.
        RETURNS (bool): The value.
        RAISES (ElmoError): For anything else.
        """
        value = self.take(name, default)
        # Python programs may write 0 and 1 for false and true.
        if not isinstance(value, (bool, int, float)) or value not in (0, 1):
            raise self.wrong(name, value, "true or false")
        return bool(value)

    def choice(self, name: str, allowed: tuple[T, ...], default: T | Default = REQUIRED) -> T:
        """Read one of the allowed values.

        name (str): The field.
        allowed (tuple[T, ...]): The allowed values.
        default (T | Default): The value if the field is missing or null; `REQUIRED`: there is none.
        RETURNS (T): The value.
        RAISES (ElmoError): If a required field is missing, or for anything else.
        """
        value = self.take(name, default)
        if isinstance(value, bool) or value not in allowed:
            value = _whole(value)
            if value is None or value not in allowed:
                raise self.wrong(name, self.data[name], " or ".join(repr(one) for one in allowed))
        return allowed[allowed.index(value)]

    def filters(self, name: str) -> tuple[tuple[int, int], ...]:
        """Read pairs of filter width and number of filters.

        name (str): The field.
        RETURNS (tuple[tuple[int, int], ...]): The pairs, at least one.
        RAISES (ElmoError): If it is missing, or anything else.
        """
        value = self.take(name, REQUIRED)
        pairs: list[tuple[int, int]] = []
        for pair in value if isinstance(value, list) and len(value) <= _MOST_FILTERS else []:
            width, number = map(_whole, pair) if isinstance(pair, list) and len(pair) == 2 else (None, None)
            if not width or not number or min(width, number) < 1:
                pairs = []
                break
            pairs.append((width, number))
        if not pairs:
            raise self.wrong(name, value, "a list of [width, number of filters]")
        return tuple(pairs)

    def unknown(self, known: Collection[str] = ()) -> list[str]:
        """List the unknown fields.

        known (Collection[str]): Fields that are known without being read.
        RETURNS (list[str]): The paths of all other fields that were not read.
        RAISES (ElmoError): For any of them, if unknown fields are errors; otherwise for one that seems to be a
            misspelt name of a missing field, whose value would be lost.
        """
        if self.data.keys() <= self.taken.keys() | known:
            return []
        allowed = sorted({*self.taken, *known})
        found = [name for name in self.data if name not in allowed]
        for name in found[:_MOST_COMPARED]:
            meant, cutoff = (allowed, 0.6) if self.is_strict else (self.defaulted, 0.75)
            close = difflib.get_close_matches(name[:100], meant, n=1, cutoff=cutoff)
            if close or self.is_strict:
                raise ElmoError(Errors.EL001.format(
                    where=self.where, field=show(self.path + name), allowed=", ".join(allowed),
                    hint=f"; did you mean '{self.path}{close[0]}'?" if close else "",
                ))  # fmt: skip
        return [self.path + name for name in found]


def warn_of_unknown(where: str, names: list[str], allowed: Iterable[str], *, most: int = 12) -> None:
    """Warn about all fields of a file that are not used, in one message.

    where (str): The name of the file.
    names (list[str]): The fields.
    allowed (Iterable[str]): Names of known fields, for the message.
    most (int): How many fields the message names.
    """
    if names:
        shown = ", ".join(show(name) for name in names[:most])
        more = f" and {len(names) - most} more" if len(names) > most else ""
        text = Warnings.WL050.format(where=where, fields=shown + more, allowed=", ".join(allowed))
        warn(text, stacklevel=3)


def show(name: str, most: int = 80) -> str:
    """Make a name from a file safe for a message: without control characters, of a bounded length.

    name (str): The name.
    most (int): The largest number of characters.
    RETURNS (str): The name, cut and escaped if necessary.
    """
    plain = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in name[: most + 1])
    return plain if len(name) <= most else f"{plain[:most]}..."


class _Brief:
    """Gives a value a short `repr`, for `{got!r}` in messages."""

    def __init__(self, value: object):
        self.value = value

    def __repr__(self) -> str:
        return _brief(self.value)


def _brief(value: object, most: int = 200) -> str:
    # Do not build the repr of a large value only to cut it.
    if isinstance(value, (list, dict)) and len(value) > most:
        return f"{type(value).__name__} of {len(value):,} items"
    if isinstance(value, str):
        value = value[: most + 1]
    try:
        text = repr(value)
    except RecursionError:
        text = f"a deeply nested {type(value).__name__}"
    return text if len(text) <= most else f"{text[:most]}..."


def _number(value: object) -> float | None:
    """Convert a value to a number, also from its text; None if it is not one."""
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


def _whole(value: object) -> int | None:
    """Convert a value to a whole number, also 512.0 or "512"; None if it is not one."""
    number = _number(value)
    if isinstance(number, float):
        return int(number) if number.is_integer() else None
    return number
