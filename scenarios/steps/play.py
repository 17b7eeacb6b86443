"""Says something and goes on; before a card that listens, it is that card's prompt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from scenarios.card import (
    INHERITED,
    Arrow,
    AudioFile,
    Card,
    Fault,
    Flag,
    Here,
    Material,
    Template,
    Text,
    Turn,
    Way,
    about,
    fault,
    leave,
    prompt,
    prompt_faults,
    stay,
)
from scenarios.problems import Label
from scenarios.talk import Began, Event, Play, Played, Pressed


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Сказать", "Say")
    does = Label(
        "Говорит текст или включает запись. Перед слушающей карточкой это её вопрос: его можно перебить.",
        "Says a text or plays a recording. Before a card that listens it is its question, and can be interrupted.",
    )
    icon = "message-square"
    group = "speech"
    waits = True

    say: Template = about("Текст", "Text", default="")
    audio: AudioFile = about("Звуковой файл", "Audio file", default="")
    material: Material = about("Материал", "Material", default=0)
    barge_in: Annotated[Flag, INHERITED] = about("Можно перебить", "May be interrupted", default=True)
    voice: Annotated[Text, INHERITED] = about("Голос", "Voice", default="")
    max_visits: Annotated[int, Field(ge=0, le=100)] = about("Не больше раз", "At most this often", default=0)
    next: Arrow = about("дальше", "next")
    exhausted: Arrow = about("слишком часто", "too often", default="")

    def ways(self) -> Iterator[Way]:
        yield Way("next", self.next, ("next",))
        if self.exhausted:
            yield Way("exhausted", self.exhausted, ("exhausted",))

    def faults(self) -> Iterator[Fault]:
        yield from prompt_faults(self)
        if self.max_visits and not self.exhausted:
            yield fault("no_arrow", "exhausted", what="exhausted")
        if self.exhausted and not self.max_visits:
            yield fault("never_used", "exhausted", what="exhausted, max_visits")

    def onward(self) -> str:
        return "next"

    def enter(self, here: Here) -> Turn:
        if here.barged and self.barge_in:
            return self._interrupted()
        play = Play(prompt(self, here), self.barge_in)
        listen = here.ahead()
        return stay(play) if listen is None else stay(play, listen)

    def on(self, event: Event, here: Here) -> Turn:
        match event:
            case Played():
                return leave("next")
            case Began() if self.barge_in and here.ahead() is not None:
                return self._interrupted()
            case Pressed() if self.barge_in and here.ahead() is not None:
                return replace(self._interrupted(), again=True)
        return Turn()

    def _interrupted(self) -> Turn:
        return Turn("next", by="barge_in", barged=True)
