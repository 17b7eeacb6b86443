"""Keeps what the subscriber says as a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from scenarios.card import Arrow, Card, Flag, Here, Turn, Variable, about, leave, stay
from scenarios.problems import Label
from scenarios.talk import Event, Record, Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Записать сообщение", "Record a message")
    does = Label("Записывает слова абонента в звуковой файл.", "Records the subscriber's words as an audio file.")
    icon = "mic"
    group = "speech"
    waits = True

    max_s: Annotated[float, Field(ge=1, le=600)] = about("Не дольше, с", "At most, s", default=60.0)
    silence_s: Annotated[float, Field(ge=0.5, le=60)] = about(
        "Конец после тишины, с", "Ends after silence, s", default=3.0
    )
    beep: Flag = about("Сигнал перед записью", "Beep first", default=True)
    save: Variable = about("Имя файла в переменную", "File name into the variable", default="")
    next: Arrow = about("дальше", "next")

    def enter(self, here: Here) -> Turn:
        return stay(Record(self.max_s, self.silence_s, self.beep))

    def on(self, event: Event, here: Here) -> Turn:
        if isinstance(event, Recorded):
            return leave("next", detail=f"{event.seconds:.1f} s", sets={self.save: event.audio} if self.save else None)
        return Turn()
