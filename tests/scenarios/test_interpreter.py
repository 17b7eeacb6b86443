"""How a talk walks: prompts and what interrupts them, guards, endings."""

from __future__ import annotations

import time
from typing import Any

import pytest

from scenarios.document import parse
from scenarios.interpreter import MOST_STEPS, Interpreter
from scenarios.problems import ScenarioError
from scenarios.prompts import ahead
from scenarios.talk import (
    Began,
    Event,
    Faulted,
    Fetched,
    HangUp,
    Heard,
    Left,
    Listen,
    Mark,
    Partial,
    Play,
    Played,
    Pressed,
    Recorded,
    Silent,
    Transferred,
    Visit,
)
from tests.scenarios.talks import NOON, Talk, document

YES_NO = [
    {"voice": ["да", "удобно"], "port": "yes", "goto": "yes"},
    {"voice": ["нет", "не удобно"], "port": "no", "goto": "bye"},
    {"dtmf": "1", "goto": "yes"},
    {"silence": True, "goto": "again"},
    {"other": True, "goto": "again"},
]
NODES: dict[str, Any] = {
    "hello": {"kind": "play", "say": "Здравствуйте!", "next": "question"},
    "question": {"kind": "play", "say": "Удобно?", "next": "ask"},
    "ask": {"kind": "recognize", "filters": YES_NO},
    "again": {"kind": "play", "say": "Да или нет?", "max_visits": 1, "next": "ask", "exhausted": "bye"},
    "yes": {"kind": "goal", "tag": "lead", "next": "thanks"},
    "thanks": {"kind": "play", "say": "Спасибо!", "next": "bye"},
}


def talk(nodes: dict[str, Any] | None = None, **options: Any) -> Talk:
    return Talk(document(NODES if nodes is None else nodes), **options)


def changed(name: str, **fields: Any) -> dict[str, Any]:
    return {**NODES, name: {**NODES[name], **fields}}


# --- prompts --------------------------------------------------------------------------------------------------------


def test_a_prompt_is_played_and_the_card_it_leads_to_already_listens() -> None:
    one = talk()
    assert one.at == "hello"
    assert one.said == ["Здравствуйте!"]
    assert one.listens is not None
    assert one.listens.phrases == ("да", "удобно", "нет", "не удобно")
    one.feed(Played())
    assert (one.at, one.said) == ("question", ["Удобно?"])
    assert one.listens is not None
    one.feed(Played())
    assert (one.at, one.said) == ("ask", [])
    assert one.listens is not None


def test_speech_skips_the_rest_of_the_chain_and_belongs_to_the_card_that_listens() -> None:
    one = talk()
    one.feed(Began())
    assert one.at == "ask"
    assert one.said == []
    assert one.listens is not None
    assert [(v.node, v.port, v.by) for v in one.visits] == [
        ("hello", "next", "barge_in"), ("question", "next", "barge_in")
    ]  # fmt: skip
    one.feed(Heard("да"))
    assert one.at == "thanks"


def test_a_key_during_a_prompt_is_the_listening_cards() -> None:
    one = talk()
    one.feed(Pressed("1"))
    assert one.at == "thanks"
    assert one.path == ["hello", "question", "ask", "yes"]
    assert one.visits[2] == Visit("ask", "recognize", "yes", "dtmf", "1", 1.0)
    assert one.listens is None


def test_a_prompt_that_may_not_be_interrupted_is_spoken_in_full() -> None:
    one = talk(changed("hello", barge_in=False))
    one.feed(Began(), Pressed("1"))
    assert one.at == "hello"
    one.feed(Played())
    assert one.at == "question"


@pytest.mark.parametrize("event", [Began(), Pressed("1")])
def test_one_further_on_in_the_chain_stops_the_interruption_there(event: Event) -> None:
    one = talk(changed("question", barge_in=False))
    one.feed(event)
    assert (one.at, one.said) == ("question", ["Удобно?"])
    one.feed(Played())
    assert one.at == "ask"


def test_a_prompt_that_leads_elsewhere_is_not_interrupted() -> None:
    one = talk().feed(Began(), Heard("да"))
    assert one.state.node == "thanks"
    thanks = talk()
    thanks.feed(Began(), Heard("да"), Began(), Pressed("1"), Heard("нет"), Silent())
    assert thanks.at == "thanks"
    thanks.feed(Played())
    assert thanks.state.ending == "hangup"


