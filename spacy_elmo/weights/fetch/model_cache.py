"""The user's cache of published models: downloaded once, pinned by checksum, and checked at every use."""

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from filelock import FileLock, Timeout

from ...bilm.options import OPTIONS_NAME, Options
from ...errors import ElmoError, ElmoFileNotFoundError, ElmoOSError, Errors, Warnings
from ...errors.warn import collect_warnings
from ...util.user_cache import CACHE_VARIABLE, cache_folder, lock_holder
from ..archives import unpack
from ..catalogue import BUNDLED, BUNDLED_FOLDER, find
from ..catalogue.entry import Entry
from ..formats import import_reader
from ..locate import find_in_folder, open_files
from ..releases import File
from ..sniff import DESCRIPTIONS, sniff
from ..urls import HTTP_VARIABLE, is_http_allowed, is_private, safe_url
from .download import MIRROR_VARIABLE, download
from .pins import Pin, Pins, check_folder, pin, pin_folder, read_pins, write_pins
from .progress import Progress

OFFLINE_VARIABLE = "SPACY_ELMO_OFFLINE"
# Seconds of waiting for another process before a warning.
LOCK_PATIENCE = 5.0
# The kind of a file by the end of its name.
_KINDS = {".hdf5": "hdf5", ".json": "json", ".zip": "zip", ".gz": "gzip"}


class _Places(NamedTuple):
    """The files of a model in the cache.

    folder (Path): The folder of the complete model, which appears by a rename.
    work (Path): The folder of everything that is not complete.
    pins (Path): The file of the pins.
    lock (Path): The file that a downloading process locks.
    """

    folder: Path
    work: Path
    pins: Path
    lock: Path

    @property
    def downloads(self) -> Path:
        return self.work / "downloads"

    @property
    def unpacked(self) -> Path:
        return self.work / "unpacked"


def _find_places(entry: Entry) -> _Places:
    root, key = cache_folder() / "models", entry.name.replace("/", "--")
    return _Places(root / key, root / f"{key}.partial", root / f"{key}.json", root / f"{key}.lock")


def fetch(name: str, *, force: bool = False, quiet: bool = False) -> Path:
    """Download a published model if it is not in the cache. Of several processes, one downloads.

    name (str): A name of the catalogue, or an alias.
    force (bool): Download the model again.
    quiet (bool): Show no progress.
    RETURNS (Path): The folder with its two files, or with the files of its archive.
    RAISES (ElmoError): If the name is unknown, or a file has changed since it was first downloaded.
    RAISES (FileNotFoundError): If the model is not in the cache and SPACY_ELMO_OFFLINE is set.
    RAISES (ConnectionError): If no server has it.
    RAISES (OSError): If the cache cannot be written.
    """
    if name == BUNDLED:
        return BUNDLED_FOLDER
    entry = find(name)
    places = _find_places(entry)
    # Without a lock, because a cache may be read-only.
    if not force and _is_valid(entry, places):
        return places.folder
    if force or not places.folder.is_dir():
        _check_online(entry, places, force=force)
    with _lock(entry.name, places):
        if force or not places.folder.is_dir():
            _fetch(entry, places, force=force, quiet=quiet)
        else:
            _check(entry, places)
        shutil.rmtree(places.work, ignore_errors=True)
    return places.folder


@contextmanager
def _lock(name: str, places: _Places) -> Iterator[None]:
    lock = FileLock(places.lock, timeout=LOCK_PATIENCE)
    try:
        places.lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            names = {"name": name, "lock": places.lock, "holder": lock_holder(places.lock)}
            warnings.warn(Warnings.WL051.format(**names), UserWarning, stacklevel=4)
            lock.timeout = -1
            lock.acquire()
    except OSError as error:
        reason = error.strerror or str(error)
        text = Errors.EL142.format(path=places.lock.parent, reason=reason, variable=CACHE_VARIABLE)
        raise ElmoOSError(text) from error
    try:
        yield
    finally:
        lock.release()


