"""Sends a message over another channel. Not available yet: it validates, and the check says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scenarios.card import Arrow, Card, Fault, Here, Material, Template, Text, Turn, about, fault
from scenarios.problems import CardError, Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Сообщение", "Message")
    does = Label(
        "Отправляет сообщение по другому каналу. Пока не работает.",
        "Sends a message over another channel. Not available yet.",
    )
    icon = "send"
    group = "result"
    available = False

    channel: Text = about("Канал", "Channel")
    text: Template = about("Текст", "Text", default="")
    material: Material = about("Материал", "Material", default=0)
    next: Arrow = about("дальше", "next")
    failed: Arrow = about("не удалось", "failed", default="")

    def faults(self) -> Iterator[Fault]:
        if bool(self.text) == bool(self.material):
            yield fault("one_of", "text", what="text, material")

    def enter(self, here: Here) -> Turn:
        raise CardError("the card 'message' is not available yet")
