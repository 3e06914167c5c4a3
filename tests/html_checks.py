"""Whether HTML is valid: by html5lib as it parses, and by the Nu checker, which also knows what may be where."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.node_modules import node_path, skip_or_fail

PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>A fragment</title></head>
<body>
<h1>A fragment</h1>
{}
</body>
</html>
"""


def check_html(*documents: str) -> None:
    """Fail if a document is not valid, or the Nu checker warns of something.

    documents (str): Pages, or fragments of a body.
    """
    pages = [text if text.lstrip().lower().startswith("<!doctype") else PAGE.format(text) for text in documents]
    errors = [error for page in pages for error in find_parse_errors(page)] or run_nu_checker(pages)
    assert not errors, "\n".join(errors)


def find_parse_errors(page: str) -> list[str]:
    """Parse a page by html5lib.

    page (str): The page.
    RETURNS (list[str]): What the standard calls parse errors, each with its line and column.
    """
    import html5lib

    parser = html5lib.HTMLParser()
    parser.parse(page)
    lines = page.splitlines()
    return [
        f"{line}:{column} {code} {data}: {lines[line - 1][:200]}" for (line, column), code, data in parser.errors
    ]


def run_nu_checker(pages: list[str]) -> list[str]:
    """Check pages by the checker of validator.w3.org, which needs Java.

    pages (list[str]): The pages.
    RETURNS (list[str]): Its errors and warnings, for markup and for style sheets in it.
    """
    if shutil.which("java") is None:
        skip_or_fail("the Nu checker needs Java, and none is on the PATH")
    jar = node_path("vnu-jar/build/dist/vnu.jar")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.html") for number in range(len(pages))]
        for path, page in zip(paths, pages):
            path.write_text(page, "utf-8")
        command = [
            "java",
            "-jar",
            str(jar),
            "--stdout",
            "--exit-zero-always",
            "--format",
            "json",
            *map(str, paths),
        ]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=True)
    messages: list[dict[str, Any]] = json.loads(done.stdout)["messages"]
    return [describe(message) for message in messages]


def describe(message: dict[str, Any]) -> str:
    place = f"{Path(message.get('url', '')).name}:{message.get('lastLine')}"
    return f"{place} {message['type']}: {message['message']} {message.get('extract', '')}"
