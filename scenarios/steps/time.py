"""Asks whether it is now within given hours, on a wall clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field

from scenarios.card import Arrow, Card, Fault, Here, Text, Turn, about, fault, leave
from scenarios.problems import CardError, Label

Hour = Annotated[str, Field(pattern=r"^(([01]?[0-9]|2[0-3]):[0-5][0-9]|24:00)$")]


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """Raises CardError when there is no such zone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise CardError(f"no such time zone: {name[:60]!r}") from None


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Hours of some days. One that ends before it begins goes over midnight and belongs to the day it begins on."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    days: Annotated[tuple[Annotated[int, Field(ge=1, le=7)], ...], Field(min_length=1, max_length=7)] = about(
        "Дни, понедельник 1", "Days, Monday is 1", default=(1, 2, 3, 4, 5, 6, 7)
    )
    since: Annotated[Hour, Field(alias="from")] = about("С", "From")
    to: Hour = about("До", "To")

    def holds(self, local: datetime) -> bool:
        minute, today = local.hour * 60 + local.minute, local.isoweekday()
        since, to = _minute(self.since), _minute(self.to)
        if since < to:
            return today in self.days and since <= minute < to
        yesterday = (today - 2) % 7 + 1
        return (today in self.days and minute >= since) or (yesterday in self.days and minute < to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Время", "Time of day")
    does = Label(
        "Проверяет, попадает ли текущее время в часы работы.", "Asks whether it is now within the given hours."
    )
    icon = "clock"
    group = "flow"

    windows: Annotated[tuple[Window, ...], Field(min_length=1, max_length=50)] = about("Часы", "Hours")
    timezone: Text = about("Часовой пояс", "Time zone")
    inside: Arrow = about("в эти часы", "inside")
    outside: Arrow = about("в другое время", "outside")

    def faults(self) -> Iterator[Fault]:
        try:
            zone(self.timezone)
        except CardError:
            yield fault("bad_value", "timezone", what=self.timezone)
        for i, window in enumerate(self.windows):
            if window.since == window.to:
                yield fault("bad_value", "windows", i, "to", what=f"{window.since}–{window.to}")

    def enter(self, here: Here) -> Turn:
        local = here.now.astimezone(zone(self.timezone))
        inside = any(window.holds(local) for window in self.windows)
        return leave("inside" if inside else "outside", detail=f"{local:%H:%M}")
