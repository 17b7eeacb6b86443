"""After an attempt: when the contact is due again, or why it is closed.

closed by itself (goal, opt-out, answered, …) ─▶ the scenario's own wish ─▶ the matrix by outcome ─▶ the carousel
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from engine.model import CallEnd, Result, Status
from engine.rules import outcome
from engine.rules.window import Window, next_open

RETRYABLE = frozenset(
    {
        Status.NO_ANSWER.value,
        Status.BUSY.value,
        Status.UNREACHABLE.value,
        Status.REJECTED.value,
        Status.CONGESTION.value,
        Status.FAILED.value,
        Result.ANSWERING_MACHINE.value,
    }
)
OURS = frozenset({Status.FAILED.value, Status.CONGESTION.value})
"""Not the subscriber's doing: tried again though the campaign does not list it, and at least once."""
LEAST_S = 60.0
FURTHEST_S = 90 * 86_400.0


@dataclass(frozen=True, slots=True)
class Retry:
    """A campaign's rules for calling again. `attempts` counts the repeats after the first call."""

    attempts: int = 3
    interval_s: float = 60.0
    on: frozenset[str] = frozenset({"no_answer", "busy", "unreachable"})
    intervals_s: Mapping[str, float] = field(default_factory=dict[str, float])  # by outcome, where it differs
    carousel: bool = False  # one extra attempt from another number after the ordinary ones
    most: int = 12  # attempts in all, whatever a scenario asks for: the platform's limit

    def extra(self, attempt: int) -> bool:
        """Is this attempt (1 for the first) the carousel's extra one, which comes from another number?"""
        return self.carousel and attempt == self.attempts + 2


@dataclass(frozen=True, slots=True)
class Next:
    """`at`: due again then. None: closed, for the reason `closed`."""

    at: datetime | None
    closed: str = ""


def after(
    rules: Retry,
    end: CallEnd,
    attempt: int,
    *,
    numbers: int,
    windows: Sequence[Window],
    timezone: str,
) -> Next:
    """What follows attempt number `attempt` (1 for the first), which ended like this. `numbers`: how many the campaign
    can call from. The answer is never outside a window and never before the end of the attempt."""
    wish = _wished(rules, end, attempt)
    if wish is None:
        closed = outcome.closes(end) or _exhausted(rules, end, attempt, numbers)
        if closed:
            return Next(None, closed)
        wish = end.ended_at + timedelta(seconds=interval_s(rules, outcome.kind(end)))
    at = next_open(windows, wish, timezone)
    return Next(at, "" if at is not None else "window")


def interval_s(rules: Retry, kind: str) -> float:
    return max(LEAST_S, rules.intervals_s.get(kind, rules.interval_s))


def _wished(rules: Retry, end: CallEnd, attempt: int) -> datetime | None:
    """When the scenario wants to call again: held within bounds, and never against a stop list."""
    talk = end.talk
    if talk is None or attempt >= rules.most or outcome.closes(end) == "opt_out":
        return None
    if talk.retry_at is not None:
        wish = talk.retry_at if talk.retry_at.tzinfo is not None else talk.retry_at.replace(tzinfo=UTC)
    elif talk.retry_after_s is not None:
        # also refuses NaN, which compares false to everything
        delay_s = talk.retry_after_s if 0 <= talk.retry_after_s <= FURTHEST_S else FURTHEST_S
        wish = end.ended_at + timedelta(seconds=delay_s)
    else:
        return None
    earliest, latest = (end.ended_at + timedelta(seconds=s) for s in (LEAST_S, FURTHEST_S))
    return min(max(wish, earliest), latest)


def _exhausted(rules: Retry, end: CallEnd, attempt: int, numbers: int) -> str:
    """Why the matrix gives no further attempt; empty if it does."""
    kind = outcome.kind(end)
    if kind in OURS:
        return "attempts" if attempt >= min(rules.most, max(rules.attempts, 1) + 1) else ""
    if kind not in rules.on or kind not in RETRYABLE:
        return kind
    ordinary = rules.attempts + 1
    allowed = ordinary + 1 if rules.carousel and numbers > 1 else ordinary
    return "attempts" if attempt >= min(allowed, rules.most) else ""
