"""The config of a pre-training run: every setting, its default and what is allowed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from confection import Config, ConfigValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..bilm.options import Options
from ..errors import ElmoError, ElmoFileNotFoundError, Errors
from ..inputs.reader import CORPUS_PIPELINE
from ..language_model.streams import SHUFFLE_BLOCK
from ..weights.arrays import SOFTMAX_PREFIX, Weights, softmax_facts
from .bilm_tf import reject_training_fields


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CorpusConfig(_Section):
    """train, dev: files, folders or patterns, one or a list. format: of the files, null: by their endings;
    "tokens": a sentence a line, split at blanks. pipeline: what splits texts into sentences and tokens.
    shuffle_block: sentences shuffled among themselves."""

    train: list[Path] = Field(min_length=1)
    dev: list[Path] = []
    format: Literal["txt", "jsonl", "conllu", "spacy", "tokens"] | None = None
    pipeline: str = CORPUS_PIPELINE
    shuffle_block: int = Field(default=SHUFFLE_BLOCK, ge=1)

    @field_validator("train", "dev", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        if value is None:
            return []
        return [value] if isinstance(value, (str, Path)) else value


class VocabularyConfig(_Section):
    """path: a vocab.txt; null: the one beside the weights of `model.source`, or else made from the training text,
    of words that occur min_count times or more, no more than max_size."""

    path: Path | None = None
    min_count: int = Field(default=3, ge=1)
    max_size: int | None = Field(default=None, ge=4)


class ModelConfig(_Section):
    """source: a model to continue from, whatever `spacy_elmo.load` reads: its biLM, and its softmax where there is
    one and a vocab.txt; see `start`. options: of a new one, as options.json has them. One of the two."""

    source: str | None = None
    options: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "ModelConfig":
        if (self.source is None) == (self.options is None):
            raise ElmoError(Errors.EL700.format(got="neither" if self.source is None else "both"))
        if self.options is not None:
            reject_training_fields(self.options)
            Options.from_dict(self.options, where="[model.options]", is_strict=True)
        return self


class SoftmaxConfig(_Section):
    """kind: sampled (n_samples log-uniform candidates), adaptive (PyTorch's, with these cutoffs) or full."""

    kind: Literal["sampled", "adaptive", "full"] = "sampled"
    n_samples: int = Field(default=4096, ge=1)
    cutoffs: list[int] = [4000, 20000]
    div_value: float = Field(default=4.0, gt=0)


class OptimizerConfig(_Section):
    """clip_norm: greatest norm of all gradients together; 0: no limit. decay: share of the run, at its end, over
    which the rate falls to zero. initial_accumulator: of Adagrad; betas, weight_decay: of AdamW."""

    name: Literal["adagrad", "adamw"] = "adamw"
    learn_rate: float = Field(default=0.002, gt=0)
    warmup_steps: int = Field(default=200, ge=0)
    decay: float = Field(default=0.25, ge=0, le=1)
    decay_shape: Literal["linear", "cosine"] = "linear"
    clip_norm: float = Field(default=10.0, ge=0)
    initial_accumulator: float = Field(default=1.0, ge=0)
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = Field(default=0.01, ge=0)


class TrainingConfig(_Section):
    """n_rows: rows of text in a batch, over all processes. n_steps: tokens of each row in a batch, after which the
    gradient ends and the state goes on. n_epochs: passes over the text; max_batches: stop after so many.
    precision: of the matrix products. n_threads: that work on the CPU, in each process; null: as many as there are
    processors for it. log_every, dev_every: batches. dev_tokens: of the dev text that are measured."""

    seed: int = Field(default=0, ge=0)
    n_rows: int = Field(default=256, ge=1)
    n_steps: int = Field(default=20, ge=1)
    n_epochs: float = Field(default=10.0, gt=0)
    max_batches: int | None = Field(default=None, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    device: str = "cpu"
    n_threads: int | None = Field(default=None, ge=1)
    log_every: int = Field(default=100, ge=1)
    dev_every: int = Field(default=1000, ge=1)
    dev_tokens: int = Field(default=50_000, ge=1)


class CheckpointConfig(_Section):
    """A checkpoint is written after every_batches batches and after every_minutes minutes, whichever comes first;
    the newest `keep` stay."""

    every_batches: int = Field(default=1000, ge=1)
    every_minutes: float = Field(default=15.0, gt=0)
    keep: int = Field(default=2, ge=1)


class PretrainingConfig(_Section):
    """paths: only there for the other sections to refer to."""

    paths: dict[str, Any] = {}
    corpus: CorpusConfig
    vocabulary: VocabularyConfig = VocabularyConfig()
    model: ModelConfig
    softmax: SoftmaxConfig = SoftmaxConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()


def check_config(config: Mapping[str, Any]) -> PretrainingConfig:
    """The config's sections with their types checked and defaults filled in.

    RAISES (ElmoError): Naming each wrong, unknown or missing setting.
    """
    try:
        return PretrainingConfig.model_validate(dict(config))
    except ValidationError as error:
        raise ElmoError(Errors.EL074.format(problems=describe_problems(error))) from error


def describe_problems(error: ValidationError, *, section: str = "") -> str:
    """Describe every wrong setting in a line of its own.

    error (ValidationError): What pydantic found. section (str): Where it looked; "": in the whole config.
    RETURNS (str): Lines such as "  training.n_rows: Input should be ... (got 0)".
    """
    lines = []
    for item in error.errors():
        where = ".".join([*([section] if section else []), *map(str, item["loc"])]) or "config"
        known = item["loc"] and item["type"] != "missing"
        lines.append(f"  {where}: {item['msg']}" + (f" (got {item['input']!r})" if known else ""))
    return "\n".join(lines)


def read_config(path: Path, overrides: Mapping[str, Any]) -> PretrainingConfig:
    """The config in a file, with some settings replaced: {"training.n_epochs": 3}.

    RAISES (FileNotFoundError).
    RAISES (ElmoError): As `check_config`, or if the file is no config.
    """
    if not path.is_file():
        hint = "Write one with: spacy-elmo init-pretrain"
        raise ElmoFileNotFoundError(Errors.EL026.format(path=path, closest=hint))
    try:
        config = Config().from_disk(path, interpolate=False)
        # Sections that the file leaves to their defaults can be overridden as well.
        for section in PretrainingConfig.model_fields:
            config.setdefault(section, {})
        config = Config().from_str(config.to_str(interpolate=False), overrides=dict(overrides))
    except ConfigValidationError as error:
        problems = "\n".join(f"  {line}" for line in str(error).strip().splitlines() if line.strip())
        raise ElmoError(Errors.EL074.format(problems=problems)) from error
    return check_config(config)


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
    RAISES (ElmoError): For a setting that is not allowed.
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
        raise ElmoError(Errors.EL074.format(problems=describe_problems(error, section=name))) from error


def softmax_like(weights: Weights) -> SoftmaxConfig:
    """Settings by which a new softmax has the sizes of the one that comes with the weights."""
    facts = softmax_facts(weights)
    if facts is None or facts.kind == "full":
        # The sampled one and the full one are the same softmax, trained in two ways.
        return SoftmaxConfig()
    narrow = len(weights.arrays[f"{SOFTMAX_PREFIX}adaptive.tail.0.0.weight"])
    div_value = weights.options.lstm.projection_dim / narrow
    return SoftmaxConfig(kind="adaptive", cutoffs=facts.cutoffs, div_value=div_value)
