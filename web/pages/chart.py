"""A scenario as a map: cards with what they say, arrows with what leads along them, problems where they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scenarios.card import Card
from scenarios.document import read
from scenarios.palette import palette
from web.api.scenarios import FaultOut
from web.pages.layout import HEIGHT, WIDTH, curve, places

MARGIN = 28
MOST_WORDS = 90
MOST_LABEL = 26
_LOGIC = re.compile(r"\{[%#].*?[%#]\}")
_VALUE = re.compile(r"\{\{\s*(\w+).*?\}\}")
SILENT = ("next",)  # ports that need no word


@dataclass(frozen=True, slots=True)
class Box:
    """One card."""

    name: str
    kind: str
    label: str
    icon: str
    group: str
    text: str
    x: float
    y: float
    start: bool
    passed: int  # which step of a path this is, from 1; 0: none
    problems: list[FaultOut]

    @property
    def severity(self) -> str:
        return next((p.severity for p in sorted(self.problems, key=lambda p: p.severity)), "")


@dataclass(frozen=True, slots=True)
class Arrow:
    source: str
    target: str
    label: str
    d: str
    x: float
    y: float
    passed: bool


@dataclass(frozen=True, slots=True)
class Chart:
    boxes: list[Box]
    arrows: list[Arrow]
    left: float
    top: float
    width: float
    height: float


def chart(
    graph: Mapping[str, Any], faults: Sequence[FaultOut] = (), language: str = "ru", path: Iterable[str] = ()
) -> Chart:
    """Of any document, also one with errors: cards that cannot be read are boxes with what is wrong."""
    scenario = read(graph).scenario
    kinds = dict(scenario.kinds) if scenario else {}
    steps = dict(scenario.steps) if scenario else {}
    ways = {name: _ways(steps.get(name), kinds) for name in kinds}
    start = scenario.start if scenario else ""
    at = places({name: list(to) for name, to in ways.items()}, start, _drawn(graph))
    looks = {each["kind"]: each for each in palette(language)}
    walked = list(path)
    nodes = graph.get("nodes") or {}
    boxes = [
        Box(
            name=name,
            kind=kind,
            label=looks[kind]["label"] if kind in looks else kind,
            icon=looks[kind]["icon"] if kind in looks else "circle-help",
            group=looks[kind]["group"] if kind in looks else "",
            text=words(nodes.get(name)),
            x=at[name][0],
            y=at[name][1],
            start=name == start,
            passed=walked.index(name) + 1 if name in walked else 0,
            problems=[fault for fault in faults if fault.card == name],
        )
        for name, kind in kinds.items()
    ]
    arrows = [arrow for name in kinds for arrow in _arrows(name, ways[name], at, walked)]
    return _framed(boxes, arrows)


def _ways(step: Card | None, kinds: Mapping[str, str]) -> dict[str, list[str]]:
    """Target -> the ports that lead there."""
    found: dict[str, list[str]] = {}
    for way in step.ways() if step is not None else ():
        if way.to in kinds and way.port not in found.setdefault(way.to, []):
            found[way.to].append(way.port)
    return found


def _arrows(
    name: str, ways: Mapping[str, Sequence[str]], at: Mapping[str, tuple[float, float]], walked: Sequence[str]
) -> Iterable[Arrow]:
    ordered = sorted(ways, key=lambda to: at[to][0])
    went = set(zip(walked, walked[1:], strict=False))
    for n, to in enumerate(ordered):
        line = curve(at[name], at[to], (n + 1) / (len(ordered) + 1))
        label = " · ".join(port for port in ways[to] if port not in SILENT)
        label = label if len(label) <= MOST_LABEL else label[: MOST_LABEL - 1] + "…"
        yield Arrow(name, to, label, line.d, *line.label, (name, to) in went)


def _framed(boxes: list[Box], arrows: list[Arrow]) -> Chart:
    left = min((b.x for b in boxes), default=0) - MARGIN
    top = min((b.y for b in boxes), default=0) - MARGIN
    # Arrows that run around a card's side reach beyond it.
    right = max((max(b.x + WIDTH for b in boxes), *(a.x + 60 for a in arrows)), default=0) + MARGIN if boxes else 0
    bottom = max((b.y + HEIGHT for b in boxes), default=0) + MARGIN
    return Chart(boxes, arrows, left, top, right - left, bottom - top)


def _drawn(graph: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    layout = graph.get("layout")
    return {
        name: (float(point[0]), float(point[1]))
        for name, point in (layout.items() if isinstance(layout, dict) else ())
        if isinstance(point, list | tuple) and len(point) == 2 and all(isinstance(n, int | float) for n in point)
    }


def words(card: Any) -> str:
    """The gist of a card in a line."""
    if not isinstance(card, dict):
        return ""
    for name in ("say", "audio", "tag", "to", "save", "url", "integration"):
        if isinstance(card.get(name), str) and card[name].strip():
            return _short(card[name])
    filters = card.get("filters")
    if isinstance(filters, list):
        said = [phrase for each in filters if isinstance(each, dict) for phrase in _listed(each.get("voice"))[:1]]
        return _short(", ".join(said))
    if isinstance(card.get("cases"), list):
        return _short("; ".join(str(each.get("when", "")) for each in card["cases"] if isinstance(each, dict)))
    if isinstance(card.get("windows"), list):
        spans = [f"{w.get('from', '')}–{w.get('to', '')}" for w in card["windows"] if isinstance(w, dict)]
        return _short(", ".join(spans))
    if isinstance(card.get("after_s"), int | float):
        return f"{card['after_s'] // 60:g} min"
    return _short(f"#{card['material']}") if card.get("material") else ""


def _listed(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)] if value is not None else []


def _short(text: str) -> str:
    text = " ".join(_VALUE.sub(r"‹\1›", _LOGIC.sub("", text)).split())
    return text if len(text) <= MOST_WORDS else text[: MOST_WORDS - 1].rstrip() + "…"
