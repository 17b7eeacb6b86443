"""Everything in a document but its cards: its name, fields, defaults and own tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from scenarios.card import Arrow, Flag, Language, Patience, Text, Variable, listed, textual

# What every talk knows without being told; empty where it does not apply.
_GIVEN = "phone number email direction attempt call_id contact_id campaign timezone heard now today"
GIVEN = frozenset(_GIVEN.split())

Scalar = str | bool | int | float | None
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """A field that contacts bring."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    type: Literal["string", "number", "date", "boolean"] = "string"
    default: Scalar = None
    label: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What cards take where they say nothing."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    timeout_s: Patience | None = None
    max_utterance_s: Patience | None = None
    interdigit_s: Patience | None = None
    barge_in: Flag | None = None
    voice: Text | None = None
    recognizer: Text | None = None
    language: Language | None = None
    decide: Literal["partial", "final"] | None = None
    forms: Literal["any", "exact"] | None = None
    settle_ms: Annotated[int, Field(ge=0, le=5000)] | None = None
    min_speech_ms: Annotated[int, Field(ge=20, le=2000)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a web request is answered in a rehearsal. `status` 0: nobody answers."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    status: Annotated[int, Field(ge=0, le=599)] = 200
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that a rehearsed subscriber, or the world around, does. Exactly one of the first seven."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    say: Annotated[str, Field(max_length=2000)] | None = None
    dtmf: Annotated[str, BeforeValidator(textual), Field(pattern=r"^[0-9*#A-D]{1,64}$")] | None = None
    silence: Any = None
    hangup: Any = None
    webhook: Answered | None = None
    transfer: Literal["done", "busy", "no_answer", "failed"] | None = None
    record: Annotated[float, Field(ge=0, le=3600)] | None = None
    interrupt: Flag = False  # said or pressed into the prompt, not after it

    @property
    def given(self) -> list[str]:
        names = ("say", "dtmf", "silence", "hangup", "webhook", "transfer", "record")
        return [name for name in names if getattr(self, name) is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    path: tuple[str, ...] | None = None
    result: Literal["goal", "opt_out", "transferred", "non_target"] | None = None
    ending: Literal["hangup", "left", "failed"] | None = None
    tags: tuple[str, ...] | None = None
    says: Annotated[tuple[str, ...], BeforeValidator(listed)] = ()  # the robot says each of these, somewhere
    vars: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One of the document's own tests."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    __test__: ClassVar[bool] = False  # it is not one of pytest's

    name: Text
    fields: Mapping[str, Scalar] = field(default_factory=dict)
    subscriber: Annotated[tuple[Action, ...], Field(max_length=200)] = ()
    at: Annotated[str, Field(max_length=40)] = ""  # when it happens, ISO 8601
    contact_key: Text = ""
    expect: Expect = Expect()


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Everything but the cards."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    dozvon: Literal[1]
    name: Annotated[Text, Field(min_length=1)]
    description: Annotated[str, Field(max_length=4000)] = ""
    language: Annotated[Language, Field(min_length=2)] = "ru"
    start: Arrow = ""
    defaults: Defaults = Defaults()
    fields: Annotated[Mapping[Variable, Personal], Field(max_length=200)] = field(default_factory=dict)
    layout: Mapping[str, Any] = field(default_factory=dict)
    tests: Annotated[tuple[Test, ...], Field(max_length=200)] = ()
