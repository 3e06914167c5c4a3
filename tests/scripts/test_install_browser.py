"""scripts/install_browser.sh: quick where everything is there, and clear about what it cannot do."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.data import ROOT

# What the script calls, apart from installers.
TOOLS = ("bash", "cp", "cmp", "dirname", "id")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The script and what it reads, beside a folder of programs in which there is no installer."""
    for name in ("scripts/install_browser.sh", "tests/browser/package.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        path = shutil.which(tool)
        if path is None:
            pytest.skip(f"{tool} is not on the PATH")
        (tmp_path / "bin" / tool).symlink_to(path)
    return tmp_path


def add_program(tree: Path, name: str, script: str) -> Path:
    path = tree / "bin" / name
    path.write_text(f"#!{tree}/bin/bash\n{script}\n")
    path.chmod(0o755)
    return path


def run(tree: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tree / "scripts" / "install_browser.sh"],
        env={"PATH": str(tree / "bin"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_browser_it_says_what_to_install(tree: Path) -> None:
    done = run(tree)
    assert done.returncode == 1
    assert "No Chromium was found" in done.stderr
    assert "SPACY_ELMO_BROWSER" in done.stderr


def test_without_npm_it_says_what_to_install(tree: Path) -> None:
    add_program(tree, "google-chrome", "exit 1")
    done = run(tree)
    assert done.returncode == 1
    assert "npm was not found" in done.stderr


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome", "SPACY_ELMO_BROWSER"])
def test_what_is_there_is_not_installed_again(tree: Path, name: str) -> None:
    browser = add_program(tree, name, "exit 1")
    environment = {name: str(browser)} if name.isupper() else {}
    modules = tree / "tests" / "browser" / "node_modules"
    calls = tree / "calls"
    npm = add_program(tree, "npm", f'echo "$@" >> "{calls}"; /bin/mkdir -p node_modules')
    assert run(tree, **environment).returncode == 0
    assert "--no-package-lock" in calls.read_text()
    npm.unlink()
    assert run(tree, **environment).returncode == 0
    # Other versions are asked for.
    (modules / ".installed.json").write_text("{}")
    assert "npm was not found" in run(tree, **environment).stderr


def test_an_install_that_fails_is_tried_again(tree: Path) -> None:
    add_program(tree, "chromium", "exit 1")
    add_program(tree, "npm", "/bin/mkdir -p node_modules; exit 7")
    assert run(tree).returncode == 7
    assert run(tree).returncode == 7


def test_versions_are_exact() -> None:
    packages = json.loads((ROOT / "tests" / "browser" / "package.json").read_text("utf-8"))["dependencies"]
    assert all(version.replace(".", "").isdecimal() for version in packages.values())
