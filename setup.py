"""Sets the description of the package on an index from README.md. All other metadata are in setup.cfg.

setuptools prefers the arguments of `setup` to setup.cfg. What else is set here would hide what stands there.
"""

import ast
import configparser
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
PICTURES = (".png", ".svg", ".jpg", ".jpeg", ".gif", ".webp")
# Code is matched first, so that what looks like a link in it stays.
LINK = re.compile(
    r"^ *```.*?^ *```$|`[^`\n]+`"
    r"|(?P<before>\]\(|\b(?:src|href)=\"|^\[[^\]\n]+\]: *)(?P<target>[^)\s\"]+)",
    re.DOTALL | re.MULTILINE,
)


def read_urls(root: Path = ROOT) -> dict[str, str]:
    """Read the addresses of the project.

    root (Path): The folder of setup.cfg.
    RETURNS (dict[str, str]): `project_urls` of setup.cfg.
    """
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg", "utf-8")
    lines = config["metadata"]["project_urls"].strip().splitlines()
    return {name.strip(): url.strip() for name, _, url in (line.partition("=") for line in lines)}


def read_version(root: Path = ROOT) -> str:
    """Read the version without importing the package.

    root (Path): The folder with the package.
    RETURNS (str): `spacy_elmo.__version__`.
    """
    for statement in ast.parse((root / "spacy_elmo" / "__init__.py").read_text("utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__version__":
            return str(ast.literal_eval(statement.value))
    raise SystemExit("spacy_elmo/__init__.py has no __version__")


def make_absolute(text: str, *, urls: Mapping[str, str], version: str) -> str:
    """Make the relative links and pictures of README absolute: on the page of an index, they would be broken.

    text (str): The Markdown.
    urls (Mapping[str, str]): The addresses of the project.
    version (str): The version. Links to files lead to its tag.
    RETURNS (str): The Markdown with links to the documentation and to the repository.
    """

    def replace(match: re.Match[str]) -> str:
        target = match["target"]
        if target is None or re.match(r"[a-z][a-z+.-]*:|//", target, re.IGNORECASE):
            return match[0]
        return match["before"] + _resolve(target, urls=urls, tag=f"v{version}")

    return LINK.sub(replace, text)


def _resolve(target: str, *, urls: Mapping[str, str], tag: str) -> str:
    path, hash_sign, anchor = target.partition("#")
    # An index gives the headings of a description no anchors.
    path = posixpath.normpath(path) if path else "README.md"
    if path.startswith("docs/") and path.endswith(".md"):
        page = path.removeprefix("docs/").removesuffix(".md")
        page = "" if page == "index" else page.removesuffix("/index") + "/"
        return urls["Documentation"].rstrip("/") + "/" + page + hash_sign + anchor
    view = "raw" if path.lower().endswith(PICTURES) else "blob"
    return f"{urls['Source']}/{view}/{tag}/{path}{hash_sign}{anchor}"


if __name__ == "__main__":
    setup(
        long_description=make_absolute(
            (ROOT / "README.md").read_text("utf-8"), urls=read_urls(), version=read_version()
        ),
        long_description_content_type="text/markdown",
    )
