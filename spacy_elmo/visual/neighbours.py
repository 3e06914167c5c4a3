"""The style "neighbours": choose a token, and see the nearest tokens of all texts in their sentences."""

import json
from collections.abc import Sequence

from ..errors import ElmoError, Errors
from .geometry import Nearest, find_nearest
from .markup import escape, format_number, make_figure, shorten
from .passages import Passage
from .style_options import NeighbourOptions
from .token_selection import CONTEXT, Selection, mark_in_context, select_tokens

# Cosines are written as whole numbers, in hundredths.
_SCALE = 100


def draw_neighbours(passages: Sequence[Passage], options: NeighbourOptions) -> str:
    """Draw texts whose tokens can be chosen, with the nearest tokens of the chosen one.

    passages (Sequence[Passage]): The texts.
    options (NeighbourOptions): The options of the style.
    RETURNS (str): HTML. The neighbours of all tokens are in it, as numbers, for visual.js.
    RAISES (ElmoError): If the texts do not have the layer or the token that is asked for.
    """
    chosen = select_tokens(passages, options.max_tokens)
    layer = chosen.choose_layer(options.layer)
    n_tokens = len(chosen.tokens)
    if options.token is not None and options.token >= max(1, n_tokens):
        raise ElmoError(Errors.EL333.format(got=options.token, n_tokens=n_tokens))
    token = chosen.find_repeated() if options.token is None else options.token
    same_sentence = len(chosen.sentences) < 2 if options.same_sentence is None else options.same_sentence
    nearest = {
        name: find_nearest(chosen.vectors(name), chosen.sentence_numbers, k=options.k, same_sentence=same_sentence)
        for name in chosen.layer_names
    }
    where = "all sentences" if same_sentence else "the other sentences"
    return make_figure(
        "neighbours",
        title=f"Choose a token to see the nearest tokens of {where}, by the cosine of their vectors.",
        body=(
            f'<div class="elmo-columns"><div class="elmo-text">{_draw_texts(chosen, token)}</div>'
            f'<div class="elmo-list" aria-live="polite">{_draw_list(chosen, nearest[layer], token)}</div></div>'
            f'<script type="application/json" class="elmo-data">{_pack(nearest)}</script>'
            if n_tokens
            else '<p class="elmo-empty">There is no token.</p>'
        ),
        layers=chosen.layer_names,
        layer=layer,
        notes=chosen.notes,
    )


def _draw_texts(chosen: Selection, token: int) -> str:
    parts = []
    for passage, first in zip(chosen.passages, chosen.firsts):
        if len(chosen.passages) > 1:
            parts.append(f'<p class="elmo-label" dir="auto">{escape(passage.label)}</p>')
        for start, end in passage.bounds():
            buttons = "".join(
                _draw_button(passage.tokens[row], first + row, chosen=first + row == token)
                + (" " if passage.spaces[row] else "")
                for row in range(start, end)
            )
            parts.append(f'<p class="elmo-sentence" dir="auto">{buttons}</p>')
    return "".join(parts)


def _draw_button(token: str, row: int, *, chosen: bool) -> str:
    # The Tab key stops at the chosen one alone; arrow keys go to the others.
    state = 'aria-pressed="true"' if chosen else 'aria-pressed="false" tabindex="-1"'
    return f'<button type="button" class="elmo-token" data-token="{row}" {state}>{escape(shorten(token))}</button>'


def _draw_list(chosen: Selection, nearest: Nearest, token: int) -> str:
    items = "".join(
        f'<li class="elmo-neighbour"><span class="elmo-number">{format_number(cosine)}</span> '
        f"{mark_in_context(chosen, row)}</li>"
        for row, cosine in zip(nearest.rows[token].tolist(), nearest.cosines[token].tolist())
        if row >= 0
    )
    heading = f'<p class="elmo-chosen">Nearest to {mark_in_context(chosen, token)}</p>'
    return f'{heading}<ol class="elmo-results">{items}</ol>'


def _pack(nearest: dict[str, Nearest]) -> str:
    layers = {
        name: {
            "k": found.rows.shape[1],
            "rows": found.rows.ravel().tolist(),
            # Rounded as they are shown: rounding again in the browser must not change them.
            "cosines": [int(f"{value:.2f}".replace(".", "")) for value in found.cosines.ravel().tolist()],
        }
        for name, found in nearest.items()
    }
    return json.dumps({"context": CONTEXT, "scale": _SCALE, "layers": layers}, separators=(",", ":"))
