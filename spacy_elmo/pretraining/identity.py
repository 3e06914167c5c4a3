"""What makes a run the same run when it goes on: its settings, its text and its vocabulary."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..bilm.options import TRAINING_FIELDS
from ..errors import ElmoError, Errors
from ..inputs.reader import Inputs
from ..language_model.vocabulary import Vocabulary
from .config import PretrainingConfig

# Settings that may change when a run goes on.
_FREE: Any = {
    "paths": True,
    "checkpoints": True,
    "corpus": {"train", "dev"},
    "vocabulary": {"path"},
    "model": {"source"},
    "training": {"log_every", "dev_every", "dev_tokens", "device", "n_threads", "n_epochs", "max_batches"},
}


def identity(config: PretrainingConfig, text: str, vocabulary: Vocabulary) -> dict[str, Any]:
    """Kept with each checkpoint, for `check_same`. text: its fingerprint."""
    return {
        "config": json.loads(config.model_dump_json(exclude=_FREE)),
        "corpus": text,
        "vocabulary": hashlib.sha256("\n".join(vocabulary.words).encode("utf-8", "ignore")).hexdigest(),
    }


def check_same(then: Mapping[str, Any], now: Mapping[str, Any], *, folder: Path) -> None:
    """RAISES (ElmoError): That names every difference. folder: of the run."""
    old, new = _settings(then), _settings(now)
    changes = [
        f"  {name.removeprefix('config.')}: {old.get(name)} then, {new.get(name)} now"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    if changes:
        raise ElmoError(Errors.EL080.format(path=folder, changes="\n".join(changes)))


def text_fingerprint(inputs: Inputs, pipeline: str) -> str:
    """What a text is made of: its files' content, their formats and the pipeline that splits it."""
    digest = hashlib.sha256(pipeline.encode())
    for file in inputs.files:
        digest.update(file.sha256().encode())
    formats = [file.format for file in inputs.files]
    # Where these alone are, the fingerprint is that of earlier versions, whose runs go on.
    if not {"txt", "jsonl", "spacy"}.issuperset(formats):
        digest.update(" ".join(formats).encode())
    return digest.hexdigest()


def _settings(meta: Mapping[str, Any]) -> dict[str, Any]:
    # Configs once kept what bilm-tf's trainer reads among the options, where it had no say.
    unused = {f"config.model.options.{name}" for name in TRAINING_FIELDS}
    return {name: value for name, value in _flat(meta).items() if name not in unused}


def _flat(meta: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in meta.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat
