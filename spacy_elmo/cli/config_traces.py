"""What else in a spaCy config knows of embedders that are taken out: training, initialisation, pre-training."""

from collections.abc import Mapping
from typing import Any

from confection import Config

from .config_layers import SENTENCE_SETTERS, is_sourced, kind_of, uses_static_vectors
from .config_references import is_reference, look_up, references

# Callbacks may be given the names of components.
_CALLBACKS = {
    "nlp": ("before_creation", "after_creation", "after_pipeline_creation"),
    "training": ("before_to_disk", "before_update"),
    "initialize": ("before_init", "after_init"),
}
# Rates below are made for the weights of a transformer, and too low for new layers over a frozen biLM.
_LOW_RATE = 2e-4


def settle_traces(
    config: Config, before: Config, *, removed: list[str], listening: list[str], name: str
) -> list[str]:
    """Make the rest of a config fit its new components, in place.

    before: the old config, interpolated. removed: components that embedded in it. name: what embeds now.
    listening: components that listen to it.
    RETURNS: what the user should know.
    """
    for part in removed:
        config["initialize"]["components"].pop(part, None)
    config["nlp"]["disabled"] = [part for part in before["nlp"]["disabled"] if part not in removed]
    return [
        *_settle_training(config, before, removed, listening, name),
        *_settle_callbacks(config, removed, name),
        *_settle_pretraining(config, before, [*removed, *listening]),
        *_settle_vectors(config, before),
        *_low_rate(before, removed),
    ]


def _settle_training(
    config: Config, before: Config, removed: list[str], listening: list[str], name: str
) -> list[str]:
    old = before["training"]
    config["training"]["frozen_components"] = [part for part in old["frozen_components"] if part not in removed]
    # A frozen embedder had to annotate for those that listened to it. ELMo serves its listeners, frozen or not.
    annotating = [
        name if part in removed else part
        for part in old["annotating_components"]
        if part not in removed or part not in old["frozen_components"]
    ]
    notes = []
    pipeline = config["nlp"]["pipeline"]
    for part in _sentence_setters(config, before, listening):
        if pipeline.index(part) > pipeline.index(name):
            notes.append(
                f"'{part}' comes after '{name}', which therefore embeds whole Docs. Move it before, so that "
                "sentences are embedded one by one."
            )
        elif part not in annotating:
            annotating.append(part)
            notes.append(
                f"'{part}' is in training.annotating_components, to set sentences for '{name}' there too."
            )
    config["training"]["annotating_components"] = list(dict.fromkeys(annotating))
    return notes


def _sentence_setters(config: Config, before: Config, listening: list[str]) -> list[str]:
    """Enabled components that do nothing but set sentences, and can do so before anything is embedded."""
    return [
        part
        for part in config["nlp"]["pipeline"]
        if part not in listening
        and part not in config["nlp"]["disabled"]
        and kind_of(part, before["components"].get(part, {})) in SENTENCE_SETTERS
    ]


def _settle_callbacks(config: Config, removed: list[str], name: str) -> list[str]:
    notes = []
    for section, keys in _CALLBACKS.items():
        for key in keys:
            old = config[section].get(key)
            new = _renamed(old, removed, name)
            if new != old:
                config[section][key] = new
                notes.append(
                    f"{section}.{key} now refers to '{name}' instead of a removed layer. Check that setting."
                )
    return notes


def _renamed(value: Any, removed: list[str], name: str) -> Any:
    if isinstance(value, dict):
        return {_renamed(key, removed, name): _renamed(part, removed, name) for key, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part, removed, name) for part in value]
    return name if isinstance(value, str) and value in removed else value


def _settle_pretraining(config: Config, before: Config, changed: list[str]) -> list[str]:
    pretraining: dict[str, Any] = before.get("pretraining") or {}
    weights = before["initialize"]["init_tok2vec"]
    if pretraining.get("component", "tok2vec") not in changed:
        return []
    notes = []
    if weights is not None:
        _clear(config, "initialize", "init_tok2vec")
        notes.append(
            f"initialize.init_tok2vec ('{weights}') is set to null: these weights belong to removed layers."
        )
    if pretraining:
        config["pretraining"] = {}
        _remove_corpus(config, before, pretraining.get("corpus"))
        notes.append(
            "[pretraining] is now empty: it was for removed layers. To pre-train ELMo: spacy-elmo pretrain"
        )
    return notes


def _remove_corpus(config: Config, before: Config, corpus: str | None) -> None:
    section, _, key = (corpus or "").partition(".")
    if corpus in (before["training"]["train_corpus"], before["training"]["dev_corpus"]):
        return
    block = config.get(section, {}).pop(key, None)
    still = {reference.path for reference in references(dict(config))}
    for path in {reference.path for reference in references(block)} - still:
        if path[0] == "paths":
            config["paths"].pop(path[1], None)


def _settle_vectors(config: Config, before: Config) -> list[str]:
    vectors = before["initialize"]["vectors"]
    sourced = any(is_sourced(part) for part in before["components"].values())
    used = uses_static_vectors(before["components"])
    if vectors is None or sourced or not used or uses_static_vectors(config.interpolate()["components"]):
        return []
    _clear(config, "initialize", "vectors")
    return [f"initialize.vectors ('{vectors}') is set to null: only removed layers used them."]


def _clear(config: Config, section: str, key: str) -> None:
    """Set a value to null: at the path that it refers to, if nothing else does."""
    value = config[section][key]
    if is_reference(value):
        [reference] = references(value)
        path = reference.path
        if [one.path for one in references(dict(config))].count(path) == 1:
            look_up(config, path[:-1])[path[-1]] = None
            return
    config[section][key] = None


def _low_rate(before: Config, removed: list[str]) -> list[str]:
    transformers = [part for part in removed if before["components"][part]["factory"] != "tok2vec"]
    rate = before["training"]["optimizer"].get("learn_rate")
    if isinstance(rate, Mapping):
        rate = rate.get("initial_rate")
    if not transformers or not isinstance(rate, (int, float)) or rate >= _LOW_RATE:
        return []
    return [
        f"training.optimizer.learn_rate is still {rate:g}, which suits a transformer. New layers over a frozen "
        "ELMo learn better from about 0.001."
    ]
