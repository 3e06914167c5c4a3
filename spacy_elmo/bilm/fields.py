"""Reads JSON objects field by field, so that every wrong, missing or unknown field is named."""

import difflib
import json
from pathlib import Path
from typing import Any, Dict, FrozenSet, NoReturn, Optional, Tuple

from ..errors import Errors

Json = Dict[str, Any]

REQUIRED: Any = object()


def read_json(path: Path) -> Any:
    """What a JSON file holds. RAISES: ValueError, naming the file, if it is none."""
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(Errors.EL005.format(where=path, reason=error)) from error


class Fields:
    """The fields of one JSON object, taken one by one, so that what is left over is known to be unknown."""

    def __init__(self, data: Any, *, where: str, path: str):
        self.where = where
        self.path = path
        if not isinstance(data, dict):
            raise self.wrong(path.rstrip(".") or "options", data, "a JSON object {...}", full=True)
        self.data: Json = data
        self.taken: Dict[str, None] = {}

    def take(self, name: str, default: Any) -> Any:
        self.taken[name] = None
        value = self.data.get(name)
        if value is None:
            if default is REQUIRED:
                raise ValueError(Errors.EL002.format(where=self.where, field=self.path + name))
            return default
        return value

    def wrong(self, name: str, got: Any, expected: str, *, full: bool = False) -> ValueError:
        path = name if full else self.path + name
        return ValueError(Errors.EL003.format(where=self.where, field=path, got=got, expected=expected))

    def contradiction(self, field: str, got: Any, other: str, rule: str) -> NoReturn:
        raise ValueError(Errors.EL004.format(where=self.where, field=field, got=got, other=other, rule=rule))

    def section(self, name: str) -> "Fields":
        return Fields(self.take(name, REQUIRED), where=self.where, path=f"{self.path}{name}.")

    def whole(self, name: str, default: Any = REQUIRED, *, low: int = 1, high: Optional[int] = None) -> int:
        value = self.take(name, default)
        if not _is_int(value) or value < low or (high is not None and value > high):
            upper = "up" if high is None else f"to {high}"
            raise self.wrong(name, value, f"a whole number from {low} {upper}")
        return int(value)

    def clip(self, name: str) -> Optional[float]:
        # 0 and null both mean that nothing is clipped.
        value = self.take(name, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise self.wrong(name, value, "a number from 0 up, or null (no clip)")
        return value or None

    def boolean(self, name: str, default: bool) -> bool:
        value = self.take(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, value, "true or false")
        return value

    def choice(self, name: str, allowed: Tuple[Any, ...]) -> Any:
        value = self.take(name, REQUIRED)
        if isinstance(value, bool) or value not in allowed:
            raise self.wrong(name, value, " or ".join(repr(one) for one in allowed))
        return value

    def filters(self, name: str) -> Tuple[Tuple[int, int], ...]:
        value = self.take(name, REQUIRED)
        pairs = (
            isinstance(value, list)
            and value
            and all(
                isinstance(pair, list) and len(pair) == 2 and all(_is_int(n) and n > 0 for n in pair)
                for pair in value
            )
        )
        if not pairs:
            raise self.wrong(name, value, "a list of [width, number of filters]")
        return tuple((int(width), int(number)) for width, number in value)

    def finish(self, *, known: FrozenSet[str] = frozenset()) -> None:
        for name in self.data:
            if name not in self.taken and name not in known:
                allowed = sorted({*self.taken, *known})
                close = difflib.get_close_matches(name, allowed, n=1)
                raise ValueError(Errors.EL001.format(
                    where=self.where, field=self.path + name, allowed=", ".join(allowed),
                    hint=f"; did you mean '{self.path}{close[0]}'?" if close else "",
                ))  # fmt: skip


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
