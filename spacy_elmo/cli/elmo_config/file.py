"""spaCy training configs as files: read with spaCy's defaults, completed, and written in a readable order."""

import configparser
import re
from pathlib import Path

from confection import Config
from spacy import util

from ...errors import ElmoError, Errors

# Sections that are edited most often come first.
_ORDER = ["paths", "system", "nlp", "components", "corpora", "training", "initialize", "pretraining"]

_SectionPath = tuple[str, ...]
_Tree = dict[str, "_Tree"]


def read_config(path: Path) -> Config:
    """Read a config, with spaCy's defaults for all settings outside of components.

    path (Path): The file.
    RETURNS (Config): The config, not interpolated.
    RAISES (ElmoError): If the file is not a training config.
    """
    try:
        config = util.load_config(path, interpolate=False)
    except (OSError, ValueError, configparser.Error) as error:
        raise ElmoError(Errors.EL114.format(path=path, reason=str(error).strip())) from error
    return add_defaults(config, path)


def add_defaults(config: Config, path: Path) -> Config:
    """Merge a config into spaCy's defaults for its language.

    config (Config): A config, not interpolated.
    path (Path): Its file, for messages.
    RETURNS (Config): The merged config, not interpolated.
    RAISES (ElmoError): If the result is not a training config.
    """
    nlp = config.get("nlp", {})
    if not nlp.get("lang") or "pipeline" not in nlp:
        reason = "it has no [nlp] with a `lang` and a `pipeline`"
        raise ElmoError(Errors.EL114.format(path=path, reason=reason))
    try:
        config = Config(util.get_lang_class(nlp["lang"]).default_config).merge(config)
        config.interpolate()
    except (ImportError, ValueError, configparser.Error) as error:
        raise ElmoError(Errors.EL114.format(path=path, reason=str(error).strip())) from error
    return config


def fill_config(config: Config) -> Config:
    """Add every missing setting, as `spacy init fill-config` does.

    config (Config): A config, not interpolated.
    RETURNS (Config): The complete config. Sourced components are left as they are.
    RAISES (ElmoError): By spaCy, for settings that are not allowed and for functions that are not registered.
    """
    sourced = util.get_sourced_components(config)
    nlp = util.load_model_from_config(config, auto_fill=True, exclude=list(sourced))
    full = nlp.config.copy()
    for key in ("pipeline", "disabled"):
        full["nlp"][key] = config["nlp"][key]
    parts = {**full["components"], **sourced}
    full["components"] = {name: parts[name] for name in config["nlp"]["pipeline"]}
    return full


def format_config(config: Config) -> str:
    """Write a config as text: each section is followed by its subsections.

    config (Config): A config, not interpolated.
    RETURNS (str): The text of its file.
    """
    sections = [_split(text) for text in re.split(r"\n\n(?=\[)", config.to_str(interpolate=False))]
    tree: _Tree = {}
    for path, _ in sections:
        node = tree
        for key in path:
            node = node.setdefault(key, {})
    texts = dict(sections)
    top = sorted(tree, key=lambda key: _ORDER.index(key) if key in _ORDER else len(_ORDER))
    return "\n\n".join(texts[path] for path in _walk({key: tree[key] for key in top}, ()) if path in texts)


def _split(section: str) -> tuple[_SectionPath, str]:
    name = section[1 : section.index("]")]
    return tuple(name.split(".")), section


def _walk(tree: _Tree, above: _SectionPath) -> list[_SectionPath]:
    return [path for key in tree for path in [(*above, key), *_walk(tree[key], (*above, key))]]
