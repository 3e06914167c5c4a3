"""What a release stands on: one version, one set of addresses, a description whose links work, and workflows."""

import configparser
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import srsly
from packaging.requirements import Requirement

import spacy_elmo
from tests.data import ROOT

# setup.py needs it, and Python 3.12 brings it no longer.
pytest.importorskip("setuptools")
check_release = import_module("scripts.check_release")
setup = import_module("setup")

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("[!c]*.yml"))
LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
VERSION = spacy_elmo.__version__
PACKAGE = Path(spacy_elmo.__file__).parent

needs_host = pytest.mark.skipif(not GITHUB.is_dir(), reason="a source distribution, without the host's settings")


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def read_setup() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    return config


@pytest.fixture
def urls() -> dict[str, str]:
    found: dict[str, str] = setup.read_urls()
    return found


def test_version(urls: dict[str, str]) -> None:
    """All places have the version of the package."""
    assert setup.read_version(PACKAGE.parent) == VERSION
    assert srsly.yaml_loads(read("CITATION.cff"))["version"] == VERSION
    text = read("CHANGELOG.md")
    unreleased, newest, *older = check_release.read_changelog(text)
    assert (unreleased.name, unreleased.date) == ("Unreleased", None)
    assert newest.name == VERSION
    assert newest.date == "unreleased" or check_release.DATE.fullmatch(newest.date)
    for section in (unreleased, newest, *older):
        assert f"\n[{section.name}]: {urls['Source']}/" in text
    assert f"version = {{{VERSION}}}" in read("docs/citing.md")


def test_addresses(urls: dict[str, str]) -> None:
    """setup.cfg is the one place; others repeat what stands there."""
    assert sorted(urls) == ["Changelog", "Documentation", "Issues", "Source"]
    assert re.search(r"^site_url: (.*)$", read("mkdocs.yml"), re.MULTILINE)[1] == urls["Documentation"]  # type: ignore[index]
    citation = srsly.yaml_loads(read("CITATION.cff"))
    assert (citation["repository-code"], citation["url"]) == (urls["Source"], urls["Documentation"])
    assert urls["Issues"] == f"{urls['Source']}/issues"
    assert urls["Changelog"] == f"{urls['Documentation']}changelog/"
    owner, name = urls["Source"].split("/")[-2:]
    assert urls["Documentation"] == f"https://{owner}.github.io/{name}/"
    files = [ROOT / file for file in ["README.md", "SECURITY.md", "CHANGELOG.md", "CITATION.cff", "mkdocs.yml"]]
    for path in [*files, *(ROOT / "docs").rglob("*.md"), *GITHUB.rglob("*.*")]:
        if path.suffix in (".md", ".yml", ".cff"):
            text = path.read_text("utf-8")
            for address in re.findall(r"https://[\w.-]*github\.(?:com|io)/[^\s)>\"]*", text):
                if "spacy-elmo" in address or "spacy_elmo" in address:
                    assert address.startswith((urls["Source"], urls["Documentation"])), path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](docs/models.md#names)", "[a](https://docs/models/#names)"),
        ("[a](docs/index.md)", "[a](https://docs/)"),
        ("[a](docs/errors/index.md)", "[a](https://docs/errors/)"),
        ("[a](./docs/../LICENSE)", "[a](https://source/blob/v1.2.3/LICENSE)"),
        ("[`a`](scripts/x.sh#L3)", "[`a`](https://source/blob/v1.2.3/scripts/x.sh#L3)"),
        ("[a](#speed)", "[a](https://source/blob/v1.2.3/README.md#speed)"),
        ("![a [b]](docs/images/a.png)", "![a [b]](https://source/raw/v1.2.3/docs/images/a.png)"),
        ('<img src="docs/images/a.svg">', '<img src="https://source/raw/v1.2.3/docs/images/a.svg">'),
        ("[a]: CONTRIBUTING.md", "[a]: https://source/blob/v1.2.3/CONTRIBUTING.md"),
        ("[a](https://spacy.io) [b](mailto:a@b.c) [c](//host/x)", None),
        ("`[a](b)` and\n\n```python\nx[0](y)  # ](z)\n```\n", None),
        ("- item\n\n  ```python\n  x[0](y)\n  ```\n", None),
    ],
)
def test_links(text: str, expected: str | None) -> None:
    urls = {"Documentation": "https://docs/", "Source": "https://source"}
    assert setup.make_absolute(text, urls=urls, version="1.2.3") == (expected or text)


