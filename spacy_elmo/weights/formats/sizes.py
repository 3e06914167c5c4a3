"""Options of a model without an options file, from the shapes of its arrays."""

from collections.abc import Mapping, Sequence

from ...bilm.options import Options
from ...errors import ElmoError, Errors, Warnings
from ...errors.warn import warn
from ..arrays import ArrayInfo, Shape
from .dump import CHARACTERS, cell_name

# What shapes do not determine. It is the same in all published models: Peters et al. 2018, and the options.json
# of AllenNLP's models.
_LSTM = {"use_skip_connections": True, "cell_clip": 3, "proj_clip": 3}
_CNN = {"activation": "relu", "n_characters": 262, "max_characters_per_token": 50}


def published_options(
    *,
    dim: int,
    projection_dim: int,
    n_layers: int,
    embedding_dim: int,
    filters: Sequence[Sequence[int]],
    n_highway: int,
    path: str,
) -> Options:
    """Make the options of a published model from its sizes; see `Options`.

    dim (int): The width of the LSTM cells.
    projection_dim (int): The width of the projection.
    n_layers (int): The number of layers in each direction.
    embedding_dim (int): The width of the character embedding.
    filters (Sequence[Sequence[int]]): The span and the number of each width of filters.
    n_highway (int): The number of highway layers.
    path (str): The weights file, for messages.
    RETURNS (Options): The options.
    RAISES (ElmoError): If no biLM has such sizes.
    """
    lstm = {"dim": dim, "projection_dim": projection_dim, "n_layers": n_layers}
    pairs = [list(pair) for pair in filters]
    cnn = {"filters": pairs, "n_highway": n_highway, "embedding": {"dim": embedding_dim}}
    return Options.from_dict({"lstm": {**_LSTM, **lstm}, "char_cnn": {**_CNN, **cnn}}, where=path)


def infer_options(arrays: Mapping[str, ArrayInfo], *, path: str) -> Options:
    """Infer the options of a published model from its arrays.

    Arrays that are missing or have too few axes count as small ones; `check_arrays` reports them later.

    arrays (Mapping[str, ArrayInfo]): The arrays under the names of `encoder_shapes`.
    path (str): The weights file, for messages.
    RETURNS (Options): The options.
    RAISES (ElmoError): If no biLM has such sizes.
    """

    def shape(name: str, default: Shape) -> Shape:
        array = arrays.get(name)
        return default if array is None or len(array.shape) != len(default) else array.shape

    def count(start: str) -> int:
        return len({name[len(start) :].split(".")[0] for name in arrays if name.startswith(start)})

    filters: list[list[int]] = []
    for i in range(count("char_encoder.convolutions.") or 1):
        number, _, span = shape(f"char_encoder.convolutions.{i}.weight", (1, 1, 1))
        filters.append([span, number])
    gates, width = shape("forward_stack.layers.0.input_linear.weight", (4, 1))
    return published_options(
        dim=gates // 4,
        projection_dim=width,
        n_layers=count("forward_stack.layers.") or 1,
        embedding_dim=shape("char_encoder.embedding.weight", (1, 1))[1],
        filters=filters,
        n_highway=count("char_encoder.highways."),
        path=path,
    )


def infer_dump_options(found: Mapping[str, ArrayInfo], *, path: str) -> Options:
    """Infer the options of a published model from its arrays in bilm-tf's dump.

    found (Mapping[str, ArrayInfo]): The arrays under the dump's names.
    path (str): The weights file, for messages.
    RETURNS (Options): The options.
    RAISES (ElmoError): If an array that determines a size is missing or has the wrong number of axes.
    """

    def shape(name: str, n: int) -> tuple[int, ...]:
        array = found.get(name)
        if array is None or len(array.shape) != n:
            got = "is missing" if array is None else f"has shape {array.shape}"
            raise ElmoError(Errors.EL135.format(path=path, name=name, got=got))
        return array.shape

    first = cell_name(0, 0)
    filters: list[tuple[int, int]] = []
    while f"CNN/W_cnn_{len(filters)}" in found:
        _, span, _, number = shape(f"CNN/W_cnn_{len(filters)}", 4)
        filters.append((span, number))
    cells = shape(f"{first}/B", 1)[0] // 4
    return published_options(
        dim=cells,
        projection_dim=shape(f"{first}/W_P_0", 2)[1] if f"{first}/W_P_0" in found else cells,
        n_layers=sum(name.startswith("RNN_0/") and name.endswith("/B") for name in found),
        embedding_dim=shape(CHARACTERS, 2)[1],
        filters=filters,
        n_highway=sum(name.startswith("CNN_high_") and name.endswith("/W_carry") for name in found),
        path=path,
    )


def warn_of_inferred(options: Options, *, path: str) -> None:
    """Warn that the options of a model were not read from a file.

    options (Options): The options that were inferred, with what its arrays say of the projection.
    path (str): The weights file, for the message.
    """
    sizes, assumed = describe_inferred(options)
    warn(Warnings.WL084.format(path=path, sizes=sizes, assumed=assumed), stacklevel=3)


def describe_inferred(options: Options) -> tuple[str, str]:
    """Describe options that were inferred, for warnings.

    options (Options): The options, with what its arrays say of the projection.
    RETURNS (tuple[str, str]): The sizes, which arrays determine, and the rest, which is assumed.
    """
    lstm, cnn = options.lstm, options.char_cnn
    layers = f"{lstm.n_layers} LSTM layer{'s' if lstm.n_layers > 1 else ''} of {lstm.dim} cells"
    projection = f"projected to {lstm.projection_dim}" if lstm.has_projection else "without a projection"
    highways = f"{cnn.n_filters} filters, {cnn.n_highway} highway layer{'' if cnn.n_highway == 1 else 's'}"
    clips = "clips of cells and projections at 3" if lstm.has_projection else "clips of cells at 3"
    assumed = [clips, "relu after the filters", f"{cnn.max_characters_per_token} bytes a token"]
    if lstm.n_layers > 1:
        assumed.insert(0, "skip connections")
    return f"{layers} {projection}, {highways}", ", ".join(assumed)
