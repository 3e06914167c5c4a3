"""The identity of a run: the settings, the text and the vocabulary that must be the same when it continues."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from ..bilm.options import TRAINING_FIELDS
from ..errors import ElmoError, Errors
from ..inputs.reader import Inputs
from ..language_model.vocabulary import Vocabulary
from .config import PretrainingConfig

# A tree of settings, as JSON.
Meta: TypeAlias = Mapping[str, object]

# Settings that may change when a run continues.
_FREE: dict[str, set[str] | bool] = {
    "paths": True,
    "checkpoints": True,
    "corpus": {"train", "dev"},
    "vocabulary": {"path"},
    "model": {"source"},
    "training": {"log_every", "dev_every", "dev_tokens", "device", "n_threads", "n_epochs", "max_batches"},
}
# What a change of a checksum means.
_CHECKSUMS = {
    "corpus": "the text, its format or its pipeline has changed",
    "vocabulary": "the words or their order have changed",
}


def describe_run(config: PretrainingConfig, text: str, vocabulary: Vocabulary) -> dict[str, object]:
    """Describe a run for its checkpoints, and for `check_same`.

    config (PretrainingConfig): Its settings.
    text (str): The fingerprint of the text to train on.
    vocabulary (Vocabulary): Its words.
    RETURNS (dict[str, object]): JSON.
    """
    return {
        "config": json.loads(config.model_dump_json(exclude=_FREE)),
        "corpus": text,
        "vocabulary": hashlib.sha256("\n".join(vocabulary.words).encode("utf-8", "ignore")).hexdigest(),
    }


def check_same(then: Meta, now: Meta, *, folder: Path) -> None:
    """Check that a run continues as the same run.

    then (Meta): What `describe_run` returned when the checkpoint was written.
    now (Meta): What it returns now.
    folder (Path): Of the run, for messages.
    RAISES (ElmoError): If they differ; it names every difference.
    """
    old, new = _settings(then), _settings(now)
    changes = [
        f"  {name.removeprefix('config.')}: {_CHECKSUMS.get(name, f'{old.get(name)} then, {new.get(name)} now')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    if changes:
        raise ElmoError(Errors.EL080.format(path=folder, changes="\n".join(changes)))


def text_fingerprint(inputs: Inputs, pipeline: str) -> str:
    """Hash what a text is made of: the files' content, their formats and the pipeline that splits it.

    inputs (Inputs): The files.
    pipeline (str): Name of the pipeline.
    RETURNS (str): Hexadecimal digits.
    """
    digest = hashlib.sha256(pipeline.encode())
    for file in inputs.files:
        digest.update(file.sha256().encode())
    formats = [file.format for file in inputs.files]
    # With these formats alone, the fingerprint equals that of earlier versions, whose runs can continue.
    if not {"txt", "jsonl", "spacy"}.issuperset(formats):
        digest.update(" ".join(formats).encode())
    return digest.hexdigest()


def _settings(meta: Meta) -> dict[str, object]:
    # Earlier configs kept the fields of bilm-tf's trainer among the options, where they had no effect.
    unused = {f"config.model.options.{name}" for name in TRAINING_FIELDS}
    return {name: value for name, value in _flatten(meta).items() if name not in unused}


def _flatten(meta: Meta, prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in meta.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat
