"""Advice, the last sentence of a message: by the number of a system error, by where a file was to be downloaded
from, or by what was given as a token or as a sentence."""

import errno
import re

_NOT_WRITABLE = "Choose a writable folder, or change its permissions."
_NOT_READABLE = "Change its permissions (chmod), or run as its owner."
_HANDLES = "Close files that are no longer needed, or raise the limit (ulimit -n)."
# How older versions of safetensors show an error of the system.
_SYSTEM_ERROR = re.compile(r"\bOs \{ code: (\d+)")
_DISK = (
    "The disk or the network file system failed; the content of the file is not the cause. Check the disk, and "
    "try again."
)
LOCK = (
    "If another process has it open for writing, wait for it or end it. Otherwise the file system has no working "
    "locks, like some network file systems: set the environment variable HDF5_USE_FILE_LOCKING=FALSE, or copy the "
    "file to a local disk."
)

# None of these errors means that the file is damaged.
READING: dict[int, str] = {
    errno.EACCES: _NOT_READABLE,
    errno.EPERM: _NOT_READABLE,
    errno.EAGAIN: LOCK,
    errno.ENOLCK: LOCK,
    errno.EMFILE: _HANDLES,
    errno.ENFILE: _HANDLES,
    errno.EIO: _DISK,
    errno.ESTALE: _DISK,
    errno.ETIMEDOUT: _DISK,
    errno.ENXIO: _DISK,
    getattr(errno, "EREMOTEIO", errno.EIO): _DISK,
    errno.EBUSY: "Another process uses it. Wait until it has finished.",
    errno.ENOMEM: "Close other programs, or use a computer with more memory.",
    errno.EISDIR: "Give the file itself.",
    errno.ELOOP: "Its symbolic links form a loop. Give the file itself.",
    errno.ENAMETOOLONG: "Move it to a shorter path.",
}

WRITING: dict[int, str] = {
    # Before the next, whose advice stays where the system has no quotas.
    getattr(errno, "EDQUOT", errno.ENOSPC): "Free disk space, or ask for a larger quota.",
    errno.ENOSPC: "Free disk space, or choose another place.",
    errno.EFBIG: "Raise the limit of file sizes (ulimit -f), or choose a file system that allows larger files.",
    errno.EROFS: "Choose a writable place.",
    errno.EACCES: _NOT_WRITABLE,
    errno.EPERM: _NOT_WRITABLE,
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.ENOENT: "Create the folder, or choose another place.",
    errno.ENOTDIR: "Choose a place in a folder.",
    errno.EEXIST: "A file with this name exists. Give the name of a folder.",
}

# Of a download, from the published addresses or from a mirror.
ADDRESSES = (
    "Check the network, and try again: the part that was downloaded is kept. Or set the environment variable "
    "{mirror} to a copy (a URL with http://, https:// or file://)."
)
MIRROR = (
    "Only the mirror was asked, because {mirror} is set. Check that it can be reached and has the file under one "
    "of these paths, or unset that variable."
)

# By the name of the type of what was given as a token.
TOKENS: dict[str, str] = {
    "NoneType": "If it is padding, remove it: sentences may differ in length.",
    "bytes": "Decode it: token.decode('utf-8').",
    "list": "The list is nested too deeply: a sentence is a list of texts, and embed() takes a list of sentences.",
    "Token": "Give its text: [token.text for token in doc].",
}
OTHER_TOKEN = "Convert it to str, or remove it."

_RESIDUES = "For the residues of a sequence, give list(sequence)"
_WORDS = "for the words of a text, text.split(), or use Elmo.embed_texts, which takes texts"
_ONE = "A single sentence is given as a list of one: [tokens]."


def advise_reading(error: OSError) -> str:
    """Say what to do about a text that the system does not read.

    error (OSError): The error of the system.
    RETURNS (str): The advice.
    """
    advice = READING.get(error.errno or -1, LOCK)
    # That of locks is about the files of models.
    return "Check the file and its disk, and try again." if advice is LOCK else advice


def explain_writing(error: BaseException) -> dict[str, object]:
    """Say why a file could not be written, and what to do.

    error (BaseException): The error of the system or of a library, or a `WriteError`.
    RETURNS (dict[str, object]): `reason` and `advice`, as messages name them.
    """
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    number = getattr(error, "errno", None)
    if number is None and (found := _SYSTEM_ERROR.search(str(error))):
        number = int(found[1])
    return {"reason": reason, "advice": WRITING.get(number or -1, "Correct the cause, and try again.")}


def advise_sentence(got: object) -> str:
    """Say what to give in place of something that is not a list of tokens.

    It names no function to call, because sentences are given to many.

    got (object): What was given as a sentence.
    RETURNS (str): The advice.
    """
    if not isinstance(got, str):
        return _ONE
    if len(got) > 1 and got.isascii() and got.isalpha() and got.isupper():
        return f"{_RESIDUES}; {_WORDS}."
    advice = f"{_WORDS[0].upper()}{_WORDS[1:]}; {_RESIDUES[0].lower()}{_RESIDUES[1:]}."
    return advice if any(map(str.isspace, got)) else f"{_ONE} {advice}"
