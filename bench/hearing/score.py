"""What calls with clips come to, as plain numbers: pure functions of what was wanted and what came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.figures import percentile
from bench.hearing.calls import Came
from bench.hearing.corpus import Span

CUT_MS = 100  # an utterance that is taken for over later than this before its real end has lost nothing


@dataclass(frozen=True, slots=True)
class Tried:
    """One call, and what it was about. `span`: when the subscriber spoke; None: never."""

    wanted: str  # the command; empty: no command was said
    span: Span | None
    came: Came


def share(part: int, whole: int) -> float:
    """0 where there is nothing to have a share of."""
    return round(part / whole, 4) if whole else 0.0


def _is_command(came: Came) -> bool:
    return came.by == "voice"


def commands(tried: Sequence[Tried]) -> dict[str, Any]:
    """Of calls in which a command was said: right, taken for another one (the worst), not understood."""
    said = [one for one in tried if one.wanted]
    right = sum(_is_command(one.came) and one.came.port == one.wanted for one in said)
    wrong = sum(_is_command(one.came) and one.came.port != one.wanted for one in said)
    return {
        "commands": len(said),
        "right": share(right, len(said)),
        "wrong": share(wrong, len(said)),
        "missed": share(len(said) - right - wrong, len(said)),
    }


def foreign(tried: Sequence[Tried]) -> dict[str, Any]:
    """Of calls in which something else was said: it was taken for a command."""
    said = [one for one in tried if not one.wanted and one.span is not None]
    return {"foreign": len(said), "accepted": share(sum(_is_command(one.came) for one in said), len(said))}


def confusions(tried: Iterable[Tried]) -> dict[str, int]:
    """`said → taken for`, the most frequent first, those that were right left out."""
    counts: dict[str, int] = {}
    for one in tried:
        taken = one.came.port if _is_command(one.came) else ""
        if taken != one.wanted:
            name = f"{one.wanted or '…'} → {taken or '…'}"
            counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1])[:30])


def delays_ms(tried: Iterable[Tried]) -> tuple[list[float], list[float]]:
    """From the last word to the first sound of the answer: where a partial has decided, and where the end of speech.

    Below nothing where the robot has answered before the word was over: a command may be clear by then.
    """
    partial: list[float] = []
    final: list[float] = []
    for one in tried:
        if one.came.answered_s is not None and one.span is not None:
            late = 1000 * one.came.answered_s - one.span.end_ms
            (partial if one.came.partial else final).append(round(late, 1))
    return partial, final


def numbers(tried: Sequence[Tried], collected: Sequence[str]) -> dict[str, Any]:
    right = sum(one.wanted == found for one, found in zip(tried, collected, strict=True))
    return {"numbers": len(tried), "numbers_right": share(right, len(tried))}


def is_cut(one: Tried) -> bool:
    """It was taken for over while it was still going on."""
    return one.span is not None and any(at < one.span.end_ms - CUT_MS for at in one.came.ends_ms)


def cut_offs(tried: Sequence[Tried]) -> dict[str, Any]:
    """Unheard ones are told apart: nobody was cut off there, but nobody was listened to either."""
    heard = [one for one in tried if one.came.ends_ms]
    return {
        "paused": len(tried),
        "cut_off": share(sum(is_cut(one) for one in heard), len(tried)),
        "unheard": share(len(tried) - len(heard), len(tried)),
    }


def false_interruptions(tried: Sequence[Tried]) -> dict[str, Any]:
    return {
        "prompts": len(tried),
        "interrupted": share(sum(one.came.hushed_ms is not None for one in tried), len(tried)),
    }


def interruptions(tried: Sequence[Tried], within_ms: int = 250) -> dict[str, Any]:
    """Noticed: the robot falls silent after the onset and within `within_ms` of it."""
    after = [one.came.hushed_ms - one.span.start_ms for one in tried if one.span and one.came.hushed_ms is not None]
    noticed = [ms for ms in after if ms >= 0]
    return {
        "interruptions": len(tried),
        "noticed": share(len(noticed), len(tried)),
        "noticed_in_time": share(sum(ms <= within_ms for ms in noticed), len(tried)),
        "too_early": share(sum(ms < 0 for ms in after), len(tried)),
        "after_ms": sorted(noticed),
        **quantiles("noticed", noticed),
    }


def quantiles(name: str, values: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile, where there is anything."""
    if not values:
        return {}
    return {f"{name}_p50_ms": percentile(values, 0.5), f"{name}_p95_ms": percentile(values, 0.95)}
