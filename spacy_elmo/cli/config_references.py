"""References in spaCy configs, `${section.key}`."""

import json
import re
from collections.abc import Callable
from typing import Any

# As spaCy writes them; a colon may stand for a dot.
_REFERENCE = re.compile(r"\$\{([\w\.:]+)\}")


def is_reference(value: Any) -> bool:
    """Whether a value is nothing but a reference."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value.strip('"')) is not None


def references(value: Any) -> list[tuple[str, ...]]:
    """What a value, or anything within it, refers to, as paths from the top of the config."""
    if isinstance(value, dict):
        return [path for part in value.values() for path in references(part)]
    if isinstance(value, list):
        return [path for part in value for path in references(part)]
    return [_path(name) for name in _REFERENCE.findall(value)] if isinstance(value, str) else []


def look_up(config: Any, path: tuple[str, ...]) -> Any:
    """What stands at a path.

    RAISES (KeyError): If nothing does.
    """
    for key in path:
        if not isinstance(config, dict):
            raise KeyError(key)
        config = config[key]
    return config


def replace_references(value: Any, replace: Callable[[tuple[str, ...], str], Any]) -> Any:
    """The value with what `replace` gives for each reference in it.

    replace: a reference's path and its text -> what stands there from now on; the text itself to leave it.
    """
    if isinstance(value, dict):
        return {key: replace_references(part, replace) for key, part in value.items()}
    if isinstance(value, list):
        return [replace_references(part, replace) for part in value]
    if not isinstance(value, str) or not _REFERENCE.search(value):
        return value
    if is_reference(value):
        return replace(references(value)[0], value)

    def text_of(match: "re.Match[str]") -> str:
        new = replace(_path(match.group(1)), match.group(0))
        return new if isinstance(new, str) else json.dumps(new)

    text = _REFERENCE.sub(text_of, value)
    if _REFERENCE.search(text):
        return text
    # A value with references in it is kept as it stands in the file, and read once they are filled in.
    try:
        return json.loads(text)
    except ValueError:
        return text


def _path(name: str) -> tuple[str, ...]:
    return tuple(name.replace(":", ".").split("."))
