"""The end of a call, and everything that is counted by it, in one transaction.

    CallEnd ─▶ calls, call_details ─▶ contact ─▶ campaign_totals, call_rollups, numbers, lines ─▶ opt_outs

These functions are synchronous, for `Database.transact`: on SQLite all of it is one trip to the writer's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.ext.asyncio import AsyncSession

from engine.model import CallEnd, Contact, Status, StepLog
from engine.rules import outcome
from engine.store import statements
from engine.store.statements import COUNTED as COUNTED
from engine.store.tables import CallDetail

_BY_STATUS = {s.value for s in Status} & set(COUNTED) - {"answered"}
_NOTHING = dict.fromkeys(COUNTED, 0)


def end_call(connection: Connection, call_id: int, end: CallEnd, operator: Callable[[str], str]) -> bool:
    """Write the end of a call that no queue holds, and count it. False: it had ended already, nothing is written.
    `operator` says who serves a number."""
    row = _write(connection, call_id, end)
    if row is None:
        return False
    _count(connection, row, end, operator)
    return True


def settle(
    connection: Connection,
    contact: Contact,
    end: CallEnd,
    next_at: datetime | None,
    closed: str,
    operator: Callable[[str], str],
) -> bool:
    """As `engine.ports.Contacts.settle` says; the end is counted once, however often it is written."""
    row = _write(connection, contact.call_id, end)
    result = end.talk.result if end.talk is not None else None
    held = connection.execute(
        statements.SETTLE,
        {
            "contact": contact.id,
            "leased_until": contact.leased_until,
            "next_at": next_at,
            "status": end.status.value,
            "result": result.value if result is not None else "",
            "number": end.number,
            "closed": "" if next_at is not None else closed or "done",
            "closed_at": None if next_at is not None else end.ended_at,
        },
    ).rowcount
    closings = int(bool(held) and next_at is None)
    if row is not None:
        _count(connection, row, end, operator, closings)
    elif closings:
        connection.execute(statements.TOTALS, {**_NOTHING, "campaign": contact.campaign_id, "closings": closings})
    return bool(held)


def increments(end: CallEnd) -> Mapping[str, int]:
    """What this end adds to the columns of `Counts`, every one of them."""
    deltas = outcome.deltas(end)
    added = {name: deltas.get(name, 0) for name in COUNTED}
    if end.status.value in _BY_STATUS:
        added[end.status.value] = 1
    if end.answered_at is not None:
        added["talk_ms"] = _ms(end.answered_at, end.ended_at)
    return added


def _write(connection: Connection, call_id: int, end: CallEnd) -> Any:
    talk = end.talk
    row = connection.execute(
        statements.END,
        {
            "call": call_id,
            "status": end.status.value,
            "cause": end.cause,
            "result": talk.result.value if talk is not None and talk.result is not None else None,
            "reason": end.reason or (talk.reason if talk is not None else ""),
            "ended_by": talk.ended_by if talk is not None else "",
            "tags": list(talk.tags) if talk is not None else [],
            "number": end.number,
            "recording": end.recording,
            "variant": end.variant,
            "scenario_id": end.scenario_id or None,  # what was written while the call lived stays
            "scenario_version": end.scenario_version or None,
            "dialed_at": end.dialed_at,
            "ringing_at": end.ringing_at,
            "answered_at": end.answered_at,
            "ended_at": end.ended_at,
            "duration_ms": _ms(end.answered_at, end.ended_at) if end.answered_at is not None else 0,
            "billed_s": end.billed_s,
            "cost": end.cost,
        },
    ).first()
    if row is None:
        return None
    if talk is not None:
        details = {
            "call": call_id,
            "steps": [_step(step) for step in talk.steps],
            "transcript": [asdict(line) for line in talk.transcript],
            "recorded": list(talk.recorded),
            "vars": dict(talk.vars),
        }
        connection.execute(statements.DETAILS, details)
        if talk.opted_out and row.project_id is not None:
            stop = {"project": row.project_id, "phone": row.phone, "call": call_id, "at": end.ended_at}
            connection.execute(statements.OPT_OUT, stop)
    return row


def _count(connection: Connection, row: Any, end: CallEnd, operator: Callable[[str], str], closings: int = 0) -> None:
    added = increments(end)
    if row.campaign_id is not None:
        connection.execute(statements.TOTALS, {**added, "campaign": row.campaign_id, "closings": closings})
    if row.project_id is not None:
        key = {
            "project": row.project_id,
            "hour": row.created_at.replace(minute=0, second=0, microsecond=0),
            "campaign": row.campaign_id or 0,
            "line": row.line_id or 0,
            "number": row.number,
            "operator": operator(row.phone),
        }
        connection.execute(statements.ROLLUP, {**key, **added})
    if row.number and added["calls"]:
        connection.execute(statements.NUMBER, {"number": row.number})
    if row.line_id is not None:
        sums = {name: added[name] for name in ("calls", "goals", "spent")}
        connection.execute(statements.LINE, {"line": row.line_id, **sums})


def _step(step: StepLog) -> dict[str, Any]:
    """As the API shows it: what a card did not have is left out."""
    always = ("at_ms", "node", "kind", "ms", "port")
    full = asdict(step)
    return {name: full[name] for name in always} | {
        name: value for name, value in full.items() if name not in always and value not in ("", None, 0.0)
    }


def _ms(start: datetime, end: datetime) -> int:
    return max(0, round((end - start).total_seconds() * 1000))


async def detail(session: AsyncSession, call_id: int) -> CallDetail:
    """A call's steps and transcript; empty while it lives."""
    found = await session.scalar(select(CallDetail).where(CallDetail.call_id == call_id))
    return found or CallDetail(call_id=call_id, steps=[], transcript=[], recorded=[], vars={})
