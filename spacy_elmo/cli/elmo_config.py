"""A spaCy training config becomes one on ELMo: one component embeds, and the others listen to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from confection import Config

from ..bilm.layers import check_layer_name
from ..errors import ElmoError, Errors
from ..models.tok2vec import LISTENER
from ..pipeline.pipeline_ref import TENSOR
from ..weights.catalogue import BUNDLED
from .config_layers import (
    EMBEDDERS,
    Path,
    is_listener,
    is_sourced,
    kind_of,
    tok2vec_layers,
    with_default_models,
    writes,
)
from .config_references import Reference, fill_references, look_up, references
from .config_traces import settle_traces

FACTORY = "elmo_embedder"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the new config is to have.

    source: of the embedder. name: of the embedder. pooling_layer: the one layer that listeners read; None for a
        trained mix of all in each. frozen: the biLM is not trained.
    RAISES (ElmoError): If there can be no such layer.
    """

    source: str | list[str] = BUNDLED
    name: str = FACTORY
    pooling_layer: str | None = None
    frozen: bool = True

    def __post_init__(self) -> None:
        if self.pooling_layer is not None:
            check_layer_name(self.pooling_layer, what="pooling_layer")


class Converted(NamedTuple):
    """config: the new one, not interpolated. listening: components that listen to ELMo now, in order.
    notes: what the user should know, a sentence or two each."""

    config: Config
    listening: list[str]
    notes: list[str]


def to_elmo(config: Config, choice: Choice, *, where: str) -> Converted:
    """Put a config on ELMo. Of the embedders that components listened to, none stays but sourced ones.

    config: with spaCy's defaults, not interpolated; it stays as it is. where: what messages call it.
    RAISES (ElmoError): If it is on ELMo already, if nothing in it can be put there, or if the embedder's name is
        taken.
    """
    config = config.copy()
    config["components"] = with_default_models(config["components"])
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
    parts: dict[str, Any] = {choice.name: _embedder(choice, components, kept)}
    for name in kept:
        if name in config["components"]:
            layers = tok2vec_layers(config["components"][name]) if name in listening else []
            parts[name] = _with_listeners(config["components"][name], layers, choice)
            replaced |= {("components", name, *path) for path in layers}
    config["nlp"]["pipeline"] = order
    config["components"] = {name: parts[name] for name in order if name in parts}

    gone: set[Path] = {("components", name) for name in components if name not in kept}
    config, values = _without_references(config, before, gone, replaced)
    notes = [
        *_of_sourced(components, kept),
        *_of_senter(components, kept),
        *(f"{text} was removed; its value, {value!r}, is used instead." for text, value in values.items()),
        *settle_traces(config, before, removed=removed, listening=listening, name=choice.name),
    ]
    return Converted(config, listening, notes)


def _check_not_on_elmo(components: Mapping[str, Any], where: str) -> None:
    for name, component in components.items():
        if kind_of(name, component) == FACTORY or "'spacy-elmo.Elmo" in repr(component.get("model")):
            raise ElmoError(Errors.EL110.format(where=where, name=name))


def _can_listen(component: Mapping[str, Any]) -> bool:
    layers = [] if is_sourced(component) else tok2vec_layers(component)
    return bool(layers) and not _is_small_senter(component)


def _is_small_senter(component: Mapping[str, Any]) -> bool:
    # Left to itself, it can stand before the embedder, which then embeds sentences and not whole Docs.
    layers = tok2vec_layers(component)
    own = [path for path in layers if not is_listener(look_up(component, path))]
    return component.get("factory") == "senter" and bool(layers) and own == layers


def _embedder(choice: Choice, components: Mapping[str, Any], kept: list[str]) -> dict[str, Any]:
    block: dict[str, Any] = {"factory": FACTORY, "source": choice.source, "frozen": choice.frozen}
    if choice.pooling_layer is not None:
        # Nothing above that layer is computed.
        block["pooling_layer"] = choice.pooling_layer
    if any(writes(name, components.get(name, {}), TENSOR) for name in kept):
        block["set_tensor"] = False
    return block


def _with_listeners(component: Mapping[str, Any], layers: list[Path], choice: Choice) -> dict[str, Any]:
    changed: dict[str, Any] = Config(dict(component)).copy()
    for *above, key in layers:
        block = look_up(changed, tuple(above))
        listener: dict[str, Any] = {"@architectures": LISTENER}
        if choice.pooling_layer is not None:
            listener["pooling_layer"] = choice.pooling_layer
        if is_listener(block[key]) and "grad_factor" in block[key]:
            listener["grad_factor"] = block[key]["grad_factor"]
        block[key] = listener
    return dict(changed)


def _without_references(
    config: Config, before: Config, gone: set[Path], replaced: set[Path]
) -> tuple[Config, dict[str, Any]]:
    """The config without references to what has gone, or into what was replaced; and the values that stand for
    them now, by the references' texts."""

    def has_gone(reference: Reference) -> bool:
        path = reference.path
        inside = any(path[: len(layer)] == layer and path != layer for layer in replaced)
        return inside or path[:2] in gone

    found = filter(has_gone, references(dict(config)))
    values = {str(reference): look_up(before, reference.path) for reference in found}
    new = Config(fill_references(dict(config), before, chosen=has_gone), is_interpolated=False)
    return new, values


def _of_sourced(components: Mapping[str, Any], kept: list[str]) -> list[str]:
    notes = []
    for name in kept:
        component = components.get(name, {})
        if not is_sourced(component):
            continue
        note = f"'{name}' comes from '{component['source']}' and is not changed."
        if kind_of(name, component) in EMBEDDERS:
            note += " Remove it if no other component from there listens to it."
        elif "replace_listeners" not in component:
            note += (
                " If it listens to an embedder there, source that one as well, or give it"
                ' replace_listeners = ["model.tok2vec"].'
            )
        notes.append(note)
    return notes


def _of_senter(components: Mapping[str, Any], kept: list[str]) -> list[str]:
    return [
        f"'{name}' keeps its own tok2vec layer, so that it can find sentences before they are embedded."
        for name in kept
        if _is_small_senter(components.get(name, {}))
    ]
