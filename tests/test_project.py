"""The spaCy project: what it says holds together, and its workflow `ci` runs."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.cli.project.assets import project_assets  # type: ignore[attr-defined]
from spacy.cli.project.run import project_run  # type: ignore[attr-defined]

from scripts.corpora import TEXTS, read_text
from tests.data import ROOT, Measured, shared_path

if not (ROOT / "project.yml").is_file():
    pytest.skip("an installed package, without its source tree", allow_module_level=True)
PROJECT: dict[str, Any] = srsly.read_yaml(ROOT / "project.yml")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the project consists of."""
    root = tmp_path / "project"
    root.mkdir()
    shutil.copy(ROOT / "project.yml", root)
    for folder in ("configs", "scripts"):
        shutil.copytree(ROOT / folder, root / folder)
    return root


def words() -> Iterator[str]:
    for command in PROJECT["commands"]:
        for line in command["script"]:
            yield from line.split()


def test_workflows_are_of_commands() -> None:
    names = [command["name"] for command in PROJECT["commands"]]
    assert len(set(names)) == len(names)
    assert {name for workflow in PROJECT["workflows"].values() for name in workflow} <= set(names)


def test_configs_and_scripts_are_there() -> None:
    named = {word for word in words() if word.startswith(("configs/", "scripts/"))}
    assert {f"configs/{task}_{kind}.cfg" for task in ("syntax", "ner") for kind in ("elmo", "tok2vec")} <= named
    assert [word for word in named if not (ROOT / word).is_file()] == []


def test_what_commands_need_is_made_before(project: Path) -> None:
    """Each workflow, command by command: a dependency is in the repository, or an output of an earlier one."""
    commands = {command["name"]: command for command in PROJECT["commands"]}
    for name, workflow in PROJECT["workflows"].items():
        made: list[str] = []
        for command in (commands[each] for each in workflow):
            for path in command.get("deps", []):
                # A run's folder holds more than its command tells.
                if not path.startswith("${vars.run}"):
                    assert (project / path).exists() or path in made, f"{name}: {command['name']} needs {path}"
            made += [*command.get("outputs", []), *command.get("outputs_no_cache", [])]


def test_every_workflow_in_a_dry_run(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in PROJECT["workflows"]:
        project_run(project, name, dry=True)
    assert "${" not in capfd.readouterr().out


def test_assets_are_what_the_project_trains_on(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Fetched from a folder in place of the network."""
    corpora = shared_path("corpora")
    raw = project / "raw"
    raw.mkdir()
    for text in TEXTS:
        shutil.copy(corpora / text.local, raw / Path(text.download).name)
    project_assets(project, overrides={"vars.ewt": str(raw), "vars.wnut17": str(raw)})
    assert "Checksum" not in capfd.readouterr().out
    for text in TEXTS:
        assert read_text(text, local=project / "none", downloads=project / "assets")


@pytest.mark.slow
def test_ci(project: Path, measured: Measured, capfd: pytest.CaptureFixture[str]) -> None:
    corpora = shared_path("corpora")
    start = time.perf_counter()
    project_run(project, "ci", overrides={"vars.corpora": str(corpora)}, capture=True)
    measured(f"workflow ci of the project: {time.perf_counter() - start:.0f} s")
    training = project / "training" / "ci"
    scores = json.loads((training / "syntax_elmo" / "test.json").read_text("utf-8"))
    # Of 50 tags; a tagger that had learnt nothing would give most tokens one.
    assert scores["tag_acc"] > 0.5
    for name in ("syntax.png", "mix.png"):
        assert (training / name).read_bytes().startswith(b"\x89PNG")
    folder = project / "packages" / "en_ci_syntax_elmo-0.1.0"
    assert (folder / "dist" / "en_ci_syntax_elmo-0.1.0.tar.gz").is_file()
    requirements = json.loads((folder / "meta.json").read_text("utf-8"))["requirements"]
    assert any(requirement.startswith("spacy-elmo") for requirement in requirements)
    text = "The bank by the river is steep."
    expected, got = (
        [token.tag_ for token in spacy.load(path)(text)]
        for path in (training / "syntax_elmo" / "model-best", folder / "en_ci_syntax_elmo" / folder.name)
    )
    assert got == expected
    assert len(set(got)) > 1
