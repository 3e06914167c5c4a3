"""What a pickle that is not read is. Names in it tell which program wrote it; nothing in it is loaded or run."""

import mmap
from pathlib import Path

from ...errors import ElmoError, Errors
from ...util.files import check_readable
from .pickles import is_torch_file

# Names that mark the files of a program, all of them in one file, and the message about it: of a parser's layer
# (nikitakit/self-attentive-parser, src/parse_nk.py), and keys of a dict (mesolitica/malaya, malaya/elmo.py).
_MARKS = (
    ((b"project_elmo.weight",), Errors.EL292),
    ((b"softmax_weight", b"dictionary"), Errors.EL293),
)


def find_refusal(path: Path) -> ElmoError | None:
    """Find what speaks against reading a pickle.

    path (Path): The file, which is not empty.
    RETURNS (ElmoError | None): The error, which says what the file is if it is known; None if PyTorch wrote it, so
        that its tensors can be read.
    RAISES (OSError): If the system refuses access.
    """
    check_readable(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = (message for marks, message in _MARKS if all(data.find(mark) >= 0 for mark in marks))
        message = next(found, None if is_torch_file(path) else Errors.EL017)
    return None if message is None else ElmoError(message.format(path=path))
