"""Which parts of a spaCy config turn tokens into vectors: those that ELMo can stand in for."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from confection import Config
from spacy.language import Language

from .config_references import is_reference

# Keys from the top of a config, or of a component's part of it.
Path = tuple[str, ...]

# Factories of components that embed for others: of spaCy, spacy-transformers, spacy-curated-transformers.
EMBEDDERS = ("tok2vec", "transformer", "curated_transformer")
SENTENCE_SETTERS = ("senter", "sentencizer")
_LAYER = "tok2vec"
_LISTENER = re.compile(r"[\w-]+\.\w*Listener\.v\d+")
_STATIC_VECTORS = re.compile(r"spacy\.StaticVectors\.v\d+")


def is_sourced(component: Mapping[str, Any]) -> bool:
    """Whether a component comes from another pipeline, with its config."""
    return "source" in component and "factory" not in component


def kind_of(name: str, component: Mapping[str, Any]) -> str:
    """A component's factory; of a sourced one, the name that it has there, which mostly is the factory's."""
    return str(component.get("factory") or component.get("component") or name)


def is_listener(block: Any) -> bool:
    """Whether a block is a layer that gets its vectors from another component."""
    return isinstance(block, dict) and bool(_LISTENER.fullmatch(str(block.get("@architectures"))))


def tok2vec_layers(component: Mapping[str, Any]) -> list[Path]:
    """Paths in a component of its layers that turn tokens into vectors: listeners, and whatever stands as
    `tok2vec`. Of layers within layers, the outermost."""
    found: list[Path] = []
    for key, value in component.items():
        stands_as = key == _LAYER and (
            is_reference(value) or (isinstance(value, dict) and "@architectures" in value)
        )
        if stands_as or is_listener(value):
            found.append((key,))
        elif isinstance(value, dict):
            found += [(key, *path) for path in tok2vec_layers(value)]
    return found


def with_default_models(components: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The components, with layers that turn tokens into vectors written out where they are left to spaCy."""
    return {name: _with_default_model(component) for name, component in components.items()}


def uses_static_vectors(components: Any) -> bool:
    """Whether any layer of interpolated components reads the vectors of the vocabulary."""
    if not isinstance(components, dict):
        return False
    return any(
        (key in ("include_static_vectors", "pretrained_vectors") and value is True)
        or (isinstance(value, str) and bool(_STATIC_VECTORS.fullmatch(value)))
        or uses_static_vectors(value)
        for key, value in components.items()
    )


def writes(name: str, component: Mapping[str, Any], attribute: str) -> bool:
    """Whether a component assigns an attribute, such as doc.tensor."""
    kind = kind_of(name, component)
    return bool(_factories().has_factory(kind)) and attribute in _factories().get_factory_meta(kind).assigns


@cache
def _factories() -> Language:
    # A pipeline and not its class: until one has been made, spaCy knows none of its own factories.
    return Language()


def _with_default_model(component: dict[str, Any]) -> dict[str, Any]:
    factory, model = component.get("factory"), component.get("model", {})
    if factory is None or not isinstance(model, dict) or not _factories().has_factory(factory):
        return component
    default = (_factories().get_factory_meta(factory).default_config or {}).get("model", {})
    # As spaCy does it: what is left out is taken from the default model, if that is of the same architecture.
    filled = Config({"model": default}).merge({"model": model})
    return {**component, **filled} if tok2vec_layers(filled) != tok2vec_layers({"model": model}) else component
