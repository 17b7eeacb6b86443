"""Everything that is wrong with a scenario, all at once.

document ─▶ read: fields ─▶ each card: faults, templates, expressions ─▶ the map: arrows, reach, ways that never end
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from scenarios import forms, template
from scenarios.card import Card
from scenarios.document import Draft, Scenario, read
from scenarios.head import GIVEN
from scenarios.patterns import is_regex
from scenarios.problems import Problem, ScenarioError, pointer, problem
from scenarios.template import BadTemplate
from scenarios.told import near

HANGUP = "hangup"  # where `goto` may lead beside cards


def check(given: str | bytes | Mapping[Any, Any] | Scenario | Draft, known: Iterable[str] = ()) -> list[Problem]:
    """All problems of a document, errors and warnings. `known`: what contacts bring beside the fields."""
    if isinstance(given, Scenario):
        given = Draft(given, ())  # it could be read, or it would not be there
    draft = given if isinstance(given, Draft) else read(given)
    problems = list(draft.problems)
    if draft.scenario is not None and (heavy := list(_weight(draft.scenario))):
        problems += heavy  # the rest would take too long to look through
    elif draft.scenario is not None:
        problems += _cards(draft.scenario, frozenset(known))
        problems += _map(draft.scenario)
        problems += _tests(draft.scenario)
    return problems


def load(given: str | bytes | Mapping[Any, Any], known: Iterable[str] = ()) -> Scenario:
    """A scenario that can be run. Raises ScenarioError with all problems if any of them is an error."""
    draft = read(given)
    problems = check(draft, known)
    if draft.scenario is None or any(p.is_error for p in problems):
        raise ScenarioError(problems)
    draft.scenario.verdict.append(True)
    return draft.scenario


MOST_PHRASES = 20_000
MOST_WORDS = 4_000  # different ones: each is looked up in the dictionary
MOST_REGEXES = 200
MOST_TEMPLATES = 400_000  # characters, all together
MOST_HINTS = 20  # "perhaps you meant": each looks through all names


def _weight(scenario: Scenario) -> Iterator[Problem]:
    """What would make the check itself take long."""
    phrases = [phrase for step in scenario.steps.values() for phrase in step.vocabulary()]
    regexes = {phrase for phrase in phrases if is_regex(phrase)}
    words = {word for phrase in phrases if phrase not in regexes for word in forms.words(phrase)}
    templates = sum(len(text) for step in scenario.steps.values() for _, text in step.templates() if "{" in text)
    for what, size, most in (
        ("phrases", len(phrases), MOST_PHRASES),
        ("words", len(words), MOST_WORDS),
        ("/…/", len(regexes), MOST_REGEXES),
        ("{{ … }}", templates, MOST_TEMPLATES),
    ):
        if size > most:
            yield problem("/nodes", "too_large", what=f"{what}: {size} > {most}")


# --- each card ------------------------------------------------------------------------------------------------------


def names(scenario: Scenario, known: Iterable[str] = ()) -> frozenset[str]:
    """Every name that a template of this scenario may speak of."""
    saved = (name for step in scenario.steps.values() for name in step.saves())
    return frozenset((*GIVEN, *scenario.fields, *known, *saved))


def _cards(scenario: Scenario, known: frozenset[str]) -> Iterator[Problem]:
    spoken = names(scenario, known)
    hints = iter(range(MOST_HINTS))
    for name, step in scenario.steps.items():
        kind = scenario.kinds[name]
        if not step.available:
            yield problem(pointer("nodes", name, "kind"), "not_available", card=name, field="kind", what=kind)
        for fault in step.faults():
            field = next((part for part in fault.path if isinstance(part, str)), "")
            path = pointer("nodes", name, *fault.path)
            yield problem(path, fault.code, card=name, field=field, **fault.params)
        yield from _texts(name, step, spoken, hints)


def _texts(name: str, step: Card, spoken: frozenset[str], hints: Iterator[int]) -> Iterator[Problem]:
    for kind, texts, find in (
        ("bad_template", step.templates(), template.names),
        ("bad_expression", step.expressions(), template.expression_names),
    ):
        for path, text in texts:
            at, field = pointer("nodes", name, *path), str(path[0])
            try:
                unknown = find(text) - spoken
            except BadTemplate as error:
                yield problem(at, kind, card=name, field=field, what=str(error))
                continue
            for word in sorted(unknown):
                meant = near(word, spoken) if next(hints, None) is not None else ""
                yield problem(at, "unknown_name", card=name, field=field, what=word, near=meant)


# --- the map --------------------------------------------------------------------------------------------------------


def _map(scenario: Scenario) -> Iterator[Problem]:
    nodes = scenario.kinds  # all that were drawn, the unreadable ones too
    for name, step in scenario.steps.items():
        for way in step.ways():
            if way.to not in nodes and not (way.to == HANGUP and scenario.kinds[name] == "goto"):
                path = pointer("nodes", name, *way.path)
                yield problem(path, "nowhere", card=name, field=str(way.path[0]), what=way.to)
    start = scenario.start
    if start not in nodes:
        if nodes:
            yield problem("/start", "nowhere" if start else "no_start", field="start", what=start)
        return
    reached = _reached(scenario, start)
    if len(scenario.steps) == len(nodes):  # an unreadable card may well lead to the others
        for name in nodes:
            if name not in reached:
                yield problem(pointer("nodes", name), "unreachable", card=name)
    for loop in _endless(scenario, reached):
        shown = " → ".join(loop[:6]) + (" → …" if len(loop) > 6 else "")
        yield problem(pointer("nodes", loop[0]), "endless", card=loop[0], what=shown)


def _reached(scenario: Scenario, start: str) -> set[str]:
    reached = {start}
    todo = [start]
    while todo:
        step = scenario.steps.get(todo.pop())
        for way in step.ways() if step is not None else ():
            if way.to in scenario.kinds and way.to not in reached:
                reached.add(way.to)
                todo.append(way.to)
    return reached


def _endless(scenario: Scenario, reached: set[str]) -> list[list[str]]:
    """Loops that a subscriber who does nothing never leaves, the counted cards being used up.

    Such a loop is a knot of the graph (strongly connected) with a way round in it and no way out of it.
    """
    order = [name for name in scenario.kinds if name in reached]
    ways = {name: _alone(scenario, name) for name in order}
    return [
        sorted(knot, key=order.index)
        for knot in _knots(order, ways)
        if (len(knot) > 1 or next(iter(knot)) in ways[next(iter(knot))])
        and all(to in knot for name in knot for to in ways[name])
    ]


def _alone(scenario: Scenario, name: str) -> list[str]:
    """Where the talk may go from here without the subscriber, in the long run. An unknown place is a way out."""
    step = scenario.steps.get(name)
    if step is None:
        return [""]
    ways = [way for way in step.ways() if way.alone]
    if getattr(step, "max_visits", 0):
        ways = [way for way in ways if way.port == "exhausted"]
    return [way.to if way.to in scenario.kinds else "" for way in ways] or [""]


def _knots(order: list[str], ways: Mapping[str, list[str]]) -> list[set[str]]:
    """Tarjan's strongly connected components, without recursion."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    standing: set[str] = set()
    knots: list[set[str]] = []
    for root in order:
        if root in index:
            continue
        work: list[tuple[str, Iterator[str]]] = [(root, iter(ways[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        standing.add(root)
        while work:
            name, rest = work[-1]
            to = next((to for to in rest if to), None)
            if to is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == index[name]:
                    at = stack.index(name)
                    knots.append(set(stack[at:]))
                    standing.difference_update(stack[at:])
                    del stack[at:]
            elif to not in index:
                index[to] = low[to] = len(index)
                stack.append(to)
                standing.add(to)
                work.append((to, iter(ways[to])))
            elif to in standing:
                low[name] = min(low[name], index[to])
    return knots


# --- its own tests --------------------------------------------------------------------------------------------------


def _tests(scenario: Scenario) -> Iterator[Problem]:
    known = names(scenario)
    for i, test in enumerate(scenario.tests):
        for name in test.fields:
            if name not in known:
                yield problem(pointer("tests", i, "fields", name), "not_a_field", field=name, what=name)
        if test.at and not _is_moment(test.at):
            yield problem(pointer("tests", i, "at"), "bad_value", field="at", what=test.at)
        for j, action in enumerate(test.subscriber):
            if len(action.given) != 1:
                what = "say, dtmf, silence, hangup, webhook, transfer, record"
                yield problem(pointer("tests", i, "subscriber", j), "one_of", what=what)


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
