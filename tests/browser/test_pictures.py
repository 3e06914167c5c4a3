"""The pictures of the documentation are small, and can be made again."""

from pathlib import Path

import pytest

from tests.data import ROOT

# Pillow comes with matplotlib.
pytestmark = [pytest.mark.needs("playwright", "matplotlib"), pytest.mark.needs("starlette")]

FOLDER = ROOT / "docs" / "images"
NAMES = ["neighbours.png", "similarity.png"]
MAX_BYTES = 65_000


@pytest.mark.slow
def test_pictures_are_made(browser_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    from scripts.make_pictures import make_pictures

    monkeypatch.setenv("SPACY_ELMO_BROWSER", browser_path)
    make_pictures(tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == NAMES
    for name in NAMES:
        with Image.open(tmp_path / "new" / name) as made, Image.open(FOLDER / name) as kept:
            # Heights depend on the fonts of the machine.
            assert made.width == pytest.approx(kept.width, rel=0.2)
            assert len(made.convert("RGB").getcolors() or []) > 16
        assert (tmp_path / "new" / name).stat().st_size < 2 * MAX_BYTES


def test_without_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts.make_pictures import make_pictures

    monkeypatch.setenv("SPACY_ELMO_BROWSER", str(tmp_path / "nothing"))
    with pytest.raises(SystemExit, match=r"run scripts/install_browser\.sh"):
        make_pictures(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_small(name: str) -> None:
    assert 0 < (FOLDER / name).stat().st_size < MAX_BYTES
