"""The scenario document: YAML or JSON in, cards out, and back without losing anything.

    text or object ─▶ source.read ─▶ head + cards (pydantic, strict) ─▶ Draft(scenario, problems)

Reading never stops at the first fault: what could be read stands in the draft, all else is a problem with its path.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from scenarios import source, speech
from scenarios.card import Card, specs
from scenarios.head import GIVEN, Defaults, Head, Personal, Test
from scenarios.problems import Problem, ScenarioError, pointer, problem
from scenarios.steps import cards
from scenarios.talk import Value, Vars
from scenarios.template import MOST_VALUE
from scenarios.told import near, told


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
        """Every name that templates may speak of, as it is while nobody has filled it; not fields without a default."""
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
        problems += told(error, given, (), "", Head)
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
        problems.append(problem(path, code, card=name, field="kind", what=what, near=near(str(kind), cards())))
        return None
    card = cards()[kind]
    fields = {key: value for key, value in body.items() if key != "kind"}
    filled = {spec.name: inherited[spec.name] for spec in specs(card) if spec.inherited and spec.name in inherited}
    try:
        shape: Any = card  # a class is hashable, whatever mypy makes of a frozen dataclass
        step: Card = _adapter(shape).validate_python({**filled, **fields})
    except ValidationError as error:
        problems += told(error, fields, at, name, card)
        return None
    return step


def parse(given: str | bytes | Mapping[Any, Any]) -> Scenario:
    """A scenario whose form is right; `check` says whether it can be run. Raises ScenarioError."""
    draft = read(given)
    if draft.scenario is None or any(p.is_error for p in draft.problems):
        raise ScenarioError(draft.problems)
    return draft.scenario


@cache
def _adapter(type: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type)
