"""The options.json of a biLM: field names, defaults and rules as bilm-tf published them."""

import difflib
import json
from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, Mapping, Optional, Tuple

from ..errors import Errors

Json = Dict[str, Any]

# What bilm-tf's training adds to options.json (allenai/bilm-tf, bilm/training.py). It has no say in the
# outputs, but must be kept: training goes on from it.
TRAINING_FIELDS = frozenset({
    "all_clip_norm_val", "batch_size", "bidirectional", "dropout", "learning_rate", "n_epochs",
    "n_negative_samples_batch", "n_tokens_vocab", "n_train_tokens", "sample_softmax",
    "share_embedding_softmax", "unroll_steps",
})  # fmt: skip
ACTIVATIONS = ("relu", "tanh")
# 256 bytes and 5 marks; published inference options count the mask (id 0) as well, training options do not.
N_CHARACTERS = (261, 262)


@dataclass(frozen=True, kw_only=True)
class LSTMOptions:
    """The LSTM stack of one direction.

    dim: width C of the memory cell.
    projection_dim: width P of the output and of the recurrent state; equal to dim: no projection.
    n_layers: number of layers L.
    cell_clip, proj_clip: bounds of the cell and of the projection; None: no clip.
    use_skip_connections: from the second layer on, add a layer's input to its output.
    """

    dim: int
    projection_dim: int
    n_layers: int = 1
    cell_clip: Optional[float] = None
    proj_clip: Optional[float] = None
    use_skip_connections: bool = False

    @property
    def has_projection(self) -> bool:
        return self.projection_dim != self.dim


