"""Collects digits, pressed or spoken, into a variable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import BeforeValidator, Field

from scenarios.card import (
    INHERITED,
    Arrow,
    AudioFile,
    Card,
    Fault,
    Flag,
    Here,
    Language,
    Material,
    Patience,
    Template,
    Text,
    Turn,
    Variable,
    Way,
    about,
    fault,
    leave,
    own_prompt,
    prompt_faults,
    stay,
    textual,
)
from scenarios.digits import MOST_DIGITS, digits, vocabulary
from scenarios.problems import Label
from scenarios.talk import Event, Heard, Listen, Pressed, Silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Принять цифры", "Collect digits")
    does = Label(
        "Принимает цифры с клавиш или голосом и кладёт их в переменную.",
        "Takes digits by keys or by voice and keeps them in a variable.",
    )
    icon = "binary"
    group = "speech"
    listens = True
    waits = True

    say: Template = about("Вопрос", "Question", default="")
    audio: AudioFile = about("Звуковой файл", "Audio file", default="")
    material: Material = about("Материал", "Material", default=0)
    barge_in: Annotated[Flag, INHERITED] = about("Можно перебить", "May be interrupted", default=True)
    voice: Annotated[Text, INHERITED] = about("Голос", "Voice", default="")
    save: Variable = about("В переменную", "Into the variable")
    min: Annotated[int, Field(ge=1, le=MOST_DIGITS)] = about("Не меньше цифр", "At least", default=1)
    max: Annotated[int, Field(ge=1, le=MOST_DIGITS)] = about("Не больше цифр", "At most", default=16)
    terminator: Annotated[str, BeforeValidator(textual), Field(pattern=r"^[#*]?$")] = about(
        "Клавиша конца", "Key that ends", default="#"
    )
    timeout_s: Annotated[Patience, INHERITED] = about("Ждать ответа, с", "Patience, s", default=7.0)
    interdigit_s: Annotated[Patience, INHERITED] = about("Ждать следующую, с", "Wait for a next one, s", default=2.0)
    max_utterance_s: Annotated[Patience, INHERITED] = about("Самый длинный ответ, с", "Longest answer, s", default=15.0)
    min_speech_ms: Annotated[int, INHERITED, Field(ge=20, le=2000)] = about(
        "Короче — не речь, мс", "Shorter is no speech, ms", default=120
    )
    recognizer: Annotated[Text, INHERITED] = about("Распознаватель", "Recogniser", default="")
    language: Annotated[Language, INHERITED] = about("Язык", "Language", default="")
    ok: Arrow = about("принято", "taken")
    invalid: Arrow = about("не то", "wrong", default="")
    silence: Arrow = about("молчание", "silence", default="")

    def ways(self) -> Iterator[Way]:
        yield Way("ok", self.ok, ("ok",), alone=False)
        if self.invalid:
            yield Way("invalid", self.invalid, ("invalid",), alone=not self.silence)
        if self.silence:
            yield Way("silence", self.silence, ("silence",))

    def faults(self) -> Iterator[Fault]:
        yield from prompt_faults(self, needed=False)
        if self.min > self.max:
            yield fault("bad_value", "max", what=f"{self.min} > {self.max}")
        if not (self.silence or self.invalid):
            yield fault("no_arrow", "silence", what="silence")
        elif not self.invalid:
            yield fault("no_fallback", "invalid", what="invalid")
        elif not self.silence:
            yield fault("no_fallback", "silence", what="silence")

    def fallback(self, port: str) -> str:
        return {"silence": "invalid", "invalid": "silence"}.get(port, "")

    def listen(self, here: Here) -> Listen:
        language = self.language or here.language
        return here.once(
            lambda: Listen(
                timeout_s=self.timeout_s,
                phrases=vocabulary(language),
                digits=(self.min, self.max),
                max_utterance_s=self.max_utterance_s,
                partials=False,  # "twenty" may become "twenty five": only the end of speech tells
                min_speech_ms=self.min_speech_ms,
                recognizer="" if self.recognizer == "default" else self.recognizer,
                language=self.language,
            )
        )

    def enter(self, here: Here) -> Turn:
        return stay(*own_prompt(self, here), self.listen(here))

    def on(self, event: Event, here: Here) -> Turn:
        so_far = str(here.memo.get("digits", ""))
        match event:
            case Pressed(key) if key and key == self.terminator:
                return self._settle(so_far, "dtmf")
            case Pressed(key) if key.isdigit():
                return self._more(so_far + key, "dtmf", here)
            case Heard(text, confidence):
                said = digits(text)
                turn = self._more(so_far + said, "voice", here) if said else self._settle("", "voice")
                return replace(turn, heard=text, confidence=confidence) if turn.port else turn
            case Silent():
                return self._settle(so_far, "dtmf") if so_far else leave("silence", by="silence")
        return Turn()

    def _more(self, so_far: str, by: str, here: Here) -> Turn:
        """Spoken digits end with the utterance once there are enough; keys only when there can be no more."""
        if len(so_far) >= self.max or (by == "voice" and len(so_far) >= self.min):
            return self._settle(so_far, by)
        missing = (max(0, self.min - len(so_far)), self.max - len(so_far))
        return stay(replace(self.listen(here), timeout_s=self.interdigit_s, digits=missing), digits=so_far)

    def _settle(self, so_far: str, by: str) -> Turn:
        if self.min <= len(so_far) <= self.max:
            return leave("ok", by=by, heard=so_far, confidence=1.0, sets={self.save: so_far})
        return leave("invalid", by=by, heard=so_far)
