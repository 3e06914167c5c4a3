"""Reader of ELMoForManyLangs' models: PyTorch pickles, with vocabularies of characters and words."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...bilm.fields import MOST_JSON, Fields, read_json, show
from ...bilm.options import ACTIVATIONS, MOST_CHARACTERS, MOST_LAYERS, Options
from ...bilm.vocabularies import CHARACTER_SYMBOLS, LEAST_CHARACTERS, UNKNOWN, WORD_SYMBOLS, check_coverage
from ...errors import ElmoError, ElmoFileNotFoundError, Errors
from ...util.files import bad_line, check_regular, read_small
from ..arrays import ArrayInfo, Weights, check_arrays, encoder_shapes, warn_if_not_finite
from ..sniff import CONFIG, MANYLANGS
from .pickles import read_tensors
from .torch_names import Tensors, pop_highway_arrays, pop_lstm_arrays, pop_renamed

FORMAT = "ELMoForManyLangs"
EMBEDDER = MANYLANGS[1]
CHARACTERS, WORDS = "char.dic", "word.dic"

# The configuration that all published models name and none includes: HIT-SCIR/ELMoForManyLangs,
# configs/cnn_50_100_512_4096_sample.json.
PUBLISHED_NAME = "cnn_50_100_512_4096_sample.json"
PUBLISHED: Mapping[str, Mapping[str, object]] = {
    "encoder": {
        "name": "elmo", "projection_dim": 512, "cell_clip": 3, "proj_clip": 3, "dim": 4096, "n_layers": 2,
    },
    "token_embedder": {
        "name": "cnn", "activation": "relu", "n_highway": 2, "word_dim": 100, "char_dim": 50,
        "filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]],
        "max_characters_per_token": 50,
    },
}  # fmt: skip
# The sample of models that read words alone: the same without characters.
WORDS_ALONE_NAME = "cnn_0_100_512_4096_sample.json"

# The symbol of a line without one: the program that wrote the file stripped it as a blank.
STRIPPED = "\u3000"


def read(config_path: Path | None, encoder_path: Path) -> Weights:
    """Read a model, without the classifier that predicts words.

    config_path (Path | None): The file config.json; None: it is beside the others.
    encoder_path (Path): The file encoder.pkl; the others are found beside it.
    RETURNS (Weights): Options and arrays.
    RAISES (ElmoError): If a file is damaged, or contradicts the configuration.
    RAISES (FileNotFoundError): If a file is missing.
    """
    folder = encoder_path.parent
    config_path = config_path or folder / CONFIG
    embedder, encoder = read_tensors(_file(folder, EMBEDDER)), read_tensors(encoder_path)
    options = _options(config_path, folder, embedder)
    path = str(encoder_path)
    names = {"char_encoder.word_embedding.weight": "word_emb_layer.embedding.weight"}
    if options.char_cnn.filters:
        names["char_encoder.embedding.weight"] = "char_emb_layer.embedding.weight"
    arrays = pop_renamed(names, embedder)
    if not options.char_cnn.filters:
        arrays["char_encoder.embedding.weight"] = np.zeros((0, 0), dtype=np.float32)
    for name in [name for name in embedder if name.startswith(("convolutions.", "projection."))]:
        arrays[f"char_encoder.{name}"] = embedder.pop(name)
    arrays.update(pop_highway_arrays(embedder, prefix="highways."))
    arrays.update(pop_lstm_arrays(encoder))
    # The rest has names that no biLM has; `check_arrays` reports them.
    arrays.update({**embedder, **encoder})
    options = options.match_projection(arrays)
    check_arrays(arrays, encoder_shapes(options), path=path, options_path=str(config_path), format=FORMAT)
    warn_if_not_finite(arrays, path=path)
    return Weights(options=options, arrays=arrays, source=path, format=FORMAT)


def _options(config_path: Path, folder: Path, embedder: Tensors) -> Options:
    config, where = _configuration(_file(folder, config_path.name), folder)
    top = Fields(config, where=where, path="")
    encoder, tokens = top.section("encoder"), top.section("token_embedder")
    encoder.choice("name", ("elmo",))
    tokens.choice("name", ("cnn",))
    char_dim, word_dim = tokens.whole("char_dim", low=0), tokens.whole("word_dim", 0, low=0)
    if not char_dim and not word_dim:
        tokens.contradiction(
            "token_embedder.char_dim", 0, "token_embedder.word_dim = 0", "a model reads characters, words or both"
        )
    data: dict[str, dict[str, object]] = {
        "lstm": {
            "use_skip_connections": True,
            "projection_dim": encoder.whole("projection_dim"),
            "cell_clip": encoder.clip("cell_clip"),
            "proj_clip": encoder.clip("proj_clip"),
            "dim": encoder.whole("dim"),
            "n_layers": encoder.whole("n_layers", high=MOST_LAYERS),
        },
        "char_cnn": {
            "activation": ACTIVATIONS[0],
            "filters": [],
            "embedding": {"dim": char_dim},
            "n_characters": 0,
            "max_characters_per_token": tokens.whole(
                "max_characters_per_token", low=LEAST_CHARACTERS, high=MOST_CHARACTERS
            ),
            "characters": {},
        },
    }
    if char_dim:
        # The program does not read these fields of a model without characters.
        data["char_cnn"] |= {
            "activation": tokens.choice("activation", ACTIVATIONS),
            "filters": [list(pair) for pair in tokens.filters("filters")],
            "n_highway": tokens.whole("n_highway", 0, low=0, high=MOST_LAYERS),
            "characters": _vocabulary(folder, CHARACTERS, CHARACTER_SYMBOLS, embedder, "char_emb_layer"),
        }
        # After the vocabulary: vectors without a symbol are removed with it.
        data["char_cnn"]["n_characters"] = _n_rows(embedder, "char_emb_layer")
    if word_dim:
        words = _vocabulary(folder, WORDS, WORD_SYMBOLS, embedder, "word_emb_layer")
        n_words = _n_rows(embedder, "word_emb_layer")
        data["words"] = {"embedding": {"dim": word_dim}, "n_words": n_words, "vocabulary": words}
    return Options.from_dict(data, where=where)


def _configuration(config_path: Path, folder: Path) -> tuple[object, str]:
    """Read the network's configuration, and say where it is from.

    config.json names it by a path of the machine that trained the model, or holds the configuration itself.
    """
    top = Fields(read_json(config_path), where=str(config_path), path="")
    if "encoder" in top.data:
        return top.data, str(config_path)
    name = top.take("config_path", PUBLISHED_NAME)
    last = str(name).replace("\\", "/").split("/")[-1]
    for path in (folder / last, folder / "configs" / last):
        # The name comes from the file; os.path takes names of any length without an error.
        if os.path.isfile(path):
            return read_json(path), str(path)
    if last == WORDS_ALONE_NAME:
        tokens = {**PUBLISHED["token_embedder"], "char_dim": 0}
        return {**PUBLISHED, "token_embedder": tokens}, WORDS_ALONE_NAME
    if last != PUBLISHED_NAME:
        names = {"name": show(str(name)), "known": PUBLISHED_NAME}
        raise ElmoFileNotFoundError(Errors.EL128.format(path=config_path, **names))
    return PUBLISHED, PUBLISHED_NAME


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.exists():
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:8])
        raise ElmoFileNotFoundError(Errors.EL136.format(path=folder, name=name, found=found))
    check_regular(path)
    return path


def _n_rows(embedder: Mapping[str, ArrayInfo], layer: str) -> int:
    array = embedder.get(f"{layer}.embedding.weight")
    return 0 if array is None or not array.shape else array.shape[0]


def _vocabulary(folder: Path, name: str, symbols: Sequence[str], embedder: Tensors, layer: str) -> dict[str, int]:
    """Read a .dic file, and remove vectors without a symbol from its layer.

    symbols (Sequence[str]): The symbols that the file must have.
    """
    path, n_rows = _file(folder, name), _n_rows(embedder, layer)
    lines = _read_symbols(path)
    # The program that made the model strips blanks at the start of a line; of symbols that are equal after that,
    # the last one counts.
    vocabulary = {symbol.lstrip() or STRIPPED: row for symbol, row in lines.items()}
    missing = [symbol for symbol in symbols if symbol not in vocabulary]
    if missing:
        raise ElmoError(Errors.EL137.format(path=path, missing=", ".join(missing), unknown=UNKNOWN))
    check_coverage(lines, n_rows, path=str(path), weights=EMBEDDER)
    if len(vocabulary) < n_rows:
        places = {row: place for place, row in enumerate(sorted(vocabulary.values()))}
        array = f"{layer}.embedding.weight"
        embedder[array] = embedder[array][list(places)]
        vocabulary = {symbol: places[row] for symbol, row in vocabulary.items()}
    return vocabulary


def _read_symbols(path: Path) -> dict[str, int]:
    """Read lines of a symbol, a tabulator and a number."""
    try:
        lines = read_small(path, most=MOST_JSON).decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ElmoError(Errors.EL023.format(path=path, reason=error)) from error
    found: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line and number == len(lines):
            break
        symbol, _, last = line.rstrip().rpartition("\t")
        if not last.isascii() or not last.isdigit() or len(last) > 9 or "\t" in symbol.lstrip():
            raise bad_line(path, number, "expected a symbol, a tab and a number")
        row = int(last)
        if found.setdefault(symbol, row) != row:
            names = {"symbol": f"'{show(symbol)}'", "got": row, "first": found[symbol]}
            raise ElmoError(Errors.EL257.format(path=path, line=number, **names))
    return found
