"""Models by the addresses of their files: which files belong to one, and what they are called here."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ..bilm.options import OPTIONS_NAME
from ..errors import ElmoError, Errors
from .hosts import to_file_url
from .releases import File, Release
from .sniff import ALLENNLP, ARCHIVE_ENDINGS, INDEX, PAIRED_ENDINGS, VOCAB_NAME, WEIGHTS_NAMES
from .urls import NO_CHECKSUMS, Checksums, is_loopback, is_url, safe_url, split_checksums, unquote_path

# A file of an unknown kind, which gets its name by its content.
UNNAMED = ".download"
_PICKLES = (".th", ".pt")
# All of bilm-tf's checkpoints are in one piece.
_DATA = ".data-00000-of-00001"
# The name of a checkpoint whose own name could not be that of a file.
_CHECKPOINT = "model.ckpt"
# Bytes of a name: what file systems take, with the endings of a download.
_MOST_OF_A_NAME = 200


@dataclass(frozen=True, kw_only=True)
class Address(Release):
    """A model that is named by the addresses of its files.

    key (str): The name of its folder in the cache.
    alternatives (tuple[tuple[File, ...], ...]): Other files of which it may consist.
    folder_url (str | None): The address of a page that may list its files.
    """

    key: str = ""
    alternatives: tuple[tuple[File, ...], ...] = ()
    folder_url: str | None = None

    @property
    def plans(self) -> tuple[tuple[File, ...], ...]:
        return tuple(filter(None, (self.files, *self.alternatives)))


def make_address(urls: Sequence[str]) -> Address:
    """Make the release of one or two addresses.

    urls (Sequence[str]): The address of an archive, of options, of weights, of a checkpoint's index, or of a
        folder of them; or the addresses of options and weights. Each may end with `#sha256=...` or `#md5=...`.
    RETURNS (Address): The release.
    RAISES (ElmoError): If an address is not valid.
    """
    parts = [split_checksums(url) for url in urls]
    for url, _ in parts:
        _check(url)
    known = [(to_file_url(url), checksums) for url, checksums in parts]
    name, key = " ".join(safe_url(url) for url, _ in parts), _make_key([url for url, _ in parts])
    if len(known) == 2:
        return Address(name=name, key=key, files=_pair(*known))
    (url, checksums), ending = known[0], _ending(known[0][0])
    if ending == ".json":
        return _from_options(name, key, url, checksums)
    if ending in (*PAIRED_ENDINGS, *_PICKLES):
        options = File(f"{_folder_path(url)}{OPTIONS_NAME}", _options_urls(url), is_optional=True)
        return Address(name=name, key=key, files=(options, _weights_file(url, checksums)))
    if ending == INDEX:
        return Address(name=name, key=key, files=_checkpoint(url, checksums))
    if ending in ARCHIVE_ENDINGS or urlsplit(url).query:
        return Address(name=name, key=key, files=(make_file(url, checksums),))
    return _from_unknown(name, key, url, checksums)


def make_file(url: str, checksums: Checksums = NO_CHECKSUMS, name: str | None = None) -> File:
    """Make a file of an address.

    url (str): The address.
    checksums (Checksums): Its checksums.
    name (str | None): Its name here; None: by the address, or by its content if that says nothing.
    RETURNS (File): The file. A mirror has it under its host and path.
    """
    if name is None:
        name = _last_name(url)
        if not _ending(url) or not is_file_name(name):
            name = f"1{UNNAMED}"
    return File(_folder_path(url) + name, _variants(url), sha256=checksums.sha256, md5=checksums.md5)


def is_file_name(name: str) -> bool:
    """Check that a file may have a name on every system, while it is downloaded, too.

    name (str): The name, as a stranger gives it.
    RETURNS (bool): Whether it may.
    """
    is_plain = name.isprintable() and "\\" not in name and ":" not in name and not name.startswith(".")
    return bool(name) and is_plain and len(name.encode("utf-8", "replace")) <= _MOST_OF_A_NAME


def make_mirror_path(url: str) -> str:
    """Get the path under which a mirror has the file of an address.

    url (str): The address.
    RETURNS (str): Host and path, without steps out of a folder.
    """
    return _folder_path(url) + _last_name(url)


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # of the port, or brackets around something that is not an address
        host = None
    # Libraries do not agree on where a host with a backslash ends.
    if not is_url(url) or not host or "\\" in parts.netloc or not url.isprintable():
        raise ElmoError(Errors.EL275.format(url=safe_url(url)))


def _make_key(urls: Sequence[str]) -> str:
    """Make the name of a folder: readable, and different for every address. Credentials are not part of it."""
    plain = [urlunsplit(_without_user(url)) for url in urls]
    digest = hashlib.sha256("\n".join(plain).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    # Of an address that is safe to show: a password with a slash looks like a part of the path.
    host, _, path = safe_url(urls[-1]).partition("?")[0].partition("://")[2].rstrip("/").partition("/")
    words = f"{host.partition(':')[0]}-{unquote(path).rpartition('/')[2]}"
    words = re.sub(r"[^A-Za-z0-9.]+", "-", words).strip("-.")
    return f"url--{words[:80]}--{digest}"


def _without_user(url: str) -> "tuple[str, ...]":
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2])


def _last_name(url: str) -> str:
    return unquote_path(url).rstrip("/").rpartition("/")[2]


def _ending(url: str) -> str:
    """Get the ending of an address's path that says what the file is; "" for others."""
    name = _last_name(url).lower()
    endings = (".json", INDEX, *PAIRED_ENDINGS, *_PICKLES, *ARCHIVE_ENDINGS)
    return next((ending for ending in endings if name.endswith(ending)), "")


