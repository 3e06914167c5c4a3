"""References in spaCy configs, `${section.key}`."""

from collections.abc import Callable
from typing import Any

from confection import VARIABLE_RE, Config

# A section of a config, or a block within one.
Block = dict[str, Any]
# Keys from the top of a config, or of a component's block.
Path = tuple[str, ...]

# The section in which confection interpolates a single value: no config has one with this name.
_SCRATCH = "spacy_elmo"


class Reference(str):
    """The text of a reference. A colon may separate its keys in place of a dot."""

    @property
    def path(self) -> Path:
        """The keys from the top of the config to the target."""
        return tuple(self[2:-1].replace(":", ".").split("."))


def is_reference(value: object) -> bool:
    """Check whether a value is a reference and nothing else.

    value (object): A value of a config that is not interpolated.
    RETURNS (bool): Whether it is one.
    """
    return isinstance(value, str) and VARIABLE_RE.fullmatch(value.strip('"')) is not None


def find_references(value: object) -> list[Reference]:
    """Find all references in a value and in its parts.

    value (object): A value of a config that is not interpolated.
    RETURNS (list[Reference]): The references in order, repeated ones as often as they occur.
    """
    if isinstance(value, dict):
        return [reference for part in value.values() for reference in find_references(part)]
    if isinstance(value, list):
        return [reference for part in value for reference in find_references(part)]
    return [Reference(text) for text in VARIABLE_RE.findall(value)] if isinstance(value, str) else []


def look_up(config: object, path: Path) -> Any:
    """Get the value at a path.

    config (object): A config or a block of one.
    path (Path): Its keys from the top.
    RETURNS (Any): The value.
    RAISES (KeyError): If there is no such value.
    """
    for key in path:
        if not isinstance(config, dict):
            raise KeyError(key)
        config = config[key]
    return config


def replace_references(value: object, config: Config, *, chosen: Callable[[Reference], bool]) -> Any:
    """Replace some references by the values they refer to.

    value (object): A value of a config that is not interpolated.
    config (Config): The same config, interpolated.
    chosen (Callable[[Reference], bool]): Whether to replace a reference.
    RETURNS (Any): The value; other references in it are left as they are.
    """
    if isinstance(value, dict):
        return {key: replace_references(part, config, chosen=chosen) for key, part in value.items()}
    if isinstance(value, list):
        return [replace_references(part, config, chosen=chosen) for part in value]
    if not isinstance(value, str) or not any(map(chosen, find_references(value))):
        return value
    # "$$" is an escaped dollar sign: it keeps confection from replacing the other references.
    text = VARIABLE_RE.sub(lambda found: found[0] if chosen(Reference(found[0])) else f"${found[0]}", value)
    return Config({**config, _SCRATCH: {"value": text}}).interpolate()[_SCRATCH]["value"]
