"""Points in two dimensions as SVG, each group with a form and a colour of its own."""

from collections.abc import Sequence
from typing import NamedTuple

from .markup import escape

# In pixels of the picture, which is scaled to the width of the page.
_WIDTH, _HEIGHT, _MARGIN, _RADIUS = 640, 400, 28, 6
# Of a label: its height, and the width of a character.
_LINE, _CHARACTER = 13, 7.5
# More points than this have labels only where there is much room.
_MANY = 40
# Paths around the origin: circle, square, triangle, diamond, plus, triangle downwards, cross, bar.
_FORMS = (
    "M-6,0a6,6 0 1,0 12,0a6,6 0 1,0 -12,0z",
    "M-5,-5h10v10h-10z",
    "M0,-7l6.5,11h-13z",
    "M0,-7l7,7l-7,7l-7,-7z",
    "M-2,-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
    "M0,7l6.5,-11h-13z",
    "M-6,-4l2,-2l4,4l4,-4l2,2l-4,4l4,4l-2,2l-4,-4l-4,4l-2,-2l4,-4z",
    "M-7,-2.5h14v5h-14z",
)


class Point(NamedTuple):
    """A point of a picture.

    x (float): Its place along the first axis, in any unit.
    y (float): Its place along the second axis, in the same unit.
    label (str): What stands beside it, if there is room.
    title (str): What is shown when it is pointed at.
    group (int): The number of its group.
    """

    x: float
    y: float
    label: str
    title: str
    group: int


def draw_symbol(group: int) -> str:
    """Draw the mark of a group, for a line of text.

    group (int): The number of the group.
    RETURNS (str): SVG.
    """
    frame = 'viewBox="-8 -8 16 16" width="16" height="16" aria-hidden="true"'
    return f'<svg class="elmo-symbol" {frame}>{_draw_mark(group)}</svg>'


def draw_scatter(points: Sequence[Point], *, shares: tuple[float, float], label: str) -> str:
    """Draw points.

    points (Sequence[Point]): The points.
    shares (tuple[float, float]): The share of the variance along each axis.
    label (str): What the picture is, for screen readers.
    RETURNS (str): SVG.
    """
    places = _place(points)
    marks = "".join(
        f'<g class="elmo-point" transform="translate({x:.1f} {y:.1f})">{_draw_mark(point.group)}'
        f"<title>{escape(point.title)}</title></g>"
        for point, (x, y) in zip(points, places)
    )
    labels = "".join(
        f'<text x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>' for text, x, y in _place_labels(points, places)
    )
    axes = (
        f'<text class="elmo-axis" x="{_WIDTH - 6}" y="{_HEIGHT - 7}" text-anchor="end">'
        f"first component: {shares[0]:.0%} of the variance; upwards the second: {shares[1]:.0%}</text>"
    )
    many = " elmo-many" * (len(points) > _MANY)
    # Names are below the points: no name hides a point, or keeps the mouse from it.
    return (
        f'<svg class="elmo-map{many}" role="img" aria-label="{escape(label)}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f'<rect class="elmo-frame" x="1" y="1" width="{_WIDTH - 2}" height="{_HEIGHT - 2}"/>'
        f'<g class="elmo-names" paint-order="stroke" aria-hidden="true">{labels}</g>{marks}{axes}</svg>'
        '<p class="elmo-readout" aria-hidden="true">&#160;</p>'
    )


def _draw_mark(group: int) -> str:
    # The combination of form and colour comes again after 64 groups.
    n = len(_FORMS)
    return f'<path class="elmo-c{(group + group // n) % n}" d="{_FORMS[group % n]}"/>'


def _place(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Scale both axes by the same factor, so that distances can be compared."""
    xs, ys = [point.x for point in points], [point.y for point in points]
    width, height = max(xs) - min(xs), max(ys) - min(ys)
    room_x, room_y = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN - _LINE
    scale = min(room_x / width if width else float("inf"), room_y / height if height else float("inf"))
    scale = 0.0 if scale == float("inf") else scale
    middle_x, middle_y = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    return [
        (_WIDTH / 2 + (x - middle_x) * scale, (_HEIGHT - _LINE) / 2 - (y - middle_y) * scale)
        for x, y in zip(xs, ys)
    ]


def _place_labels(
    points: Sequence[Point], places: Sequence[tuple[float, float]]
) -> list[tuple[str, float, float]]:
    """Place a label beside each point, where it does not cover another label."""
    taken: dict[int, list[tuple[float, float]]] = {}
    placed = []
    for point, (x, y) in zip(points, places):
        text = point.label
        width = len(text) * _CHARACTER
        for left, bottom in ((x + _RADIUS + 3, y + 4), (x - _RADIUS - 3 - width, y + 4), (x - width / 2, y - 9)):
            # The labels of a line and of its neighbours are those that may be covered.
            line = int(bottom // _LINE)
            near = [span for k in (line - 1, line, line + 1) for span in taken.get(k, [])]
            fits = 2 <= left <= _WIDTH - width - 2 and bottom >= _LINE
            if fits and all(left + width < start or left > end for start, end in near):
                taken.setdefault(line, []).append((left, left + width))
                placed.append((text, left, bottom))
                break
    return placed
