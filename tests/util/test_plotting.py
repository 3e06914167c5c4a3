from pathlib import Path

import pytest

from spacy_elmo.util.plotting import check_picture, picture


@pytest.mark.needs("matplotlib")
@pytest.mark.parametrize(("ending", "begin"), [("png", b"\x89PNG"), ("SVG", b"<?xml"), ("pdf", b"%PDF")])
def test_writes_at_end(tmp_path: Path, ending: str, begin: bytes) -> None:
    output = tmp_path / f"a.{ending}"
    with picture(output, size=(2, 1)) as figure:
        figure.subplots().plot([1, 2])
        assert not output.exists()
    assert output.read_bytes().startswith(begin)
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


@pytest.mark.needs("matplotlib")
def test_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="drawing"), picture(tmp_path / "a.png", size=(2, 1)):
        raise RuntimeError("drawing")
    assert list(tmp_path.iterdir()) == []


def test_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"EL060.*\.png, \.svg, \.pdf"):
        check_picture(tmp_path / "a.bmp")
    with pytest.raises(FileNotFoundError, match="EL064"):
        check_picture(tmp_path / "none" / "a.png")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        check_picture(tmp_path / "a.png")
