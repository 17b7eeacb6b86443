"""A call in the API's words."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from engine.ports import LiveView
from engine.store.tables import Call, CallDetail
from scenarios.document import Scenario
from web.api.story import VerdictOut, WhyOut, verdicts, whys
from web.api.types import Id, Moment, Phone, Result, Status
from web.paging import ListQuery
from web.routes import Given, Told


class StepOut(Told):
    """One card that the call passed. `at_ms` counts from the answer."""

    at_ms: int
    node: str
    kind: str
    ms: int
    port: str
    by: str = ""
    heard: str = ""
    confidence: float = 0.0
    reaction_ms: int | None = None
    detail: str = ""
    partial: bool = Field(default=False, description="Decided before the end of speech")
    why: WhyOut | None = Field(default=None, description="Which of the card's answers decided, and by what words")


class SpokenOut(Told):
    at_ms: int
    who: Literal["robot", "subscriber"]
    text: str


class CallOut(Told):
    id: int
    kind: Literal["campaign", "single", "inbound", "password"]
    direction: Literal["outbound", "inbound"]
    project_id: int | None
    campaign_id: int | None
    line_id: int | None
    contact_id: int | None
    attempt: int
    phone: str
    number: str
    scenario_id: int | None
    scenario_version: int | None
    variant: int
    status: Status
    cause: int = Field(description="Q.850; 0 while there is none")
    result: Result | None
    reason: str
    tags: list[str]
    fields: dict[str, Any]
    created_at: datetime
    not_after: datetime | None
    dialed_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    duration_ms: int
    billed_s: int
    cost: int
    currency: str
    ended_by: str | None
    recording: bool


class LiveLine(Told):
    at: datetime
    who: Literal["robot", "subscriber"]
    text: str


class LiveOut(CallOut):
    node: str = Field(description="The card where it stands; empty before the first one")
    partial: str = Field(description="What the subscriber is just saying")
    transcript: list[LiveLine]


class CallFull(CallOut):
    steps: list[StepOut]
    transcript: list[SpokenOut]
    answered_by: list[VerdictOut] = Field(description="Who answered, where the campaign looks for machines")
    vars: dict[str, Any]
    messages: int = Field(description="How many messages the subscriber left: see /calls/{id}/messages/{n}")


class CallFilter(ListQuery):
    project_id: Id | None = None
    campaign_id: Id | None = None
    line_id: Id | None = None
    contact_id: Id | None = None
    direction: Literal["outbound", "inbound"] | None = None
    status: Status | None = None
    result: Result | None = None
    phone: Annotated[str, StringConstraints(max_length=64)] = Field(default="", description="Any part of it in E.164")
    from_: Moment | None = Field(default=None, alias="from", description="Created at or after")
    to: Moment | None = Field(default=None, description="Created before")


class EventFilter(Given):
    project_id: Id | None = None
    campaign_id: Id | None = None
    call_id: Id | None = None


class NewCall(Given):
    """One call, now."""

    phone: Phone
    scenario_id: Id
    fields: Annotated[
        dict[
            Annotated[str, StringConstraints(min_length=1, max_length=64)],
            Annotated[str, StringConstraints(max_length=2000)] | int | float | bool | None,
        ],
        Field(max_length=100),
    ] = {}
    number: Phone | None = Field(default=None, description="The caller ID, one of yours; chosen for you unless given")
    not_after: Moment | None = Field(default=None, description="Not dialled later than this")


class RecordingQuery(Given):
    format: Literal["wav", "ogg"] | None = Field(default=None, description="By Accept unless given; else wav")


class HungUp(Told):
    hung_up: bool = Field(description="False: it was over already")


def _plain(row: Call) -> dict[str, Any]:
    plain = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    return {
        **plain,
        "recording": bool(row.recording),
        "ended_by": row.ended_by or None,
        "scenario_version": row.scenario_version or None,
    }


def call_out(row: Call) -> CallOut:
    return CallOut.model_validate(_plain(row))


def live_out(row: Call, view: LiveView | None) -> LiveOut:
    lines = [{"at": at, "who": who, "text": text} for at, who, text in view.transcript] if view else []
    return LiveOut.model_validate(
        {
            **_plain(row),
            "node": view.node if view else "",
            "partial": view.partial if view else "",
            "transcript": lines,
        }
    )


def call_full(row: Call, detail: CallDetail | None, scenario: Scenario | None = None) -> CallFull:
    """`scenario` is the version that was talked."""
    steps = detail.steps if detail else []
    return CallFull.model_validate(
        {
            **_plain(row),
            "steps": [{**step, "why": why} for step, why in zip(steps, whys(steps, scenario), strict=True)],
            "answered_by": verdicts(steps),
            "transcript": detail.transcript if detail else [],
            "vars": detail.vars if detail else {},
            "messages": len(detail.recorded) if detail else 0,
        }
    )
