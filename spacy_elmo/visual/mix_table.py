"""The style "layers": which layers the components of a pipeline read, as in figure 2 of Peters et al. 2018."""

from collections.abc import Sequence

from ..pipeline.mixes import LearnedMix, list_mixed_layers
from .markup import escape, format_number, heat_class, make_figure, make_scroller


def draw_mix_table(mixes: Sequence[LearnedMix]) -> str:
    """Draw scalar mixes: a row for each mix, a column for each layer.

    mixes (Sequence[LearnedMix]): The mixes; one at least.
    RETURNS (str): HTML.
    """
    layers = list_mixed_layers(mixes)
    heads = "".join(f'<th scope="col">{_add_breaks(name)}</th>' for name in (*layers, "gamma"))
    rows = "".join(
        f'<tr><th scope="row" dir="auto">{_add_breaks(mix.name)}</th>'
        + "".join(f'<td class="{heat_class(share)}">{100 * share:.1f} %</td>' for share in mix.shares)
        + '<td class="elmo-cell elmo-none">–</td>' * (len(layers) - len(mix.shares))
        + f'<td class="elmo-gamma">{format_number(mix.gamma)}</td></tr>'
        for mix in mixes
    )
    table = f'<table class="elmo-mixes"><thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    return make_figure(
        "layers",
        title="How much of each layer a mix reads: its weight after the softmax. Gamma scales the sum.",
        body=make_scroller(table, label="Shares of the layers"),
        notes=["Equal shares are those of a mix that was not trained."] if any(map(_is_even, mixes)) else [],
    )


def _add_breaks(name: str) -> str:
    """Write a name that may be broken into lines, which a narrow window needs."""
    return escape(name).replace("/", "/<wbr>").replace("_", "_<wbr>")


def _is_even(mix: LearnedMix) -> bool:
    return max(mix.shares) - min(mix.shares) < 1e-6
