"""What a card is made of: the words for its fields, its arrows, and how it behaves.

    steps/<kind>.py: Step(Card) ──enter──▶ Turn ──on(event)──▶ Turn … until a Turn names the port it leaves by

A card sees the talk through `Here` and never the graph: it names a port, the interpreter knows where that leads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints

from pydantic import BeforeValidator, ConfigDict, Field, StrictBool
from pydantic.fields import FieldInfo

from scenarios import template
from scenarios.problems import CardError, Label
from scenarios.talk import Command, Event, Listen, Play, Prompt, Value, Vars, nothing

T = TypeVar("T")

# --- the words for fields -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """What a text in the document is: an arrow, a template, an expression, a variable's name."""

    name: str


def textual(value: Any) -> Any:
    """A number where a text is meant: `dtmf: 1`."""
    return str(value) if type(value) is int else value


INHERITED = Form("inherited")  # the document's `defaults` fill it where the card says nothing

NAME = r"^[^\W\d]\w{0,63}$"
_CARD = r"^[^\x00-\x1f\x7f]{1,64}$"

Arrow = Annotated[
    str, BeforeValidator(textual), Field(pattern=_CARD, json_schema_extra={"format": "arrow"}), Form("arrow")
]
Template = Annotated[
    str,
    BeforeValidator(textual),
    Field(max_length=template.MOST_TEXT, json_schema_extra={"format": "template"}),
    Form("template"),
]
Expression = Annotated[
    str, Field(min_length=1, max_length=1000, json_schema_extra={"format": "expression"}), Form("expression")
]
Variable = Annotated[str, Field(pattern=NAME, json_schema_extra={"format": "variable"}), Form("variable")]
Text = Annotated[str, BeforeValidator(textual), Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Language = Annotated[
    str, Field(pattern=r"^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3})?$", json_schema_extra={"format": "language"})
]
AudioFile = Annotated[
    str,
    # A file among the project's own: no way up or out, nothing that a dialplan would take for something else.
    Field(pattern=r"^\w[\w \-]*([./][\w\-][\w \-]*)*$", max_length=200, json_schema_extra={"format": "audio"}),
]
Material = Annotated[int, Field(ge=0, lt=2**53, json_schema_extra={"format": "material"})]
Flag = StrictBool
Seconds = Annotated[float, Field(ge=0.1, le=600, allow_inf_nan=False)]
Patience = Annotated[float, Field(ge=0.1, le=120, allow_inf_nan=False)]


def about(ru: str, en: str, **given: Any) -> Any:
    """A card's field, with what the editor and the reference call it."""
    return field(metadata={"ru": ru, "en": en}, **given)


@dataclass(frozen=True, slots=True)
class Spec:
    """One field of a card, as the reader, the editor and the reference need it."""

    attr: str
    name: str  # in the document
    form: str
    inherited: bool
    required: bool
    label: Label


@cache
def _specs(card: Any) -> tuple[Spec, ...]:
    hints = get_type_hints(card, include_extras=True)
    found = []
    for item in dataclasses.fields(card):
        marks = getattr(hints[item.name], "__metadata__", ())
        forms = [mark.name for mark in marks if isinstance(mark, Form) and mark is not INHERITED]
        alias = next((mark.alias for mark in marks if isinstance(mark, FieldInfo) and mark.alias), None)
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        label = Label(item.metadata.get("ru", item.name), item.metadata.get("en", item.name))
        form = forms[0] if forms else ""
        found.append(Spec(item.name, alias or item.name, form, INHERITED in marks, required, label))
    return tuple(found)


def specs(card: type) -> tuple[Spec, ...]:
    return _specs(card)


# --- what a card says of itself -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Way:
    """An arrow out of a card: the port, the card it leads to, where that stands in the document.

    `alone`: the robot may go this way though the subscriber does nothing.
    """

    port: str
    to: str
    path: tuple[str | int, ...]
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong within one card. `path` is relative to the card."""

    path: tuple[str | int, ...]
    code: str
    params: Mapping[str, object] = field(default_factory=dict[str, object])


def fault(code: str, *path: str | int, **params: object) -> Fault:
    return Fault(path, code, params)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a card answers: stay (no `port`), or leave by one."""

    port: str = ""
    commands: tuple[Command, ...] = ()
    sets: Vars = field(default_factory=nothing)
    memo: Vars = field(default_factory=nothing)
    by: str = ""
    heard: str = ""
    confidence: float = 0.0
    partial: bool = False
    detail: str = ""
    barged: bool = False  # the person interrupts: what was to be said on the way to the listening card is not said
    again: bool = False  # the event that made this card leave is meant for the one that stands then
    ending: str = ""  # the talk ends here


def stay(*commands: Command, **memo: Value) -> Turn:
    return Turn(commands=commands, memo=memo)


def leave(
    port: str,
    *commands: Command,
    by: str = "",
    heard: str = "",
    confidence: float = 0.0,
    detail: str = "",
    sets: Vars | None = None,
) -> Turn:
    return Turn(port, commands, sets or nothing(), by=by, heard=heard, confidence=confidence, detail=detail)


@dataclass(slots=True)
class Here:
    """The talk as the standing card sees it. Values only, and what can be worked out from them."""

    node: str
    names: Callable[[], Vars]  # all that templates may speak of; put together when it is asked for
    memo: Vars
    now: datetime
    contact_key: str
    language: str
    barged: bool  # the person is already speaking: this card's own prompt is not said
    ahead: Callable[[], Listen | None]  # what the card listens for whose prompt this is
    kept: dict[str, Any]  # what this card made once for all talks

    def once(self, make: Callable[[], T]) -> T:
        if self.node not in self.kept:
            self.kept[self.node] = make()
        made: T = self.kept[self.node]
        return made

    def render(self, text: str) -> str:
        """The template, rendered. Raises CardError."""
        return self._safe(template.render, text)

    def value(self, text: str) -> Value:
        return self._safe(template.value, text)

    def true(self, expression: str) -> bool:
        return self._safe(template.true, expression)

    def _safe(self, work: Callable[[str, Vars, str], T], text: str) -> T:
        try:
            return work(text, self.names(), self.language)
        except template.BadTemplate as error:
            raise CardError(str(error)) from None


class Card:
    """Base of every `Step`: what can be derived from its fields."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    label: ClassVar[Label]
    does: ClassVar[Label]  # one sentence for the palette and the reference
    icon: ClassVar[str]  # a name of the Lucide set
    group: ClassVar[str]  # speech | flow | data | result
    listens: ClassVar[bool] = False
    waits: ClassVar[bool] = False  # something outside must happen before the talk goes on
    available: ClassVar[bool] = True

    def ways(self) -> Iterator[Way]:
        for spec in specs(type(self)):
            if spec.form == "arrow" and (to := getattr(self, spec.attr)):
                yield Way(spec.name, to, (spec.name,))

    def templates(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for spec in specs(type(self)):
            if spec.form == "template" and (text := getattr(self, spec.attr)):
                yield (spec.name,), text

    def expressions(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        return iter(())

    def saves(self) -> Iterator[str]:
        """The variables that this card may fill."""
        for spec in specs(type(self)):
            if spec.form == "variable" and (name := getattr(self, spec.attr)):
                yield name

    def sayings(self) -> Iterator[Any]:
        """All that this card may say: anything with `say`, `audio`, `material` and `voice`."""
        if getattr(self, "say", "") or getattr(self, "audio", "") or getattr(self, "material", 0):
            yield self

    def vocabulary(self) -> Iterator[str]:
        """The phrases that this card listens for."""
        return iter(())

    def faults(self) -> Iterator[Fault]:
        """What is wrong within the card and cannot be said field by field."""
        return iter(())

    def fallback(self, port: str) -> str:
        """The port to leave by where nothing leads from this one; empty: the talk fails."""
        return ""

    def onward(self) -> str:
        """The port to the card whose prompt this card is, empty if it is nobody's prompt."""
        return ""

    def listen(self, here: Here) -> Listen:
        raise NotImplementedError

    def enter(self, here: Here) -> Turn:
        raise NotImplementedError

    def on(self, event: Event, here: Here) -> Turn:
        return Turn()


# --- something to be said -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A prompt within a card: one of these. A bare text means `say`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    say: Template = about("Текст", "Text", default="")
    audio: AudioFile = about("Звуковой файл", "Audio file", default="")
    material: Material = about("Материал", "Material", default=0)
    voice: Text = about("Голос", "Voice", default="")


def _said(value: Any) -> Any:
    return {"say": value} if isinstance(value, str) else value


Speech = Annotated[Said, BeforeValidator(_said, json_schema_input_type=Said | str)]


def prompt_faults(said: Any, *path: str | int, needed: bool = True) -> Iterator[Fault]:
    """`said` is anything with `say`, `audio` and `material`."""
    given = [name for name in ("say", "audio", "material") if getattr(said, name)]
    if len(given) > 1:
        yield fault("one_of", *path, given[1], what=", ".join(given))
    elif needed and not (said.say.strip() or said.audio or said.material):
        yield fault("no_material", *path, "say")


def prompt(said: Any, here: Here) -> Prompt:
    text = here.render(said.say) if said.say else ""
    if said.say and not text.strip():
        raise CardError("nothing to say: the template came out empty")
    return Prompt(
        text=text,
        audio=said.audio,
        material=said.material,
        voice="" if said.voice == "default" else said.voice,
        language=here.language,
    )


def own_prompt(card: Any, here: Here) -> tuple[Command, ...]:
    """The prompt of a card that listens, unless the person is speaking already."""
    if here.barged or not (card.say or card.audio or card.material):
        return ()
    return (Play(prompt(card, here), card.barge_in),)


def listed(value: Any) -> Any:
    """One thing where several may stand."""
    return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value
