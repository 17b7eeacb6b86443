"""Jumps to a card, or ends the talk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scenarios.card import Arrow, Card, Here, Turn, Way, about
from scenarios.problems import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Перейти", "Go to")
    does = Label(
        "Переходит к другой карточке или завершает звонок (`hangup`).",
        "Goes to another card, or ends the call (`hangup`).",
    )
    icon = "corner-down-right"
    group = "flow"

    to: Arrow = about("Куда", "Where to")

    def ways(self) -> Iterator[Way]:
        yield Way("to", self.to, ("to",))

    def onward(self) -> str:
        return "to"

    def enter(self, here: Here) -> Turn:
        return Turn("to", barged=here.barged)
