"""Where cards stand on a map that nobody has drawn, and how arrows run between cards. Pure.

start ─▶ layers (the longest way, loops left out) ─▶ order within a layer (by neighbours above) ─▶ x, y
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 204, 84  # of a card
STEP_X, STEP_Y = 244, 138
DRAWN_X, DRAWN_Y = 1.32, 1.4  # what people drew, to our size of cards
SWEEPS = 4
LOOP = 70

Point = tuple[float, float]
Arrows = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Curve:
    """A cubic curve, and the point where its label stands."""

    d: str
    label: Point


def places(arrows: Arrows, start: str, drawn: Mapping[str, Point] | None = None) -> dict[str, Point]:
    """The upper left corner of every card. What people drew is kept if it is whole and no two overlap."""
    kept = {name: (drawn[name][0] * DRAWN_X, drawn[name][1] * DRAWN_Y) for name in arrows if drawn and name in drawn}
    if arrows and len(kept) == len(arrows) and not _overlap(list(kept.values())):
        return kept
    rows = _ordered(arrows, layers(arrows, start))
    return {
        name: ((n - (len(row) - 1) / 2) * STEP_X, float(level * STEP_Y))
        for level, row in enumerate(rows)
        for n, name in enumerate(row)
    }


def _overlap(corners: list[Point]) -> bool:
    ordered = sorted(corners)
    for n, (x, y) in enumerate(ordered):
        for other_x, other_y in ordered[n + 1 :]:
            if other_x - x >= WIDTH:
                break
            if abs(other_y - y) < HEIGHT:
                return True
    return False


def layers(arrows: Arrows, start: str) -> dict[str, int]:
    """How far below the start each card stands: under all cards that lead to it, arrows that close a loop left out.
    Cards that cannot be reached stand below all others."""
    order, loops = _walk(arrows, start)
    level = dict.fromkeys(order, 0)
    for name in reversed(order):  # from the start on: every card after all that lead to it
        for to in arrows[name]:
            if to in level and (name, to) not in loops:
                level[to] = max(level[to], level[name] + 1)
    below = max(level.values(), default=-1) + 1
    return level | {name: below for name in arrows if name not in level}


def _walk(arrows: Arrows, start: str) -> tuple[list[str], set[tuple[str, str]]]:
    """(cards that can be reached, each after all that it leads to; the arrows that close loops)."""
    order: list[str] = []
    loops: set[tuple[str, str]] = set()
    if start not in arrows:
        return order, loops
    open_, done = {start}, set[str]()
    stack = [(start, iter(arrows[start]))]
    while stack:
        name, following = stack[-1]
        for to in following:
            if to in open_:
                loops.add((name, to))
            elif to in arrows and to not in done:
                open_.add(to)
                stack.append((to, iter(arrows[to])))
                break
        else:
            stack.pop()
            open_.discard(name)
            done.add(name)
            order.append(name)
    return order, loops


def _ordered(arrows: Arrows, level: Mapping[str, int]) -> list[list[str]]:
    rows: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in arrows:
        rows[level[name]].append(name)
    above: dict[str, list[str]] = {name: [] for name in arrows}
    for name, targets in arrows.items():
        for to in targets:
            if to in above and level[to] > level[name]:
                above[to].append(name)
    for _ in range(SWEEPS):
        at = {name: n - (len(row) - 1) / 2 for row in rows for n, name in enumerate(row)}
        for row in rows[1:]:
            row.sort(key=lambda name: sum(at[p] for p in above[name]) / len(above[name]) if above[name] else at[name])
            at |= {name: n - (len(row) - 1) / 2 for n, name in enumerate(row)}
    return rows


def curve(start: Point, end: Point, leaves: float = 0.5) -> Curve:
    """From the card at `start` to the one at `end`; `leaves`: where on the lower edge, 0 to 1."""
    (x, y), (to_x, to_y) = start, end
    if to_y >= y + HEIGHT + 20:  # below: from the lower edge to the upper one
        a, d = (x + WIDTH * leaves, y + HEIGHT), (to_x + WIDTH / 2, to_y)
        bend = max(30.0, (d[1] - a[1]) / 2)
        return _cubic(a, (a[0], a[1] + bend), (d[0], d[1] - bend), d)
    right = to_x + WIDTH / 2 >= x + WIDTH / 2
    if abs(to_x - x) < WIDTH:  # above, or itself: around the side
        side = max(x, to_x) + WIDTH
        a, d = (x + WIDTH, y + HEIGHT / 2 + 8), (to_x + WIDTH, to_y + HEIGHT / 2 - 8)
        return _cubic(a, (side + LOOP, a[1]), (side + LOOP, d[1]), d)
    a = (x + (WIDTH if right else 0), y + HEIGHT / 2)
    d = (to_x + (0 if right else WIDTH), to_y + HEIGHT / 2)
    bend = max(24.0, abs(d[0] - a[0]) / 2) * (1 if right else -1)
    return _cubic(a, (a[0] + bend, a[1]), (d[0] - bend, d[1]), d)


def _cubic(a: Point, b: Point, c: Point, d: Point, at: float = 0.55) -> Curve:
    rest = 1 - at
    weights = (rest**3, 3 * rest**2 * at, 3 * rest * at**2, at**3)
    x, y = (sum(w * p[i] for w, p in zip(weights, (a, b, c, d), strict=True)) for i in (0, 1))
    numbers = " ".join(f"{p[0]:.0f},{p[1]:.0f}" for p in (b, c, d))
    return Curve(f"M{a[0]:.0f},{a[1]:.0f} C{numbers}", (round(x), round(y)))
