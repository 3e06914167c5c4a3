"""A config to start from: every setting with its default."""

from typing import Any, Dict, Optional

from confection import Config

from ..weights.arrays import SOFTMAX_PREFIX, Weights
from ..weights.softmax import softmax_facts
from .config import CheckpointConfig, OptimizerConfig, SoftmaxConfig, TrainingConfig, VocabularyConfig
from .streams import SHUFFLE_BLOCK

_SKIP = {"use_skip_connections": True, "cell_clip": 3, "proj_clip": 3, "n_layers": 2}
_CHARACTERS = {"activation": "relu", "n_characters": 261, "max_characters_per_token": 50, "embedding": {"dim": 16}}

# Sizes to choose from. sm: the bundled en_sm. original: Peters et al. 2018, as published in options.json.
SIZES: Dict[str, Dict[str, Any]] = {
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
ADAPTATION: Dict[str, Dict[str, Any]] = {
    "optimizer": {"warmup_steps": 20},
    "training": {"n_rows": 32, "n_epochs": 1.0},
}


def config_text(
    *,
    train: Optional[str] = None,
    dev: Optional[str] = None,
    format: Optional[str] = None,
    pipeline: str = "blank:en",
    size: str = "sm",
    source: Optional[str] = None,
    softmax: Optional[SoftmaxConfig] = None,
) -> str:
    """The text of a config.

    train, dev: text files. format: of them, None: by their endings. pipeline: what splits them.
    size: one of `SIZES`, of a new model.
    source: a model to continue from; then `ADAPTATION`: one pass over the text, as Peters et al. 2018
        (supplement) adapt a model to a domain, in small batches. softmax: None for the default.
    """
    model: Dict[str, Any] = {"source": source} if source else {"source": None, "options": SIZES[size]}
    changed = ADAPTATION if source else {}
    return Config({
        "paths": {"train": train, "dev": dev},
        "corpus": {
            "train": "${paths.train}", "dev": "${paths.dev}", "format": format, "pipeline": pipeline,
            "shuffle_block": SHUFFLE_BLOCK,
        },
        "vocabulary": VocabularyConfig().model_dump(),
        "model": model,
        "softmax": (softmax or SoftmaxConfig()).model_dump(),
        "optimizer": OptimizerConfig(**changed.get("optimizer", {})).model_dump(),
        "training": TrainingConfig(**changed.get("training", {})).model_dump(),
        "checkpoints": CheckpointConfig().model_dump(),
    }).to_str(interpolate=False)  # fmt: skip


def softmax_like(weights: Weights) -> SoftmaxConfig:
    """Settings by which a new softmax has the sizes of the one that comes with the weights."""
    facts = softmax_facts(weights)
    if facts is None or facts.kind == "full":
        # The sampled one and the full one are the same softmax, trained in two ways.
        return SoftmaxConfig()
    narrow = len(weights.arrays[f"{SOFTMAX_PREFIX}adaptive.tail.0.0.weight"])
    div_value = weights.options.lstm.projection_dim / narrow
    return SoftmaxConfig(kind="adaptive", cutoffs=facts.cutoffs, div_value=div_value)
