"""The style "drift": how far each token moves from layer to layer."""

from collections.abc import Sequence
from itertools import pairwise

from ..bilm.layers import MIXED
from ..errors import ElmoError, Errors
from .geometry import Floats, measure_relations, measure_turn
from .markup import escape, find_direction, format_number, heat_class, make_figure, shorten
from .passages import Passage
from .style_options import DriftOptions
from .token_selection import Selection, select_tokens

_MEASURES = {
    "relations": "1 minus the correlation of its similarities to all other tokens before and after.",
    "cosine": (
        "1 minus the cosine of its vectors before and after. From word_emb to lstm_outputs1 this is about 1 for "
        "every token, because no connection skips the first LSTM layer."
    ),
}


def draw_drift(passages: Sequence[Passage], options: DriftOptions) -> str:
    """Draw texts with a number below each token for each step from a layer to the next.

    passages (Sequence[Passage]): The texts.
    options (DriftOptions): The options of the style.
    RETURNS (str): HTML.
    RAISES (ElmoError): If the texts have fewer than two layers beside the mix.
    """
    chosen = select_tokens(passages, options.max_tokens)
    layers = [name for name in chosen.layer_names if name != MIXED]
    if len(layers) < 2:
        raise ElmoError(Errors.EL335.format(kept=", ".join(chosen.layer_names)))
    measure = measure_turn if options.measure == "cosine" else measure_relations
    steps = [measure(chosen.vectors(one), chosen.vectors(two)) for one, two in pairwise(layers)]
    names = "".join(f"<li>{escape(one)} → {escape(two)}</li>" for one, two in pairwise(layers))
    body = (
        f'<div class="elmo-key"><p>Below each token, from top to bottom:</p><ol>{names}</ol></div>'
        f"{_draw_sentences(chosen, steps)}"
    )
    return make_figure(
        "drift",
        title=f"How far each token moves from layer to layer: {_MEASURES[options.measure]}",
        body=body if chosen.tokens else '<p class="elmo-empty">There is no token.</p>',
        notes=chosen.notes,
    )


def _draw_sentences(chosen: Selection, steps: Sequence[Floats]) -> str:
    values = [step.tolist() for step in steps]
    parts = []
    for start, end in chosen.sentences:
        items = "".join(
            f'<li><span class="elmo-word">{escape(shorten(chosen.tokens[row]))}</span>'
            + "".join(
                f'<span class="{heat_class(step[row])}">{format_number(step[row])}</span>' for step in values
            )
            + "</li>"
            for row in range(start, end)
        )
        parts.append(f'<ol class="elmo-flow" dir="{find_direction(chosen.tokens[start:end])}">{items}</ol>')
    return "".join(parts)
