"""Numbers, moments and telephone numbers as people of a language write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
from babel import dates, numbers
from markupsafe import Markup

from web.pages.labels import evidence
from web.words import below

MINUS = "—"


def when(language: str, at: datetime | None, zone: str = "UTC", shape: str = "short") -> Markup | str:
    """A moment on the wall clock of `zone`, with the exact time for machines. short: without the year unless another.
    clock: the time with seconds."""
    if at is None:
        return MINUS
    there = at.astimezone(ZoneInfo(zone))
    pattern = "HH:mm:ss" if shape == "clock" else "d MMM, HH:mm"
    if shape != "clock" and there.year != datetime.now(UTC).astimezone(ZoneInfo(zone)).year:
        pattern = "d MMM y, HH:mm"
    text = dates.format_datetime(there, pattern, locale=language)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(), f"{there:%Y-%m-%d %H:%M:%S} {zone}", text
    )


def day(language: str, at: datetime | date) -> str:
    return dates.format_date(at, "d MMMM y", locale=language)


def number(language: str, value: float | None) -> str:
    return MINUS if value is None else numbers.format_decimal(value, locale=language)


def percent(language: str, share: float) -> str:
    return numbers.format_percent(share, "#,##0.#%" if 0 < share < 0.1 else "#,##0%", locale=language)


def money(language: str, minor: int | None, currency: str = "RUB") -> str:
    return (
        MINUS if minor is None else numbers.format_currency(minor / 100, currency, "#,##0.00\u00a0¤", locale=language)
    )


def lasting(_language: str, ms: int | None) -> str:
    """0:07, 12:30, 1:02:03."""
    if ms is None:
        return MINUS
    seconds = round(ms / 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def moment(_language: str, ms: int) -> str:
    """Within a call: 0:02.1."""
    return f"{ms // 60_000}:{ms % 60_000 / 1000:04.1f}"


def told(language: str, text: str) -> str:
    """What the engine said of a part or of a call."""
    return below(language, text)


def size(language: str, count: int) -> str:
    """Bytes: 1.2 GB."""
    amount, unit = float(count), "B"
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    units = {"B": "Б", "KB": "КБ", "MB": "МБ", "GB": "ГБ", "TB": "ТБ"}
    shown = numbers.format_decimal(amount, "#,##0.#" if amount < 10 else "#,##0", locale=language)
    return f"{shown}\u00a0{units[unit] if language == 'ru' else unit}"


def phone(_language: str, value: str) -> str:
    """+7 900 123-45-67; what is no number stays as it is."""
    try:
        parsed = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        return value or MINUS
    text = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return text.replace(" ", "\u00a0").replace("-", "\u2011")


_ALL: Mapping[str, Callable[..., Any]] = {
    "when": when,
    "day": day,
    "number": number,
    "percent": percent,
    "money": money,
    "lasting": lasting,
    "moment": moment,
    "phone": phone,
    "told": told,
    "size": size,
}


def filters(language: str) -> dict[str, Callable[..., Any]]:
    made: dict[str, Callable[..., Any]] = {name: partial(make, language) for name, make in _ALL.items()}
    return made | {"evidence": evidence(language)}