@dataclass(frozen=True, kw_only=True)
class CharCNNOptions:
    """The character encoder.

    embedding_dim: width of a character vector.
    filters: (width in characters, number of filters) of each convolution.
    n_highway: number of highway layers.
    n_characters: 262, or 261 in options written by training; the arrays are the same.
    max_characters_per_token: ids per token, with the two word marks.
    activation: "relu" or "tanh", of the convolutions only.
    """

    embedding_dim: int
    filters: Tuple[Tuple[int, int], ...]
    n_highway: int = 0
    n_characters: int = 262
    max_characters_per_token: int = 50
    activation: str = "relu"

    @property
    def n_filters(self) -> int:
        return sum(number for _, number in self.filters)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the arrays of a biLM mean. `training` keeps the fields that only bilm-tf's trainer reads."""

    lstm: LSTMOptions
    char_cnn: CharCNNOptions
    training: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def has_char_projection(self) -> bool:
        """bilm-tf leaves the projection out where the filters already add up to projection_dim."""
        return self.char_cnn.n_filters != self.lstm.projection_dim

    @classmethod
    def from_json(cls, text: str, *, where: str = "options.json") -> "Options":
        """Options of the text of an options.json.

        where: file name for messages.
        RAISES: ValueError if it is not JSON, or for an unknown, missing, wrong or contradictory field.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise ValueError(Errors.EL005.format(where=where, reason=error)) from error
        return cls.from_dict(data, where=where)

    @classmethod
    def from_dict(cls, data: Any, *, where: str = "options.json") -> "Options":
        """Options of a parsed options.json; see `from_json`."""
        top = _Fields(data, where=where, path="")
        training = {name: top.take(name, None) for name in sorted(TRAINING_FIELDS) if name in top.data}
        lstm = _read_lstm(top.section("lstm"))
        char_cnn = _read_char_cnn(top.section("char_cnn"))
        top.finish(known=TRAINING_FIELDS)
        if training.get("bidirectional") not in (None, True):
            top.contradiction("bidirectional", training["bidirectional"], "a biLM", "it has two directions")
        if lstm.projection_dim > lstm.dim:
            top.contradiction(
                "lstm.projection_dim", lstm.projection_dim, f"lstm.dim = {lstm.dim}",
                "the output is the cell projected down, or the cell itself",
            )  # fmt: skip
        widest = max(width for width, _ in char_cnn.filters)
        if widest > char_cnn.max_characters_per_token:
            top.contradiction(
                "char_cnn.filters", [list(pair) for pair in char_cnn.filters],
                f"char_cnn.max_characters_per_token = {char_cnn.max_characters_per_token}",
                "no filter can be wider than a token",
            )  # fmt: skip
        return cls(lstm=lstm, char_cnn=char_cnn, training=training)

    def to_dict(self) -> Json:
        """The published form: what AllenNLP and bilm-tf read."""
        return {
            **self.training,
            "lstm": {
                "use_skip_connections": self.lstm.use_skip_connections,
                "projection_dim": self.lstm.projection_dim,
                "cell_clip": self.lstm.cell_clip,
                "proj_clip": self.lstm.proj_clip,
                "dim": self.lstm.dim,
                "n_layers": self.lstm.n_layers,
            },
            "char_cnn": {
                "activation": self.char_cnn.activation,
                "filters": [list(pair) for pair in self.char_cnn.filters],
                "n_highway": self.char_cnn.n_highway,
                "embedding": {"dim": self.char_cnn.embedding_dim},
                "n_characters": self.char_cnn.n_characters,
                "max_characters_per_token": self.char_cnn.max_characters_per_token,
            },
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2) + "\n"


def _read_lstm(fields: "_Fields") -> LSTMOptions:
    options = LSTMOptions(
        dim=fields.positive("dim"),
        projection_dim=fields.positive("projection_dim"),
        n_layers=fields.positive("n_layers", 1),
        cell_clip=fields.clip("cell_clip"),
        proj_clip=fields.clip("proj_clip"),
        use_skip_connections=fields.boolean("use_skip_connections", False),
    )
    fields.finish()
    return options


def _read_char_cnn(fields: "_Fields") -> CharCNNOptions:
    embedding = fields.section("embedding")
    options = CharCNNOptions(
        embedding_dim=embedding.positive("dim"),
        filters=fields.filters("filters"),
        n_highway=fields.positive("n_highway", 0, low=0),
        n_characters=fields.choice("n_characters", N_CHARACTERS),
        max_characters_per_token=fields.positive("max_characters_per_token", low=3),
        activation=fields.choice("activation", ACTIVATIONS),
    )
    embedding.finish()
    fields.finish()
    return options


_REQUIRED: Any = object()


class _Fields:
    """The fields of one JSON object, taken one by one, so that what is left over is known to be unknown."""

    def __init__(self, data: Any, *, where: str, path: str):
        self.where = where
        self.path = path
        if not isinstance(data, dict):
            raise self.wrong(path.rstrip(".") or "options", data, "a JSON object {...}", full=True)
        self.data: Json = data
        self.taken: Dict[str, None] = {}

    def take(self, name: str, default: Any) -> Any:
        self.taken[name] = None
        value = self.data.get(name)
        if value is None:
            if default is _REQUIRED:
                needed = f"'{self.path}{name}'"
                raise ValueError(Errors.EL002.format(where=self.where, field=self.path + name, needed=needed))
            return default
        return value

    def wrong(self, name: str, got: Any, expected: str, *, full: bool = False) -> ValueError:
        path = name if full else self.path + name
        return ValueError(Errors.EL003.format(where=self.where, field=path, got=got, expected=expected))

    def contradiction(self, field: str, got: Any, other: str, rule: str) -> None:
        raise ValueError(Errors.EL004.format(where=self.where, field=field, got=got, other=other, rule=rule))

    def section(self, name: str) -> "_Fields":
        return _Fields(self.take(name, _REQUIRED), where=self.where, path=f"{self.path}{name}.")

    def positive(self, name: str, default: Any = _REQUIRED, *, low: int = 1) -> int:
        value = self.take(name, default)
        if not _is_int(value) or value < low:
            raise self.wrong(name, value, f"a whole number from {low} up")
        return int(value)

    def clip(self, name: str) -> Optional[float]:
        # 0 and null both mean that nothing is clipped.
        value = self.take(name, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise self.wrong(name, value, "a number from 0 up, or null (no clip)")
        return value or None

    def boolean(self, name: str, default: bool) -> bool:
        value = self.take(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, value, "true or false")
        return value

    def choice(self, name: str, allowed: Tuple[Any, ...]) -> Any:
        value = self.take(name, _REQUIRED)
        if isinstance(value, bool) or value not in allowed:
            raise self.wrong(name, value, " or ".join(repr(one) for one in allowed))
        return value

    def filters(self, name: str) -> Tuple[Tuple[int, int], ...]:
        value = self.take(name, _REQUIRED)
        pairs = isinstance(value, list) and value and all(
            isinstance(pair, list) and len(pair) == 2 and all(_is_int(n) and n > 0 for n in pair) for pair in value
        )
        if not pairs:
            raise self.wrong(name, value, "a list of [width, number of filters]")
        return tuple((int(width), int(number)) for width, number in value)

    def finish(self, *, known: FrozenSet[str] = frozenset()) -> None:
        for name in self.data:
            if name not in self.taken and name not in known:
                allowed = sorted({*self.taken, *known})
                close = difflib.get_close_matches(name, allowed, n=1)
                raise ValueError(Errors.EL001.format(
                    where=self.where, field=self.path + name, allowed=", ".join(allowed),
                    hint=f"; did you mean '{self.path}{close[0]}'?" if close else "",
                ))  # fmt: skip


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
