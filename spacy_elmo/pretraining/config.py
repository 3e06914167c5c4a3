"""The config of a pre-training run: every setting, its default and what is allowed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from confection import Config, ConfigValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..bilm.options import Options
from ..errors import ElmoError, ElmoFileNotFoundError, Errors
from ..inputs.reader import CORPUS_PIPELINE
from ..language_model.streams import SHUFFLE_BLOCK
from ..weights.arrays import SOFTMAX_PREFIX, Weights, softmax_facts
from .bilm_tf import reject_training_fields

# Settings by name, and by section and name.
Section: TypeAlias = Mapping[str, object]
Sections: TypeAlias = Mapping[str, Section]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CorpusConfig(_Section):
    """[corpus].

    train (list[Path]): Files, folders or patterns to train on, one or a list.
    dev (list[Path]): The same for the held-out text.
    format (str | None): Of the files; null: by their endings; "tokens": one sentence a line, split at blanks.
    pipeline (str): The spaCy pipeline that splits texts into sentences and tokens.
    shuffle_block (int): Sentences that are shuffled together.
    """

    train: list[Path] = Field(min_length=1)
    dev: list[Path] = []
    format: Literal["txt", "jsonl", "conllu", "spacy", "tokens", "fasta"] | None = None
    pipeline: str = CORPUS_PIPELINE
    shuffle_block: int = Field(default=SHUFFLE_BLOCK, ge=1)

    @field_validator("train", "dev", mode="before")
    @classmethod
    def _make_list(cls, value: object) -> object:
        if value is None:
            return []
        return [value] if isinstance(value, (str, Path)) else value


class VocabularyConfig(_Section):
    """[vocabulary].

    path (Path | None): A vocab.txt; null: the one beside the weights of `model.source`, or else a new one, made
        from the training text.
    min_count (int): How often a word of a new vocabulary occurs at least.
    max_size (int | None): Most words of a new vocabulary; null: no limit.
    """

    path: Path | None = None
    min_count: int = Field(default=3, ge=1)
    max_size: int | None = Field(default=None, ge=4)


class ModelConfig(_Section):
    """[model]: one of the two.

    source (str | None): A model to continue from, as `spacy_elmo.load` reads it: its biLM, and its softmax if
        there is one with a vocab.txt; see `start`.
    options (dict[str, object] | None): Of a new model, as in options.json.
    """

    source: str | None = None
    options: dict[str, object] | None = None

    @model_validator(mode="after")
    def _check_choice(self) -> "ModelConfig":
        if (self.source is None) == (self.options is None):
            raise ElmoError(Errors.EL700.format(got="neither" if self.source is None else "both"))
        if self.options is not None:
            reject_training_fields(self.options)
            Options.from_dict(self.options, where="[model.options]", is_strict=True)
        return self


class SoftmaxConfig(_Section):
    """[softmax].

    kind (str): "sampled", "adaptive" (PyTorch's) or "full".
    n_samples (int): Of a sampled softmax: log-uniform candidates.
    cutoffs (list[int]): Of an adaptive softmax: where its clusters begin.
    div_value (float): Of an adaptive softmax: what the width is divided by from cluster to cluster.
    """

    kind: Literal["sampled", "adaptive", "full"] = "sampled"
    n_samples: int = Field(default=4096, ge=1)
    cutoffs: list[int] = [4000, 20000]
    div_value: float = Field(default=4.0, gt=0)


class OptimizerConfig(_Section):
    """[optimizer].

    name (str): "adagrad" or "adamw".
    learn_rate (float): The highest rate.
    warmup_steps (int): Steps in which the rate rises from zero.
    decay (float): Share of the run, at its end, in which the rate falls to zero.
    decay_shape (str): "linear" or "cosine".
    clip_norm (float): Largest norm of all gradients together; 0: no limit.
    initial_accumulator (float): Of Adagrad.
    betas (tuple[float, float]): Of AdamW.
    weight_decay (float): Of AdamW.
    """

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
    """[training].

    seed (int): For all random numbers.
    n_rows (int): Rows of text in a batch, of all processes together.
    n_steps (int): Tokens of each row in a batch; gradients end there, the state is carried.
    n_epochs (float): Passes over the text.
    max_batches (int | None): Stop after these; null: no limit.
    dropout (float): Share of each LSTM layer's inputs that is zeroed.
    precision (str): Of the matrix products, "fp32" or "bf16".
    device (str): As torch names devices.
    n_threads (int | None): Threads on the CPU, of each process; null: as many as it has processors.
    log_every (int): Batches between entries of the log.
    dev_every (int): Batches between measurements of the dev text.
    dev_tokens (int): Tokens of the dev text that are measured.
    """

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
    """[checkpoints]: the next one is written after a number of batches or minutes, whichever comes first.

    every_batches (int): The batches.
    every_minutes (float): The minutes.
    keep (int): How many of the newest stay.
    """

    every_batches: int = Field(default=1000, ge=1)
    every_minutes: float = Field(default=15.0, gt=0)
    keep: int = Field(default=2, ge=1)


class PretrainingConfig(_Section):
    """All sections.

    paths (dict[str, object]): For other sections to refer to.
    """

    paths: dict[str, object] = {}
    corpus: CorpusConfig
    vocabulary: VocabularyConfig = VocabularyConfig()
    model: ModelConfig
    softmax: SoftmaxConfig = SoftmaxConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()


def check_config(config: Section) -> PretrainingConfig:
    """Check the types of a config's settings, and add the defaults.

    config (Section): The sections.
    RETURNS (PretrainingConfig): All settings.
    RAISES (ElmoError): If settings are invalid, unknown or missing; it names each.
    """
    try:
        return PretrainingConfig.model_validate(dict(config))
    except ValidationError as error:
        raise ElmoError(Errors.EL074.format(problems=describe_problems(error))) from error


def describe_problems(error: ValidationError, *, section: str = "") -> str:
    """Describe every invalid setting.

    error (ValidationError): Pydantic's error.
    section (str): The section that was checked; "": the whole config.
    RETURNS (str): A line for each, such as "  training.n_rows: Input should be ... (got 0)".
    """
    lines = []
    for item in error.errors():
        where = ".".join([*([section] if section else []), *map(str, item["loc"])]) or "config"
        if item["type"] == "value_error":
            # One of this package, whose message has what was got.
            lines.append(f"  {where}: {item['ctx']['error']}")
            continue
        known = item["loc"] and item["type"] != "missing"
        lines.append(f"  {where}: {item['msg']}" + (f" (got {item['input']!r})" if known else ""))
    return "\n".join(lines)


def read_config(path: Path, overrides: Section) -> PretrainingConfig:
    """Read a config from a file.

    path (Path): The file.
    overrides (Section): Settings to replace, such as {"training.n_epochs": 3}.
    RETURNS (PretrainingConfig): All settings.
    RAISES (FileNotFoundError): If there is no such file.
    RAISES (ElmoError): If it is not a config, and as `check_config`.
    """
    if not path.is_file():
        hint = "Write one with: spacy-elmo init-pretrain"
        raise ElmoFileNotFoundError(Errors.EL026.format(path=path, closest=hint))
    try:
        config = Config().from_disk(path, interpolate=False)
        # Settings can also be overridden in sections that the file does not have.
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
SIZES: dict[str, dict[str, dict[str, object]]] = {
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

# To continue from a source: the text of a domain is often small, and small batches make more steps of it.
# benchmarks/BENCHMARKS.md has the results.
ADAPTATION: dict[str, dict[str, object]] = {
    "optimizer": {"warmup_steps": 20},
    "training": {"n_rows": 32, "n_epochs": 1.0},
}


def format_config(
    *,
    train: str | None = None,
    dev: str | None = None,
    format: str | None = None,
    pipeline: str = CORPUS_PIPELINE,
    size: str = "sm",
    source: str | None = None,
    softmax: SoftmaxConfig | None = None,
    options: Section | None = None,
    settings: Sections | None = None,
) -> str:
    """Write the text of a config.

    train (str | None): The text to train on.
    dev (str | None): The held-out text.
    format (str | None): Of both; None: by the endings of their names.
    pipeline (str): What splits them into sentences and tokens.
    size (str): Of a new model: one of `SIZES`.
    source (str | None): A model to continue from, with the settings of `ADAPTATION`: one pass over the text, in
        small batches, as Peters et al. 2018 (supplement) adapt a model to a domain.
    softmax (SoftmaxConfig | None): The settings of the softmax; None: see `settings`.
    options (Section | None): Of a new model, instead of a size.
    settings (Sections | None): By section and name, instead of the defaults.
    RETURNS (str): The text.
    RAISES (ElmoError): If a setting is invalid.
    """
    sizes: Section = SIZES[size] if options is None else options
    model: Section = {"source": source} if source else {"source": None, "options": sizes}
    changed: Sections = {**(ADAPTATION if source else {}), **(settings or {})}
    text: str = Config({
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
    return text


def _section(kind: type[BaseModel], name: str, changed: Sections) -> dict[str, object]:
    try:
        return kind.model_validate(dict(changed.get(name, {}))).model_dump()
    except ValidationError as error:
        raise ElmoError(Errors.EL074.format(problems=describe_problems(error, section=name))) from error


def match_softmax(weights: Weights) -> SoftmaxConfig:
    """Choose the settings of a softmax with the sizes of an existing one.

    weights (Weights): Have a softmax or not.
    RETURNS (SoftmaxConfig): Its settings, or the defaults.
    """
    facts = softmax_facts(weights)
    if facts is None or facts.kind == "full":
        # A sampled and a full softmax are the same module, trained in two ways.
        return SoftmaxConfig()
    narrow = len(weights.arrays[f"{SOFTMAX_PREFIX}adaptive.tail.0.0.weight"])
    div_value = weights.options.lstm.projection_dim / narrow
    return SoftmaxConfig(kind="adaptive", cutoffs=facts.cutoffs, div_value=div_value)