def test_built_metadata(tmp_path: Path, urls: dict[str, str]) -> None:
    """The description, as an index gets it, is README with no relative link left."""
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "spacy_elmo").mkdir()
    shutil.copy(spacy_elmo.__file__, tmp_path / "spacy_elmo")
    build = "from setuptools import build_meta; print(build_meta.prepare_metadata_for_build_wheel('.'))"
    command = [sys.executable, "-c", build]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    metadata = (tmp_path / done.stdout.split()[-1] / "METADATA").read_text("utf-8")
    head, _, description = metadata.partition("\n\n")
    assert f"\nVersion: {VERSION}\n" in head
    assert "\nDescription-Content-Type: text/markdown\n" in head
    assert {f"{name}, {url}" for name, url in urls.items()} == {*re.findall(r"^Project-URL: (.*)$", head, re.M)}
    found = [match[1] or match[2] for match in LINK.finditer(CODE.sub("", description))]
    assert found
    assert [target for target in found if not target.startswith("https://")] == []
    # Nothing else has changed.
    assert CODE.findall(description) == CODE.findall(read("README.md"))


def test_page_of_versions() -> None:
    """The page has what is public, and what is required."""
    page, config = read("docs/versions.md"), read_setup()
    groups = config["options.entry_points"]
    names = [
        line.partition(" = ")[0]
        for group in groups
        if group != "console_scripts"
        for line in groups[group].strip().splitlines()
    ]
    assert all(f"`{name}`" in page for name in names)
    variables = set()
    for path in PACKAGE.rglob("*.py"):
        variables |= {*re.findall(r"\bSPACY_ELMO_[A-Z_]+\b", path.read_text("utf-8"))}
    assert variables <= {*re.findall(r"\bSPACY_ELMO_[A-Z_]+\b", page)}
    lines = [
        line for line in config["options"]["install_requires"].strip().splitlines() if not line.startswith("#")
    ]
    required = {Requirement(line).name: line.partition(";")[0].strip() for line in lines}
    rows = dict(re.findall(r"^\| (\w+) \| `([^`]+)` \|", page, re.MULTILINE))
    assert rows.pop("Python") == config["options"]["python_requires"]
    assert rows == {
        name: required[package].removeprefix(package)
        for name, package in (("spaCy", "spacy"), ("Thinc", "thinc"), ("PyTorch", "torch"))
    }


def test_release(tmp_path: Path, urls: dict[str, str]) -> None:
    """What may be released, and what may not."""
    for name in ("setup.cfg", "CHANGELOG.md", "CITATION.cff", "README.md"):
        text = read(name).replace(f"[{VERSION}] - unreleased", f"[{VERSION}] - 2026-01-31")
        (tmp_path / name).write_text(text.replace(check_release.NOT_PUBLISHED, "on PyPI"), "utf-8")
    (tmp_path / "spacy_elmo").mkdir()
    package = tmp_path / "spacy_elmo" / "__init__.py"
    shutil.copy(spacy_elmo.__file__, package)

    def find(tag: str = f"v{VERSION}", repository: str = urls["Source"]) -> str:
        return "; ".join(check_release.find_problems(tag, repository, tmp_path))

    assert find() == ""
    assert f"the tag is v9.9.9, but spacy_elmo.__version__ is {VERSION}" in find("v9.9.9")
    assert "this repository is https://github.com/somebody/spacy-elmo, but" in find(
        repository="https://github.com/somebody/spacy-elmo"
    )
    (tmp_path / "README.md").write_text(f"It is {check_release.NOT_PUBLISHED}.", "utf-8")
    assert "README.md says" in find()
    changelog = (tmp_path / "CHANGELOG.md").read_text("utf-8")
    (tmp_path / "CHANGELOG.md").write_text(changelog.replace("2026-01-31", "soon"), "utf-8")
    assert f"no date for {VERSION} (as 2026-01-31), but 'soon'" in find()
    package.write_text('__version__ = "7.0.0"\n', "utf-8")
    found = find("v7.0.0")
    assert f"the newest version in CHANGELOG.md is {VERSION}, not 7.0.0" in found
    assert "CITATION.cff has another version than 7.0.0" in found


