"""Pins: the checksums of a model's files, computed when it is downloaded and compared at every use."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from ...bilm.fields import read_json
from ...errors import ElmoError, Errors
from ...util.atomic import atomic_write
from ...util.hashes import hash_file, sha256


class Pin(NamedTuple):
    """The content that a file must have.

    sha256 (str): Its checksum.
    size (int): Its size in bytes.
    md5 (str | None): Its older checksum, of downloaded files only; None if it was not computed.
    """

    sha256: str
    size: int
    md5: str | None = None


class Pins(NamedTuple):
    """The pins of a model.

    published (dict[str, Pin]): The downloaded files by their names.
    files (dict[str, Pin]): The files in the model's folder by their paths in it; other files only for an archive.
    """

    published: dict[str, Pin]
    files: dict[str, Pin]


def pin(path: Path, *, with_md5: bool = False) -> Pin:
    """Compute the pin of a file.

    path (Path): The file.
    with_md5 (bool): Whether to compute the older checksum, too.
    RETURNS (Pin): Its checksum and size.
    """
    return Pin(sha256(path), path.stat().st_size, hash_file(path, "md5") if with_md5 else None)


def pin_folder(folder: Path, *, with_md5: Collection[str] = ()) -> dict[str, Pin]:
    """Compute the pins of all files in a folder.

    folder (Path): The folder.
    with_md5 (Collection[str]): The files whose older checksum is computed, too, by their paths in the folder.
    RETURNS (dict[str, Pin]): The pins by the paths in the folder.
    """
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: pin(path, with_md5=name in with_md5) for name, path in files.items()}


def read_pins(path: Path) -> Pins | None:
    """Read the pins of a model.

    path (Path): The file of the pins.
    RETURNS (Pins | None): The pins; None if there is no such file.
    RAISES (ElmoError): If the file is damaged.
    """
    try:
        stored = read_json(path)
        return Pins(_from_json(stored["published"]), _from_json(stored["files"]))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # The advice of `read_json` is about options.
        cause = error.__cause__ or error
        raise ElmoError(Errors.EL147.format(path=path, reason=f"{type(cause).__name__}: {cause}")) from error


def _from_json(stored: dict[str, dict[str, str | int]]) -> dict[str, Pin]:
    return {
        name: Pin(str(value["sha256"]), int(value["size"]), str(value["md5"]) if "md5" in value else None)
        for name, value in stored.items()
    }


def write_pins(path: Path, pins: Pins) -> None:
    """Write the pins of a model.

    path (Path): The file.
    pins (Pins): The pins.
    """
    stored = {part: {name: _to_json(value) for name, value in of.items()} for part, of in pins._asdict().items()}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(stored, indent=2) + "\n", "utf-8")


def _to_json(pinned: Pin) -> dict[str, str | int]:
    return {name: value for name, value in pinned._asdict().items() if value is not None}


def check_folder(model: str, folder: Path, pins: dict[str, Pin]) -> None:
    """Compare the files of a folder with their pins.

    model (str): The name of the model, for messages.
    folder (Path): The folder.
    pins (dict[str, Pin]): The pins by the paths in the folder.
    RAISES (ElmoError): If a file is missing or has changed.
    """
    for name, pinned in pins.items():
        path = folder / name
        if not path.is_file():
            what = "is missing"
        else:
            got = pin(path)
            if got.sha256 == pinned.sha256:
                continue
            what = f"has changed: its sha256 is {got.sha256}, expected {pinned.sha256}"
        raise ElmoError(Errors.EL145.format(path=path, what=what, name=model))
