"""What errors and warnings read like on a terminal."""

import sys
from typing import Any

from ..errors import Errors


def tell(text: str) -> None:
    """Print it where errors go."""
    print(f"spacy-elmo: {text}", file=sys.stderr)


def show_warning(message: Any, *where: Any, **more: Any) -> None:
    """For `warnings.showwarning`: without the line of code, which tells a user nothing."""
    tell(f"warning: {printable(str(message))}")


def message(error: Exception) -> str:
    """An error's text, with a code. RETURNS: one that a terminal cannot take for anything but text."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror and text.startswith("[Errno"):
        if error.filename is None:
            text = Errors.EL226.format(reason=error.strerror)
        else:
            text = Errors.EL225.format(reason=error.strerror, path=error.filename)
    return printable(text)


def printable(text: str) -> str:
    """The text with control characters, such as those that colour a terminal or move in it, written out."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode() for char in text
    )
