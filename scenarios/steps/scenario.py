"""Runs another scenario and comes back. Not available yet: it validates, and the check says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from scenarios.card import Arrow, Card, Here, Turn, about
from scenarios.problems import CardError, Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Другой сценарий", "Another scenario")
    does = Label(
        "Выполняет другой сценарий и возвращается. Пока не работает.",
        "Runs another scenario and comes back. Not available yet.",
    )
    icon = "workflow"
    group = "flow"
    available = False

    scenario: Annotated[int, Field(ge=1, lt=2**53)] | Annotated[str, Field(min_length=1, max_length=200)] = about(
        "Сценарий", "Scenario"
    )
    next: Arrow = about("дальше", "next")

    def enter(self, here: Here) -> Turn:
        raise CardError("the card 'scenario' is not available yet")
