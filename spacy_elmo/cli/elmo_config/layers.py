"""Find the parts of a spaCy config that turn tokens into vectors, which ELMo can replace."""

import re
from collections.abc import Mapping
from functools import cache

from confection import Config
from spacy.language import Language

from .references import Block, Path, is_reference

# Factories of components that embed for others: in spaCy, spacy-transformers and spacy-curated-transformers.
EMBEDDERS = ("tok2vec", "transformer", "curated_transformer")
SENTENCE_SETTERS = ("senter", "sentencizer")
_LAYER = "tok2vec"
_LISTENER = re.compile(r"[\w-]+\.\w*Listener\.v\d+")
_STATIC_VECTORS = re.compile(r"spacy\.StaticVectors\.v\d+")


def is_sourced(component: Block) -> bool:
    """Check whether a component is copied from another pipeline.

    component (Block): The component's block.
    RETURNS (bool): Whether it is; its config is then in that pipeline.
    """
    return "source" in component and "factory" not in component


def get_factory(name: str, component: Block) -> str:
    """Get the factory of a component.

    name (str): The component's name.
    component (Block): Its block.
    RETURNS (str): The factory; for a sourced component its name in the other pipeline, usually the same.
    """
    return str(component.get("factory") or component.get("component") or name)


def is_listener(block: object) -> bool:
    """Check whether a block is a layer that gets its vectors from another component.

    block (object): A value of a config.
    RETURNS (bool): Whether it is.
    """
    return isinstance(block, dict) and bool(_LISTENER.fullmatch(str(block.get("@architectures"))))


def find_tok2vec_layers(component: Block) -> list[Path]:
    """Find the layers of a component that turn tokens into vectors: listeners, and any layer called `tok2vec`.

    component (Block): The component's block.
    RETURNS (list[Path]): Their paths in the block; of nested layers, only the outermost.
    """
    found: list[Path] = []
    for key, value in component.items():
        is_layer = key == _LAYER and (
            is_reference(value) or (isinstance(value, dict) and "@architectures" in value)
        )
        if is_layer or is_listener(value):
            found.append((key,))
        elif isinstance(value, dict):
            found += [(key, *path) for path in find_tok2vec_layers(value)]
    return found


def add_default_models(components: Mapping[str, Block]) -> dict[str, Block]:
    """Write out the layers that turn tokens into vectors where a config leaves them to spaCy's defaults.

    components (Mapping[str, Block]): All components by their names.
    RETURNS (dict[str, Block]): The same components, completed.
    """
    return {name: _add_default_model(component) for name, component in components.items()}


def uses_static_vectors(components: object) -> bool:
    """Check whether any layer reads the vectors of the vocabulary.

    components (object): Interpolated components, or a part of them.
    RETURNS (bool): Whether one does.
    """
    if not isinstance(components, dict):
        return False
    return any(
        (key in ("include_static_vectors", "pretrained_vectors") and value is True)
        or (isinstance(value, str) and bool(_STATIC_VECTORS.fullmatch(value)))
        or uses_static_vectors(value)
        for key, value in components.items()
    )


def assigns_attribute(name: str, component: Block, attribute: str) -> bool:
    """Check whether a component assigns an attribute, such as doc.tensor.

    name (str): The component's name.
    component (Block): Its block.
    attribute (str): The attribute, as in spaCy's `assigns`.
    RETURNS (bool): Whether it does; False for unknown factories.
    """
    factory = get_factory(name, component)
    return bool(_language().has_factory(factory)) and attribute in _language().get_factory_meta(factory).assigns


@cache
def _language() -> Language:
    # An instance, not the class: spaCy registers its own factories when the first pipeline is created.
    return Language()


def _add_default_model(component: Block) -> Block:
    factory, model = component.get("factory"), component.get("model", {})
    if factory is None or not isinstance(model, dict) or not _language().has_factory(factory):
        return component
    default = (_language().get_factory_meta(factory).default_config or {}).get("model", {})
    # As in spaCy: the default model completes the block only if both have the same architecture.
    merged = Config({"model": default}).merge({"model": model})
    if find_tok2vec_layers(merged) == find_tok2vec_layers({"model": model}):
        return component
    return {**component, **merged}
