"""The `spacy-elmo` command: one file a command, a typer function around a plain one."""

import atexit
import errno
import os
import signal
import sys
import warnings
from types import FrameType

# As shells report a program that Ctrl-C, or a pipe that nobody reads, has ended.
_STOPPED, _NO_READER = 130, 141


def main() -> None:
    """Entry point. What a user did wrong is one message and exit status 1, not a traceback."""
    try:
        _open_closed()
        # Not at the top: it takes a while, and Ctrl-C may come meanwhile.
        from .commands import app
        from .messages import show_warning

        warnings.showwarning = show_warning
        signal.signal(signal.SIGTERM, _terminate)
        app()
    except KeyboardInterrupt:
        print("spacy-elmo: stopped", file=sys.stderr)
        sys.exit(_STOPPED)
    except BrokenPipeError:
        _silence()
        sys.exit(_NO_READER)
    except (ValueError, OSError, ImportError) as error:
        from .messages import message, tell

        tell(message(error))
        if isinstance(error, OSError) and error.errno in (errno.EBADF, errno.ENOSPC) and not error.filename:
            _silence()
        sys.exit(1)
    finally:
        # All is done or told: libraries that tidy up are not to be interrupted in it.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


def _open_closed() -> None:
    """Where standard output or error are closed, the next file that is opened would take their place."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            # Writing to standard output fails, as it should; what nobody wants to be told goes nowhere.
            handle = os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_WRONLY)
            if handle != number:
                os.dup2(handle, number)
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _silence() -> None:
    """What is still in a buffer goes nowhere: else Python complains when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _terminate(number: int, frame: FrameType | None) -> None:
    # Not by an exception: raised inside a destructor or a callback, it would be lost and the process live on.
    from ..util.atomic import remove_unfinished

    remove_unfinished()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
