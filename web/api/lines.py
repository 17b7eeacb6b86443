"""Inbound lines: who answers when somebody calls one of your numbers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from engine.store.tables import InboundLine
from web.api.campaign_models import CallingWindow, WindowOut
from web.api.types import Id, Name, Phone, Zone
from web.ask import Ask, Role
from web.paging import ListQuery, PageOf, told
from web.routes import Given, Routes, Told

routes = Routes("lines")


class Hours(Given):
    """When `scenario_id` answers; else `after_hours_scenario_id` does, or nobody. No windows: always."""

    windows: Annotated[list[CallingWindow], Field(max_length=50)] = []


class NewLine(Given):
    name: Name
    numbers: Annotated[list[Phone], Field(max_length=100)] = []
    scenario_id: Id
    after_hours_scenario_id: Id | None = None
    schedule: Hours = Hours()
    timezone: Zone | None = Field(default=None, description="Of the schedule; the project's unless given")
    segment_id: Id | None = Field(default=None, description="Whose contacts' fields callers bring")
    blacklist_ids: Annotated[list[Id], Field(max_length=100)] = []
    record: bool = True


class LinePatch(Given):
    name: Name | None = None
    numbers: Annotated[list[Phone], Field(max_length=100)] | None = None
    scenario_id: Id | None = None
    after_hours_scenario_id: Id | None = Field(default=None, description="null: nobody answers after hours")
    schedule: Hours | None = None
    timezone: Zone | None = Field(default=None, description="null: the project's")
    segment_id: Id | None = None
    blacklist_ids: Annotated[list[Id], Field(max_length=100)] | None = None
    record: bool | None = None


class HoursOut(Told):
    windows: list[WindowOut]


class LineOut(Told):
    id: int
    project_id: int
    name: str
    numbers: list[str]
    scenario_id: int
    after_hours_scenario_id: int | None
    schedule: HoursOut
    timezone: str | None
    segment_id: int | None
    blacklist_ids: list[int]
    record: bool
    state: Literal["active", "off", "archived"]
    calls: int
    goals: int
    spent: int
    created_at: datetime


class LineQuery(ListQuery):
    state: Literal["active", "off", "archived"] | None = None


class CopyLine(Given):
    name: Name | None = None


NULLABLE = ("after_hours_scenario_id", "segment_id", "timezone")  # null is a value of these, not "leave it as it is"


def line_out(row: InboundLine) -> LineOut:
    plain: dict[str, Any] = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    return LineOut.model_validate(
        {**plain, "timezone": row.timezone or None, "schedule": {"windows": row.schedule.get("windows") or []}}
    )


def _settings(body: NewLine | LinePatch) -> dict[str, Any]:
    plain = body.model_dump(by_alias=True, exclude_unset=isinstance(body, LinePatch))
    plain = {name: value for name, value in plain.items() if value is not None or name in NULLABLE}
    if "timezone" in plain:
        plain["timezone"] = plain["timezone"] or ""
    return plain


@routes.post("/projects/{project_id}/lines", "Make a line; it answers when it is activated", status=201)
async def create(ask: Ask, project_id: int, body: NewLine) -> LineOut:
    await ask.may(project_id, "manager")
    return line_out(await ask.store.lines.add(project_id, _settings(body), now=ask.now(), user=ask.user))


@routes.get("/projects/{project_id}/lines", "A project's lines")
async def listing(ask: Ask, project_id: int, query: LineQuery) -> PageOf[LineOut]:
    rows = await ask.store.lines.page(query.slice, user=ask.user, project_id=project_id, state=query.state or "")
    return told(rows, line_out)


@routes.get("/lines", "The lines of all your projects")
async def everywhere(ask: Ask, query: LineQuery) -> PageOf[LineOut]:
    return told(await ask.store.lines.page(query.slice, user=ask.user, state=query.state or ""), line_out)


@routes.get("/lines/{line_id}", "One line")
async def get(ask: Ask, line_id: int) -> LineOut:
    return line_out(await ask.store.lines.get(line_id, user=ask.user))


@routes.patch("/lines/{line_id}", "Change a line, from the next call on", errors=(409,))
async def patch(ask: Ask, line_id: int, body: LinePatch) -> LineOut:
    await _mine(ask, line_id, "manager")
    return line_out(await ask.store.lines.change(line_id, _settings(body), user=ask.user))


@routes.post("/lines/{line_id}/activate", "Answer from now on", errors=(409, 422))
async def activate(ask: Ask, line_id: int) -> LineOut:
    await _mine(ask, line_id, "manager")
    return line_out(await ask.store.lines.activate(line_id, user=ask.user))


@routes.post("/lines/{line_id}/deactivate", "Answer no more; calls that live go on", errors=(409,))
async def deactivate(ask: Ask, line_id: int) -> LineOut:
    await _mine(ask, line_id, "manager")
    return line_out(await ask.store.lines.deactivate(line_id, user=ask.user))


@routes.post("/lines/{line_id}/archive", "Put a line away; it answers no more")
async def archive(ask: Ask, line_id: int) -> LineOut:
    await _mine(ask, line_id, "manager")
    return line_out(await ask.store.lines.deactivate(line_id, user=ask.user, archive=True))


@routes.post("/lines/{line_id}/copy", "A new line that is off, with the same settings", status=201)
async def copy(ask: Ask, line_id: int, body: CopyLine) -> LineOut:
    row = await _mine(ask, line_id, "manager")
    made = await ask.store.lines.copy(line_id, name=body.name or row.name, now=ask.now(), user=ask.user)
    return line_out(made)


async def _mine(ask: Ask, line_id: int, role: Role) -> InboundLine:
    row = await ask.store.lines.get(line_id, user=ask.user)
    await ask.may(row.project_id, role)
    return row