def test_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The text of a release is the changelog's section."""
    notes = tmp_path / "notes.md"
    arguments = ["check_release", f"v{VERSION}", "--repository", "https://host/x", "--notes", str(notes)]
    monkeypatch.setattr(sys, "argv", arguments)
    # The package may be installed elsewhere.
    monkeypatch.setattr(check_release, "read_version", lambda root: VERSION)
    assert check_release.main() == 1
    assert f"v{VERSION}: this repository is https://host/x" in capsys.readouterr().err
    assert not notes.exists()
    monkeypatch.setattr(check_release, "find_problems", lambda tag, repository: [])
    assert check_release.main() == 0
    text = notes.read_text("utf-8")
    assert "\n### Added\n\n- " in text
    assert "## [" not in text
    assert "]: https://" not in text


@needs_host
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow(path: Path) -> None:
    """Least permissions, a bound on time, and actions by their major versions."""
    text = path.read_text("utf-8")
    workflow: dict[str, Any] = srsly.yaml_loads(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert "group" in workflow["concurrency"]
    for name, job in workflow["jobs"].items():
        if "uses" in job:
            assert (ROOT / job["uses"]).is_file(), name
            continue
        assert job["timeout-minutes"] <= 120, name
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", step["uses"]), step
                if step["uses"].startswith("actions/checkout"):
                    assert step["with"] == {"persist-credentials": False}
            # What others choose, such as names of branches, must not become a part of a program.
            assert "${{" not in step.get("run", ""), step
    for script in re.findall(r"\bscripts/\w+\.sh\b", text):
        assert (ROOT / script).is_file()


@needs_host
def test_matrix() -> None:
    """Systems and Pythons of the tests."""
    jobs = srsly.yaml_loads((GITHUB / "workflows" / "tests.yml").read_text("utf-8"))["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.10", "3.11", "3.12", "3.13"]
    assert [os.partition("-")[0] for os in matrix["os"]] == ["ubuntu", "macos", "windows"]
    classifiers = read_setup()["metadata"]["classifiers"]
    assert all(f"Python :: {version}\n" in classifiers for version in matrix["python"])


@needs_host
def test_permissions_of_a_release() -> None:
    """Only what publishes may."""
    jobs = srsly.yaml_loads((GITHUB / "workflows" / "release.yml").read_text("utf-8"))["jobs"]
    given = {name: job["permissions"] for name, job in jobs.items() if "permissions" in job}
    assert given == {"publish": {"id-token": "write"}, "release": {"contents": "write"}}
    assert jobs["publish"]["environment"]["name"] == "pypi"
    assert {*jobs["publish"]["needs"]} == {"build", "tests"}


@needs_host
@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_form(path: Path) -> None:
    """Forms have what the host's schema requires, and ask for what helps."""
    form = srsly.yaml_loads(path.read_text("utf-8"))
    assert {"name", "description", "body"} <= {*form}
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    for field in fields:
        assert field["type"] in ("input", "textarea")
        assert field["attributes"]["label"]
    text = path.read_text("utf-8")
    assert "`spacy-elmo --version`" in text
    assert "`spacy-elmo info SOURCE`" in text


@needs_host
def test_hooks() -> None:
    """Hooks run the versions of constraints.txt."""
    pinned = dict(line.split("==") for line in read("constraints.txt").splitlines() if "==" in line)
    [repository] = srsly.yaml_loads(read(".pre-commit-config.yaml"))["repos"]
    used = [package for hook in repository["hooks"] for package in hook["additional_dependencies"]]
    for package in used:
        name, _, version = package.partition("==")
        assert not version or pinned.get(name, version) == version, package
    assert any(package.startswith("ruff==") for package in used)


def test_policy_of_security() -> None:
    """The policy names the version that is supported."""
    minor = VERSION.rpartition(".")[0]
    assert f"| {minor} | yes |" in read("SECURITY.md")
