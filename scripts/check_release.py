"""Check that a tag may be released, and write the text of its release.

    python -m scripts.check_release v0.1.0 --repository https://github.com/spacy-elmo/spacy-elmo --notes notes.md

Run before anything is published: the tag must be that of the version, the changelog must have its section with a
date, CITATION.cff, README and docs must be up to date, and the repository must be the one that setup.cfg names.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import NamedTuple

from setup import read_urls, read_version

ROOT = Path(__file__).resolve().parent.parent
HEADING = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<date>.+))?$", re.MULTILINE)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
LINKS = re.compile(r"^\[[^\]\n]+\]: \S+$", re.MULTILINE)
# README and pages say so as long as nothing is published.
NOT_PUBLISHED = "on no package index yet"


class Section(NamedTuple):
    """A version in the changelog.

    name (str): The version, or "Unreleased".
    date (str | None): When it was released, or what stands in place of a date; None: nothing.
    text (str): What is below its heading.
    """

    name: str
    date: str | None
    text: str


def read_changelog(text: str) -> list[Section]:
    """Read the sections of a changelog.

    text (str): The changelog.
    RETURNS (list[Section]): The sections, newest first.
    """
    headings = list(HEADING.finditer(text))
    ends = [*(heading.start() for heading in headings[1:]), len(text)]
    return [
        Section(heading["name"], heading["date"], LINKS.sub("", text[heading.end() : end]).strip())
        for heading, end in zip(headings, ends)
    ]


def find_problems(tag: str, repository: str, root: Path = ROOT) -> list[str]:
    """List what speaks against a release.

    tag (str): The name of the tag.
    repository (str): The address of the repository that publishes.
    root (Path): The folder with the files to check.
    RETURNS (list[str]): The reasons.
    """
    version, source = read_version(root), read_urls(root)["Source"]
    problems = []
    if tag != f"v{version}":
        problems.append(f"the tag is {tag}, but spacy_elmo.__version__ is {version}")
    if repository.rstrip("/").lower() != source.lower():
        problems.append(f"this repository is {repository}, but setup.cfg names {source}")
    sections = [one for one in read_changelog(_read(root, "CHANGELOG.md")) if one.name != "Unreleased"]
    if not sections or sections[0].name != version:
        found = sections[0].name if sections else "none"
        problems.append(f"the newest version in CHANGELOG.md is {found}, not {version}")
    elif not DATE.fullmatch(sections[0].date or ""):
        problems.append(f"CHANGELOG.md gives no date for {version} (as 2026-01-31), but '{sections[0].date}'")
    if f"\nversion: {version}\n" not in _read(root, "CITATION.cff"):
        problems.append(f"CITATION.cff has another version than {version}")
    for path in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        if NOT_PUBLISHED in " ".join(path.read_text("utf-8").split()):
            problems.append(f"{path.relative_to(root).as_posix()} says that the package is {NOT_PUBLISHED}")
    return problems


def _read(root: Path, name: str) -> str:
    return (root / name).read_text("utf-8")


def main() -> int:
    """Run the command line.

    RETURNS (int): The exit status: 1 if the tag may not be released.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tag")
    parser.add_argument("--repository", required=True, help="the address of the repository that publishes")
    parser.add_argument("--notes", type=Path, help="where the text of the release is written")
    arguments = parser.parse_args()
    problems = find_problems(arguments.tag, arguments.repository)
    if problems:
        print("\n".join(f"{arguments.tag}: {problem}" for problem in problems), file=sys.stderr)
        return 1
    [section] = [one for one in read_changelog(_read(ROOT, "CHANGELOG.md")) if f"v{one.name}" == arguments.tag]
    if arguments.notes:
        arguments.notes.write_text(section.text + "\n", "utf-8")
    print(f"{arguments.tag} may be released.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
