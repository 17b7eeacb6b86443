"""Lists in the API's form: `?limit=&cursor=&sort=` in, `{"items": […], "next": "…"|null}` out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Generic, TypeVar

from pydantic import Field

from engine.store.paging import LIMIT, MOST
from engine.store.paging import Ask as Slice
from engine.store.paging import Page as Rows
from web.routes import Given, Told

Row = TypeVar("Row")
Item = TypeVar("Item")


class ListQuery(Given):
    """Base of every list's query; filters are added to it."""

    limit: Annotated[int, Field(ge=1, le=MOST, description="How many at once")] = LIMIT
    cursor: Annotated[str, Field(max_length=1000, description="`next` of the page before")] = ""
    sort: Annotated[str, Field(max_length=64, description="A field's name, `-` before it for descending")] = ""

    @property
    def slice(self) -> Slice:
        return Slice(self.limit, self.cursor, self.sort)


class PageOf(Told, Generic[Item]):
    items: list[Item]
    next: str | None = Field(description="Give it back as `cursor` for what follows; null: that was all")


def told(rows: Rows[Row], one: Callable[[Row], Item]) -> PageOf[Item]:
    return PageOf(items=[one(row) for row in rows.items], next=rows.next)
