"""Adapt the rest of a spaCy config after embedders were removed: training, initialization, pre-training."""

from collections.abc import Mapping

from confection import Config

from .layers import SENTENCE_SETTERS, get_factory, is_sourced, uses_static_vectors
from .references import Block, find_references, is_reference, look_up

# Settings of callbacks, which may contain names of components.
_CALLBACKS = {
    "nlp": ("before_creation", "after_creation", "after_pipeline_creation"),
    "training": ("before_to_disk", "before_update"),
    "initialize": ("before_init", "after_init"),
}
# Lower learning rates are meant for transformers, and too low for new layers above a frozen biLM.
_LOW_RATE = 2e-4


def adapt_rest(
    config: Config, before: Config, *, removed: list[str], listening: list[str], name: str
) -> list[str]:
    """Adapt the rest of a config to its new components, in place.

    config (Config): The new config, not interpolated.
    before (Config): The old config, interpolated.
    removed (list[str]): Components of the old config that embedded for others.
    listening (list[str]): Components that listen to the new embedder.
    name (str): The name of the new embedder.
    RETURNS (list[str]): Notes for the user.
    """
    for part in removed:
        config["initialize"]["components"].pop(part, None)
    config["nlp"]["disabled"] = [part for part in before["nlp"]["disabled"] if part not in removed]
    return [
        *_adapt_training(config, before, removed, listening, name),
        *_adapt_callbacks(config, removed, name),
        *_adapt_pretraining(config, before, [*removed, *listening]),
        *_adapt_vectors(config, before),
        *_note_low_rate(before, removed),
    ]


def _adapt_training(
    config: Config, before: Config, removed: list[str], listening: list[str], name: str
) -> list[str]:
    old = before["training"]
    config["training"]["frozen_components"] = [part for part in old["frozen_components"] if part not in removed]
    # A frozen tok2vec must annotate for its listeners; a frozen ELMo need not.
    annotating = [
        name if part in removed else part
        for part in old["annotating_components"]
        if part not in removed or part not in old["frozen_components"]
    ]
    notes = []
    pipeline = config["nlp"]["pipeline"]
    for part in _find_sentence_setters(config, before, listening):
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


def _find_sentence_setters(config: Config, before: Config, listening: list[str]) -> list[str]:
    """Find enabled components that only set sentences, and can do so before anything is embedded."""
    return [
        part
        for part in config["nlp"]["pipeline"]
        if part not in listening
        and part not in config["nlp"]["disabled"]
        and get_factory(part, before["components"].get(part, {})) in SENTENCE_SETTERS
    ]


def _adapt_callbacks(config: Config, removed: list[str], name: str) -> list[str]:
    notes = []
    for section, keys in _CALLBACKS.items():
        for key in keys:
            old = config[section].get(key)
            new = _rename_components(old, removed, name)
            if new != old:
                config[section][key] = new
                notes.append(
                    f"{section}.{key} now refers to '{name}' instead of a removed layer. Check that setting."
                )
    return notes


def _rename_components(value: object, removed: list[str], name: str) -> object:
    if isinstance(value, dict):
        return {
            _rename_components(key, removed, name): _rename_components(part, removed, name)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [_rename_components(part, removed, name) for part in value]
    return name if isinstance(value, str) and value in removed else value


def _adapt_pretraining(config: Config, before: Config, changed: list[str]) -> list[str]:
    pretraining: Block = before.get("pretraining") or {}
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
    used = {reference.path for reference in find_references(dict(config))}
    for path in {reference.path for reference in find_references(block)} - used:
        if path[0] == "paths":
            config["paths"].pop(path[1], None)


def _adapt_vectors(config: Config, before: Config) -> list[str]:
    vectors = before["initialize"]["vectors"]
    sourced = any(is_sourced(part) for part in before["components"].values())
    used = uses_static_vectors(before["components"])
    if vectors is None or sourced or not used or uses_static_vectors(config.interpolate()["components"]):
        return []
    _clear(config, "initialize", "vectors")
    return [f"initialize.vectors ('{vectors}') is set to null: only removed layers used them."]


def _clear(config: Config, section: str, key: str) -> None:
    """Set a value to null; if it is the only reference to a path, set that path to null instead."""
    value = config[section][key]
    if is_reference(value):
        [reference] = find_references(value)
        path = reference.path
        if [other.path for other in find_references(dict(config))].count(path) == 1:
            look_up(config, path[:-1])[path[-1]] = None
            return
    config[section][key] = None


def _note_low_rate(before: Config, removed: list[str]) -> list[str]:
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