def model_folder(name: str) -> Path:
    """Get the folder that a model has in the cache, whether it is there or not.

    name (str): A name of the catalogue, or an alias.
    RETURNS (Path): The folder.
    """
    return _find_places(find(name)).folder


def is_cached(name: str) -> bool:
    """Check whether a model is in the cache.

    name (str): A name of the catalogue, or an alias.
    RETURNS (bool): Whether it is.
    """
    return model_folder(name).is_dir()


def cached_bytes(name: str) -> int:
    """Measure a model in the cache.

    name (str): A name of the catalogue, or an alias.
    RETURNS (int): Its size in bytes; 0 if it is not there.
    """
    return sum(path.stat().st_size for path in _find_places(find(name)).folder.rglob("*") if path.is_file())


def _is_valid(entry: Entry, places: _Places) -> bool:
    """Check that the model is in the cache, unchanged, with nothing to clean up."""
    if not places.folder.is_dir() or not places.pins.is_file() or places.work.exists():
        return False
    try:
        _check(entry, places)
    except (ValueError, OSError):
        # Another process may be about to replace it. The check under the lock reports what is wrong.
        return False
    return True


def _check(entry: Entry, places: _Places) -> None:
    """Compare the cached model with its pins.

    If there are no pins, the files are pinned as they are: a folder may be copied from another computer, and a new
    publication accepted.
    """
    pins = read_pins(places.pins)
    files = pin_folder(places.folder) if pins is None else pins.files
    known = {} if entry.is_archive else {file.name: file for file in entry.files}
    for name, file in known.items():
        if name not in files:
            raise ElmoError(Errors.EL148.format(folder=places.folder, file=name, name=entry.name))
        if file.sha256 is not None:
            files[name] = files[name]._replace(sha256=file.sha256)
    check_folder(entry.name, places.folder, files)
    if pins is None:
        write_pins(places.pins, Pins({name: files[name] for name in known}, files))


def _fetch(entry: Entry, places: _Places, *, force: bool, quiet: bool) -> None:
    shutil.rmtree(places.unpacked, ignore_errors=True)
    places.downloads.mkdir(parents=True, exist_ok=True)
    pins = read_pins(places.pins)
    host = urlsplit(safe_url(_list_urls(entry.files[0])[0])).netloc or "a folder"
    with Progress(entry.name, n_files=len(entry.files), host=host, size=entry.n_bytes, quiet=quiet) as progress:
        published: dict[str, Pin] = {}
        for number, file in enumerate(entry.files, start=1):
            pinned = pins and pins.published.get(file.name)
            target = places.downloads / file.name
            # The file is complete: an earlier attempt failed at another one.
            if force or (target.is_file() and _expected_sha256(file, pinned) not in (None, pin(target).sha256)):
                target.unlink(missing_ok=True)
            if not target.is_file():
                report = progress.add_file(number)
                look = partial(_find_problem, Path(file.name).suffix)
                urls, note = _select_urls(file, pinned)
                download(urls, target, size=file.size, sha256=file.sha256, report=report, look=look, note=note)
            published[file.name] = _check_pin(entry, places, file, target, pinned)
    new = places.downloads
    if entry.is_archive:
        packed, new = places.downloads / entry.files[0].name, places.unpacked
        try:
            unpack(packed, new)
            _check_model(entry, new)
        except ValueError:
            # Otherwise the next attempt would use it again.
            packed.unlink()
            raise
    else:
        _check_model(entry, new)
    # Pins first, because a folder without pins is accepted as it is.
    write_pins(places.pins, Pins(published, pin_folder(new) if entry.is_archive else published))
    if places.folder.exists():
        shutil.rmtree(places.work / "old", ignore_errors=True)
        os.replace(places.folder, places.work / "old")
    os.replace(new, places.folder)


