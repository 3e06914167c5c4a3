"""Checksums of the files in the cache."""

import hashlib
import json
from pathlib import Path

import pytest

from spacy_elmo.weights.fetch.pins import (
    Pin,
    Pins,
    check_folder,
    pin,
    pin_folder,
    read_pins,
    write_pins,
)

OPTIONS = Pin(hashlib.sha256(b"{}").hexdigest(), 2)
WEIGHTS = Pin(hashlib.sha256(b"12345").hexdigest(), 5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model" / "variables").mkdir(parents=True)
    (tmp_path / "model" / "options.json").write_bytes(b"{}")
    (tmp_path / "model" / "variables" / "data").write_bytes(b"12345")
    return tmp_path / "model"


def test_pin_files(folder: Path) -> None:
    assert pin(folder / "options.json") == OPTIONS
    assert pin_folder(folder) == {"options.json": OPTIONS, "variables/data": WEIGHTS}


def test_written_and_read(tmp_path: Path) -> None:
    path, pins = tmp_path / "pins.json", Pins({"model.tar.gz": WEIGHTS}, {"options.json": OPTIONS})
    assert read_pins(path) is None
    write_pins(path, pins)
    assert read_pins(path) == pins
    assert [entry.name for entry in tmp_path.iterdir()] == ["pins.json"]
    assert json.loads(path.read_text("utf-8"))["published"]["model.tar.gz"] == {
        "sha256": WEIGHTS.sha256,
        "size": 5,
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "ValueError|JSONDecodeError"),
        ("[]", "TypeError|ValueError"),
        ('{"published": {}}', "KeyError: 'files'"),
        ('{"published": {}, "files": []}', "AttributeError"),
        ('{"published": {}, "files": {"a": {"sha256": "0"}}}', "KeyError: 'size'"),
        ('{"published": {}, "files": {"a": {"sha256": "0", "size": "many"}}}', "ValueError"),
    ],
)
def test_damaged(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "pins.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=rf"EL147.*pins\.json.*({reason})"):
        read_pins(path)


def test_damaged_json(tmp_path: Path) -> None:
    """Its options are not the cause."""
    (tmp_path / "pins.json").write_text('{"published"', "utf-8")
    with pytest.raises(
        ValueError, match=r"EL147.*damaged \(JSONDecodeError: Expecting ':' delimiter.*\)\. Delete"
    ) as found:
        read_pins(tmp_path / "pins.json")
    assert "EL005" not in str(found.value)
    assert "options" not in str(found.value)


def test_unchanged_folder(folder: Path) -> None:
    check_folder("small", folder, pin_folder(folder))
    # More files do no harm.
    check_folder("small", folder, {"options.json": OPTIONS})


def test_missing_file(folder: Path) -> None:
    pins = pin_folder(folder)
    (folder / "variables" / "data").unlink()
    with pytest.raises(ValueError, match=r"EL145.*data' is missing.*download small --force"):
        check_folder("small", folder, pins)


def test_changed_file(folder: Path) -> None:
    """Of the same size, too."""
    pins = pin_folder(folder)
    (folder / "variables" / "data").write_bytes(b"12346")
    found = hashlib.sha256(b"12346").hexdigest()
    with pytest.raises(ValueError, match=rf"EL145.*has changed: its sha256 is {found}, expected {WEIGHTS.sha256}"):
        check_folder("small", folder, pins)
