"""The style "similarity": each token of a text against each of another one, as a table with colours."""

from collections.abc import Sequence

import numpy as np

from ..errors import ElmoError, Errors
from .geometry import Floats, cosines
from .markup import (
    escape,
    find_direction,
    format_number,
    heat_class,
    make_figure,
    make_panels,
    make_scroller,
    shorten,
)
from .passages import Passage
from .style_options import SimilarityOptions
from .token_selection import Selection, select_tokens


def draw_similarity(passages: Sequence[Passage], options: SimilarityOptions) -> str:
    """Draw the cosines of the tokens of two texts, or of one with itself.

    passages (Sequence[Passage]): One text, or two.
    options (SimilarityOptions): The options of the style.
    RETURNS (str): HTML.
    RAISES (ElmoError): For more texts, and if they do not have the layer that is asked for.
    """
    if len(passages) > 2:
        raise ElmoError(Errors.EL334.format(n_texts=len(passages)))
    one, two = (select_tokens([passage], options.max_tokens) for passage in (passages[0], passages[-1]))
    layer = one.choose_layer(options.layer)
    same = len(passages) == 1
    names = [escape(passage.label) for passage in passages]
    title = (
        "How similar the tokens of the text are to each other: the cosine of their vectors."
        if same
        else f"How similar each token of text {names[0]} (rows) is to each of text {names[1]} (columns): the "
        "cosine of their vectors."
    )
    panels = {name: _draw_table(one, two, name, same=same) for name in one.layer_names}
    notes = ["The highest number of each row is framed."] if one.tokens and two.tokens else []
    return make_figure(
        "similarity",
        title=title,
        body=make_panels(panels, layer),
        layers=one.layer_names,
        layer=layer,
        notes=[*notes, *dict.fromkeys([*one.notes, *two.notes])],
    )


def _draw_table(one: Selection, two: Selection, layer: str, *, same: bool) -> str:
    if not one.tokens or not two.tokens:
        return '<p class="elmo-empty">There is no token.</p>'
    values = cosines(one.vectors(layer), two.vectors(layer))
    heads = "".join(
        f'<th scope="col"><span dir="auto">{escape(shorten(token))}</span></th>' for token in two.tokens
    )
    best = _find_best(values, same=same)
    body = "".join(
        f'<tr><th scope="row" dir="auto">{escape(shorten(token))}</th>'
        + "".join(
            f'<td class="{heat_class(value)}{" elmo-best" * (column == top)}">{format_number(value)}</td>'
            for column, value in enumerate(row)
        )
        + "</tr>"
        for token, row, top in zip(one.tokens, values.tolist(), best)
    )
    direction = find_direction(two.tokens)
    table = (
        f'<table class="elmo-heat" dir="{direction}"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    return make_scroller(table, label=f"Cosines of the layer {layer}")


def _find_best(values: Floats, *, same: bool) -> list[int]:
    """Find the highest cosine of each row, of a text with itself that with another token."""
    if not same:
        return [int(column) for column in values.argmax(axis=1)]
    if len(values) < 2:
        return [-1] * len(values)
    others = values.copy()
    np.fill_diagonal(others, -np.inf)
    return [int(column) for column in others.argmax(axis=1)]
