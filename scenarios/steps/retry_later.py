"""Asks the dialler to call this contact again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from scenarios.card import Arrow, Card, Fault, Here, Template, Turn, about, fault, leave
from scenarios.problems import CardError, Label
from scenarios.talk import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Перезвонить позже", "Call again later")
    does = Label(
        "Просит перезвонить этому контакту через время или в указанный момент.",
        "Asks for another call to this contact, after a while or at a moment.",
    )
    icon = "history"
    group = "result"

    after_s: Annotated[float, Field(ge=0, le=30 * 86400, allow_inf_nan=False)] = about(
        "Через, с", "After, s", default=0.0
    )
    at: Template = about("В момент (ISO 8601)", "At (ISO 8601)", default="")
    next: Arrow = about("дальше", "next")

    def faults(self) -> Iterator[Fault]:
        if bool(self.after_s) == bool(self.at):
            yield fault("one_of", "after_s", what="after_s, at")
        if self.at and "{" not in self.at and not _is_moment(self.at):
            yield fault("bad_value", "at", what=self.at[:60])

    def enter(self, here: Here) -> Turn:
        if not self.at:
            return leave("next", Mark("retry_later", after_s=self.after_s))
        at = here.render(self.at).strip()
        if not _is_moment(at):
            raise CardError(f"not a moment in ISO 8601: {at[:40]!r}")
        return leave("next", Mark("retry_later", at=at))


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
