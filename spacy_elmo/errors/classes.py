"""Codes: the metaclass that puts them in front of messages, and the exceptions that carry them."""

import re
from string import Formatter

_CODE = re.compile(r"\[(EL\d+)\] ")


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

    def format(self, *values: object, **named: object) -> str:
        return _PRINTABLE.vformat(str(self), values, named)


class WithCodes(type):
    """Puts the attribute's name in front of its text: `Errors.EL001` reads "[EL001] ..."."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, object]) -> "WithCodes":
        coded = {
            key: Message(f"[{key}] {value}") if not key.startswith("_") and isinstance(value, str) else value
            for key, value in namespace.items()
        }
        return super().__new__(mcs, name, bases, coded)


class _PrintableFormatter(Formatter):
    def format_field(self, value: object, format_spec: str) -> str:
        return printable(str(super().format_field(value, format_spec)))


_PRINTABLE = _PrintableFormatter()


class CodedError(Exception):
    """Base of all errors whose message is in the table."""

    @property
    def code(self) -> str:
        """The code of the message, such as "EL057"."""
        # From the text: nothing else is certain to survive a pickle of a built-in exception.
        found = _CODE.search(str(self))
        return found[1] if found else ""


class ElmoError(CodedError, ValueError):
    """A wrong value, a damaged or unsuitable file, or a use that is not supported."""


class ElmoTypeError(CodedError, TypeError):
    """A value of a wrong type."""


class ElmoKeyError(CodedError, KeyError):
    """A layer that is not there, asked for by its name."""


class ElmoAttributeError(CodedError, AttributeError):
    """A layer that is not there, asked for as an attribute."""


class ElmoImportError(CodedError, ImportError):
    """A package of an extra is not installed."""


class ElmoMemoryError(CodedError, MemoryError):
    """The memory of a GPU does not suffice."""


class ElmoOSError(CodedError, OSError):
    """The system refuses something: a file cannot be read or written, or a port cannot be used."""


class ElmoFileNotFoundError(CodedError, FileNotFoundError):
    """A file, folder or model does not exist."""


class ElmoFileExistsError(CodedError, FileExistsError):
    """An output exists already."""


class ElmoPermissionError(CodedError, PermissionError):
    """The system does not permit to read a file or folder."""


class ElmoBlockingIOError(CodedError, BlockingIOError):
    """Another process trains in the same folder."""


class ElmoConnectionError(CodedError, ConnectionError):
    """A download fails."""


class ReasonError(Exception):
    """The reason part of a message: never leaves the package, but is caught and put into an error with a code."""
