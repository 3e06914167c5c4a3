"""spaCy training configs as files: read with spaCy's defaults, filled in, and written to be read by people."""

import configparser
import re
from pathlib import Path
from typing import Any

from confection import Config
from spacy import util

from ..errors import ElmoError, Errors

# From what is set most often to what is set least.
_ORDER = ["paths", "system", "nlp", "components", "corpora", "training", "initialize", "pretraining"]


def read_config(path: Path) -> Config:
    """A config as it stands, not interpolated, with spaCy's defaults where it is silent outside of components.

    RAISES (ElmoError): If it is no training config.
    """
    try:
        config = util.load_config(path, interpolate=False)
    except (OSError, ValueError, configparser.Error) as error:
        raise ElmoError(Errors.EL114.format(path=path, reason=str(error).strip())) from error
    return with_defaults(config, path)


def with_defaults(config: Config, path: Path) -> Config:
    """RAISES (ElmoError): If that gives no training config."""
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


def filled(config: Config) -> Config:
    """The config with every setting, as `spacy init fill-config` writes it. Sourced components are not looked at.

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


def config_text(config: Config) -> str:
    """The text of a config that is not interpolated: every section before those within it, and these before the
    next."""
    sections = [_split(text) for text in re.split(r"\n\n(?=\[)", config.to_str(interpolate=False))]
    tree: Any = {}
    for path, _ in sections:
        node = tree
        for key in path:
            node = node.setdefault(key, {})
    texts = dict(sections)
    top = sorted(tree, key=lambda key: _ORDER.index(key) if key in _ORDER else len(_ORDER))
    return "\n\n".join(texts[path] for path in _walk({key: tree[key] for key in top}, ()) if path in texts)


def _split(section: str) -> tuple[tuple[str, ...], str]:
    name = section[1 : section.index("]")]
    return tuple(name.split(".")), section


def _walk(tree: Any, above: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [path for key in tree for path in [(*above, key), *_walk(tree[key], (*above, key))]]
