"""Telephone numbers: the inventory, and which of them are yours."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from engine.store.tables import Number
from web.api.types import Id, Phone
from web.ask import Ask
from web.paging import ListQuery, PageOf, told
from web.routes import Given, Routes, Told

routes = Routes("numbers")


class NumberQuery(ListQuery):
    state: Literal["available", "rented"] | None = None
    operator: Annotated[str, Field(max_length=200)] = ""
    region: Annotated[str, Field(max_length=200)] = ""


class NumberOut(Told):
    number: str
    trunk: str
    operator: str
    region: str
    kind: str
    monthly_price: int
    state: Literal["available", "rented"]
    project_id: int | None = Field(description="The only project that may use it; null: all of yours")
    rented_at: datetime | None
    rented_until: datetime | None
    calls: int


class Rent(Given):
    numbers: Annotated[list[Phone], Field(min_length=1, max_length=100)]
    project_id: Id | None = Field(default=None, description="Only this project may use them")


class Release(Given):
    numbers: Annotated[list[Phone], Field(min_length=1, max_length=100)]


def number_out(row: Number) -> NumberOut:
    plain = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    return NumberOut.model_validate({**plain, "state": "available" if row.user_id is None else "rented"})


@routes.get("/numbers", "Free numbers, and yours")
async def listing(ask: Ask, query: NumberQuery) -> PageOf[NumberOut]:
    rows = await ask.store.numbers.page(
        query.slice, user=ask.user, state=query.state or "", operator=query.operator, region=query.region
    )
    return told(rows, number_out)


@routes.post("/numbers/rent", "Take numbers: all of them or none", errors=(404, 409), idempotent=True)
async def rent(ask: Ask, body: Rent) -> PageOf[NumberOut]:
    if body.project_id is not None:
        await ask.may(body.project_id, "manager")
    rows = await ask.store.numbers.rent(body.numbers, user=ask.user, now=ask.now(), project_id=body.project_id)
    ask.robot.nudge()
    return PageOf(items=[number_out(row) for row in rows], next=None)


@routes.post("/numbers/release", "Give numbers back: all of them or none", errors=(404, 409))
async def release(ask: Ask, body: Release) -> PageOf[NumberOut]:
    rows = await ask.store.numbers.release(body.numbers, user=ask.user)
    ask.robot.nudge()
    return PageOf(items=[number_out(row) for row in rows], next=None)
