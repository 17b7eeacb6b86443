"""Fills variables from templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from scenarios.card import NAME, Arrow, Card, Here, Turn, about, leave
from scenarios.problems import Label
from scenarios.talk import Value
from scenarios.template import MOST_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Запомнить", "Set variables")
    does = Label(
        "Заполняет переменные по шаблонам; `{{ tries + 1 }}` остаётся числом.",
        "Fills variables from templates; `{{ tries + 1 }}` stays a number.",
    )
    icon = "pencil"
    group = "data"

    vars: Annotated[
        Mapping[
            Annotated[str, Field(pattern=NAME)], Annotated[str, Field(max_length=MOST_TEXT)] | bool | int | float | None
        ],
        Field(min_length=1, max_length=50),
    ] = about("Переменные", "Variables")
    next: Arrow = about("дальше", "next")

    def templates(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for name, value in self.vars.items():
            if isinstance(value, str):
                yield ("vars", name), value

    def saves(self) -> Iterator[str]:
        return iter(self.vars)

    def enter(self, here: Here) -> Turn:
        sets: dict[str, Value] = {}
        for name, value in self.vars.items():
            sets[name] = here.value(value) if isinstance(value, str) else value
        return leave("next", sets=sets)
