"""Small plots as SVG, without script or inline style: the page's style sheet colours them."""

from collections.abc import Callable, Iterable, Sequence
from html import escape

from inference.evaluation.figures import Bin, LabelFigures, Point

SIZE = 260
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 10, 38
WIDTH, HEIGHT = SIZE - LEFT - RIGHT, SIZE - TOP - BOTTOM
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def precision_recall(found: LabelFigures) -> str:
    """Precision over recall; the dashed line is the share of positives."""
    share = found.positives / found.rows
    marks = [
        _line("guide", [(0.0, share), (1.0, share)]),
        _line("curve", _steps(found.curves.precision_recall)),
    ]
    return _plot(f"Precision and recall of {found.label}", "recall", "precision", marks)


def roc(found: LabelFigures) -> str:
    """Recall over false-positive rate; the dashed line is chance."""
    marks = [
        _line("guide", [(0.0, 0.0), (1.0, 1.0)]),
        _line("curve", found.curves.roc),
    ]
    return _plot(f"ROC curve of {found.label}", "false-positive rate", "recall", marks)


def reliability(found: LabelFigures) -> str:
    """Share of positives over score, by bins; on the dashed line scores are probabilities."""
    most = max(each.rows for each in found.curves.reliability)
    points = [(each.score, each.share) for each in found.curves.reliability]
    marks = [
        _line("guide", [(0.0, 0.0), (1.0, 1.0)]),
        _line("thin", points),
        *(_dot(each, most) for each in found.curves.reliability),
    ]
    return _plot(f"Reliability of {found.label}", "score", "share of positives", marks)


def histogram(found: LabelFigures) -> str:
    """Rows by score: positives upwards and negatives downwards, each by its own count."""
    ups, downs = found.curves.positives, found.curves.negatives
    marks = [
        *_bars("positive", ups, lambda share: (0.5, 0.5 + share / 2)),
        *_bars("negative", downs, lambda share: (0.5 - share / 2, 0.5)),
        _line("axis", [(0.0, 0.5), (1.0, 0.5)]),
        _note("left", 0.02, 0.93, f"{sum(ups):,} positives"),
        _note("right", 0.98, 0.03, f"{sum(downs):,} negatives"),
    ]
    title = f"Scores of {found.label}, of positives above and of negatives below"
    return _plot(title, "score", "share of rows", marks, scale=False)


def _plot(title: str, across: str, up: str, marks: Iterable[str], *, scale: bool = True) -> str:
    ticks = [_tick_across(value) for value in TICKS]
    ticks += [_tick_up(value) for value in TICKS] if scale else []
    middle = TOP + HEIGHT / 2
    return (
        f'<svg viewBox="0 0 {SIZE} {SIZE}" role="img"><title>{escape(title)}</title>'
        f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}"/>'
        f"{''.join(ticks)}{''.join(marks)}"
        f'<text class="name" x="{LEFT + WIDTH / 2}" y="{SIZE - 5}">{escape(across)}</text>'
        f'<text class="name" x="10" y="{middle}" transform="rotate(-90 10 {middle})">'
        f"{escape(up)}</text></svg>"
    )


def _line(kind: str, points: Sequence[Point]) -> str:
    if len(points) < 2:
        return ""
    return f'<polyline class="{kind}" points="{" ".join(map(_place, points))}"/>'


def _steps(points: Sequence[Point]) -> list[Point]:
    """Between two points of recall no precision lies on a line: the curve goes in steps."""
    found = [(0.0, points[0][1])]
    for across, up in points:
        found += [(found[-1][0], up), (across, up)]
    return found


def _dot(found: Bin, most: int) -> str:
    x, y = _x(found.score), _y(found.share)
    radius = 2 + 5 * (found.rows / most) ** 0.5
    said = f"{found.rows:,} rows: mean score {found.score:.2f}, {found.share:.2f} positive"
    return f'<circle class="dot" cx="{x}" cy="{y}" r="{radius:.1f}"><title>{said}</title></circle>'


def _bars(
    kind: str, counts: Sequence[int], ends: Callable[[float], tuple[float, float]]
) -> list[str]:
    most, step = max(counts), 1 / len(counts)
    bars = []
    for place, count in enumerate(counts):
        if count:
            low, high = ends(count / most * 0.9)
            bars.append(
                f'<rect class="{kind}" x="{_x(place * step)}" y="{_y(high)}" '
                f'width="{WIDTH * step - 1:.1f}" height="{(high - low) * HEIGHT:.1f}">'
                f"<title>{count:,} rows from {place * step:.2f}</title></rect>"
            )
    return bars


def _note(side: str, across: float, up: float, said: str) -> str:
    return f'<text class="{side}" x="{_x(across)}" y="{_y(up)}">{said}</text>'


def _tick_across(value: float) -> str:
    return (
        f'<line class="grid" x1="{_x(value)}" y1="{TOP}" x2="{_x(value)}" y2="{TOP + HEIGHT}"/>'
        f'<text class="tick" x="{_x(value)}" y="{TOP + HEIGHT + 14}">{value:g}</text>'
    )


def _tick_up(value: float) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" y1="{_y(value)}" x2="{LEFT + WIDTH}" y2="{_y(value)}"/>'
        f'<text class="side" x="{LEFT - 5}" y="{_y(value) + 3:.1f}">{value:g}</text>'
    )


def _place(point: Point) -> str:
    return f"{_x(point[0])},{_y(point[1])}"


def _x(value: float) -> float:
    return round(LEFT + value * WIDTH, 1)


def _y(value: float) -> float:
    return round(TOP + (1 - value) * HEIGHT, 1)
