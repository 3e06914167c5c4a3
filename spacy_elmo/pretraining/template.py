"""A config to start from: every setting with its default."""

from collections.abc import Mapping
from typing import Any

from confection import Config
from pydantic import BaseModel, ValidationError

from ..errors import Errors
from ..inputs.reader import CORPUS_PIPELINE
from ..language_model.streams import SHUFFLE_BLOCK
from ..weights.arrays import SOFTMAX_PREFIX, Weights, softmax_facts
from .config import (
    CheckpointConfig,
    OptimizerConfig,
    SoftmaxConfig,
    TrainingConfig,
    VocabularyConfig,
    describe_problems,
)

_SKIP = {"use_skip_connections": True, "cell_clip": 3, "proj_clip": 3, "n_layers": 2}
_CHARACTERS = {"activation": "relu", "n_characters": 261, "max_characters_per_token": 50, "embedding": {"dim": 16}}

# Sizes to choose from. sm: the bundled en_sm. original: Peters et al. 2018, as published in options.json.
SIZES: dict[str, dict[str, Any]] = {
    "sm": {
        "lstm": {"dim": 1024, "projection_dim": 128, **_SKIP},
        "char_cnn": {
            "filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 128], [6, 128]],
            "n_highway": 1,
            **_CHARACTERS,
        },
    },
    "original": {
        "lstm": {"dim": 4096, "projection_dim": 512, **_SKIP},
        "char_cnn": {
            "filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]],
            "n_highway": 2,
            **_CHARACTERS,
        },
    },
}

# To continue from a source: a domain's text is often small, and a batch of few rows makes more steps of it.
# benchmarks/BENCHMARKS.md has what that gives.
ADAPTATION: dict[str, dict[str, Any]] = {
    "optimizer": {"warmup_steps": 20},
    "training": {"n_rows": 32, "n_epochs": 1.0},
}


def config_text(
    *,
    train: str | None = None,
    dev: str | None = None,
    format: str | None = None,
    pipeline: str = CORPUS_PIPELINE,
    size: str = "sm",
    source: str | None = None,
    softmax: SoftmaxConfig | None = None,
    options: Mapping[str, Any] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """The text of a config.

    train, dev: text files. format: of them, None: by their endings. pipeline: what splits them.
    size: one of `SIZES`, of a new model.
    source: a model to continue from; then `ADAPTATION`: one pass over the text, as Peters et al. 2018
        (supplement) adapt a model to a domain, in small batches. softmax: None for the default.
    options: of a new model, in place of a size. settings: by section and name, in place of the defaults.
    RAISES: ValueError for a setting that is not allowed.
    """
    sizes = SIZES[size] if options is None else dict(options)
    model: dict[str, Any] = {"source": source} if source else {"source": None, "options": sizes}
    changed: Mapping[str, Mapping[str, Any]] = {**(ADAPTATION if source else {}), **(settings or {})}
    return Config({
        "paths": {"train": train, "dev": dev},
        "corpus": {
            "train": "${paths.train}", "dev": "${paths.dev}", "format": format, "pipeline": pipeline,
            "shuffle_block": SHUFFLE_BLOCK,
        },
        "vocabulary": _section(VocabularyConfig, "vocabulary", changed),
        "model": model,
        "softmax": softmax.model_dump() if softmax else _section(SoftmaxConfig, "softmax", changed),
        "optimizer": _section(OptimizerConfig, "optimizer", changed),
        "training": _section(TrainingConfig, "training", changed),
        "checkpoints": CheckpointConfig().model_dump(),
    }).to_str(interpolate=False)  # fmt: skip


def _section(kind: type[BaseModel], name: str, changed: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    try:
        return kind(**changed.get(name, {})).model_dump()
    except ValidationError as error:
        raise ValueError(Errors.EL074.format(problems=describe_problems(error, section=name))) from error


def softmax_like(weights: Weights) -> SoftmaxConfig:
    """Settings by which a new softmax has the sizes of the one that comes with the weights."""
    facts = softmax_facts(weights)
    if facts is None or facts.kind == "full":
        # The sampled one and the full one are the same softmax, trained in two ways.
        return SoftmaxConfig()
    narrow = len(weights.arrays[f"{SOFTMAX_PREFIX}adaptive.tail.0.0.weight"])
    div_value = weights.options.lstm.projection_dim / narrow
    return SoftmaxConfig(kind="adaptive", cutoffs=facts.cutoffs, div_value=div_value)
