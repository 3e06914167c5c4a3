"""What a pickle that is not read is. Names in it tell which program wrote it; nothing in it is loaded or run."""

import mmap
from pathlib import Path

from ...errors import ElmoError, Errors
from ...util.files import check_readable

# Names that mark the files of a program, all of them in one file, and the message about it: of a parser's layer
# (nikitakit/self-attentive-parser, src/parse_nk.py), and keys of a dict (mesolitica/malaya, malaya/elmo.py).
_MARKS = (
    ((b"project_elmo.weight",), Errors.EL292),
    ((b"softmax_weight", b"dictionary"), Errors.EL293),
)


def refuse_pickle(path: Path) -> ElmoError:
    """Make the error for a pickle that is not read.

    path (Path): The file, which is not empty.
    RETURNS (ElmoError): The error, which says what the file is if it is known.
    RAISES (OSError): If the system refuses access.
    """
    check_readable(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = (message for marks, message in _MARKS if all(data.find(mark) >= 0 for mark in marks))
        return ElmoError(next(found, Errors.EL017).format(path=path))
