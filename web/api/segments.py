"""Segments: whom to call, or whom never to call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field, StringConstraints, model_validator

from engine.store.audience import Added, Person
from engine.store.paging import Ask as Slice
from engine.store.segments import Condition as Holds
from engine.store.tables import Segment, SegmentContact
from web import bodies, export
from web.api.types import Name, Phone, Plain, Zone
from web.ask import Ask, Role
from web.paging import ListQuery, PageOf, told
from web.problems import ProblemItem
from web.routes import Given, Routes, Told

routes = Routes("segments")

MOST_CONTACTS = 100_000  # in one request; more of them come as a file
ERRORS_TOLD = 100
MOST_COLUMNS = 500
PlainText = Annotated[str, StringConstraints(max_length=2000)]
FieldKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class NewContact(Given):
    phone: Phone
    email: Annotated[str, StringConstraints(max_length=254)] = ""
    fields: Annotated[dict[FieldKey, PlainText | int | float | bool | None], Field(max_length=100)] = {}


class NewSegment(Given):
    name: Name
    kind: Literal["contacts", "blacklist", "empty"] = "contacts"
    timezone: Zone | None = Field(default=None, description="Of contacts whose own zone is not known")
    contacts: Annotated[list[NewContact], Field(max_length=MOST_CONTACTS)] = []

    @model_validator(mode="after")
    def _empty_is_empty(self) -> NewSegment:
        if self.kind == "empty" and self.contacts:
            raise ValueError("an empty segment has no contacts")
        return self


class SegmentPatch(Given):
    name: Name | None = None
    timezone: Zone | None = None


class SegmentOut(Told):
    id: int
    project_id: int
    name: str
    kind: Literal["contacts", "blacklist", "empty"]
    timezone: str | None
    size: int
    invalid: int = Field(description="Numbers that were refused, in all additions")
    duplicates: int = Field(description="Numbers that were there already, in all additions")
    state: Literal["ready", "importing", "failed"]
    archived: bool
    created_at: datetime


class SegmentQuery(ListQuery):
    kind: Literal["contacts", "blacklist", "empty"] | None = None
    archived: bool = False


class NewContacts(Given):
    contacts: Annotated[list[NewContact], Field(min_length=1, max_length=MOST_CONTACTS)]


class ContactsAdded(Told):
    added: int
    invalid: int
    duplicates: int
    errors: list[ProblemItem] = Field(description="The first hundred that were refused, and why")
    segment: SegmentOut


class ContactOut(Told):
    id: int
    phone: str
    email: str
    fields: dict[str, Any]
    timezone: str | None = Field(description="Null: not known, the segment's or the project's is taken")
    zone_source: str | None = Field(description="How the zone was found: field, registry or phone")
    created_at: datetime


class ContactQuery(ListQuery):
    phone: Annotated[str, Field(max_length=20)] = ""


class Copy(Given):
    name: Name | None = None


class Condition(Given):
    field: FieldKey = Field(description="A field's key, or phone, or email")
    op: Literal["eq", "ne", "contains", "set", "unset"] = "eq"
    value: Plain = None


class NewFilter(Given):
    name: Name
    conditions: Annotated[list[Condition], Field(min_length=1, max_length=20)] = Field(description="All must hold")


class ExportQuery(Given):
    format: Literal["csv"] = "csv"


def segment_out(row: Segment) -> SegmentOut:
    return SegmentOut.model_validate({**_plain(row), "timezone": row.timezone or None})


def contact_out(row: SegmentContact) -> ContactOut:
    return ContactOut.model_validate(
        {**_plain(row), "timezone": row.timezone or None, "zone_source": row.zone_source or None}
    )


def _plain(row: Segment | SegmentContact) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}


@routes.post(
    "/projects/{project_id}/segments",
    "Make a segment, with its contacts or without",
    status=201,
    max_body=bodies.CONTACTS_LIMIT,
)
async def create(ask: Ask, project_id: int, body: NewSegment) -> SegmentOut:
    """Numbers that are none, and repeated ones, are counted and left out: they do not refuse the rest."""
    await ask.may(project_id, "manager")
    row = await ask.store.segments.add(
        project_id, name=body.name, kind=body.kind, now=ask.now(), user=ask.user, timezone=body.timezone or ""
    )
    if body.contacts:
        await _add(ask, row.id, body.contacts)
        row = await ask.store.segments.get(row.id, user=ask.user)
    return segment_out(row)


@routes.get("/projects/{project_id}/segments", "A project's segments")
async def listing(ask: Ask, project_id: int, query: SegmentQuery) -> PageOf[SegmentOut]:
    rows = await ask.store.segments.page(
        project_id, query.slice, user=ask.user, kind=query.kind or "", archived=query.archived
    )
    return told(rows, segment_out)


@routes.get("/segments/{segment_id}", "One segment")
async def get(ask: Ask, segment_id: int) -> SegmentOut:
    return segment_out(await ask.store.segments.get(segment_id, user=ask.user))


@routes.patch("/segments/{segment_id}", "Change a segment's name or time zone")
async def patch(ask: Ask, segment_id: int, body: SegmentPatch) -> SegmentOut:
    await _mine(ask, segment_id, "manager")
    return segment_out(await ask.store.segments.change(segment_id, body.model_dump(exclude_none=True), user=ask.user))


@routes.post("/segments/{segment_id}/archive", "Put a segment away")
async def archive(ask: Ask, segment_id: int) -> SegmentOut:
    await _mine(ask, segment_id, "manager")
    return segment_out(await ask.store.segments.change(segment_id, {"archived": True}, user=ask.user))


@routes.post("/segments/{segment_id}/restore", "Take a segment back from the archive")
async def restore(ask: Ask, segment_id: int) -> SegmentOut:
    await _mine(ask, segment_id, "manager")
    return segment_out(await ask.store.segments.change(segment_id, {"archived": False}, user=ask.user))


@routes.post("/segments/{segment_id}/copy", "A new segment with the same contacts", status=201)
async def copy(ask: Ask, segment_id: int, body: Copy) -> SegmentOut:
    row = await _mine(ask, segment_id, "manager")
    return segment_out(
        await ask.store.segments.copy(segment_id, name=body.name or row.name, now=ask.now(), user=ask.user)
    )


@routes.post("/segments/{segment_id}/filter", "A new segment of those for whom the conditions hold", status=201)
async def filtered(ask: Ask, segment_id: int, body: NewFilter) -> SegmentOut:
    await _mine(ask, segment_id, "manager")
    conditions = [Holds(c.field, c.op, c.value) for c in body.conditions]
    return segment_out(
        await ask.store.segments.filter(segment_id, name=body.name, conditions=conditions, now=ask.now(), user=ask.user)
    )


@routes.get("/segments/{segment_id}/contacts", "The contacts of a segment")
async def contacts(ask: Ask, segment_id: int, query: ContactQuery) -> PageOf[ContactOut]:
    rows = await ask.store.segments.contacts(segment_id, query.slice, user=ask.user, phone=query.phone)
    return told(rows, contact_out)


@routes.post("/segments/{segment_id}/contacts", "Add contacts", status=201, max_body=bodies.CONTACTS_LIMIT)
async def add_contacts(ask: Ask, segment_id: int, body: NewContacts) -> ContactsAdded:
    """Numbers that are none, and repeated ones, are counted and left out: they do not refuse the rest."""
    await _mine(ask, segment_id, "operator")
    added = await _add(ask, segment_id, body.contacts)
    return ContactsAdded(
        added=added.added,
        invalid=added.invalid,
        duplicates=added.duplicates,
        errors=[
            ProblemItem(path=p.path, code=p.code, message=p.message if ask.language == "en" else ask.say(p.code))
            for p in added.problems[:ERRORS_TOLD]
        ],
        segment=segment_out(await ask.store.segments.get(segment_id, user=ask.user)),
    )


@routes.delete("/segments/{segment_id}/contacts/{contact_id}", "Take a contact out of a segment")
async def drop_contact(ask: Ask, segment_id: int, contact_id: int) -> None:
    await _mine(ask, segment_id, "operator")
    await ask.store.segments.drop_contact(segment_id, contact_id, user=ask.user)


@routes.get("/segments/{segment_id}/export", "The contacts as a file for spreadsheets", produces=("text/csv",))
async def exported(ask: Ask, segment_id: int, query: ExportQuery) -> web.StreamResponse:
    row = await _mine(ask, segment_id, "operator")
    assert ask.request is not None
    keys = await _field_keys(ask, row)
    return await export.send(ask.request, row.name, ["phone", "email", "timezone", *keys], _rows(ask, segment_id, keys))


async def _rows(ask: Ask, segment_id: int, keys: list[str]) -> AsyncIterator[list[Any]]:
    async for batch in ask.store.segments.export(segment_id, user=ask.user):
        for contact in batch:
            yield [contact.phone, contact.email, contact.timezone, *(contact.fields.get(key) for key in keys)]


async def _field_keys(ask: Ask, segment: Segment) -> list[str]:
    """Of the project's fields in their order, then of whatever else the contacts bring."""
    fields = await ask.store.projects.fields(segment.project_id, Slice(500), user=ask.user)
    keys = dict.fromkeys(field.key for field in fields.items)
    async for batch in ask.store.segments.export(segment.id, user=ask.user):
        for contact in batch:
            keys.update(dict.fromkeys(contact.fields))
        if len(keys) > MOST_COLUMNS:
            break
    return list(keys)[:MOST_COLUMNS]


async def _add(ask: Ask, segment_id: int, people: list[NewContact]) -> Added:
    persons = [Person(c.phone, c.email, c.fields) for c in people]
    return await ask.store.segments.add_contacts(segment_id, persons, now=ask.now(), user=ask.user)


async def _mine(ask: Ask, segment_id: int, role: Role) -> Segment:
    row = await ask.store.segments.get(segment_id, user=ask.user)
    await ask.may(row.project_id, role)
    return row
