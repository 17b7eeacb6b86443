"""Marks the contact as a lead."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.card import Arrow, Card, Here, Text, Turn, about, leave
from scenarios.problems import Label
from scenarios.talk import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Цель", "Goal")
    does = Label("Отмечает контакт как лид, с меткой.", "Marks the contact as a lead, with a tag.")
    icon = "target"
    group = "result"

    tag: Text = about("Метка", "Tag", default="")
    next: Arrow = about("дальше", "next")

    def enter(self, here: Here) -> Turn:
        return leave("next", Mark("goal", tag=self.tag))
