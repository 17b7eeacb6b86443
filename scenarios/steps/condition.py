"""Goes by the first expression that holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from scenarios.card import Arrow, Card, Expression, Fault, Form, Here, Text, Turn, Way, about, fault, leave
from scenarios.problems import CardError, Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    when: Expression = about("Когда", "When")
    port: Text = about("Имя стрелки", "The arrow's name", default="")
    goto: Arrow = about("Куда", "Where to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Условие", "Condition")
    does = Label(
        "Выбирает первую стрелку, чьё условие верно; условие, которое нельзя вычислить, неверно.",
        "Chooses the first arrow whose condition holds; one that cannot be worked out does not hold.",
    )
    icon = "split"
    group = "flow"

    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=50)] = about("Случаи", "Cases")
    otherwise: Annotated[Arrow, Field(alias="else"), Form("arrow")] = about("иначе", "else")

    def ways(self) -> Iterator[Way]:
        for i, case in enumerate(self.cases):
            yield Way(case.port or case.goto, case.goto, ("cases", i, "goto"))
        yield Way("else", self.otherwise, ("else",))

    def expressions(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for i, case in enumerate(self.cases):
            yield ("cases", i, "when"), case.when

    def faults(self) -> Iterator[Fault]:
        leads = {"else": self.otherwise}
        for i, case in enumerate(self.cases):
            name = case.port or case.goto
            if leads.setdefault(name, case.goto) != case.goto:
                yield fault("same_port", "cases", i, "port" if case.port else "goto", what=name)

    def enter(self, here: Here) -> Turn:
        trouble = ""
        for case in self.cases:
            try:
                if here.true(case.when):
                    return leave(case.port or case.goto, detail=trouble)
            except CardError as error:
                trouble = trouble or f"{case.when[:60]}: {error}"
        return leave("else", detail=trouble)
