"""The words that requests and answers of several nouns share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from web.routes import LARGEST_ID


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("there is no such time zone; name one of the IANA database, such as Europe/Moscow")
    ZoneInfo(name)
    return name


def _utc(moment: datetime) -> datetime:
    if not 1970 < moment.year < 2200:  # so that reckoning with it never leaves the calendar
        raise ValueError("give a moment between 1971 and 2199")
    return moment.astimezone(UTC)


Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Text = Annotated[str, StringConstraints(max_length=5000)]
Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_known_zone)]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,63}$")]
Color = Annotated[str, StringConstraints(pattern=r"^(#[0-9a-fA-F]{6})?$")]
Email = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")
]
Plain = str | int | float | bool | None  # a value of a contact's field
Clock = Annotated[str, StringConstraints(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
Status = Literal[
    "queued", "dialing", "ringing", "answered", "no_answer", "busy", "rejected", "unreachable", "invalid_number",
    "congestion", "failed", "blocked",
]  # fmt: skip
Result = Literal["goal", "opt_out", "answering_machine", "non_target", "transferred"]
