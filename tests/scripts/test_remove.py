from pathlib import Path

import pytest

from scripts.remove import remove


def test_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "weights").touch()
    (tmp_path / "log.jsonl").touch()
    (tmp_path / "kept").touch()
    remove(["run", "log.jsonl", "nothing"])
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_link_goes_and_what_it_leads_to_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    remove(["link"])
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("path", ["..", ".", "/", "run/../../other"])
def test_only_what_is_below(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "run").mkdir(parents=True)
    (tmp_path / "other").touch()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(SystemExit, match="is not below"):
        remove(["run", path])
    assert (tmp_path / "here" / "run").is_dir()
    assert (tmp_path / "other").is_file()
