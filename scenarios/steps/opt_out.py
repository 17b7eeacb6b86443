"""Puts the number on the project's stop list."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.card import Arrow, Card, Here, Text, Turn, about, leave
from scenarios.problems import Label
from scenarios.talk import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Больше не звонить", "Opt out")
    does = Label("Вносит номер в стоп-лист проекта.", "Puts the number on the project's stop list.")
    icon = "ban"
    group = "result"

    tag: Text = about("Метка", "Tag", default="")
    next: Arrow = about("дальше", "next")

    def enter(self, here: Here) -> Turn:
        return leave("next", Mark("opt_out", tag=self.tag))
