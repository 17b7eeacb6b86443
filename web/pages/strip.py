"""The strip under a call's waveform: which card stood when, who had picked up as far as was known, and why.

recording ├──────────────────────────────────────────────┤ 100 %
cards     ├ hello ──────┤ ask ────┤ bye ──┤
answered  ├ ? ┤ person ────┤ machine ──────┤   ticks: a short greeting, a phrase, the beep
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from web.api.call_models import CallFull
from web.api.story import VerdictOut

LEAST = 0.4  # per cent: what is shorter would not be seen


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `x` on, `w` wide, in per cent of the recording."""

    x: float
    w: float
    name: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    what: str
    weight: float
    at_ms: int

    @property
    def beep(self) -> bool:
        return self.what.startswith("beep")


@dataclass(frozen=True, slots=True)
class Strip:
    cards: list[Stretch]
    answered: list[Stretch]
    ticks: list[Tick]


def strip(call: CallFull, length_ms: int) -> Strip | None:
    """None where there is nothing to draw against."""
    if length_ms <= 0 or not call.steps:
        return None
    steps = [(step.at_ms, step.at_ms + step.ms, step.node) for step in call.steps if step.kind != "amd" and step.ms]
    known = call.answered_by
    ends = [each.at_ms for each in known[1:]] + [length_ms]
    answered = [(each.at_ms, end, each.kind) for each, end in zip(known, ends, strict=True)]
    if known and known[0].at_ms:
        answered.insert(0, (0, known[0].at_ms, "unknown"))
    return Strip(
        cards=_stretches(steps, length_ms),
        answered=_stretches(answered, length_ms),
        ticks=_ticks(known, length_ms),
    )


def _stretches(spans: Sequence[tuple[int, int, str]], length_ms: int) -> list[Stretch]:
    found = []
    for start, end, name in spans:
        x = _percent(start, length_ms)
        found.append(Stretch(x, max(LEAST, round(_percent(end, length_ms) - x, 2)), name, start))
    return found


def _ticks(known: Sequence[VerdictOut], length_ms: int) -> list[Tick]:
    return [
        Tick(_percent(each.at_ms, length_ms), each.what, each.weight, each.at_ms)
        for verdict in known
        for each in verdict.evidence
    ]


def _percent(at_ms: int, length_ms: int) -> float:
    return round(min(100.0, 100 * at_ms / length_ms), 2)