def _variants(url: str) -> tuple[str, ...]:
    """List an address with https before that with http."""
    parts = urlsplit(url)
    if parts.scheme.lower() != "http" or parts.port is not None or is_loopback(parts.hostname or ""):
        return (url,)
    return (urlunsplit(parts._replace(scheme="https")), url)


def _folder_path(url: str) -> str:
    """Get the path of an address's folder on a mirror."""
    parts = [part for part in unquote_path(url).split("/")[:-1] if part not in ("", ".", "..")]
    return "/".join([urlsplit(url).hostname or "", *parts, ""])


def _weights_file(url: str, checksums: Checksums) -> File:
    # A pickle is recognized by this name.
    return make_file(url, checksums, ALLENNLP if _ending(url) in _PICKLES else None)


def _pair(first: tuple[str, Checksums], second: tuple[str, Checksums]) -> tuple[File, ...]:
    endings = [_ending(url) for url, _ in (first, second)]
    for got, of_these in (("options", (".json",)), ("weights", (*PAIRED_ENDINGS, *_PICKLES, INDEX))):
        if all(ending in of_these for ending in endings):
            raise ElmoError(Errors.EL025.format(got=f"two {got} files"))
    for (url, _), ending in zip((first, second), endings):
        what = "an archive" if ending in ARCHIVE_ENDINGS else "a folder" if url.endswith("/") else None
        if what is not None:
            raise ElmoError(Errors.EL286.format(url=safe_url(url), what=what))
    # Users may give the two in either order.
    if _ending(first[0]) != ".json" and _ending(second[0]) == ".json":
        first, second = second, first
    name = OPTIONS_NAME if _ending(first[0]) == ".json" else f"1{UNNAMED}"
    options = make_file(*first, name)
    if _ending(second[0]) == INDEX:
        return (options, *_checkpoint(*second)[1:])
    weights = _weights_file(*second)
    return (
        options,
        weights._replace(path=_folder_path(second[0]) + f"2{UNNAMED}") if UNNAMED in weights.name else weights,
    )


def _from_options(name: str, key: str, url: str, checksums: Checksums) -> Address:
    options = make_file(url, checksums, OPTIONS_NAME)
    head, found, tail = _stem(url).rpartition("options")
    beside = [f"{head}weights{tail}", "weights"] if found else ["weights"]

    def plan(weights: str) -> tuple[File, ...]:
        names = [stem + weights.removeprefix("weights") for stem in dict.fromkeys(beside)]
        urls = [variant for one in names for variant in _variants(_beside(url, one))]
        return (options, File(_folder_path(url) + weights, tuple(urls)))

    first, *others = map(plan, WEIGHTS_NAMES.values())
    return Address(name=name, key=key, files=first, alternatives=tuple(others))


def _options_urls(weights: str) -> tuple[str, ...]:
    """List the addresses at which the options of weights may be: elmo_..._weights.hdf5, elmo_..._options.json."""
    head, found, tail = _stem(weights).rpartition("weights")
    names = [f"{head}options{tail}.json", OPTIONS_NAME] if found else [OPTIONS_NAME]
    return tuple(variant for one in dict.fromkeys(names) for variant in _variants(_beside(weights, one)))


def _checkpoint(url: str, checksums: Checksums) -> tuple[File, ...]:
    name = _last_name(url)
    stem = name[: -len(INDEX)] if is_file_name(name) else _CHECKPOINT
    return (
        make_file(_beside(url, OPTIONS_NAME), name=OPTIONS_NAME),
        make_file(url, checksums, stem + INDEX),
        make_file(_beside(url, _stem(url) + _DATA), name=stem + _DATA),
        make_file(_beside(url, VOCAB_NAME), name=VOCAB_NAME)._replace(is_optional=True),
    )


def _stem(url: str) -> str:
    """Get the name of an address's file without its ending, as it stands in the address."""
    name, ending = urlsplit(url).path.rpartition("/")[2], _ending(url)
    # A letter of the ending may be percent-encoded.
    return (name if name.lower().endswith(ending) else quote(_last_name(url)))[: -len(ending)]


def _beside(url: str, name: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rpartition('/')[0]}/{name}"))


def _from_unknown(name: str, key: str, url: str, checksums: Checksums) -> Address:
    """Make the release of an address that may be a folder, or may lead to a file under another name."""
    parts = urlsplit(url)
    # Not by urljoin, for which a path that begins with two slashes begins with a host.
    folder = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/", query="", fragment=""))
    if checksums != NO_CHECKSUMS:
        if url.endswith("/"):
            raise ElmoError(Errors.EL276.format(url=safe_url(url)))
        return Address(name=name, key=key, files=(make_file(url, checksums),))
    pairs = [
        (make_file(folder + OPTIONS_NAME, name=OPTIONS_NAME), make_file(folder + weights, name=weights))
        for weights in WEIGHTS_NAMES.values()
    ]
    plans = pairs if url.endswith("/") else [(make_file(url, checksums),), *pairs]
    return Address(name=name, key=key, files=plans[0], alternatives=tuple(plans[1:]), folder_url=folder)
