"""The options.json of a biLM: field names, defaults and rules as bilm-tf published them."""

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import ElmoError, Errors, Warnings
from ..errors.warn import warn
from .fields import Fields, Json, parse_json, read_json, warn_of_unknown
from .vocabularies import CHARACTER_SYMBOLS, LEAST_CHARACTERS, WORD_SYMBOLS, read_vocabulary

OPTIONS_NAME = "options.json"

# Fields that bilm-tf's training adds to options.json (allenai/bilm-tf, bilm/training.py). They do not affect the
# outputs, but are kept, because continued training reads them.
TRAINING_FIELDS = frozenset({
    "all_clip_norm_val", "batch_size", "bidirectional", "dropout", "learning_rate", "n_epochs",
    "n_negative_samples_batch", "n_tokens_vocab", "n_train_tokens", "sample_softmax",
    "share_embedding_softmax", "unroll_steps",
})  # fmt: skip
# Fields that affect the outputs, for messages.
PUBLISHED_FIELDS = (
    *("char_cnn." + name for name in ("activation", "embedding", "filters", "max_characters_per_token",
                                      "n_characters", "n_highway")),
    *("lstm." + name for name in ("cell_clip", "dim", "n_layers", "proj_clip", "projection_dim",
                                  "use_skip_connections")),
)  # fmt: skip
ACTIVATIONS = ("relu", "tanh")
# 256 bytes and 5 markers; published inference options also count the mask (id 0), training options do not.
N_CHARACTERS = (261, 262)
# More than in any model; a damaged file cannot ask for millions.
MOST_LAYERS = 1000
MOST_CHARACTERS = 1000

STATE_PREFIX = "initial_state."


@dataclass(frozen=True, kw_only=True)
class LSTMOptions:
    """The LSTM stack of one direction.

    dim (int): Width C of the memory cell.
    projection_dim (int): Width P of the output and of the recurrent state. If it equals `dim`, there is no
        projection, as in bilm-tf, except with `square_projection`.
    n_layers (int): Number of layers L.
    cell_clip (float | None): Bound of the cell; None: no clip.
    proj_clip (float | None): Bound of the projection; None: no clip.
    use_skip_connections (bool): Whether to add a layer's input to its output, from the second layer up.
    square_projection (bool): Whether there is a projection even if `projection_dim` equals `dim`, as in PyTorch.
    """

    dim: int
    projection_dim: int
    n_layers: int = 1
    cell_clip: float | None = None
    proj_clip: float | None = None
    use_skip_connections: bool = False
    square_projection: bool = False

    @property
    def has_projection(self) -> bool:
        return self.projection_dim != self.dim or self.square_projection


@dataclass(frozen=True, kw_only=True)
class CharCNNOptions:
    """The character encoder.

    A model that reads words alone has one of size 0: no characters, no filters, no highway layers.

    embedding_dim (int): Width of a character vector.
    filters (tuple[tuple[int, int], ...]): Width in characters and number of filters of each convolution.
    n_highway (int): Number of highway layers.
    n_characters (int): 262, or 261 in options written by training, for the same arrays; the number of characters
        if the model has a character vocabulary.
    max_characters_per_token (int): Ids per token, including the two word markers.
    activation (str): "relu" or "tanh", of the convolutions only.
    characters (Mapping[str, int] | None): The character vocabulary: code points and markers; None: UTF-8 bytes.
    """

    embedding_dim: int
    filters: tuple[tuple[int, int], ...]
    n_highway: int = 0
    n_characters: int = 262
    max_characters_per_token: int = 50
    activation: str = "relu"
    characters: Mapping[str, int] | None = field(default=None, hash=False)

    @property
    def n_filters(self) -> int:
        return sum(number for _, number in self.filters)


