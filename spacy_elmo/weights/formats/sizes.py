"""Options of a model that comes without: its arrays tell the sizes."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ...bilm.options import Options
from ..arrays import Shape

# What no array tells. All published models have it in common: Peters et al. 2018, and the options.json of the
# models that AllenNLP publishes.
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
    """Options of a published model of these sizes; see `Options`. path: for messages.

    RAISES: ValueError if no biLM is of such a size.
    """
    lstm = {"dim": dim, "projection_dim": projection_dim, "n_layers": n_layers}
    pairs = [list(pair) for pair in filters]
    cnn = {"filters": pairs, "n_highway": n_highway, "embedding": {"dim": embedding_dim}}
    return Options.from_dict({"lstm": {**_LSTM, **lstm}, "char_cnn": {**_CNN, **cnn}}, where=path)


def infer_options(arrays: Mapping[str, NDArray[Any]], *, path: str) -> Options:
    """Options by which the arrays are a published model, whatever its size.

    arrays: by the names of `encoder_shapes`. What is missing or has too few axes, `check_arrays` will report.
    path: for messages.
    RAISES: ValueError if no biLM is of such a size.
    """

    def shape(name: str, default: Shape) -> Shape:
        array = arrays.get(name)
        return default if array is None or array.ndim != len(default) else array.shape

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
