"""Segments: whom to call, or whom never to call."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from engine.store.tables import Segment, SegmentContact
from web.api.types import Name, Phone, Plain, Zone
from web.paging import ListQuery
from web.problems import ProblemItem
from web.routes import Given, Routes, Told

routes = Routes("segments")

MOST_CONTACTS = 100_000  # in one request; more of them come as a file
ERRORS_TOLD = 100
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
    """All of what is given must hold."""

    field: FieldKey
    op: Literal["eq", "ne", "contains", "set", "unset"] = "eq"
    value: Plain = None


class NewFilter(Given):
    name: Name
    conditions: Annotated[list[Condition], Field(min_length=1, max_length=20)]


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