def _find_problem(suffix: str, path: Path) -> str | None:
    """Check a downloaded file against its name, because wrong content must not be pinned."""
    kind, expected = sniff(path), _KINDS.get(suffix)
    if expected is not None and kind != expected:
        return f"got something else instead of the file: {DESCRIPTIONS.get(kind, kind)}"
    if path.name.endswith((f"{OPTIONS_NAME}.part", OPTIONS_NAME)):
        try:
            with collect_warnings():
                Options.from_file(path)
        except ValueError as error:
            return f"got something else instead of the options: {error}"
    # A server that gives no size may stop anywhere.
    is_whole = kind != "hdf5" or import_reader(path).holds_bilm(path)
    return None if is_whole else "the file is truncated, or not an ELMo"


def _check_model(entry: Entry, folder: Path) -> None:
    """Read the model before it is pinned, because pins of other files would forbid the right ones for ever.

    If it is not a model, the downloaded files are removed.
    """
    try:
        # If the package of its format is not installed, the model is pinned without this check. Warnings are
        # repeated when the model is loaded.
        with collect_warnings(), suppress(ImportError), open_files(find_in_folder(folder)) as found:
            found.read()
    except (ValueError, FileNotFoundError) as error:
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise ElmoError(Errors.EL266.format(name=entry.name, reason=error)) from error


def _expected_sha256(file: File, pinned: Pin | None) -> str | None:
    return file.sha256 or (pinned.sha256 if pinned else None)


def _check_pin(entry: Entry, places: _Places, file: File, path: Path, pinned: Pin | None) -> Pin:
    """Compute the pin of a downloaded file, and compare it with the earlier one."""
    got = pin(path)
    # The catalogue has precedence over pins.
    if file.sha256 is None and pinned is not None and got.sha256 != pinned.sha256:
        names = {"file": file.name, "name": entry.name, "pins": places.pins}
        raise ElmoError(Errors.EL146.format(got=got.sha256, pinned=pinned.sha256, **names))
    return got


def _check_online(entry: Entry, places: _Places, *, force: bool) -> None:
    is_offline = os.environ.get(OFFLINE_VARIABLE, "").lower() not in ("", "0", "false")
    if is_offline and any(urlsplit(url).scheme != "file" for url in _list_urls(entry.files[0])):
        text = Errors.EL149 if force and places.folder.is_dir() else Errors.EL143
        names = {"name": entry.name, "folder": places.folder}
        raise ElmoFileNotFoundError(text.format(**names, offline=OFFLINE_VARIABLE, mirror=MIRROR_VARIABLE))


def _list_urls(file: File) -> list[str]:
    """List the addresses of a file: the published ones, or only those of the user's mirror."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    if not mirror:
        return list(file.urls)
    if not _is_url(mirror):
        raise ElmoError(Errors.EL144.format(variable=MIRROR_VARIABLE, got=safe_url(mirror)))
    base = mirror.rstrip("/")
    return list(dict.fromkeys(f"{base}/{quote(path)}" for path in (file.path, file.name)))


def _select_urls(file: File, pinned: Pin | None) -> tuple[list[str], str]:
    """Select the addresses of a file, and write a note about those that are left out.

    Without a checksum, http addresses are left out, because anybody on the network could change the file. A mirror
    is the user's own choice.
    """
    urls = _list_urls(file)
    if os.environ.get(MIRROR_VARIABLE) or _expected_sha256(file, pinned) or is_http_allowed():
        return urls, ""
    open_urls = [url for url in urls if not is_private(url)]
    reason = (
        "not tried: no checksum is known, and over http:// anybody on the way could change the file. To allow it"
    )
    note = "".join(f"\n  {safe_url(url)}: {reason}: {HTTP_VARIABLE}=1" for url in open_urls)
    return [url for url in urls if url not in open_urls], note


def _is_url(mirror: str) -> bool:
    try:
        parts = urlsplit(mirror)
    except ValueError:  # brackets around something that is not an address
        return False
    if parts.scheme == "file":
        # With two slashes instead of three, the first folder would be a host.
        return parts.netloc in ("", "localhost") and parts.path.startswith("/")
    return parts.scheme in ("http", "https") and bool(parts.hostname)