def test_a_prompt_of_its_own_is_said_on_entering_and_listened_through() -> None:
    one = talk({"ask": {"kind": "recognize", "say": "Удобно?", "filters": [
        {"voice": "да", "goto": "bye"}, {"silence": True, "goto": "ask2"}, {"other": True, "goto": "bye"}]},
        "ask2": {"kind": "collect", "say": "Сколько?", "save": "n", "ok": "bye", "silence": "bye"}})  # fmt: skip
    assert [type(command) for command in one.move.commands] == [Play, Listen]
    one.feed(Began(), Played())
    assert one.at == "ask"
    one.feed(Silent())
    assert [type(command) for command in one.move.commands] == [Play, Listen]


def test_after_an_interruption_its_own_prompt_is_not_said() -> None:
    nodes = {
        "hello": {"kind": "play", "say": "Здравствуйте!", "next": "ask"},
        "ask": {"kind": "collect", "say": "Сколько?", "save": "n", "ok": "bye", "invalid": "bye", "silence": "bye"},
    }
    one = talk(nodes)
    one.feed(Began())
    assert (one.at, one.said) == ("ask", [])
    assert one.listens is not None
    two = talk(nodes)
    two.feed(Played())
    assert two.said == ["Сколько?"]


def test_the_chain_follows_goto_and_used_up_cards() -> None:
    nodes = {
        **NODES,
        "hello": {"kind": "play", "say": "Здравствуйте!", "next": "jump"},
        "jump": {"kind": "goto", "to": "question"},
    }
    one = talk(nodes)
    assert one.listens is not None
    one.feed(Began())
    assert one.at == "ask"


def test_a_ring_of_prompts_is_nobodys() -> None:
    nodes = {
        "a": {"kind": "play", "say": "а", "next": "b", "max_visits": 2, "exhausted": "bye"},
        "b": {"kind": "play", "say": "б", "next": "a"},
    }
    one = talk(nodes)
    assert one.listens is None
    one.feed(Began(), Played(), Played(), Played(), Played())
    assert one.state.ending == "hangup"
    assert one.path == ["a", "b", "a", "b", "a", "bye"]


def test_what_was_listened_for_is_not_asked_for_when_the_card_is_left_in_the_same_move() -> None:
    move = talk().feed(Pressed("1"))
    assert [type(command) for command in move.commands] == [Mark, Play]


# --- guards and endings ---------------------------------------------------------------------------------------------


def test_visits_are_counted_and_run_out() -> None:
    one = talk()
    one.feed(Began(), Silent())
    assert (one.at, one.said) == ("again", ["Да или нет?"])
    one.feed(Played(), Heard("что?"))
    assert one.state.ending == "hangup"
    assert one.visits[-2] == Visit("again", "play", "exhausted", "exhausted")
    assert one.state.visits == {"again": 2}


def test_the_end() -> None:
    one = talk()
    one.feed(Began(), Heard("нет"))
    assert one.state.ending == "hangup"
    assert one.move.commands == (HangUp(),)
    assert one.path == ["hello", "question", "ask", "bye"]
    state = one.state
    for event in (Played(), Heard("да"), Left(), Faulted("x")):
        assert one.interpreter.feed(state, event, now=NOON).state == state


def test_the_person_leaves() -> None:
    one = talk()
    one.feed(Left())
    assert one.state.ending == "left"
    assert one.move.commands == ()
    assert one.visits == [Visit("hello", "play", "left")]


def test_a_fault_ends_the_talk_as_failed_with_its_reason() -> None:
    one = talk()
    one.feed(Faulted("no audio"))
    assert (one.state.ending, one.state.reason) == ("failed", "no audio")
    assert one.visits == [Visit("hello", "play", "failed", detail="no audio")]


