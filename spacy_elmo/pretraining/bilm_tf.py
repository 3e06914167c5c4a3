"""The fields of an options.json that bilm-tf's trainer reads (allenai/bilm-tf, bilm/training.py), as settings."""

from collections.abc import Mapping
from typing import TypeAlias

from ..bilm.options import TRAINING_FIELDS
from ..errors import ElmoError, Errors

Settings: TypeAlias = dict[str, dict[str, object]]

# The setting that gets a field's value, unchanged.
_SETTINGS: dict[str, tuple[str, str]] = {
    "batch_size": ("training", "n_rows"),
    "unroll_steps": ("training", "n_steps"),
    "n_epochs": ("training", "n_epochs"),
    "dropout": ("training", "dropout"),
    "learning_rate": ("optimizer", "learn_rate"),
    "all_clip_norm_val": ("optimizer", "clip_norm"),
    "n_negative_samples_batch": ("softmax", "n_samples"),
    "n_tokens_vocab": ("vocabulary", "max_size"),
}
# What the other fields mean here.
_REMARKS: dict[str, str] = {
    "sample_softmax": 'softmax.kind, "sampled" or "full"',
    "n_train_tokens": "remove it: tokens are counted automatically",
    "bidirectional": "remove it: there are always two directions",
    "share_embedding_softmax": "remove it: a biLM that reads characters has no embeddings to share",
}
# The optimizer of bilm-tf, which options.json does not name.
_ADAGRAD: dict[str, object] = {"name": "adagrad", "initial_accumulator": 1.0, "warmup_steps": 0, "decay": 0.0}


def reject_training_fields(options: Mapping[str, object]) -> None:
    """Reject fields that are not sizes of a model: otherwise they would be saved as facts about the new model.

    options (Mapping[str, object]): Of a new model, [model.options] of a config.
    RAISES (ElmoError): If bilm-tf's training fields are among them; it names the setting for each.
    """
    found = [name for name in options if name in TRAINING_FIELDS]
    if found:
        lines = "; ".join(f"`{name}` is {_meaning(name)}" for name in found)
        raise ElmoError(Errors.EL270.format(meanings=lines))


def translate_options(options: Mapping[str, object], *, where: str) -> tuple[Settings, list[str]]:
    """Translate the fields that bilm-tf's trainer reads into settings of a config.

    options (Mapping[str, object]): The parsed options.json.
    where (str): Its path, for messages.
    RETURNS (tuple[Settings, list[str]]): Settings by section and name, and notes for the user.
    RAISES (ElmoError): If the model shares embeddings with the softmax.
    """
    given = {name: options[name] for name in options if name in TRAINING_FIELDS and options[name] is not None}
    if given.get("share_embedding_softmax"):
        raise ElmoError(Errors.EL271.format(where=where))
    settings: Settings = {}
    notes: list[str] = []
    for name, (section, key) in _SETTINGS.items():
        if name in given:
            settings.setdefault(section, {})[key] = given[name]
    if "sample_softmax" in given:
        settings.setdefault("softmax", {})["kind"] = "sampled" if given["sample_softmax"] else "full"
    if given:
        settings["optimizer"] = {**_ADAGRAD, **settings.get("optimizer", {})}
    if "learning_rate" not in given and given:
        # The default of bilm-tf.
        settings["optimizer"]["learn_rate"] = 0.2
    if "batch_size" in given:
        notes.append("`batch_size` is per GPU in bilm-tf; training.n_rows is the total of all processes.")
    if "n_tokens_vocab" in given:
        notes.append(
            "`n_tokens_vocab` became the maximum size of a vocabulary created from the text; to predict "
            "the same words, give bilm-tf's vocabulary file as vocabulary.path."
        )
    if "n_train_tokens" in given:
        notes.append("`n_train_tokens` was omitted: tokens are counted automatically.")
    return settings, notes


def _meaning(name: str) -> str:
    return ".".join(_SETTINGS[name]) if name in _SETTINGS else _REMARKS[name]
