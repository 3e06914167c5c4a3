"""From a style and its options to a figure: the one place that knows all styles."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel

from ..errors import ElmoError, Errors
from ..pipeline.mixes import LearnedMix
from .drift import draw_drift
from .heat_map import draw_similarity
from .mix_table import draw_mix_table
from .neighbours import draw_neighbours
from .passages import Passage
from .style_options import (
    DriftOptions,
    MapOptions,
    MixOptions,
    NeighbourOptions,
    SimilarityOptions,
    check_options,
)
from .word_map import draw_map

LAYERS = "layers"


class _Style(NamedTuple):
    options: type[BaseModel]
    draw: Callable[..., str]


_STYLES = {
    kind.style: _Style(kind, draw)
    for kind, draw in (
        (NeighbourOptions, draw_neighbours),
        (SimilarityOptions, draw_similarity),
        (MapOptions, draw_map),
        (DriftOptions, draw_drift),
    )
}
STYLES = ("neighbours", "similarity", "map", LAYERS, "drift")
"""The names of the styles."""


def check_style(style: object) -> str:
    """Check the name of a style.

    style (object): What was given.
    RETURNS (str): The same.
    RAISES (ElmoError): If there is no such style.
    """
    if not isinstance(style, str) or style not in STYLES:
        raise ElmoError(Errors.EL030.format(what="style", got=style, allowed=", ".join(STYLES)))
    return style


def draw_figure(passages: Sequence[Passage], style: str, options: Mapping[str, object] | None = None) -> str:
    """Draw texts in any style but "layers".

    passages (Sequence[Passage]): The texts; one at least.
    style (str): The style.
    options (Mapping[str, object] | None): The options of the style.
    RETURNS (str): HTML, which needs visual.css and visual.js.
    RAISES (ElmoError): If there is no such style or option, or the texts cannot be drawn in this style.
    """
    found = _STYLES[check_style(style)]
    return found.draw(passages, check_options(found.options, options))


def draw_mixes(mixes: Sequence[LearnedMix], options: Mapping[str, object] | None = None) -> str:
    """Draw the style "layers".

    mixes (Sequence[LearnedMix]): The mixes; one at least.
    options (Mapping[str, object] | None): The style has none.
    RETURNS (str): HTML, which needs visual.css.
    RAISES (ElmoError): If there are options.
    """
    check_options(MixOptions, options)
    return draw_mix_table(mixes)
