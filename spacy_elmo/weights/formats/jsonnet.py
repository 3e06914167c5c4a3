"""Read a configuration of AllenNLP's that was edited by hand: JSON with comments and commas too many.

AllenNLP reads its configurations as Jsonnet, of which this is the part that people write by accident. Nothing is
evaluated.
"""

import re
from pathlib import Path

from ...bilm.fields import MOST_JSON, parse_json
from ...errors import ElmoError, Errors
from ...util.files import read_small

# Larger configurations are read as JSON alone.
_MOST_JSONNET = 1 << 20
_NOT_JSON = "EL005"

# Each pattern takes a whole string or comment, also one without an end, so that no character is read twice.
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)'
_COMMENT = re.compile(rf"(?P<string>{_STRING})|//[^\n]*|\#[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_COMMA = re.compile(rf"(?P<string>{_STRING})|,(?=\s*[\]}}])", re.DOTALL)

# What only Jsonnet has, outside strings.
_FEATURES = (
    ("variables (local)", re.compile(r"\blocal\b")),
    ("imports", re.compile(r"\bimport(str|bin)?\b")),
    ("functions", re.compile(r"\bfunction\b|\bstd\.")),
    ("blocks of text (|||)", re.compile(r"\|\|\|")),
    ("references (self, super, $)", re.compile(r"\b(self|super)\b|\$")),
    ("sums of objects or strings (+)", re.compile(r"\+\s*:|(?:[\"'}\])]|\b[A-Za-z_]\w*)\s*\+")),
    ("conditions or loops (if, for)", re.compile(r"\b(if|for)\b")),
    ("strings in single quotes", re.compile(r"'")),
    ("names without quotes", re.compile(r"[{,]\s*[A-Za-z_]\w*\s*:")),
)


def read_config(path: Path) -> object:
    """Read a configuration.

    path (Path): The file.
    RETURNS (object): Its content.
    RAISES (ElmoError): If it is neither JSON nor JSON with comments and trailing commas, or as `read_json`.
    RAISES (OSError): If the system does not allow reading it.
    """
    data = read_small(path, most=MOST_JSON)
    try:
        return parse_json(data, where=str(path))
    except ElmoError as error:
        if error.code != _NOT_JSON or len(data) > _MOST_JSONNET:
            raise
        return _read_tolerantly(data.decode("utf-8-sig", "replace"), path, error)


def strip_comments(text: str) -> str:
    """Remove what JSON does not have from a text: comments, and commas before a closing bracket.

    text (str): The text. Its strings, with whatever is in them, are left as they are.
    RETURNS (str): The text, with the same lines.
    """

    def keep_lines(match: "re.Match[str]") -> str:
        return match[0] if match["string"] else " " + "\n" * match[0].count("\n")

    return _COMMA.sub(lambda match: match["string"] or " ", _COMMENT.sub(keep_lines, text))


def _read_tolerantly(text: str, path: Path, error: ElmoError) -> object:
    stripped = strip_comments(text)
    try:
        return parse_json(stripped, where=str(path))
    except ElmoError as again:
        if again.code != _NOT_JSON:
            raise
        code = re.sub(_STRING, '""', stripped, flags=re.DOTALL)
        found = [what for what, pattern in _FEATURES if pattern.search(code)]
        if not found:
            raise error from None
        reason = again.__cause__
        raise ElmoError(
            Errors.EL296.format(path=path, name=path.name, reason=reason, what=", ".join(found))
        ) from again
