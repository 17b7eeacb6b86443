"""Ends the call."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.card import Card, Here, Turn
from scenarios.problems import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Завершить", "Hang up")
    does = Label("Завершает звонок, договорив начатое.", "Ends the call when everything has been said.")
    icon = "phone-off"
    group = "flow"

    def enter(self, here: Here) -> Turn:
        return Turn("hangup", ending="hangup")