def test_a_template_that_cannot_be_said_fails_the_talk_and_never_raises() -> None:
    one = Talk(
        document(
            {"a": {"kind": "play", "say": "{{ n | spoken_money }}", "next": "bye"}}, fields={"n": {"type": "number"}}
        )
    )
    assert one.state.ending == "failed"
    assert "n" in one.state.reason
    two = Talk(document({"a": {"kind": "play", "say": "{{ name }}", "next": "bye"}}, fields={"name": {}}))
    assert two.state.ending == "failed"


def test_five_hundred_cards_and_no_more() -> None:
    nodes = {
        "z": {"kind": "set", "vars": {"n": 0}, "next": "a"},
        "a": {"kind": "condition", "cases": [{"when": "n > 0", "goto": "bye"}], "else": "b"},
        "b": {"kind": "goto", "to": "a"},
    }
    one = talk(nodes)
    assert one.state.ending == "failed"
    assert str(MOST_STEPS) in one.state.reason
    assert len(one.visits) == MOST_STEPS + 1
    began = time.perf_counter()
    talk(nodes)
    assert time.perf_counter() - began < 0.5


def test_doubling_variables_are_bounded() -> None:
    nodes = {
        "z": {"kind": "set", "vars": {"x": "xxxxxxxx"}, "next": "a"},
        "a": {"kind": "set", "vars": {"x": "{{ x }}{{ x }}"}, "next": "b"},
        "b": {"kind": "condition", "cases": [{"when": "x == ''", "goto": "bye"}], "else": "a"},
    }
    one = talk(nodes)
    assert one.state.ending == "failed"
    assert "4000" in one.state.reason


def test_a_scenario_with_errors_is_not_walked() -> None:
    with pytest.raises(ScenarioError):
        Interpreter(parse(document({"a": {"kind": "play", "say": "Привет", "next": "nobody"}})))


def test_a_field_of_the_project_is_spoken_of_and_fails_its_card_where_nobody_brings_it() -> None:
    interpreter = Interpreter(parse(document({"a": {"kind": "play", "say": "{{ city }}", "next": "bye"}})))
    assert interpreter.start({"city": "Тверь"}, now=NOON).state.ending == ""
    failed = interpreter.start({}, now=NOON).state
    assert failed.ending == "failed"
    assert "city" in failed.reason


def test_events_that_mean_nothing_change_nothing() -> None:
    one = talk()
    before = one.state
    for event in (Silent(), Heard("да"), Partial("да"), Fetched(200), Transferred("done"), Recorded("x", 1)):
        assert one.interpreter.feed(before, event, now=NOON).state == before


def test_a_talk_can_sleep() -> None:
    """State is plain values: another interpreter of the same document goes on from it."""
    state = talk().feed(Began()).state
    other = Interpreter(parse(document(NODES)))
    assert other.feed(state, Heard("да"), now=NOON).state.node == "thanks"


# --- what is known ahead --------------------------------------------------------------------------------------------


def test_prompts_are_known_before_the_talk_and_are_the_very_ones_it_says() -> None:
    nodes = {
        **changed("hello", say="Здравствуйте, {{ name }}!", voice="anna"),
        "thanks": {
            "kind": "webhook",
            "url": "http://x",
            "fill": "Минуту",
            "save": {"m": "$.m"},
            "ok": "last",
            "failed": "last",
        },
        "last": {"kind": "play", "say": "Ваш менеджер {{ m }}", "next": "bye"},
    }
    given = document(nodes, fields={"name": {"default": "друг"}})
    known = ahead(parse(given), {"name": "Анна"}, now=NOON)
    assert [prompt.text for prompt in known] == ["Здравствуйте, Анна!", "Удобно?", "Да или нет?", "Минуту"]
    one = Talk(given, {"name": "Анна"})
    assert [command.prompt for command in one.move.commands if isinstance(command, Play)] == [known[0]]


def test_an_event_is_answered_in_well_under_a_millisecond() -> None:
    one = talk()
    asked = one.interpreter.feed(one.state, Began(), now=NOON).state
    events: list[Event] = [Partial("да конечно"), Heard("ну не знаю"), Silent(), Pressed("1")]
    for event in events:
        one.interpreter.feed(asked, event, now=NOON)
    began = time.perf_counter()
    for _ in range(200):
        for event in events:
            one.interpreter.feed(asked, event, now=NOON)
    assert (time.perf_counter() - began) / 800 < 0.0005
