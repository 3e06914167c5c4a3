"""The files of a model that is not in the cache: downloaded, named, unpacked, and read once before they stay."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from ...bilm.fields import show
from ...bilm.options import OPTIONS_NAME, Options
from ...errors import ElmoConnectionError, ElmoError, Errors
from ...errors.warn import collect_warnings
from ..addresses import UNNAMED, Address
from ..archives import unpack
from ..catalogue.entry import Entry, describe_terms
from ..formats import import_reader
from ..locate import find_in_folder, open_files
from ..releases import File, Release
from ..repositories import Repository
from ..sniff import ALLENNLP, ARCHIVE_ENDINGS, ARCHIVES, DESCRIPTIONS, WEIGHTS_NAMES, Kind, sniff
from ..urls import safe_url, unquote_path
from .download import MissingFileError, download
from .folder_page import list_page
from .mirrors import find_mirror, list_urls, select_urls
from .pins import Pin, Pins, pin
from .places import Places
from .progress import Progress
from .repository_files import list_files
from .web import NO_HEADERS

# The kinds of a file by the end of its name.
_KINDS: Mapping[str, tuple[str, ...]] = {
    ".hdf5": ("hdf5",), ".json": ("json",), **dict.fromkeys(ARCHIVE_ENDINGS, ARCHIVES),
}  # fmt: skip
# Names by which models are found, for files that had to be downloaded to know what they are.
_NAMES: Mapping[Kind, str] = {"json": OPTIONS_NAME, **WEIGHTS_NAMES, "pickle": ALLENNLP}

# The files of a model, and the headers with which they may be downloaded.
_Plan = tuple[tuple[File, ...], Mapping[str, str]]


class _Settings(NamedTuple):
    """How to download.

    force (bool): Whether to download files again that are complete.
    quiet (bool): Show no progress.
    is_first (bool): Whether this is the first of several ways in which a model may be published.
    """

    force: bool
    quiet: bool
    is_first: bool


def download_model(
    release: Release, places: Places, pins: Pins | None, *, force: bool, quiet: bool
) -> tuple[Path, dict[str, Pin]]:
    """Download a model into the folder of what is not complete, and check that it can be read.

    release (Release): The model.
    places (Places): Its places in the cache.
    pins (Pins | None): The pins of an earlier download.
    force (bool): Whether to download files again that are complete.
    quiet (bool): Show no progress.
    RETURNS (tuple[Path, dict[str, Pin]]): The folder with the model, and the pins of what was downloaded.
    RAISES (ElmoError): If a file has changed since it was first downloaded, or the files are not a model.
    RAISES (ConnectionError): If no server has it.
    RAISES (OSError): If the cache cannot be written.
    """
    shutil.rmtree(places.unpacked, ignore_errors=True)
    places.downloads.mkdir(parents=True, exist_ok=True)
    if isinstance(release, Entry) and (terms := describe_terms(release)):
        print(terms, file=sys.stderr, flush=True)
    # In their order, each once.
    reasons: dict[str, None] = {}
    n_plans = 0
    for files, headers in _iter_plans(release):
        n_plans += 1
        try:
            settings = _Settings(force=force, quiet=quiet, is_first=n_plans == 1)
            published = _download_files(release, files, headers, places, pins, settings)
        except MissingFileError as error:
            reasons |= _get_reasons(error)
            last = error
        else:
            return _finish(release, places, published), published
    if n_plans == 1:
        raise last
    if isinstance(release, Address) and release.folder_url is not None and find_mirror() is None:
        reasons[f"\n  {safe_url(release.folder_url)}: no list of files with options and weights"] = None
    raise ElmoConnectionError(Errors.EL280.format(name=release.name, reasons="".join(reasons)))


def _iter_plans(release: Release) -> Iterator[_Plan]:
    """Iterate over the files of which the model may consist. Those that must be asked for come last."""
    if isinstance(release, Repository) and find_mirror() is None:
        yield list_files(release)
        return
    yield from ((files, NO_HEADERS) for files in release.plans)
    if isinstance(release, Address) and release.folder_url is not None and find_mirror() is None:
        files = list_page(release.folder_url)
        if files is not None:
            yield files, NO_HEADERS


def _get_reasons(error: MissingFileError) -> dict[str, None]:
    """Get the lines of a message that say why each address failed."""
    return {f"\n{line}": None for line in str(error).splitlines() if line.startswith("  ")}


def _download_files(
    release: Release,
    files: tuple[File, ...],
    headers: Mapping[str, str],
    places: Places,
    pins: Pins | None,
    settings: _Settings,
) -> dict[str, Pin]:
    """RETURNS (dict[str, Pin]): The pins of the files, without those that are optional and that no server has."""
    host = urlsplit(safe_url(list_urls(files[0])[0])).netloc or "a folder"
    size = Release(name=release.name, files=files).n_bytes
    page = release.page if isinstance(release, Entry) else None
    with Progress(
        release.name,
        n_files=len(files),
        host=host,
        size=size,
        quiet=settings.quiet,
        is_first=settings.is_first,
    ) as progress:
        published: dict[str, Pin] = {}
        for number, file in enumerate(files, start=1):
            pinned = pins and pins.published.get(file.name)
            target = places.downloads / file.name
            # The file is complete: an earlier attempt failed at another one.
            if target.is_file() and (settings.force or not _is_expected(target, file, pinned)):
                target.unlink()
            if not target.is_file():
                urls, note = select_urls(file, is_pinned=pinned is not None)
                try:
                    download(
                        file._replace(urls=tuple(urls)),
                        target,
                        headers=headers,
                        report=progress.add_file(number),
                        look=partial(_find_problem, file.name),
                        note=note,
                        name=_show_name(file),
                        page=page,
                    )
                except MissingFileError:
                    if not file.is_optional:
                        raise
                    continue
            published[file.name] = _check_pin(release, places, file, target, pinned)
    return published


def _show_name(file: File) -> str:
    """Get the name by which users know a file: that in its address, if it has got none here yet."""
    if not file.name.endswith(UNNAMED) or not file.urls:
        return file.name
    return show(unquote_path(file.urls[0]).rstrip("/").rpartition("/")[2]) or safe_url(file.urls[0])


def _is_expected(path: Path, file: File, pinned: Pin | None) -> bool:
    got = pin(path, with_md5=file.md5 is not None)
    if file.has_checksum:
        return file.sha256 in (None, got.sha256) and file.md5 in (None, got.md5)
    return pinned is None or pinned.sha256 == got.sha256


def _check_pin(release: Release, places: Places, file: File, path: Path, pinned: Pin | None) -> Pin:
    """Compute the pin of a downloaded file, and compare it with the earlier one."""
    got = pin(path, with_md5=True)
    # A checksum that was published has precedence over pins.
    if not file.has_checksum and pinned is not None and got.sha256 != pinned.sha256:
        names = {"file": file.name, "name": release.name, "pins": places.pins}
        raise ElmoError(Errors.EL146.format(got=got.sha256, pinned=pinned.sha256, **names))
    return got


def _finish(release: Release, places: Places, published: Mapping[str, Pin]) -> Path:
    """Name and unpack the files, and check that they are a model.

    RETURNS (Path): The folder of the model.
    """
    for path in places.downloads.iterdir():
        if path.name not in published:
            # Of another way in which the model might have been published.
            path.unlink()
        elif path.name.endswith(UNNAMED) and (name := _NAMES.get(sniff(path))):
            path.rename(path.with_name(name))
    kept = list(places.downloads.iterdir())
    folder = places.downloads
    if len(kept) == 1 and sniff(kept[0]) in ARCHIVES:
        folder = places.unpacked
        try:
            unpack(kept[0], folder)
            _check_model(release, folder)
        except ValueError as error:
            # Otherwise the next attempt would use it again.
            kept[0].unlink()
            if not isinstance(error, ElmoError):
                raise
            # Users do not know its path in the cache.
            text = str(error).replace(f"'{kept[0]}'", f"'{kept[0].name}' of the model '{release.name}'")
            raise type(error)(text) from error
    else:
        _check_model(release, folder)
    return folder


def _find_problem(name: str, path: Path) -> str | None:
    """Check a downloaded file against its name, because wrong content must not be pinned."""
    kind = sniff(path)
    expected = next((kinds for ending, kinds in _KINDS.items() if name.lower().endswith(ending)), (kind,))
    if kind not in expected:
        return f"got something else instead of the file: {DESCRIPTIONS.get(kind, kind)}"
    if name.endswith(OPTIONS_NAME):
        try:
            with collect_warnings():
                Options.from_file(path)
        except ValueError as error:
            return f"got something else instead of the options: {error}"
    # A server that gives no size may stop anywhere.
    is_whole = kind != "hdf5" or import_reader(path).holds_bilm(path)
    return None if is_whole else "the file is truncated, or not an ELMo"


def _check_model(release: Release, folder: Path) -> None:
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
        # Users do not know the folder, which is inside the cache.
        reason = str(error).replace(f"{folder}{os.sep}", "").replace(str(folder), release.name)
        raise ElmoError(Errors.EL266.format(name=release.name, reason=reason)) from error
