"""The `spacy-elmo` command: each command has its own module, a typer function that calls a plain one."""

import atexit
import errno
import io
import os
import signal
import sys
import warnings
from types import FrameType

# Exit statuses of shells for a program that was ended by Ctrl-C, and by writing to a closed pipe.
_INTERRUPTED, _CLOSED_PIPE = 130, 141


def main() -> None:
    """Run the command line. A user's mistake prints one message and exits with status 1, without a traceback."""
    try:
        _reopen_closed()
        _write_utf8()
        # Imported here because it takes a while, in which Ctrl-C must work.
        from .commands import app

        warnings.showwarning = _show_warning
        signal.signal(signal.SIGTERM, _terminate)
        app()
    except KeyboardInterrupt:
        print("spacy-elmo: stopped", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        _discard_stdout()
        sys.exit(_CLOSED_PIPE)
    except (ValueError, OSError, ImportError) as error:
        _print_message(format_error(error))
        if isinstance(error, OSError) and error.errno in (errno.EBADF, errno.ENOSPC) and not error.filename:
            _discard_stdout()
        sys.exit(1)
    finally:
        # Everything is done: a late Ctrl-C must not interrupt the clean-up of libraries.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


def format_error(error: Exception) -> str:
    """Make the message for an error.

    error (Exception): The error.
    RETURNS (str): Its text with a code, without control characters.
    """
    from ..errors import Errors, printable

    text = str(error)
    if isinstance(error, OSError) and error.strerror and text.startswith("[Errno"):
        if error.filename is None:
            text = Errors.EL226.format(reason=error.strerror)
        else:
            text = Errors.EL225.format(reason=error.strerror, path=error.filename)
    return printable(text)


def _show_warning(message: Warning | str, *where: object, **more: object) -> None:
    """Print a warning without the line of code that `warnings.showwarning` adds."""
    from ..errors import printable

    _print_message(f"warning: {printable(str(message))}")


def _print_message(text: str) -> None:
    print(f"spacy-elmo: {text}", file=sys.stderr)


def _reopen_closed() -> None:
    """Reopen standard output and error if they are closed: the next opened file would get their number."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            # Writing results fails, as it should; messages are discarded.
            handle = os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_WRONLY)
            if handle != number:
                os.dup2(handle, number)
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _write_utf8() -> None:
    """On Windows, write UTF-8 to pipes and files, as elsewhere: the encoding of the system has few letters."""
    if sys.platform != "win32" or os.environ.get("PYTHONIOENCODING") or sys.stdout.isatty():
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")


def _discard_stdout() -> None:
    """Discard what is still buffered; otherwise Python fails to flush it when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _terminate(number: int, frame: FrameType | None) -> None:
    # Not an exception: one raised in a destructor or a callback would be lost, and the process would continue.
    from ..util.atomic import remove_unfinished

    remove_unfinished()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
