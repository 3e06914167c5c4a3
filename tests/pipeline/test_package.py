"""A pipeline becomes a package that pip installs, by the commands of the page, without a network."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data import ROOT

if not (ROOT / "setup.cfg").is_file():
    pytest.skip("an installed package, without its source tree", allow_module_level=True)
if os.name == "nt":
    pytest.skip("the commands of the page are those of Linux and macOS", allow_module_level=True)

from tests.docs.pages import DOCS, read_blocks

PAGE = DOCS / "packaging.md"
# What a wheel is made of.
SOURCES = ["spacy_elmo", "setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"]
# As on the page, where they are those of the environment.
PROGRAMS = f"""
python() {{ "{sys.executable}" "$@"; }}
pip() {{ "{sys.executable}" -m pip "$@"; }}
"""
# In place of an index: nothing is fetched, and wheels are built with the setuptools that is installed. pip reads
# this last one the wrong way round.
SETTINGS = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_BUILD_ISOLATION": "0"}
CHECK = """
import numpy, spacy_elmo
numpy.testing.assert_allclose(nlp("I like green eggs").tensor, numpy.load({expected!r}), rtol=0, atol=1e-6)
print(spacy_elmo.__file__)
"""


def run(command: str, *, cwd: Path, check: bool = True) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", PROGRAMS + command],
        cwd=cwd,
        env={**environment, **SETTINGS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode == 0) == check, done.stdout
    return done.stdout


def share_packages(venv: Path, folder: Path) -> None:
    """Give a virtual environment all packages of this one but spacy_elmo, without a copy.

    venv (Path): The environment.
    folder (Path): Where the links to the packages are made.
    """
    folder.mkdir()
    for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for path in Path(place).iterdir():
            name = path.name.lower()
            if path.suffix != ".pth" and "spacy_elmo" not in name and not name.startswith(("pip", "__pycache__")):
                (folder / path.name).symlink_to(path)
    [site] = venv.glob("lib/python*/site-packages")
    # Before Python 3.12, one of its own, which would hide the one that torch asks for.
    for path in site.glob("setuptools*"):
        shutil.rmtree(path)
    (site / "shared.pth").write_text(f"{folder}\n")


@pytest.mark.slow
def test_two_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packaged, installed from the folder of the wheels, loaded by name in another process: the same vectors."""
    clone, work, elsewhere = (tmp_path / name for name in ("spacy_elmo", "work", "elsewhere"))
    for folder in (clone, work, elsewhere):
        folder.mkdir()
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, clone)
    save = next(code for code in read_blocks(PAGE, "python") if "nlp.to_disk" in code)
    package, install, install_files, _ = read_blocks(PAGE, "sh")

    monkeypatch.chdir(work)
    found: dict[str, Any] = {}
    exec(save, found)
    text = "I like green eggs"
    np.save(tmp_path / "expected.npy", found["nlp"](text).tensor)

    printed = run(package, cwd=work)
    assert "spacy-elmo>=" in printed
    # The sizes that the page gives.
    size = sum(path.stat().st_size for path in (work / "pipeline").rglob("*") if path.is_file())
    [packed] = (work / "wheels").glob("en_tags*")
    assert (round(size / 1e6), round(packed.stat().st_size / 1e6)) == (22, 13)
    wheels = {path.name for path in (work / "wheels").iterdir()}
    assert {name.partition("-")[0] for name in wheels} == {"en_tags", "spacy_elmo"}
    assert all(name in install_files for name in wheels)

    make_environment, install_by_name = install.splitlines()
    run(make_environment, cwd=work)
    share_packages(work / ".venv", tmp_path / "packages")
    alone = f"{work}/.venv/bin/pip install {work}/wheels/en_tags-0.1.0-py3-none-any.whl"
    error = "No matching distribution found for spacy-elmo"
    assert error in run(alone, cwd=work, check=False)
    assert error in PAGE.read_text("utf-8")
    run(install_by_name, cwd=work)

    by_name, by_import = read_blocks(PAGE, "py")
    for code in (by_name, by_import):
        (tmp_path / "load.py").write_text(code + CHECK.format(expected=str(tmp_path / "expected.npy")), "utf-8")
        printed = run(f"{work}/.venv/bin/python -W error {tmp_path / 'load.py'}", cwd=elsewhere)
        assert printed.splitlines()[-1].startswith(str(work / ".venv"))
    run(f"{work}/.venv/bin/pip uninstall --yes en_tags spacy_elmo", cwd=work)
    run(install_files, cwd=work)
    run(f"{work}/.venv/bin/pip show en_tags spacy_elmo", cwd=work)
