"""Any events on any scenario that the check lets through: it never raises, and always stands in a legal place."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scenarios.check import check
from scenarios.document import parse
from scenarios.interpreter import MOST_STEPS, Interpreter
from scenarios.talk import (
    Began,
    Event,
    Faulted,
    Fetched,
    HangUp,
    Heard,
    Left,
    Listen,
    Partial,
    Play,
    Played,
    Pressed,
    Recorded,
    Silent,
    State,
    Transferred,
)
from tests.scenarios.talks import NOON, document

NAMES = ["a", "b", "c", "d", "e", "bye"]
arrow = st.sampled_from(NAMES)
words = st.sampled_from(["да", "нет", "не надо", "надо", "перезвоните", "/час.?/"])
speech = st.sampled_from(["Привет", "{{ name }}", "{{ n }} {{ x }}", "{{ n | spoken_money }}", "{{ x | spoken_date }}"])
prompts = st.fixed_dictionaries({}, optional={"say": speech, "barge_in": st.booleans()})


def card(
    kind: str, needed: dict[str, Any], optional: dict[str, Any] | None = None
) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"kind": st.just(kind), **needed}, optional=optional or {})


filters = st.lists(
    st.one_of(
        st.fixed_dictionaries({"voice": st.lists(words, min_size=1, max_size=3), "goto": arrow}),
        st.fixed_dictionaries({"dtmf": st.sampled_from(["1", "12", "[1-3]", ".{2,4}", "#"]), "goto": arrow}),
        st.fixed_dictionaries({"silence": st.just(True), "goto": arrow}),
        st.fixed_dictionaries({"other": st.just(True), "goto": arrow}),
    ),
    min_size=1,
    max_size=5,
)
cards = st.one_of(
    card("play", {"say": speech, "next": arrow}, {"barge_in": st.booleans()}),
    card("play", {"say": speech, "next": arrow, "max_visits": st.integers(1, 2), "exhausted": arrow}),
    st.builds(lambda a, b: {**a, **b}, card("recognize", {"filters": filters}), prompts),
    card(
        "collect", {"save": st.just("x"), "ok": arrow, "silence": arrow}, {"max": st.integers(1, 3), "invalid": arrow}
    ),
    card("record", {"next": arrow}, {"save": st.just("x")}),
    card("goto", {"to": st.sampled_from([*NAMES, "hangup"])}),
    card("set", {"vars": st.sampled_from([{"n": "{{ n + 1 }}"}, {"x": "{{ x }}{{ x }}!"}]), "next": arrow}),
    card(
        "condition",
        {
            "cases": st.lists(
                st.fixed_dictionaries(
                    {"when": st.sampled_from(["n > 1", "x == ''", "x > 1", "heard == 'да'"]), "goto": arrow}
                ),
                min_size=1,
                max_size=2,
            ),
            "else": arrow,
        },
    ),
    card(
        "split", {"shares": st.just([{"share": 1, "goto": "a", "port": "p"}, {"share": 2, "goto": "b", "port": "q"}])}
    ),
    card(
        "webhook", {"url": st.just("http://x/{{ n }}"), "ok": arrow}, {"failed": arrow, "save": st.just({"x": "$.x"})}
    ),
    card("transfer", {"to": st.sampled_from(["+7", "{{ x }}"]), "done": arrow}, {"busy": arrow, "failed": arrow}),
    card("goal", {"next": arrow}, {"tag": st.just("t")}),
    card("retry_later", {"at": st.sampled_from(["2026-12-01T10:00", "{{ x }}"]), "next": arrow}),
    card("hangup", {}),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.just(Began()),
    st.just(Played()),
    st.just(Silent()),
    st.sampled_from(["да", "нет", "надо", "не", "не надо", "сто двадцать", ""]).map(Heard),
    st.text(max_size=20).map(Heard),
    st.sampled_from(["да", "нет", "не"]).map(Partial),
    st.sampled_from("0123456789*#A").map(Pressed),
    st.builds(Fetched, st.sampled_from([0, 200, 500]), st.sampled_from([None, {"x": 1}, {"x": [1]}, "text", []])),
    st.sampled_from(["done", "busy", "no_answer", "failed", ""]).map(Transferred),
    st.just(Recorded("f.wav", 1.0)),
    st.just(Left()),
    st.just(Faulted("why")),
)
usual = events.filter(lambda event: not isinstance(event, Left | Faulted))
FIELDS = {"name": {"default": "Анна"}, "n": {"type": "number", "default": 1}, "x": {"type": "string", "default": ""}}


def legal(interpreter: Interpreter, state: State) -> None:
    assert state.node in interpreter.scenario.steps
    assert state.ending in ("", "hangup", "left", "failed")
    assert bool(state.reason) == (state.ending == "failed")
    assert state.steps <= MOST_STEPS + 1
    step = interpreter.scenario.steps[state.node]
    assert state.ending or step.waits
    for value in (*state.vars.values(), *state.memo.values()):
        assert value is None or isinstance(value, str | int | float | bool)
        assert len(str(value)) <= 4000


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(dict.fromkeys(NAMES[:-1], cards)), st.lists(usual | events, max_size=25), st.text(max_size=5)
)
def test_any_talk_is_legal(nodes: dict[str, Any], sequence: list[Event], contact_key: str) -> None:
    given_ = document(nodes, start="a", fields=FIELDS)
    if any(problem.is_error for problem in check(given_)):
        return
    interpreter = Interpreter(parse(given_))
    move = interpreter.start({}, now=NOON, contact_key=contact_key)
    legal(interpreter, move.state)
    for event in sequence:
        before = move.state
        move = interpreter.feed(before, event, now=NOON)
        state = move.state
        legal(interpreter, state)
        assert state.steps >= before.steps
        assert state.contact_key == contact_key
        if before.ending:
            assert (state, move.commands, move.visits) == (before, (), ())
        if move.visits:
            assert move.visits[0].node == before.node
            assert all(visit.port for visit in move.visits)
        if state.ending:
            assert not any(isinstance(command, Listen) for command in move.commands)
            assert (not move.commands) or isinstance(move.commands[-1], HangUp)
        elif state.steps != before.steps:
            step = interpreter.scenario.steps[state.node]
            assert any(isinstance(command, Listen) for command in move.commands) or not step.listens
        assert interpreter.feed(before, event, now=NOON) == move


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.fixed_dictionaries(dict.fromkeys(NAMES[:-1], cards)))
def test_a_subscriber_who_does_nothing_is_not_kept_for_ever(nodes: dict[str, Any]) -> None:
    """What the check calls no endless way does end, unless a condition keeps it, and then by the guard."""
    given_ = document(nodes, start="a", fields=FIELDS)
    if any(problem.is_error for problem in check(given_)):
        return
    interpreter = Interpreter(parse(given_))
    move = interpreter.start({}, now=NOON)
    for _ in range(3 * MOST_STEPS):
        state = move.state
        if state.ending:
            break
        kind = interpreter.scenario.kinds[state.node]
        event: Event = Silent()
        if kind == "play" or (kind in ("recognize", "collect") and any(isinstance(c, Play) for c in move.commands)):
            event = Played()
        elif kind == "webhook":
            event = Fetched(0, None, "away")
        elif kind == "transfer":
            event = Transferred("failed")
        elif kind == "record":
            event = Recorded("f", 0)
        move = interpreter.feed(state, event, now=NOON)
    assert move.state.ending
