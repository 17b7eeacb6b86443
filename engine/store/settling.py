"""The end of a call, and everything that is counted by it, in one transaction.

    CallEnd ─▶ calls, call_details ─▶ campaign_totals, call_rollups, numbers, lines ─▶ opt_outs

Always in this order, so that two engines never wait for each other crosswise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from engine.model import CallEnd, Status, StepLog
from engine.rules import outcome
from engine.store.access import RAW
from engine.store.database import Database
from engine.store.tables import (
    Call,
    CallDetail,
    CallRollup,
    CampaignTotals,
    Counts,
    InboundLine,
    Number,
    OptOut,
)

COUNTED = tuple(name for name in Counts.__annotations__)
_BY_STATUS = {s.value for s in Status} & set(COUNTED) - {"answered"}


@dataclass(frozen=True, slots=True)
class Ended:
    """What a call's row said when it was ended."""

    project_id: int | None
    campaign_id: int | None
    line_id: int | None
    number: str
    phone: str
    created_at: datetime


async def end_call(
    db: Database, session: AsyncSession, call_id: int, end: CallEnd, operator: Callable[[str], str]
) -> Ended | None:
    """Write the end and count it. None: it had ended already, nothing is written. `operator` says who
    serves a number."""
    row = (
        await session.execute(
            update(Call)
            .where(Call.id == call_id, Call.ended_at.is_(None))
            .values(**_columns(end))
            .returning(Call.project_id, Call.campaign_id, Call.line_id, Call.number, Call.phone, Call.created_at),
            execution_options=RAW,
        )
    ).first()
    if row is None:
        return None
    ended = Ended(*row)
    if end.talk is not None:
        await session.execute(
            insert(CallDetail).values(
                call_id=call_id,
                steps=[_step(step) for step in end.talk.steps],
                transcript=[asdict(line) for line in end.talk.transcript],
                recorded=list(end.talk.recorded),
                vars=dict(end.talk.vars),
            )
        )
    await _count(db, session, ended, increments(end), operator(ended.phone))
    if end.talk is not None and end.talk.opted_out and ended.project_id is not None:
        await session.execute(
            db.insert(OptOut)
            .values(project_id=ended.project_id, phone=ended.phone, call_id=call_id, created_at=end.ended_at)
            .on_conflict_do_nothing()
        )
    return ended


def increments(end: CallEnd) -> Mapping[str, int]:
    """What this end adds to the columns of `Counts`; zeros are left out."""
    added = {name: n for name, n in outcome.deltas(end).items() if name in COUNTED}
    if end.status.value in _BY_STATUS:
        added[end.status.value] = 1
    if end.answered_at is not None:
        added["talk_ms"] = _ms(end.answered_at, end.ended_at)
    return {name: n for name, n in added.items() if n}


async def _count(db: Database, session: AsyncSession, call: Ended, added: Mapping[str, int], operator: str) -> None:
    if call.campaign_id is not None:
        await session.execute(
            update(CampaignTotals)
            .where(CampaignTotals.campaign_id == call.campaign_id)
            .values({name: CampaignTotals.__table__.c[name] + n for name, n in added.items()}),
            execution_options=RAW,
        )
    if call.project_id is not None:
        key = {
            "project_id": call.project_id,
            "hour": call.created_at.replace(minute=0, second=0, microsecond=0),
            "campaign_id": call.campaign_id or 0,
            "line_id": call.line_id or 0,
            "number": call.number,
            "operator": operator,
        }
        columns = CallRollup.__table__.c
        put = db.insert(CallRollup).values(**key, **added)
        await session.execute(
            put.on_conflict_do_update(
                index_elements=list(key), set_={name: columns[name] + n for name, n in added.items()}
            )
            if added
            else put.on_conflict_do_nothing()
        )
    if call.number and added.get("calls"):
        await session.execute(
            update(Number).where(Number.number == call.number).values(calls=Number.calls + 1), execution_options=RAW
        )
    if call.line_id is not None:
        await session.execute(
            update(InboundLine)
            .where(InboundLine.id == call.line_id)
            .values(
                calls=InboundLine.calls + added.get("calls", 0),
                goals=InboundLine.goals + added.get("goals", 0),
                spent=InboundLine.spent + added.get("spent", 0),
            ),
            execution_options=RAW,
        )


def _columns(end: CallEnd) -> dict[str, Any]:
    values: dict[str, Any] = {
        "status": end.status.value,
        "cause": end.cause,
        "ended_at": end.ended_at,
        "reason": end.reason or (end.talk.reason if end.talk else ""),
        "recording": end.recording,
        "cost": end.cost,
        "billed_s": end.billed_s,
        "variant": end.variant,
        "leased_until": None,
    }
    for name in ("dialed_at", "ringing_at", "answered_at", "number", "scenario_id", "scenario_version"):
        if getattr(end, name):  # what was written while the call lived stays where the end does not say
            values[name] = getattr(end, name)
    if end.answered_at is not None:
        values["duration_ms"] = _ms(end.answered_at, end.ended_at)
    if end.talk is not None:
        values["result"] = end.talk.result.value if end.talk.result is not None else None
        values["ended_by"] = end.talk.ended_by
        values["tags"] = list(end.talk.tags)
    return values


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
