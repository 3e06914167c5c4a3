"""Exception classes: each is a built-in one, with the code of its message."""

import re

_CODE = re.compile(r"\[(EL\d+)\] ")


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
    pass


class ElmoKeyError(CodedError, KeyError):
    pass


class ElmoAttributeError(CodedError, AttributeError):
    pass


class ElmoImportError(CodedError, ImportError):
    pass


class ElmoMemoryError(CodedError, MemoryError):
    pass


class ElmoOSError(CodedError, OSError):
    pass


class ElmoFileNotFoundError(CodedError, FileNotFoundError):
    pass


class ElmoFileExistsError(CodedError, FileExistsError):
    pass


class ElmoPermissionError(CodedError, PermissionError):
    pass


class ElmoBlockingIOError(CodedError, BlockingIOError):
    pass


class ElmoConnectionError(CodedError, ConnectionError):
    pass


class ReasonError(Exception):
    """The reason part of a message: never leaves the package, but is caught and put into an error with a code."""
