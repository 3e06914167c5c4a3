"""The user's cache of published models: downloaded once, pinned by checksum, and checked at every use."""

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from ...errors import ElmoError, ElmoFileNotFoundError, ElmoOSError, Errors, Warnings
from ...util.user_cache import CACHE_VARIABLE, lock_holder
from ..addresses import UNNAMED
from ..catalogue import BUNDLED, BUNDLED_FOLDER, find
from ..catalogue.entry import Entry, check_downloadable
from ..releases import File, Release
from ..repositories import Repository
from ..sniff import ARCHIVES, sniff
from .download import MIRROR_VARIABLE
from .mirrors import OFFLINE_VARIABLE, is_offline, list_urls
from .model_download import download_model
from .pins import Pin, Pins, check_folder, pin, pin_folder, read_pins, write_pins
from .places import Places, find_places
from .repository_files import OFFLINE_VARIABLE as HUB_OFFLINE_VARIABLE
from .repository_files import find_snapshot
from .repository_files import is_offline as is_hub_offline

# Seconds of waiting for another process before a warning.
LOCK_PATIENCE = 5.0


def fetch(model: str | Release, *, force: bool = False, quiet: bool = False) -> Path:
    """Download a published model if it is not in the cache. Of several processes, one downloads.

    model (str | Release): A name of the catalogue, an alias, or a release of an address.
    force (bool): Download the model again.
    quiet (bool): Show no progress.
    RETURNS (Path): The folder with its two files, or with the files of its archive.
    RAISES (ElmoError): If the name is unknown, or a file has changed since it was first downloaded.
    RAISES (FileNotFoundError): If the model is not in the cache and SPACY_ELMO_OFFLINE is set, or it can only be
        downloaded by hand.
    RAISES (ConnectionError): If no server has it.
    RAISES (OSError): If the cache cannot be written.
    """
    if model == BUNDLED:
        return BUNDLED_FOLDER
    release = _find(model)
    places = find_places(release)
    # Without a lock, because a cache may be read-only.
    if not force and _is_valid(release, places):
        return places.folder
    if force or not places.folder.is_dir():
        if isinstance(release, Entry):
            check_downloadable(release)
        if _must_stay_offline(release):
            # Other programs may have downloaded it.
            found = find_snapshot(release) if isinstance(release, Repository) and not force else None
            if found is not None:
                return found
            raise _offline_error(release, places, force=force)
    try:
        with _lock(release.name, places):
            if force or not places.folder.is_dir():
                _fetch(release, places, force=force, quiet=quiet)
            else:
                _check(release, places)
            shutil.rmtree(places.work, ignore_errors=True)
    except ElmoOSError:
        if force or not places.folder.is_dir():
            raise
        # A copy on a read-only disk serves as it is, without pins and with what a killed process has left.
        _check(release, places, is_writable=False)
    return places.folder


def _find(model: str | Release) -> Release:
    return find(model) if isinstance(model, str) else model


@contextmanager
def _lock(name: str, places: Places) -> Iterator[None]:
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


def model_folder(model: str | Release) -> Path:
    """Get the folder that a model has in the cache, whether it is there or not.

    model (str | Release): As for `fetch`.
    RETURNS (Path): The folder.
    """
    return find_places(_find(model)).folder


def is_cached(model: str | Release) -> bool:
    """Check whether a model is in the cache.

    model (str | Release): As for `fetch`.
    RETURNS (bool): Whether it is.
    """
    return model_folder(model).is_dir()


def cached_bytes(model: str | Release) -> int:
    """Measure a model in the cache.

    model (str | Release): As for `fetch`.
    RETURNS (int): Its size in bytes; 0 if it is not there.
    """
    return sum(path.stat().st_size for path in model_folder(model).rglob("*") if path.is_file())


def _fetch(release: Release, places: Places, *, force: bool, quiet: bool) -> None:
    folder, published = download_model(release, places, read_pins(places.pins), force=force, quiet=quiet)
    is_renamed = any(name.endswith(UNNAMED) for name in published)
    files = pin_folder(folder) if folder == places.unpacked or is_renamed else published
    # Pins first, because a folder without pins is accepted as it is.
    write_pins(places.pins, Pins(published, files))
    if places.folder.exists():
        shutil.rmtree(places.work / "old", ignore_errors=True)
        os.replace(places.folder, places.work / "old")
    os.replace(folder, places.folder)


def _is_valid(release: Release, places: Places) -> bool:
    """Check that the model is in the cache, unchanged, with nothing to clean up."""
    if not places.folder.is_dir() or not places.pins.is_file() or places.work.exists():
        return False
    try:
        _check(release, places)
    except (ValueError, OSError):
        # Another process may be about to replace it. The check under the lock reports what is wrong.
        return False
    return True


def _check(release: Release, places: Places, *, is_writable: bool = True) -> None:
    """Compare the cached model with its pins, and what was downloaded with checksums that were published.

    If there are no pins, the files are pinned as they are: a folder may be copied from another computer, and a new
    publication accepted.
    """
    stored = read_pins(places.pins)
    candidates = {file.name: file for files in release.plans for file in files}
    pins = stored
    if pins is None:
        has_md5 = [name for name, file in candidates.items() if file.md5 is not None]
        files = pin_folder(places.folder, with_md5=has_md5)
        pins = Pins({name: files[name] for name in candidates if name in files}, files)
    _check_complete(release, places, pins)
    for name, pinned in pins.published.items():
        if name in candidates:
            _check_checksum(release, places.folder / name, candidates[name], pinned)
    if stored is None and is_writable:
        write_pins(places.pins, pins)
    check_folder(release.name, places.folder, pins.files)


def _check_complete(release: Release, places: Places, pins: Pins) -> None:
    """Check that a folder which somebody has copied has all files of a pair."""
    # Of the others, only a download shows the names of the files.
    if not isinstance(release, Entry) or release.is_archive:
        return
    for file in release.files:
        if file.name not in pins.files and not file.is_optional:
            raise ElmoError(Errors.EL148.format(folder=places.folder, file=file.name, name=release.name))


def _check_checksum(release: Release, path: Path, file: File, pinned: Pin) -> None:
    """Compare a file, as it was when it was downloaded, with its published checksum."""
    if file.md5 is not None and pinned.md5 is None and path.is_file() and sniff(path) not in ARCHIVES:
        pinned = pin(path, with_md5=True)
    for algorithm, got, expected in (
        ("sha256", pinned.sha256, file.sha256), ("md5", pinned.md5, file.md5),
    ):  # fmt: skip
        if None not in (got, expected) and got != expected:
            what = f"is not the expected one: its {algorithm} is {got}, expected {expected}"
            raise ElmoError(Errors.EL145.format(path=path, what=what, name=release.name))


def _must_stay_offline(release: Release) -> bool:
    if not is_offline() and not (isinstance(release, Repository) and is_hub_offline()):
        return False
    urls = list_urls(release.plans[0][0])
    # A mirror on disk needs no network.
    return not urls or any(urlsplit(url).scheme != "file" for url in urls)


def _offline_error(release: Release, places: Places, *, force: bool) -> ElmoFileNotFoundError:
    text = Errors.EL149 if force and places.folder.is_dir() else Errors.EL143
    names = {"name": release.name, "folder": places.folder, "mirror": MIRROR_VARIABLE}
    variable = OFFLINE_VARIABLE if is_offline() else HUB_OFFLINE_VARIABLE
    return ElmoFileNotFoundError(text.format(**names, offline=variable))
