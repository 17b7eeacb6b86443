"""Rehearsals, and the library: every scenario that a customer starts from is right and passes its own tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scenarios.check import check, load
from scenarios.patterns import is_regex
from scenarios.problems import ScenarioError
from scenarios.rehearse import actions, rehearse, run_tests
from tests.scenarios.talks import document

LIBRARY = sorted((Path(__file__).parents[2] / "scenarios" / "library").glob("*.yaml"))
KNOWN = """
да нет позже оператор повторить стоп перезвоните не интересно
ноль один два три четыре пять шесть семь восемь девять
"""
NODES: dict[str, Any] = {
    "hello": {"kind": "play", "say": "Удобно?", "next": "ask"},
    "ask": {
        "kind": "recognize",
        "filters": [
            {"voice": "да", "goto": "hook"},
            {"dtmf": "12", "goto": "join"},
            {"voice": "оператор", "goto": "join"},
            {"silence": True, "goto": "stop"},
            {"other": True, "goto": "stop"},
        ],
    },
    "hook": {"kind": "webhook", "url": "http://x", "save": {"m": "$.m"}, "ok": "tell", "failed": "stop"},
    "tell": {"kind": "play", "say": "Менеджер {{ m }}", "next": "goal"},
    "goal": {"kind": "goal", "tag": "lead", "next": "bye"},
    "join": {"kind": "transfer", "to": "+7", "hold": "Соединяю", "done": "bye", "failed": "message"},
    "message": {"kind": "record", "save": "file", "next": "bye"},
    "stop": {"kind": "opt_out", "tag": "t", "next": "bye"},
}


def test_the_library_is_there() -> None:
    assert {file.stem for file in LIBRARY} >= {"appointment", "delivery", "debt", "nps", "clinic", "demo"}


@pytest.mark.parametrize("file", LIBRARY, ids=lambda file: file.stem)
def test_the_library_is_right_and_passes_its_own_tests(file: Path) -> None:
    assert check(file.read_bytes()) == []
    tested = run_tests(load(file.read_bytes()))
    assert len(tested) >= 5
    assert {test.name: [d.en for d in test.differences] for test in tested if not test.passed} == {}


def test_the_demonstration_needs_only_the_words_its_model_knows() -> None:
    scenario = load((LIBRARY[0].parent / "demo.yaml").read_bytes())
    phrases = [phrase for one in scenario.to_dict()["nodes"]["ask"]["filters"] for phrase in one.get("voice", ())]
    assert phrases
    assert not any(is_regex(phrase) for phrase in phrases)
    assert {word for phrase in phrases for word in phrase.split()} <= set(KNOWN.split())


def test_the_world_answers_as_it_is_told() -> None:
    scenario = load(document(NODES))
    script: list[dict[str, Any]] = [{"say": "да"}, {"webhook": {"status": 200, "body": {"m": "Пётр"}}}]
    done = rehearse(scenario, {}, script)
    assert done.path == ("hello", "ask", "hook", "tell", "goal", "bye")
    assert (done.ending, done.result, done.tags) == ("hangup", "goal", ("lead",))
    assert [(line.who, line.text) for line in done.transcript] == [
        ("robot", "Удобно?"), ("subscriber", "да"), ("system", "HTTP 200"), ("robot", "Менеджер Пётр")
    ]  # fmt: skip
    failed = rehearse(scenario, {}, [{"say": "да"}, {"webhook": {"status": 500}}])
    assert (failed.path[-2:], failed.result) == (("stop", "bye"), "opt_out")


def test_transfers_and_messages() -> None:
    scenario = load(document(NODES))
    assert rehearse(scenario, {}, [{"dtmf": "12"}]).result == "transferred"
    busy = rehearse(scenario, {}, [{"say": "оператор"}, {"transfer": "busy"}, {"record": 7}])
    assert busy.path == ("hello", "ask", "join", "message", "bye")
    assert busy.result is None
    assert ("subscriber", "… 7 s") in [(line.who, line.text) for line in busy.transcript]


def test_interrupting_hanging_up_and_silence() -> None:
    scenario = load(document(NODES))
    interrupted = rehearse(scenario, {}, [{"say": "да", "interrupt": True}])
    assert interrupted.visits[0].by == "barge_in"
    assert rehearse(scenario, {}, [{"hangup": True}]).ending == "left"
    assert rehearse(scenario, {}, []).path == ("hello", "ask", "stop", "bye")
    assert rehearse(scenario, {}, [{"silence": 7}, {"say": "да"}]).path == ("hello", "ask", "stop", "bye")


def test_a_prompt_that_may_not_be_interrupted_is_not() -> None:
    nodes = {**NODES, "hello": {**NODES["hello"], "barge_in": False}}
    assert rehearse(load(document(nodes)), {}, [{"say": "да", "interrupt": True}]).visits[0].by == ""


def test_a_talk_that_only_the_subscriber_can_end_is_cut() -> None:
    nodes = {"a": {"kind": "play", "say": "?", "next": "b"}, "b": {"kind": "recognize", "filters": [
        {"voice": "ещё", "goto": "a"}, {"silence": True, "goto": "bye"}, {"other": True, "goto": "bye"}]}}  # fmt: skip
    done = rehearse(load(document(nodes)), {}, [{"say": "ещё"}] * 1000)
    assert done.ending == "failed"


@pytest.mark.parametrize(
    ("given", "path", "code"),
    [
        ([{}], "/subscriber/0", "one_of"),
        ([{"say": "а", "dtmf": "1"}], "/subscriber/0", "one_of"),
        ([{"say": "а"}, {"sing": "а"}], "/subscriber/1/sing", "unknown_field"),
        ([{"dtmf": "x"}], "/subscriber/0/dtmf", "bad_value"),
        ("да", "/subscriber", "wrong_type"),
        ([{"webhook": {"status": 9999}}], "/subscriber/0/webhook/status", "bad_value"),
    ],
)
def test_a_part_that_makes_no_sense_is_refused(given: Any, path: str, code: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        actions(given)
    assert (path, code) in [(problem.path, problem.code) for problem in caught.value.problems]


def test_a_test_tells_every_difference() -> None:
    expect = {"path": ["hello"], "result": "goal", "tags": ["x"], "ending": "left", "says": ["Пока"], "vars": {"m": 1}}
    scenario = load(document(NODES, tests=[{"name": "wrong", "expect": expect}, {"name": "right"}]))
    wrong, right = run_tests(scenario)
    assert len(wrong.differences) == 6
    assert not wrong.passed
    assert right.passed
