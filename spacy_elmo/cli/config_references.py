"""References in spaCy configs, `${section.key}`."""

from collections.abc import Callable
from typing import Any

from confection import VARIABLE_RE, Config

# Where a value stands while confection fills in its references: no section of a config is called so.
_PLACE = "spacy_elmo"


class Reference(str):
    """The text of a reference; a colon may stand for a dot."""

    @property
    def path(self) -> tuple[str, ...]:
        """Keys from the top of the config to what is meant."""
        return tuple(self[2:-1].replace(":", ".").split("."))


def is_reference(value: Any) -> bool:
    """Whether a value is nothing but a reference."""
    return isinstance(value, str) and VARIABLE_RE.fullmatch(value.strip('"')) is not None


def references(value: Any) -> list[Reference]:
    """The references in a value, and in anything within it."""
    if isinstance(value, dict):
        return [reference for part in value.values() for reference in references(part)]
    if isinstance(value, list):
        return [reference for part in value for reference in references(part)]
    return [Reference(text) for text in VARIABLE_RE.findall(value)] if isinstance(value, str) else []


def look_up(config: Any, path: tuple[str, ...]) -> Any:
    """What stands at a path.

    RAISES (KeyError): If nothing does.
    """
    for key in path:
        if not isinstance(config, dict):
            raise KeyError(key)
        config = config[key]
    return config


def fill_references(value: Any, config: Config, *, chosen: Callable[[Reference], bool]) -> Any:
    """Replace some references by what they refer to.

    value (Any): A value of a config that is not interpolated, or a part of it.
    config (Config): The same config, interpolated.
    chosen (Callable[[Reference], bool]): Whether to replace a reference.
    RETURNS (Any): The value; other references in it are left as they are.
    """
    if isinstance(value, dict):
        return {key: fill_references(part, config, chosen=chosen) for key, part in value.items()}
    if isinstance(value, list):
        return [fill_references(part, config, chosen=chosen) for part in value]
    if not any(map(chosen, references(value))):
        return value
    # Two dollars stand for one that begins no reference.
    text = VARIABLE_RE.sub(lambda found: found[0] if chosen(Reference(found[0])) else f"${found[0]}", value)
    return Config({**config, _PLACE: {"value": text}}).interpolate()[_PLACE]["value"]
