"""What a model was when it was first downloaded: later it has to be the same."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from ...bilm.fields import read_json
from ...errors import Errors
from ...util.atomic import atomic_write
from ...util.files import sha256


class Pin(NamedTuple):
    """Content of a file: its checksum, and its size in bytes."""

    sha256: str
    size: int


class Pins(NamedTuple):
    """published: of the downloaded files, by their names. files: of those in the model's folder, by their paths in
    it. The same, but for an archive."""

    published: dict[str, Pin]
    files: dict[str, Pin]


def pin(path: Path) -> Pin:
    return Pin(sha256(path), path.stat().st_size)


def pin_folder(folder: Path) -> dict[str, Pin]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): pin(path) for path in paths}


def read_pins(path: Path) -> Pins | None:
    """RETURNS: None if there are none. RAISES: ValueError if the file is damaged."""
    try:
        stored = read_json(path)
        return Pins(_from_json(stored["published"]), _from_json(stored["files"]))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(Errors.EL147.format(path=path, reason=f"{type(error).__name__}: {error}")) from error


def _from_json(stored: dict[str, Any]) -> dict[str, Pin]:
    return {name: Pin(str(value["sha256"]), int(value["size"])) for name, value in stored.items()}


def write_pins(path: Path, pins: Pins) -> None:
    stored = {part: {name: value._asdict() for name, value in of.items()} for part, of in pins._asdict().items()}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(stored, indent=2) + "\n", "utf-8")


def check_folder(model: str, folder: Path, pins: dict[str, Pin]) -> None:
    """RAISES: ValueError, naming the model, if a file of the folder is missing or another than it was."""
    for name, pinned in pins.items():
        path = folder / name
        if not path.is_file():
            what = "is missing"
        else:
            got = pin(path)
            if got.sha256 == pinned.sha256:
                continue
            what = f"has changed: its sha256 is {got.sha256}, expected {pinned.sha256}"
        raise ValueError(Errors.EL145.format(path=path, what=what, name=model))
