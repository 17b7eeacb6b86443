"""What an attempt came to: its status, what closes its contact, and what it adds to the totals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.model import CallEnd, Result, Status, TalkLog

LIVE = frozenset({Status.QUEUED, Status.DIALING, Status.RINGING})


def status_of(talk: TalkLog) -> Status:
    """The status of an answered call: `failed` when the talk could not be carried on by our own fault."""
    return Status.FAILED if talk.ending == "failed" else Status.ANSWERED


def kind(end: CallEnd) -> str:
    """What the retry matrix and the campaign's breakdown name this attempt by: the result of an answered call that has
    one, else its status. A call that was answered and then failed is `answered`."""
    if end.answered_at is None:
        return end.status.value
    result = end.talk.result if end.talk is not None else None
    return result.value if result is not None else Status.ANSWERED.value


def closes(end: CallEnd) -> str:
    """Why this attempt alone closes its contact, whatever the retry rules say; empty if it does not.

    goal | opt_out | answered | invalid_number | blocked
    """
    if end.talk is not None and end.talk.opted_out:
        return "opt_out"
    if end.answered_at is not None:
        result = end.talk.result if end.talk is not None else None
        if result is Result.ANSWERING_MACHINE:
            return ""  # nobody was talked to: the matrix decides
        return result.value if result in (Result.GOAL, Result.OPT_OUT) else "answered"
    if end.status in (Status.INVALID_NUMBER, Status.BLOCKED):
        return end.status.value
    return ""


def deltas(end: CallEnd) -> Mapping[str, int]:
    """What this attempt adds to a campaign's or a project's totals; the names are the API's. `calls` counts what was
    dialled: a blocked attempt never was."""
    result = end.talk.result if end.talk is not None else None
    return {
        "calls": int(end.status is not Status.BLOCKED),
        "answered": int(end.answered_at is not None),
        "goals": int(result is Result.GOAL),
        "answering_machines": int(result is Result.ANSWERING_MACHINE),
        "opt_outs": int(end.talk is not None and (end.talk.opted_out or result is Result.OPT_OUT)),
        "non_target": int(result is Result.NON_TARGET),
        "transferred": int(result is Result.TRANSFERRED),
        "failed": int(end.status is Status.FAILED),
        "blocked": int(end.status is Status.BLOCKED),
        "spent": end.cost,
        "billed_s": end.billed_s,
    }


@dataclass(frozen=True, slots=True)
class Totals:
    """A campaign's running totals: what the limits are held against."""

    calls: int = 0
    goals: int = 0
    spent: int = 0  # minor units
    balance: int | None = None  # what the owner has left, minor units; None: money is not counted

    def plus(self, end: CallEnd) -> Totals:
        added = deltas(end)
        return Totals(
            self.calls + added["calls"],
            self.goals + added["goals"],
            self.spent + added["spent"],
            None if self.balance is None else self.balance - added["spent"],
        )
