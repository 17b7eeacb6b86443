"""Plots as SVG that needs nothing from anywhere: bars, a cumulative curve, a table of confusions.

Colours come from the page's style sheet, so that light and dark pages both can be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

ROW, LABEL, WIDTH = 22, 360, 860
COLOURS = 4  # .c0 to .c3


def bars(rows: Sequence[tuple[str, Sequence[float]]], legend: Sequence[str], *, most: float = 1.0) -> str:
    """For each row one bar a value, all from 0 to `most`, shares told in per cent."""
    height = sum(ROW * len(values) + 8 for _, values in rows) + 30
    out = [_head(WIDTH, height)]
    y = 24.0
    for at, name in enumerate(legend):
        x = LABEL + at * 170
        out.append(f'<rect class="c{at % COLOURS}" x="{x}" y="4" width="10" height="10"/>')
        out.append(_text(x + 15, 13, name))
    for label, values in rows:
        out.append(_text(LABEL - 8, y + 15, label, anchor="end"))
        for at, value in enumerate(values):
            wide = (WIDTH - LABEL - 60) * max(0.0, min(1.0, value / most))
            out.append(f'<rect class="c{at % COLOURS}" x="{LABEL}" y="{y:.0f}" width="{wide:.1f}" height="{ROW - 6}"/>')
            out.append(_text(LABEL + wide + 6, y + 13, f"{100 * value:.1f} %"))
            y += ROW
        y += 8
    return "".join([*out, "</svg>"])


def curves(series: Mapping[str, Sequence[float]], *, unit: str = "ms", marks: Sequence[float] = ()) -> str:
    """Cumulative: which share of the values is no larger. `marks`: upright lines, of what is asked."""
    series = {name: sorted(values) for name, values in series.items() if values}
    if not series:
        return ""
    low = min(0.0, *(values[0] for values in series.values()))
    high = max(1.0, *(values[-1] for values in series.values()), *marks)
    left, right, top, bottom = 44, WIDTH - 16, 30, 250

    def x(value: float) -> float:
        return left + (right - left) * (value - low) / (high - low)

    def y(share: float) -> float:
        return bottom - (bottom - top) * share

    out = [_head(WIDTH, bottom + 34)]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        out.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y(share):.1f}" y2="{y(share):.1f}"/>')
        out.append(_text(left - 6, y(share) + 4, f"{100 * share:.0f} %", anchor="end"))
    for part in range(6):
        value = low + (high - low) * part / 5
        out.append(_text(x(value), bottom + 18, f"{value:.0f} {unit}", anchor="middle"))
    out += [f'<line class="mark" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{top}" y2="{bottom}"/>' for at in marks]
    for at, (name, values) in enumerate(series.items()):
        points = [f"{x(values[0]):.1f},{bottom}"]
        points += [f"{x(value):.1f},{y((n + 1) / len(values)):.1f}" for n, value in enumerate(values)]
        out.append(f'<polyline class="l{at % COLOURS}" points="{" ".join(points)}"/>')
        out.append(f'<rect class="c{at % COLOURS}" x="{left + at * 240}" y="6" width="10" height="10"/>')
        out.append(_text(left + at * 240 + 15, 15, name))
    return "".join([*out, "</svg>"])


def matrix(rows: Mapping[str, Mapping[str, int]], names: Mapping[str, str]) -> str:
    """Who was (downwards) taken for whom (across), the share of each row as the depth of its cell."""
    across = [*rows, *sorted({taken for row in rows.values() for taken in row} - set(rows))]
    head = "".join(f"<th scope='col'>{escape(names.get(name, name))}</th>" for name in across)
    body = []
    for name, row in rows.items():
        whole = sum(row.values()) or 1
        cells = "".join(
            f"<td style='--share:{row.get(other, 0) / whole:.3f}' class='{'right' if other == name else 'cell'}'>"
            f"{row.get(other, 0)}</td>"
            for other in across
        )
        body.append(f"<tr><th scope='row'>{escape(names.get(name, name))}</th>{cells}</tr>")
    return f"<div class='wide'><table class='matrix'><tr><td></td>{head}</tr>{''.join(body)}</table></div>"


def _head(width: int, height: float) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" role="img">'


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
