"""Codes in front of messages, and values of others inside them."""

from string import Formatter
from typing import Any


def printable(text: str) -> str:
    """Escape control characters, such as those that colour a terminal or move its cursor.

    text (str): Any text, of several lines or one.
    RETURNS (str): The text, safe to print; line feeds and tabs are kept.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode() for char in text
    )


class Message(str):
    """A text with placeholders, whose values (names in files, texts of libraries) are escaped for a terminal."""

    def format(self, *values: Any, **named: Any) -> str:
        return _PRINTABLE.vformat(str(self), values, named)


class WithCodes(type):
    """Puts the attribute's name in front of its text: `Errors.EL001` reads "[EL001] ..."."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> "WithCodes":
        coded = {
            key: Message(f"[{key}] {value}") if not key.startswith("_") and isinstance(value, str) else value
            for key, value in namespace.items()
        }
        return super().__new__(mcs, name, bases, coded)


class _PrintableFormatter(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        return printable(str(super().format_field(value, format_spec)))


_PRINTABLE = _PrintableFormatter()