@dataclass(frozen=True, kw_only=True)
class WordOptions:
    """The word vocabulary of a model, whose vectors are concatenated with the encoded characters if there are any.

    embedding_dim (int): Width of a word's vector.
    n_words (int): Number of vectors.
    vocabulary (Mapping[str, int]): The number of each word.
    """

    embedding_dim: int
    n_words: int
    vocabulary: Mapping[str, int] = field(hash=False)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a biLM, which say what its arrays mean.

    lstm (LSTMOptions): The LSTM stack of each direction.
    char_cnn (CharCNNOptions): The character encoder.
    words (WordOptions | None): The word vocabulary; only in models with a character vocabulary.
    training (Json): Fields that only bilm-tf's trainer reads.
    """

    lstm: LSTMOptions
    char_cnn: CharCNNOptions
    words: WordOptions | None = None
    training: Json = field(default_factory=dict, hash=False)

    @property
    def has_own_vocabulary(self) -> bool:
        """Whether the model has a character vocabulary, as in ELMoForManyLangs."""
        return self.char_cnn.characters is not None

    @property
    def has_char_projection(self) -> bool:
        """Whether the encoder has a projection. bilm-tf has none if the filters add up to projection_dim."""
        return self.has_own_vocabulary or self.char_cnn.n_filters != self.lstm.projection_dim

    def match_projection(self, names: Iterable[str]) -> "Options":
        """Set `square_projection` by the arrays of a model: published options do not contain it.

        names (Iterable[str]): Names of the arrays, in the dump's format or ours.
        RETURNS (Options): The options, with `square_projection` if needed.
        """
        lstm = self.lstm
        if lstm.has_projection:
            return self
        is_there = any(name.endswith("/W_P_0") or "stack.layers.0.projection." in name for name in names)
        return replace(self, lstm=replace(lstm, square_projection=is_there))

    @classmethod
    def from_json(cls, text: str, *, where: str = OPTIONS_NAME) -> "Options":
        """Read the text of an options.json. Fields that are not used are named in a warning.

        text (str): The text.
        where (str): The name of the file, for messages.
        RETURNS (Options): The options.
        RAISES (ElmoError): If it is not JSON, or for a missing, wrong or contradictory field.
        """
        return cls.from_dict(parse_json(text, where=where), where=where)

    @classmethod
    def from_file(cls, path: Path) -> "Options":
        """Read an options.json; see `from_json`.

        path (Path): The file.
        RETURNS (Options): The options.
        RAISES (ElmoError): As `from_json`.
        """
        return cls.from_dict(read_json(path), where=str(path))

    @classmethod
    def from_dict(cls, data: object, *, where: str = OPTIONS_NAME, is_strict: bool = False) -> "Options":
        """Read a parsed options.json; see `from_json`.

        data (object): The parsed JSON.
        where (str): The name of the file, for messages.
        is_strict (bool): Whether unknown fields are errors.
        RETURNS (Options): The options.
        RAISES (ElmoError): As `from_json`.
        """
        top = Fields(data, where=where, path="", is_strict=is_strict)
        training = {name: top.take(name, None) for name in sorted(TRAINING_FIELDS) if name in top.data}
        top.require("reverse", (False,), "it reads each sentence from its end")
        lstm, odd = _read_lstm(top.section("lstm"))
        if top.data.get("char_cnn") is None:
            _refuse_words(top)
        char_cnn, more = _read_char_cnn(top.section("char_cnn"), projection_dim=lstm.projection_dim)
        words = None
        if top.take("words", None) is not None:
            words, unused = _read_words(top.section("words"))
            more += unused
        unknown = [*top.unknown(TRAINING_FIELDS), *odd, *more]
        warn_of_unknown(where, unknown, sorted(PUBLISHED_FIELDS))
        if words is not None and char_cnn.characters is None:
            top.contradiction(
                "words", "given", "char_cnn.characters = null", "words go with a model's own characters"
            )
        if training.get("bidirectional") not in (None, True):
            top.contradiction("bidirectional", training["bidirectional"], "a biLM", "it has two directions")
        if lstm.projection_dim > lstm.dim:
            top.contradiction(
                "lstm.projection_dim", lstm.projection_dim, f"lstm.dim = {lstm.dim}",
                "the output is the cell projected down, or the cell itself",
            )  # fmt: skip
        if words is None and not char_cnn.filters:
            top.contradiction("char_cnn.filters", [], "words = null", "a model reads characters, words or both")
        widest, _ = max(char_cnn.filters, default=(0, 0))
        if widest > char_cnn.max_characters_per_token:
            top.contradiction(
                "char_cnn.filters", [list(pair) for pair in char_cnn.filters],
                f"char_cnn.max_characters_per_token = {char_cnn.max_characters_per_token}",
                "no filter can be wider than a token",
            )  # fmt: skip
        return cls(lstm=lstm, char_cnn=char_cnn, words=words, training=training)

    def to_dict(self) -> Json:
        """Write the options in the published form, which AllenNLP and bilm-tf read, with any vocabularies added.

        RETURNS (Json): The JSON object.
        """
        cnn, lstm = self.char_cnn, self.lstm
        data: Json = {
            **self.training,
            "lstm": {
                "use_skip_connections": lstm.use_skip_connections,
                "projection_dim": lstm.projection_dim,
                "cell_clip": lstm.cell_clip,
                "proj_clip": lstm.proj_clip,
                "dim": lstm.dim,
                "n_layers": lstm.n_layers,
            },
            "char_cnn": {
                "activation": cnn.activation,
                "filters": [list(pair) for pair in cnn.filters],
                "n_highway": cnn.n_highway,
                "embedding": {"dim": cnn.embedding_dim},
                "n_characters": cnn.n_characters,
                "max_characters_per_token": cnn.max_characters_per_token,
            },
        }
        if lstm.square_projection:
            data["lstm"]["square_projection"] = True
        if cnn.characters is not None:
            data["char_cnn"]["characters"] = dict(cnn.characters)
        if self.words is not None:
            words = self.words
            data["words"] = {
                "embedding": {"dim": words.embedding_dim},
                "n_words": words.n_words,
                "vocabulary": dict(words.vocabulary),
            }
        return data

    def to_json(self) -> str:
        """Write the text of an options.json.

        RETURNS (str): The text.
        """
        return json.dumps(self.to_dict(), indent=2) + "\n"


def _refuse_words(top: Fields) -> None:
    """Reject options of a biLM that reads words, bilm-tf's other kind.

    RAISES (ElmoError): If they are.
    """
    meant = difflib.get_close_matches("char_cnn", list(top.data), n=1, cutoff=0.75)
    if not [name for name in meant if name != "char_cnn"]:
        raise ElmoError(Errors.EL250.format(path=top.where, why="they have no `char_cnn`"))


def _read_lstm(fields: Fields) -> tuple[LSTMOptions, list[str]]:
    """Read the options of the LSTMs, and list the fields that are not used."""
    options = LSTMOptions(
        dim=fields.whole("dim"),
        projection_dim=fields.whole("projection_dim"),
        n_layers=fields.whole("n_layers", 1, high=MOST_LAYERS),
        cell_clip=fields.clip("cell_clip"),
        proj_clip=fields.clip("proj_clip"),
        use_skip_connections=fields.boolean("use_skip_connections", False),
        square_projection=fields.boolean("square_projection", False),
    )
    fields.require("reverse", (False,), "it reads each sentence from its end")
    fields.require("bidirectional", (True,), "a biLM has two directions")
    for name in ("do_layer_norm", "layer_norm", "use_layer_norm", "use_peepholes"):
        fields.require(name, (False,), "the LSTMs of a biLM have no such part")
    fields.require("forget_bias", (1,), "1 is added to the forget gate")
    return options, fields.unknown()


def _read_char_cnn(fields: Fields, *, projection_dim: int) -> tuple[CharCNNOptions, list[str]]:
    """Read the options of the character encoder, and list the fields that are not used."""
    embedding = fields.section("embedding")
    has_vocabulary = fields.take("characters", None) is not None
    # With words alone, the vocabulary of characters is there, and empty.
    least_size = 0 if has_vocabulary and fields.take("filters", None) == [] else 1
    n_characters = fields.whole("n_characters", low=least_size)
    if not has_vocabulary and n_characters not in N_CHARACTERS:
        n_characters = _correct_n_bytes(fields, n_characters)
    least = LEAST_CHARACTERS if has_vocabulary else 3
    options = CharCNNOptions(
        embedding_dim=embedding.whole("dim", low=least_size),
        filters=fields.filters("filters") if least_size else (),
        n_highway=fields.whole("n_highway", 0, low=0, high=MOST_LAYERS),
        n_characters=n_characters,
        max_characters_per_token=fields.whole("max_characters_per_token", low=least, high=MOST_CHARACTERS),
        activation=fields.choice("activation", ACTIVATIONS),
        characters=read_vocabulary(
            fields, "characters", size=n_characters, symbols=CHARACTER_SYMBOLS if least_size else ()
        )
        if has_vocabulary
        else None,
    )
    if not least_size and (options.embedding_dim, options.n_highway, n_characters) != (0, 0, 0):
        sizes = "embedding.dim, n_highway and n_characters must be 0"
        fields.contradiction("char_cnn.filters", [], "the other sizes of the character encoder", sizes)
    _check_projection(fields, options, projection_dim)
    fields.require("do_layer_norm", (False,), "the character encoder of a biLM has no layer normalisation")
    return options, [*embedding.unknown(), *fields.unknown()]


def _correct_n_bytes(fields: Fields, got: int) -> int:
    """Correct the number of characters of a model of bytes, which is always the same.

    AllenNLP does not read it, and there are files with other numbers.
    """
    if fields.is_strict:
        return fields.choice("n_characters", N_CHARACTERS)
    names = {"field": f"{fields.path}n_characters", "got": got, "n": N_CHARACTERS[-1]}
    warn(Warnings.WL087.format(where=fields.where, **names), stacklevel=3)
    return N_CHARACTERS[-1]


def _check_projection(fields: Fields, options: CharCNNOptions, projection_dim: int) -> None:
    """Check the fields of AllenNLP's trainers about the projection, which bilm-tf has after the highway layers.

    RAISES (ElmoError): If they put it elsewhere, or give it another size.
    """
    if options.n_highway and options.n_filters != projection_dim:
        rule = "the projection follows the highway layers, which are as wide as the filters together"
        fields.require("projection_after_highway", (True,), rule)
        fields.require("projection_location", ("after_highway",), rule)
    projection = fields.data.get("projection")
    size = projection.get("dim") if isinstance(projection, dict) else projection
    if isinstance(size, (int, float)) and not isinstance(size, bool) and size != projection_dim:
        fields.contradiction(
            "char_cnn.projection", projection, f"lstm.projection_dim = {projection_dim}",
            "the LSTMs read what the character encoder gives",
        )  # fmt: skip


def _read_words(fields: Fields) -> tuple[WordOptions, list[str]]:
    """Read the options of the word vocabulary, and list the fields that are not used."""
    embedding, n_words = fields.section("embedding"), fields.whole("n_words")
    options = WordOptions(
        embedding_dim=embedding.whole("dim"),
        n_words=n_words,
        vocabulary=read_vocabulary(fields, "vocabulary", size=n_words, symbols=WORD_SYMBOLS),
    )
    return options, [*embedding.unknown(), *fields.unknown()]


def mix_prefix(number: int) -> str:
    """Get the prefix of the names of a scalar mix's arrays.

    number (int): 0 for the mix behind the layer `elmo`, from 1 up for other trained mixes.
    RETURNS (str): The prefix.
    """
    return f"scalar_mix_{number}." if number else "scalar_mix."
