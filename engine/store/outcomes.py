"""What came of a campaign's contacts, as conditions: for lists, reports and new segments."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, not_, true

from engine.errors import InputError, Problem
from engine.model import Result, Status
from engine.rules.retry import RETRYABLE
from engine.store.tables import CampaignContact as Row

_REACHED = ("goal", "opt_out", "answered", "invalid_number", "blocked")  # closed for good

WORDS = ("all", "waiting", "done", "unreached", *(r.value for r in Result), *(s.value for s in list(Status)[3:]))


def outcome_is(outcome: str) -> ColumnElement[bool]:
    """`all`, `waiting` (still to be called), `done`, `unreached`, or a call's `result` or final `status`.

    Raises InputError for any other word.
    """
    if outcome not in WORDS:
        raise InputError(
            "there is no such outcome", [Problem("/outcome", "unknown", f"outcome is one of {', '.join(WORDS)}")]
        )
    match outcome:
        case "all":
            return true()
        case "waiting":
            return Row.due_at.is_not(None)
        case "done":
            return Row.due_at.is_(None)
        case "unreached":
            return unreached()
    if outcome in {r.value for r in Result}:
        return Row.result == outcome
    return Row.status == outcome


def unreached() -> ColumnElement[bool]:
    """Closed though nobody was talked to, and not for ever: what a restart opens again."""
    tried = Row.status.in_(sorted(RETRYABLE)) | (Row.result == Result.ANSWERING_MACHINE.value) | (Row.status == "")
    return and_(Row.due_at.is_(None), not_(Row.closed.in_(_REACHED)), tried)
