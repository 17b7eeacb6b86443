"""Adds a tag to the contact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scenarios.card import Arrow, Card, Fault, Here, Text, Turn, about, fault, leave
from scenarios.problems import Label
from scenarios.talk import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Метка", "Tag")
    does = Label("Добавляет контакту метку.", "Adds a tag to the contact.")
    icon = "tag"
    group = "result"

    tag: Text = about("Метка", "Tag")
    next: Arrow = about("дальше", "next")

    def faults(self) -> Iterator[Fault]:
        if not self.tag.strip():
            yield fault("required", "tag", what="tag")

    def enter(self, here: Here) -> Turn:
        return leave("next", Mark("tag", tag=self.tag))
