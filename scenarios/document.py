"""The scenario document: YAML or JSON in, cards out, and back without losing anything.

    text or object ─▶ source.read ─▶ head + cards (pydantic, strict) ─▶ Draft(scenario, problems)

Reading never stops at the first fault: what could be read stands in the draft, everything else is a problem with its path.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from scenarios import source, speech
from scenarios.card import (
    Arrow,
    Card,
    Flag,
    Language,
    Patience,
    Text,
    Variable,
    listed,
    specs,
    textual,
)
from scenarios.problems import Problem, pointer, problem
from scenarios.steps import cards
from scenarios.talk import Value, Vars
from scenarios.template import MOST_VALUE

GIVEN = frozenset(
    [
        "phone",
        "number",
        "email",
        "direction",
        "attempt",
        "call_id",
        "contact_id",
        "campaign",
        "timezone",
        "heard",
        "now",
        "today",
    ]
)  # what every talk knows without being told; empty where it does not apply

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
    silence: Annotated[Any, Field()] = None
    hangup: Annotated[Any, Field()] = None
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


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario as it was read. Immutable; one object serves all its talks."""

    head: Head
    steps: Mapping[str, Card]
    kinds: Mapping[str, str]
    raw: Mapping[str, Any] = field(repr=False)
    kept: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)  # what cards made once for all talks
    verdict: list[bool] = field(default_factory=list, compare=False, repr=False)  # what the check found, once it has

    @property
    def name(self) -> str:
        return self.head.name

    @property
    def language(self) -> str:
        return self.head.language

    @property
    def start(self) -> str:
        return self.head.start

    @property
    def fields(self) -> Mapping[str, Personal]:
        return self.head.fields

    @property
    def tests(self) -> tuple[Test, ...]:
        return self.head.tests

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON-like values, as it was given."""
        return copy.deepcopy(dict(self.raw))

    def to_yaml(self) -> str:
        return source.dump(self.raw)

    def blanks(self) -> dict[str, Value]:
        """Every name that templates may speak of and nobody has filled yet; fields without a default are not among them."""
        names: dict[str, Value] = dict.fromkeys(GIVEN, "")
        for step in self.steps.values():
            names |= dict.fromkeys(step.saves(), "")
        for name, personal in self.fields.items():
            names.pop(name, None)
            if personal.default is not None:
                names[name] = typed(personal.default, personal.type)
            elif personal.type == "string":
                names[name] = ""
        return names

    def fitted(self, vars: Vars) -> dict[str, Value]:
        """What a contact brings, by the types of the fields: numbers as numbers. What does not fit stays text."""
        out: dict[str, Value] = {}
        for name, value in vars.items():
            personal = self.fields.get(name)
            if personal is not None and value in ("", None):
                continue  # an empty cell is no value: the default holds
            out[name] = typed(value, personal.type) if personal is not None else _short(value)
        return out

    def missing(self, vars: Vars) -> tuple[str, ...]:
        """The fields without a default that this contact does not bring, or brings as something else."""
        return tuple(
            name
            for name, personal in self.fields.items()
            if personal.default is None
            and personal.type != "string"
            and (vars.get(name) in ("", None) or not _fits(vars[name], personal.type))
        )


def _short(value: Value) -> Value:
    return value[:MOST_VALUE] if isinstance(value, str) else value


def _fits(value: Value, type: str) -> bool:
    try:
        _typed(value, type)
    except (ValueError, OverflowError):
        return False
    return True


def typed(value: Value, type: str) -> Value:
    """The value as its type, or as it came if it is none of that type."""
    try:
        return _typed(value, type)
    except (ValueError, OverflowError):
        return _short(value)


def _typed(value: Value, type: str) -> Value:
    match type:
        case "number":
            exact = speech.number(value)
            return exact if isinstance(exact, int) else float(exact)
        case "date":
            speech.day(value)
        case "boolean":
            if isinstance(value, bool):
                return value
            word = str(value).strip().lower()
            if word not in _YES | _NO:
                raise ValueError(word)
            return word in _YES
        case "string":
            return _short(str(value)) if value is not None else ""
    return value


_YES = frozenset(("true", "1", "yes", "y", "да", "+"))
_NO = frozenset(("false", "0", "no", "n", "нет", "-"))


@dataclass(frozen=True, slots=True)
class Draft:
    """What could be read, and what was wrong. `scenario` is None when there is no document at all."""

    scenario: Scenario | None
    problems: tuple[Problem, ...]


def read(given: str | bytes | Mapping[Any, Any]) -> Draft:
    """Never raises for anything in the document."""
    raw, problems = source.problems_of(given)
    if raw is None:
        return Draft(None, tuple(problems))
    head = _head(raw, problems)
    nodes = raw.get("nodes")
    if not isinstance(nodes, dict) or not nodes:
        problems.append(problem("/nodes", "required", field="nodes", what="nodes"))
        nodes = {}
    steps: dict[str, Card] = {}
    kinds: dict[str, str] = {}
    inherited = {name: value for name, value in _defaults(raw).items() if value is not None}
    for name, body in nodes.items():
        if not _is_name(name):
            problems.append(problem(pointer("nodes", name), "bad_value", card=name, what=name[:60]))
            continue
        kinds[name] = str(body.get("kind", "")) if isinstance(body, dict) else ""
        step = _card(name, body, inherited, problems)
        if step is not None:
            steps[name] = step
    return Draft(Scenario(head, steps, kinds, raw), tuple(problems))


def _is_name(name: str) -> bool:
    return 0 < len(name) <= 64 and name.isprintable()


def _defaults(raw: Mapping[str, Any]) -> dict[str, Any]:
    given = raw.get("defaults")
    if not isinstance(given, dict):
        return {}
    try:
        _adapter(Defaults).validate_python(given)
    except ValidationError:
        return {}
    return given


def _head(raw: Mapping[str, Any], problems: list[Problem]) -> Head:
    """The head, with every part left out that is wrong."""
    given = {name: value for name, value in raw.items() if name != "nodes"}
    adapter = _adapter(Head)
    try:
        head: Head = adapter.validate_python(given)
        return head
    except ValidationError as error:
        found = list(_told(error, given, (), "", Head))
    problems += [p for p in found if p.path != "/start" and p.path != ""] + [p for p in found if p.path == "/start"]
    wrong = {str(item["loc"][0]) for item in error.errors() if item["loc"]}
    left = {name: value for name, value in given.items() if name not in wrong}
    head = adapter.validate_python({"dozvon": 1, "name": "?", **left})
    return head


def _card(name: str, body: Any, inherited: Mapping[str, Any], problems: list[Problem]) -> Card | None:
    at = ("nodes", name)
    if not isinstance(body, dict):
        problems.append(problem(pointer(*at), "wrong_type", card=name, what="{kind: …}"))
        return None
    kind = body.get("kind")
    if not isinstance(kind, str) or kind not in cards():
        code = "required" if kind is None else "unknown_kind"
        what = "kind" if kind is None else str(kind)[:60]
        path = pointer(*at) if kind is None else pointer(*at, "kind")
        problems.append(problem(path, code, card=name, field="kind", what=what, near=_near(str(kind), cards())))
        return None
    card = cards()[kind]
    fields = {key: value for key, value in body.items() if key != "kind"}
    filled = {spec.name: inherited[spec.name] for spec in specs(card) if spec.inherited and spec.name in inherited}
    try:
        step: Card = _adapter(card).validate_python({**filled, **fields})
    except ValidationError as error:
        problems += _told(error, fields, at, name, card)
        return None
    return step


@cache
def _adapter(type: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type)


def _near(word: str, among: Iterable[str]) -> str:
    found = difflib.get_close_matches(word[:64], list(among), n=1, cutoff=0.6)
    return found[0] if found else ""


# --- what pydantic found, in our words ------------------------------------------------------------------------------

_TYPES = {
    "string_type": "text",
    "bool_type": "true, false",
    "int_type": "123",
    "int_parsing": "123",
    "int_from_float": "123",
    "float_type": "1.5",
    "float_parsing": "1.5",
    "mapping_type": "{…: …}",
    "dict_type": "{…: …}",
    "dataclass_type": "{…: …}",
    "tuple_type": "[…]",
    "list_type": "[…]",
}


def _told(error: ValidationError, raw: Any, at: tuple[str | int, ...], card: str, type: Any) -> Iterable[Problem]:
    seen: set[tuple[str, str]] = set()
    for item in error.errors(include_url=False):
        kind, loc = item["type"], _located(item["loc"], raw, item["type"])
        path = pointer(*at, *loc)
        code, what, near = _worded(kind, loc, item, type)
        if (path, code) not in seen:
            seen.add((path, code))
            named = next((str(part) for part in loc if isinstance(part, str)), "")
            yield problem(path, code, card=card, field=named, what=what, near=near)


def _worded(kind: str, loc: tuple[str | int, ...], item: Any, type: Any) -> tuple[str, str, str]:
    last = str(loc[-1]) if loc else ""
    if kind == "missing":
        arrow = last == "goto" or any(s.name == last and s.form == "arrow" and len(loc) == 1 for s in specs(type))
        return ("no_arrow" if arrow else "required"), last, ""
    if kind == "unexpected_keyword_argument":
        return "unknown_field", last[:60], _near(last, [s.name for s in specs(type)]) if len(loc) == 1 else ""
    if kind in _TYPES:
        return "wrong_type", _TYPES[kind], ""
    if kind.endswith(("_too_long", "too_short")):
        context = item.get("ctx", {})
        return "bad_value", f"{last}: {context.get('min_length', context.get('max_length', ''))}", ""
    given = item.get("input")
    shown = repr(given)[:40] if isinstance(given, str | int | float | bool) or given is None else "…"
    return "bad_value", f"{shown} ({item['msg'][:120]})", ""


def _located(loc: tuple[str | int, ...], raw: Any, kind: str) -> tuple[str | int, ...]:
    """The place in the document: pydantic also names the branches of a union and the keys of a mapping."""
    out: list[str | int] = []
    value = raw
    for i, part in enumerate(loc):
        if isinstance(value, dict) and part in value or isinstance(value, list) and isinstance(part, int):
            out.append(part)
            value = value[part] if isinstance(value, dict) or part < len(value) else None  # type: ignore[index,operator]
        elif kind == "missing" and i == len(loc) - 1:
            out.append(part)
    return tuple(out)
