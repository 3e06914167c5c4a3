"""The style "map": all uses of a word in two dimensions, as points with the sentences they are from."""

from collections.abc import Sequence

from ..errors import ElmoError, Errors
from .geometry import Floats, project
from .markup import escape, make_figure, make_panels, shorten
from .passages import Passage
from .scatter import Point, draw_scatter, draw_symbol
from .style_options import MapOptions
from .token_selection import Selection, mark_in_context, split_context

# Groups that the legend names.
_MOST_GROUPS = 24
_OTHERS = "others"


def draw_map(passages: Sequence[Passage], options: MapOptions) -> str:
    """Draw uses of a word, or all tokens, by the first two principal components of their vectors.

    passages (Sequence[Passage]): The texts, with `groups` if the marks are to stand for something else than texts.
    options (MapOptions): The options of the style.
    RETURNS (str): HTML.
    RAISES (ElmoError): If the texts do not have the word or the layer, or there are not as many labels as texts.
    """
    chosen = Selection(passages, n_left_out=0)
    layer = chosen.choose_layer(options.layer)
    groups = _name_groups(chosen, options.labels)
    found = _find_uses(chosen, options.word)
    rows = found[: options.max_tokens]
    names = _list_groups([groups[row] for row in rows])
    marks = [names.index(groups[row]) if groups[row] in names else len(names) - 1 for row in rows]
    by_word = options.word is not None
    if rows:
        # Uses of one word are told apart by their numbers in the list below.
        labels = [str(k + 1) if by_word else shorten(chosen.tokens[row]) for k, row in enumerate(rows)]
        titles = ["{}[{}]{}".format(*split_context(chosen, row)) for row in rows]
        panels = {
            name: _draw_panel(chosen.vectors(name)[rows], labels, titles, marks, layer=name)
            for name in chosen.layer_names
        }
        body = _draw_legend(names) + make_panels(panels, layer) + _draw_uses(chosen, rows, marks, by_word=by_word)
    else:
        body = '<p class="elmo-empty">There is no token.</p>'
    ending = "" if len(rows) == 1 else "s"
    what = f"token{ending}" if options.word is None else f"use{ending} of “{escape(_join(options.word))}”"
    left_out = f"{len(found) - len(rows):,} of {len(found):,} {'uses' if by_word else 'tokens'} are left out."
    return make_figure(
        "map",
        title=f"{len(rows):,} {what}, by the first two principal components of their vectors.",
        body=body,
        layers=chosen.layer_names,
        layer=layer,
        notes=[f"{left_out} Give fewer texts, or raise max_tokens."] if len(found) > len(rows) else [],
    )


def _draw_panel(
    vectors: Floats, labels: Sequence[str], titles: Sequence[str], marks: Sequence[int], *, layer: str
) -> str:
    coordinates, shares = project(vectors)
    points = [
        Point(x, y, label, title, mark)
        for (x, y), label, title, mark in zip(coordinates.tolist(), labels, titles, marks)
    ]
    return draw_scatter(points, shares=shares, label=f"Map of the layer {layer}")


def _find_uses(chosen: Selection, word: str | list[str] | None) -> list[int]:
    if word is None:
        return list(range(len(chosen.tokens)))
    wanted = {one.lower() for one in ([word] if isinstance(word, str) else word)}
    rows = [row for row, token in enumerate(chosen.tokens) if token.lower() in wanted]
    if not rows:
        raise ElmoError(Errors.EL336.format(word=_join(word), n_tokens=len(chosen.tokens)))
    return rows


def _name_groups(chosen: Selection, labels: list[str] | str | None) -> list[str]:
    """Name the group of each token."""
    if isinstance(labels, list):
        if len(labels) != len(chosen.passages):
            raise ElmoError(Errors.EL337.format(n_labels=len(labels), n_texts=len(chosen.passages)))
        return [labels[number] for number in chosen.passage_numbers]
    return [group for passage in chosen.passages for group in passage.groups or [passage.label] * len(passage)]


def _list_groups(groups: Sequence[str]) -> list[str]:
    """List the groups in the order of their first use, the rest together."""
    names = list(dict.fromkeys(groups))
    return names if len(names) <= _MOST_GROUPS else [*names[: _MOST_GROUPS - 1], _OTHERS]


def _join(word: str | list[str]) -> str:
    return word if isinstance(word, str) else ", ".join(word)


def _draw_legend(names: Sequence[str]) -> str:
    if len(names) < 2:
        return ""
    items = "".join(
        f"<li>{draw_symbol(number)} <bdi>{escape(shorten(name))}</bdi></li>" for number, name in enumerate(names)
    )
    return f'<ul class="elmo-legend" aria-label="What the marks stand for">{items}</ul>'


def _draw_uses(chosen: Selection, rows: Sequence[int], marks: Sequence[int], *, by_word: bool) -> str:
    items = "".join(
        f"<li>{draw_symbol(mark)} {mark_in_context(chosen, row)}</li>" for row, mark in zip(rows, marks)
    )
    uses = f'<ol class="elmo-uses">{items}</ol>'
    # With many tokens, the list is for those who look for one of them.
    return uses if by_word else f"<details><summary>All tokens in their sentences</summary>{uses}</details>"
