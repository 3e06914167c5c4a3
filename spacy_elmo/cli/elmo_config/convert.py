"""Replace the embedders of a spaCy config by one ELMo component, to which the others listen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from confection import Config

from ...bilm.layers import check_layer_name
from ...errors import ElmoError, Errors
from ...models.tok2vec import LISTENER
from ...pipeline.pipeline_ref import TENSOR
from ...weights.catalogue import BUNDLED
from .layers import (
    EMBEDDERS,
    add_default_models,
    assigns_attribute,
    find_tok2vec_layers,
    get_factory,
    is_listener,
    is_sourced,
)
from .references import Block, Path, Reference, find_references, look_up, replace_references
from .rest import adapt_rest

FACTORY = "elmo_embedder"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Settings of the new embedder and its listeners.

    source (str | list[str]): The source of the embedder's weights.
    name (str): The name of the embedder.
    pooling_layer (str | None): The layer that all listeners read; None: each learns its own mix of all layers.
    frozen (bool): Whether the biLM is left untrained.
    RAISES (ElmoError): If no model has such a layer.
    """

    source: str | list[str] = BUNDLED
    name: str = FACTORY
    pooling_layer: str | None = None
    frozen: bool = True

    def __post_init__(self) -> None:
        if self.pooling_layer is not None:
            check_layer_name(self.pooling_layer, what="pooling_layer")


class Converted(NamedTuple):
    """A converted config.

    config (Config): The new config, not interpolated.
    listening (list[str]): Components that listen to ELMo, in the order of the pipeline.
    notes (list[str]): Notes for the user, a sentence or two each.
    """

    config: Config
    listening: list[str]
    notes: list[str]


def convert_config(config: Config, choice: Choice, *, where: str) -> Converted:
    """Convert a config to ELMo. All embedders that components listened to are removed, except sourced ones.

    config (Config): A config with spaCy's defaults, not interpolated; it is not changed.
    choice (Choice): Settings of the new embedder.
    where (str): The config's name in messages.
    RETURNS (Converted): The new config, and what changed.
    RAISES (ElmoError): If the config uses ELMo already, if no component of it can listen, or if another component
        has the embedder's name.
    """
    config = config.copy()
    config["components"] = add_default_models(config["components"])
    before = config.interpolate()
    components, pipeline = before["components"], list(before["nlp"]["pipeline"])
    _check_not_on_elmo(components, where)
    removed = [name for name, component in components.items() if component.get("factory") in EMBEDDERS]
    listening = [name for name in pipeline if name not in removed and _can_listen(components.get(name, {}))]
    if not listening:
        raise ElmoError(Errors.EL111.format(where=where, pipeline=", ".join(pipeline) or "empty"))
    if choice.name in components and choice.name not in removed:
        raise ElmoError(Errors.EL112.format(where=where, name=choice.name))

    kept = [name for name in pipeline if name not in removed]
    place = kept.index(listening[0])
    order = [*kept[:place], choice.name, *kept[place:]]
    replaced: set[Path] = set()
    parts: dict[str, Block] = {choice.name: _make_embedder(choice, components, kept)}
    for name in kept:
        if name in config["components"]:
            layers = find_tok2vec_layers(config["components"][name]) if name in listening else []
            parts[name] = _insert_listeners(config["components"][name], layers, choice)
            replaced |= {("components", name, *path) for path in layers}
    config["nlp"]["pipeline"] = order
    config["components"] = {name: parts[name] for name in order if name in parts}

    gone: set[Path] = {("components", name) for name in components if name not in kept}
    config, values = _resolve_dangling(config, before, gone, replaced)
    notes = [
        *_note_sourced(components, kept),
        *_note_senters(components, kept),
        *(f"{text} was removed; its value, {value!r}, is used instead." for text, value in values.items()),
        *adapt_rest(config, before, removed=removed, listening=listening, name=choice.name),
    ]
    return Converted(config, listening, notes)


def _check_not_on_elmo(components: Mapping[str, Block], where: str) -> None:
    for name, component in components.items():
        if get_factory(name, component) == FACTORY or "'spacy-elmo.Elmo" in repr(component.get("model")):
            raise ElmoError(Errors.EL110.format(where=where, name=name))


def _can_listen(component: Block) -> bool:
    layers = [] if is_sourced(component) else find_tok2vec_layers(component)
    return bool(layers) and not _is_own_senter(component)


def _is_own_senter(component: Block) -> bool:
    # A senter with its own layer can stay before the embedder, which then embeds sentences, not whole Docs.
    layers = find_tok2vec_layers(component)
    own = [path for path in layers if not is_listener(look_up(component, path))]
    return component.get("factory") == "senter" and bool(layers) and own == layers


def _make_embedder(choice: Choice, components: Mapping[str, Block], kept: list[str]) -> Block:
    block: Block = {"factory": FACTORY, "source": choice.source, "frozen": choice.frozen}
    if choice.pooling_layer is not None:
        # Layers above it are then never computed.
        block["pooling_layer"] = choice.pooling_layer
    if any(assigns_attribute(name, components.get(name, {}), TENSOR) for name in kept):
        block["set_tensor"] = False
    return block


def _insert_listeners(component: Block, layers: list[Path], choice: Choice) -> Block:
    changed: Block = Config(dict(component)).copy()
    for *above, key in layers:
        block = look_up(changed, tuple(above))
        listener: Block = {"@architectures": LISTENER}
        if choice.pooling_layer is not None:
            listener["pooling_layer"] = choice.pooling_layer
        if is_listener(block[key]) and "grad_factor" in block[key]:
            listener["grad_factor"] = block[key]["grad_factor"]
        block[key] = listener
    return dict(changed)


def _resolve_dangling(
    config: Config, before: Config, gone: set[Path], replaced: set[Path]
) -> tuple[Config, dict[str, object]]:
    """Replace references to removed components and into replaced layers by their values.

    config (Config): The new config, not interpolated.
    before (Config): The old config, interpolated.
    gone (set[Path]): Paths of removed components.
    replaced (set[Path]): Paths of replaced layers.
    RETURNS (tuple[Config, dict[str, object]]): The config, and the values by the texts of their references.
    """

    def is_dangling(reference: Reference) -> bool:
        path = reference.path
        inside = any(path[: len(layer)] == layer and path != layer for layer in replaced)
        return inside or path[:2] in gone

    found = filter(is_dangling, find_references(dict(config)))
    values = {str(reference): look_up(before, reference.path) for reference in found}
    new = Config(replace_references(dict(config), before, chosen=is_dangling), is_interpolated=False)
    return new, values


def _note_sourced(components: Mapping[str, Block], kept: list[str]) -> list[str]:
    notes = []
    for name in kept:
        component = components.get(name, {})
        if not is_sourced(component):
            continue
        note = f"'{name}' comes from '{component['source']}' and is not changed."
        if get_factory(name, component) in EMBEDDERS:
            note += " Remove it if no other component from there listens to it."
        elif "replace_listeners" not in component:
            note += (
                " If it listens to an embedder there, source that one as well, or give it"
                ' replace_listeners = ["model.tok2vec"].'
            )
        notes.append(note)
    return notes


def _note_senters(components: Mapping[str, Block], kept: list[str]) -> list[str]:
    return [
        f"'{name}' keeps its own tok2vec layer, so that it can find sentences before they are embedded."
        for name in kept
        if _is_own_senter(components.get(name, {}))
    ]
