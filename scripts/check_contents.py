"""Check what is in a built wheel and a built source distribution.

    python scripts/check_contents.py dist/spacy_elmo-0.1.0-py3-none-any.whl dist/spacy_elmo-0.1.0.tar.gz

In a clone, the source distribution must have every tracked file but those of the public host; the wheel must have
every file of the package, and nothing else.
"""

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "spacy_elmo"
# Of no use without the repository.
LEFT_OUT = re.compile(r"\.(ci|github)/|\.[\w-]+(\.yaml)?$")
# What setuptools writes.
WRITTEN = re.compile(rf"PKG-INFO$|setup\.cfg$|{PACKAGE}\.egg-info/")
# A link or picture of a description that has no address; code is not looked at.
RELATIVE = re.compile(r"```.*?```|`[^`\n]+`|\]\((?![a-z]+:)[^)]*\)", re.DOTALL)


def check_wheel(path: Path) -> list[str]:
    """Compare a wheel with the package in this tree.

    path (Path): The wheel.
    RETURNS (list[str]): What is wrong.
    """
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if not name.endswith("/")}
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        message = BytesParser().parsebytes(wheel.read(metadata))
        unpacked = sum(info.file_size for info in wheel.infolist())
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, {unpacked / 1e6:.1f} MB unpacked, {len(names)} files")
    info = metadata.rpartition("/")[0]
    expected = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / PACKAGE).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    found = {name for name in names if not name.startswith(f"{info}/")}
    problems = [
        *_list("missing in the wheel", expected - found),
        *_list("too much in the wheel", found - expected),
    ]
    return problems + _check_description(message)


def _check_description(message: Message) -> list[str]:
    text = str(message.get_payload())
    relative = [match for match in RELATIVE.findall(text) if match.startswith("](")]
    urls = message.get_all("Project-URL") or []
    print(f"  description: {len(text):,} characters; {'; '.join(urls)}")
    return [
        *_list("relative in the description", relative),
        *([] if text and urls else ["no description, or no URLs"]),
    ]


def check_sdist(path: Path) -> list[str]:
    """Compare a source distribution with the files that git tracks.

    path (Path): The source distribution.
    RETURNS (list[str]): What is wrong.
    """
    with tarfile.open(path) as archive:
        found = {member.name.partition("/")[2] for member in archive if member.isfile()}
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, {len(found)} files")
    if not (ROOT / ".git").exists():
        print("  not compared with git: this is no clone")
        return []
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    # A file may have been deleted since.
    tracked = {name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file()}
    expected = {name for name in tracked if not LEFT_OUT.match(name)}
    extra = {name for name in found - expected if not WRITTEN.match(name)}
    return [*_list("missing in the sdist", expected - found), *_list("too much in the sdist", extra)]


def _list(what: str, names: Iterable[str]) -> list[str]:
    return [f"{what}: {name}" for name in sorted(names)]


if __name__ == "__main__":
    failures = [*check_wheel(Path(sys.argv[1])), *check_sdist(Path(sys.argv[2]))]
    print("\n".join(failures) or "Both have what they must have.")
    sys.exit(bool(failures))
