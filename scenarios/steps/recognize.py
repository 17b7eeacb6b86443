"""Listens, and sorts what was said or pressed by its filters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field

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
    Way,
    about,
    fault,
    leave,
    listed,
    own_prompt,
    prompt_faults,
    stay,
    textual,
)
from scenarios.forms import words
from scenarios.match import Answer, Matcher
from scenarios.patterns import BadPattern, Keys, is_regex, keys, regex
from scenarios.problems import Label
from scenarios.talk import Event, Heard, Listen, Partial, Pressed, Silent

MOST_PRESSED = 32
MOST_ALIKE = 100  # phrases of a card that begin with the same word: each is looked at when that word is said
Phrase = Annotated[str, BeforeValidator(textual), Field(min_length=1, max_length=200)]
Forms = Literal["any", "exact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One answer and where it leads."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    voice: Annotated[tuple[Phrase, ...], BeforeValidator(listed), Field(max_length=200)] = about(
        "Слова", "Words", default=()
    )
    dtmf: Annotated[str, BeforeValidator(textual), Field(max_length=64)] = about("Клавиши", "Keys", default="")
    silence: Flag = about("Молчание", "Silence", default=False)
    other: Flag = about("Другой ответ", "Any other answer", default=False)
    forms: Annotated[Forms | None, Field()] = about("Формы слов", "Word forms", default=None)
    port: Text = about("Имя стрелки", "The arrow's name", default="")
    goto: Arrow = about("Куда", "Where to")

    @property
    def name(self) -> str:
        return self.port or self.goto

    @property
    def given(self) -> list[str]:
        return [name for name in ("voice", "dtmf", "silence", "other") if getattr(self, name)]


@dataclass(frozen=True, slots=True)
class _Ears:
    """What a card needs to sort answers, made once."""

    matcher: Matcher
    spoken: tuple[int, ...]  # the matcher's answers -> filters
    keyed: tuple[tuple[int, Keys], ...]
    listen: Listen
    waiting: Listen  # for the next key of several


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Слушать ответ", "Listen")
    does = Label(
        "Слушает и выбирает стрелку по сказанным словам или нажатым клавишам.",
        "Listens, and chooses the arrow by the words that were said or the keys that were pressed.",
    )
    icon = "ear"
    group = "speech"
    listens = True
    waits = True

    say: Template = about("Вопрос", "Question", default="")
    audio: AudioFile = about("Звуковой файл", "Audio file", default="")
    material: Material = about("Материал", "Material", default=0)
    barge_in: Annotated[Flag, INHERITED] = about("Можно перебить", "May be interrupted", default=True)
    voice: Annotated[Text, INHERITED] = about("Голос", "Voice", default="")
    filters: Annotated[tuple[Filter, ...], Field(max_length=100)] = about("Ответы", "Answers", default=())
    timeout_s: Annotated[Patience, INHERITED] = about("Ждать ответа, с", "Patience, s", default=7.0)
    max_utterance_s: Annotated[Patience, INHERITED] = about("Самый длинный ответ, с", "Longest answer, s", default=15.0)
    interdigit_s: Annotated[Patience, INHERITED] = about(
        "Ждать следующую клавишу, с", "Wait for a next key, s", default=2.0
    )
    decide: Annotated[Literal["partial", "final"], INHERITED] = about(
        "Решать, не дожидаясь конца", "Decide before the end", default="partial"
    )
    settle_ms: Annotated[int, INHERITED, Field(ge=0, le=5000)] = about(
        "Слово устоялось, мс", "Settled after, ms", default=200
    )
    min_speech_ms: Annotated[int, INHERITED, Field(ge=20, le=2000)] = about(
        "Короче — не речь, мс", "Shorter is no speech, ms", default=120
    )
    forms: Annotated[Forms, INHERITED] = about("Формы слов", "Word forms", default="any")
    recognizer: Annotated[Text, INHERITED] = about("Распознаватель", "Recogniser", default="")
    language: Annotated[Language, INHERITED] = about("Язык", "Language", default="")

    # --- what the check asks -----------------------------------------------------------------------------------------

    def ways(self) -> Iterator[Way]:
        silent = self._index("silence") if self._index("silence") is not None else self._index("other")
        for i, one in enumerate(self.filters):
            yield Way(one.name, one.goto, ("filters", i, "goto"), alone=i == silent)

    def faults(self) -> Iterator[Fault]:
        yield from prompt_faults(self, needed=False)
        if not self.filters:
            yield fault("no_arrow", "filters", what="filters")
            return
        found: list[Fault] = []
        for i, one in enumerate(self.filters):
            if len(one.given) != 1:
                yield fault("one_of", "filters", i, what="voice, dtmf, silence, other")
            found += self._patterns(i, one)
        yield from found
        begins = Counter(said[0] for phrase in self.vocabulary() if (said := words(phrase)))
        if begins and (most := begins.most_common(1)[0])[1] > MOST_ALIKE:
            yield fault("too_large", "filters", what=f"{most[0]} …: {most[1]} > {MOST_ALIKE}")
            return
        if not any(problem.code == "bad_pattern" for problem in found):
            yield from self._alike()
        yield from self._clashes()
        if self._index("silence") is None:
            yield fault("no_silence", "filters", what=self._instead("other"))
        if self._index("other") is None:
            yield fault("no_other", "filters", what=self._instead("silence"))

    def _instead(self, name: str) -> str:
        return f"→ {name}" if self._index(name) is not None else "→ failed"

    def _patterns(self, i: int, one: Filter) -> Iterator[Fault]:
        for j, phrase in enumerate(one.voice):
            try:
                if is_regex(phrase):
                    regex(phrase)
                elif not words(phrase):
                    raise BadPattern(f"{phrase[:20]!r}")
            except BadPattern as error:
                yield fault("bad_pattern", "filters", i, "voice", j, what=str(error))
        if one.dtmf:
            try:
                keys(one.dtmf)
            except BadPattern as error:
                yield fault("bad_pattern", "filters", i, "dtmf", what=str(error))

    def _alike(self) -> Iterator[Fault]:
        told = {i: (j, what) for i, j, what in self._shared()}
        for i, one in enumerate(self.filters):
            for j, earlier in enumerate(self.filters[:i]):
                if earlier.goto != one.goto and (what := _common(earlier, one)):
                    told.setdefault(i, (j, what))
        for i, (j, what) in sorted(told.items()):
            yield fault("indistinguishable", "filters", i, what=what, other=j + 1)

    def _shared(self) -> Iterator[tuple[int, int, str]]:
        spoken = [i for i, one in enumerate(self.filters) if one.voice]
        for own, other, phrase in Matcher([self._answer(self.filters[i]) for i in spoken]).misheard():
            yield spoken[own], spoken[other], phrase

    def _clashes(self) -> Iterator[Fault]:
        leads: dict[str, str] = {}
        for i, one in enumerate(self.filters):
            if leads.setdefault(one.name, one.goto) != one.goto:
                yield fault("same_port", "filters", i, "port" if one.port else "goto", what=one.name)

    def vocabulary(self) -> Iterator[str]:
        for one in self.filters:
            yield from one.voice

    # --- listening ---------------------------------------------------------------------------------------------------

    def _answer(self, one: Filter) -> Answer:
        return Answer(one.voice, one.goto, (one.forms or self.forms) == "exact")

    def _index(self, name: str) -> int | None:
        return next((i for i, one in enumerate(self.filters) if getattr(one, name)), None)

    def _ears(self, here: Here) -> _Ears:
        return here.once(self._made)

    def _made(self) -> _Ears:
        spoken = tuple(i for i, one in enumerate(self.filters) if one.voice)
        matcher = Matcher([self._answer(self.filters[i]) for i in spoken])
        listen = Listen(
            timeout_s=self.timeout_s,
            voice=bool(spoken) or self._index("other") is not None,
            phrases=matcher.phrases,
            max_utterance_s=self.max_utterance_s,
            partials=self.decide == "partial" and bool(spoken),
            settle_ms=self.settle_ms,
            min_speech_ms=self.min_speech_ms,
            recognizer="" if self.recognizer == "default" else self.recognizer,
            language=self.language,
        )
        keyed = tuple((i, keys(one.dtmf)) for i, one in enumerate(self.filters) if one.dtmf)
        return _Ears(matcher, spoken, keyed, listen, replace(listen, timeout_s=self.interdigit_s))

    def listen(self, here: Here) -> Listen:
        return self._ears(here).listen

    def enter(self, here: Here) -> Turn:
        return stay(*own_prompt(self, here), self.listen(here))

    def on(self, event: Event, here: Here) -> Turn:
        match event:
            case Partial(text) if self.decide == "partial":
                matcher = self._ears(here).matcher
                return replace(self._said(text, 1.0, here), partial=True) if matcher.decisive(text) else Turn()
            case Heard(text, confidence):
                return self._said(text, confidence, here)
            case Pressed(key):
                return self._pressed(str(here.memo.get("pressed", "")) + key, here)
            case Silent():
                return self._silent(str(here.memo.get("pressed", "")), here)
        return Turn()

    def _said(self, text: str, confidence: float, here: Here) -> Turn:
        ears = self._ears(here)
        hit = ears.matcher.match(text)
        if hit is None:
            return self._fall("other", "silence", text, confidence)
        return self._leave(ears.spoken[hit.answer], "voice", text, confidence)

    def _pressed(self, pressed: str, here: Here) -> Turn:
        ears = self._ears(here)
        done = next((i for i, keys in ears.keyed if keys.full(pressed)), None)
        if len(pressed) < MOST_PRESSED and any(keys.more(pressed) for _, keys in ears.keyed):
            return stay(ears.waiting, pressed=pressed)
        if done is not None:
            return self._leave(done, "dtmf", pressed)
        if pressed.endswith("#") and len(pressed) > 1:  # "that was all", where no filter takes the key itself
            return self._silent(pressed[:-1], here)
        return self._fall("other", "silence", pressed)

    def _silent(self, pressed: str, here: Here) -> Turn:
        if not pressed:
            return self._fall("silence", "other")
        done = next((i for i, keys in self._ears(here).keyed if keys.full(pressed)), None)
        return self._fall("other", "silence", pressed) if done is None else self._leave(done, "dtmf", pressed)

    def _leave(self, index: int, by: str, heard: str, confidence: float = 1.0) -> Turn:
        return leave(self.filters[index].name, by=by, heard=heard, confidence=confidence, sets={"heard": heard})

    def _fall(self, name: str, instead: str, heard: str = "", confidence: float = 0.0) -> Turn:
        index = self._index(name)
        if index is None:
            index = self._index(instead)
        if index is None:
            return leave(name, by=name, heard=heard, confidence=confidence)  # it leads nowhere: the talk fails
        port = self.filters[index].name
        return leave(port, by=name, heard=heard, confidence=confidence, sets={"heard": heard})


def _common(earlier: Filter, one: Filter) -> str:
    """What neither speech nor order tells apart."""
    for name in ("silence", "other"):
        if getattr(earlier, name) and getattr(one, name):
            return name
    try:
        return one.dtmf if earlier.dtmf and one.dtmf and keys(earlier.dtmf).covers(keys(one.dtmf)) else ""
    except BadPattern:
        return ""
