"""What the check refuses, each with its card, field and code."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from scenarios.check import check, load
from scenarios.interpreter import Interpreter
from scenarios.problems import WARNINGS, WORDS, ScenarioError
from tests.scenarios.talks import document

ENDS = [{"silence": True, "goto": "bye"}, {"other": True, "goto": "bye"}]


def found(nodes: Mapping[str, Any], **head: Any) -> list[tuple[str, str]]:
    return [(problem.path, problem.code) for problem in check(document(nodes, **head))]


def ask(*filters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "recognize", "filters": [*filters, *ENDS], **more}


def say(text: str = "Привет", **more: Any) -> dict[str, Any]:
    return {"kind": "play", "say": text, "next": "bye", **more}


def test_a_right_one_has_no_problems() -> None:
    assert found({"a": say(next="b"), "b": ask({"voice": ["да"], "goto": "bye"})}) == []


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ({"a": say(next="nobody")}, ("/nodes/a/next", "nowhere")),
        ({"a": say(next="hangup")}, ("/nodes/a/next", "nowhere")),
        ({"a": {"kind": "play", "next": "bye"}}, ("/nodes/a/say", "no_material")),
        ({"a": say(" ")}, ("/nodes/a/say", "no_material")),
        ({"a": say(audio="x.wav")}, ("/nodes/a/audio", "one_of")),
        ({"a": say("{{ nme }}")}, ("/nodes/a/say", "unknown_name")),
        ({"a": say("{{ name")}, ("/nodes/a/say", "bad_template")),
        ({"a": say("{{ ''.__class__ }}")}, ("/nodes/a/say", "bad_template")),
        ({"a": say(max_visits=1)}, ("/nodes/a/exhausted", "no_arrow")),
        ({"a": say(exhausted="bye")}, ("/nodes/a/exhausted", "never_used")),
        ({"a": {"kind": "recognize"}}, ("/nodes/a/filters", "no_arrow")),
        ({"a": ask({"goto": "bye"})}, ("/nodes/a/filters/0", "one_of")),
        ({"a": ask({"voice": "да", "dtmf": 1, "goto": "bye"})}, ("/nodes/a/filters/0", "one_of")),
        ({"a": ask({"voice": ["..."], "goto": "bye"})}, ("/nodes/a/filters/0/voice/0", "bad_pattern")),
        ({"a": ask({"voice": ["/(a+)+/"], "goto": "bye"})}, ("/nodes/a/filters/0/voice/0", "bad_pattern")),
        ({"a": ask({"dtmf": "1x", "goto": "bye"})}, ("/nodes/a/filters/0/dtmf", "bad_pattern")),
        ({"a": ask({"voice": "да", "goto": "nobody"})}, ("/nodes/a/filters/0/goto", "nowhere")),
        (
            {"a": ask({"voice": "да", "goto": "b", "port": "p"}, {"dtmf": 2, "goto": "bye", "port": "p"}), "b": say()},
            ("/nodes/a/filters/1/port", "same_port"),
        ),
        (
            {"a": ask({"voice": ["нет", "звоните"], "goto": "b"}, {"voice": "звони", "goto": "bye"}), "b": say()},
            ("/nodes/a/filters/1", "indistinguishable"),
        ),
        (
            {"a": ask({"dtmf": "[1-3]", "goto": "b"}, {"dtmf": "2", "goto": "bye"}), "b": say()},
            ("/nodes/a/filters/1", "indistinguishable"),
        ),
        ({"a": ask({"silence": True, "goto": "b"}), "b": say()}, ("/nodes/a/filters/1", "indistinguishable")),
        (
            {"a": {"kind": "recognize", "filters": [{"voice": "да", "goto": "bye"}, {"other": True, "goto": "bye"}]}},
            ("/nodes/a/filters", "no_silence"),
        ),
        (
            {"a": {"kind": "recognize", "filters": [{"voice": "да", "goto": "bye"}, {"silence": True, "goto": "bye"}]}},
            ("/nodes/a/filters", "no_other"),
        ),
        ({"a": {"kind": "collect", "save": "x", "ok": "bye"}}, ("/nodes/a/silence", "no_arrow")),
        ({"a": {"kind": "collect", "save": "x", "ok": "bye", "silence": "bye"}}, ("/nodes/a/invalid", "no_fallback")),
        (
            {"a": {"kind": "collect", "save": "x", "min": 5, "max": 4, "ok": "bye", "silence": "bye"}},
            ("/nodes/a/max", "bad_value"),
        ),
        (
            {"a": {"kind": "condition", "cases": [{"when": "age >", "goto": "bye"}], "else": "bye"}},
            ("/nodes/a/cases/0/when", "bad_expression"),
        ),
        (
            {"a": {"kind": "condition", "cases": [{"when": "age > 1", "goto": "bye"}], "else": "bye"}},
            ("/nodes/a/cases/0/when", "unknown_name"),
        ),
        ({"a": {"kind": "set", "vars": {"x": "{{ y }}"}, "next": "bye"}}, ("/nodes/a/vars/x", "unknown_name")),
        ({"a": {"kind": "split", "shares": [{"share": 0, "goto": "bye"}]}}, ("/nodes/a/shares", "bad_value")),
        (
            {"a": {"kind": "time", "windows": [{"from": "9:00", "to": "18:00"}], "timezone": "Mars", "inside": "bye",
                   "outside": "bye"}},
            ("/nodes/a/timezone", "bad_value"),
        ),
        ({"a": {"kind": "webhook", "ok": "bye", "failed": "bye"}}, ("/nodes/a/url", "one_of")),
        ({"a": {"kind": "webhook", "url": "file:///x", "ok": "bye", "failed": "bye"}}, ("/nodes/a/url", "bad_value")),
        ({"a": {"kind": "webhook", "url": "http://x", "ok": "bye"}}, ("/nodes/a/failed", "no_fallback")),
        (
            {"a": {"kind": "webhook", "url": "http://x", "body": {"a": ["{{ y }}"]}, "ok": "bye", "failed": "bye"}},
            ("/nodes/a/body/a/0", "unknown_name"),
        ),
        (
            {"a": {"kind": "webhook", "url": "http://x", "save": {"m": "$["}, "ok": "bye", "failed": "bye"}},
            ("/nodes/a/save/m", "bad_path"),
        ),
        (
            {"a": {"kind": "webhook", "url": "http://x", "save": {"m": "$..a..b"}, "ok": "bye", "failed": "bye"}},
            ("/nodes/a/save/m", "bad_path"),
        ),
        (
            {"a": {"kind": "webhook", "url": "http://x", "save": {"m": "$[?match(@.a, '(x+)+')]"}, "ok": "bye",
                   "failed": "bye"}},
            ("/nodes/a/save/m", "bad_path"),
        ),
        ({"a": {"kind": "transfer", "to": "+7"}}, ("/nodes/a/done", "no_arrow")),
        ({"a": {"kind": "transfer", "to": "+7", "done": "bye"}}, ("/nodes/a/busy", "no_fallback")),
        ({"a": {"kind": "retry_later", "next": "bye"}}, ("/nodes/a/after_s", "one_of")),
        ({"a": {"kind": "retry_later", "at": "soon", "next": "bye"}}, ("/nodes/a/at", "bad_value")),
        ({"a": {"kind": "tag", "tag": " ", "next": "bye"}}, ("/nodes/a/tag", "required")),
        ({"a": {"kind": "message", "channel": "sms", "text": "x", "next": "bye"}}, ("/nodes/a/kind", "not_available")),
        ({"a": {"kind": "message", "channel": "sms", "next": "bye"}}, ("/nodes/a/text", "one_of")),
        ({"a": {"kind": "scenario", "scenario": 5, "next": "bye"}}, ("/nodes/a/kind", "not_available")),
        ({"a": say(), "b": say()}, ("/nodes/b", "unreachable")),
    ],
)  # fmt: skip
def test_refused_or_warned(nodes: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in found(nodes)


def test_no_start() -> None:
    assert ("/start", "no_start") in [
        (p.path, p.code) for p in check({"dozvon": 1, "name": "x", "nodes": {"a": say()}})
    ]
    assert ("/start", "nowhere") in found({"a": say()}, start="b")
    assert ("/nodes", "required") in [(p.path, p.code) for p in check({"dozvon": 1, "name": "x", "start": "a"})]


@pytest.mark.parametrize(
    "nodes",
    [
        {"a": say(next="a")},
        {"a": {"kind": "goto", "to": "b"}, "b": {"kind": "goto", "to": "a"}},
        {"a": say(next="b"), "b": {"kind": "recognize", "filters": [{"voice": "да", "goto": "bye"},
                                   {"silence": True, "goto": "a"}, {"other": True, "goto": "a"}]}},
        {"a": say(next="b", max_visits=2, exhausted="b"), "b": say(next="a")},
        {"a": {"kind": "collect", "save": "x", "ok": "bye", "invalid": "a", "silence": "a"}},
        {"a": {"kind": "condition", "cases": [{"when": "phone == ''", "goto": "b"}], "else": "b"}, "b": say(next="a")},
    ],
)  # fmt: skip
def test_a_way_that_never_ends(nodes: dict[str, Any]) -> None:
    assert ("/nodes/a", "endless") in found(nodes)


@pytest.mark.parametrize(
    "nodes",
    [
        # by visits
        {"a": say(next="b", max_visits=2, exhausted="bye"), "b": say(next="a")},
        # by silence
        {"a": ask({"voice": "ещё", "goto": "a"})},
        # by time
        {"a": {"kind": "time", "windows": [{"from": "9:00", "to": "18:00"}], "timezone": "UTC", "inside": "bye",
               "outside": "b"}, "b": say(next="a")},
        # by counting
        {"z": {"kind": "set", "vars": {"n": 0}, "next": "a"},
         "a": {"kind": "set", "vars": {"n": "{{ n + 1 }}"}, "next": "b"},
         "b": {"kind": "condition", "cases": [{"when": "n > 3", "goto": "bye"}], "else": "a"}},
        # by hanging up
        {"a": {"kind": "goto", "to": "hangup"}, "bye": {"kind": "hangup"}},
    ],
)  # fmt: skip
def test_a_loop_with_a_way_out(nodes: dict[str, Any]) -> None:
    assert "endless" not in [code for _, code in found(nodes)]


def test_a_long_way_is_walked_without_recursion() -> None:
    nodes = {f"c{i}": {"kind": "goto", "to": f"c{i + 1}"} for i in range(1900)}
    nodes["c1900"] = {"kind": "goto", "to": "c0"}
    assert ("/nodes/c0", "endless") in found(nodes)


def test_names_come_from_fields_saves_and_what_is_given() -> None:
    nodes = {
        "a": {"kind": "collect", "save": "code", "ok": "b", "invalid": "b", "silence": "b"},
        "b": {"kind": "webhook", "url": "http://x", "save": {"answer": "$.a"}, "ok": "c", "failed": "c"},
        "c": {"kind": "set", "vars": {"sum": "{{ code }}"}, "next": "d"},
        "d": say("{{ code }} {{ answer }} {{ sum }} {{ city }} {{ phone }} {{ today | spoken_date }}"),
    }
    assert found(nodes, fields={"city": {}}) == []
    assert ("/nodes/d/say", "unknown_name") in found(nodes)
    assert check(document(nodes), known=["city"]) == []


def test_a_card_that_cannot_be_read_makes_no_others_unreachable() -> None:
    assert [code for _, code in found({"a": {"kind": "plai", "next": "b"}, "b": say()})] == ["unknown_kind"]


def test_its_own_tests_are_checked() -> None:
    tests = [{"name": "t", "fields": {"x": 1}, "subscriber": [{"say": "а", "dtmf": "1"}], "at": "noon"}]
    assert set(found({"a": say()}, tests=tests)) == {
        ("/tests/0/fields/x", "not_a_field"), ("/tests/0/subscriber/0", "one_of"), ("/tests/0/at", "bad_value")
    }  # fmt: skip
    tests = [{"name": "t", "subscriber": [{"shout": "а"}], "expect": {"result": "victory"}}]
    assert set(found({"a": say()}, tests=tests)) == {
        ("/tests/0/subscriber/0/shout", "unknown_field"), ("/tests/0/expect/result", "bad_value")
    }  # fmt: skip


def test_errors_stop_and_warnings_do_not() -> None:
    with pytest.raises(ScenarioError) as caught:
        load(document({"a": say(next="nobody"), "b": say()}))
    assert {p.code for p in caught.value.problems} == {"nowhere", "unreachable"}
    Interpreter(load(document({"a": say(), "b": say()})))


def test_every_code_speaks_both_languages() -> None:
    assert set(WORDS) >= WARNINGS
    for words in WORDS.values():
        assert words.ru != words.en
        assert any("а" <= char <= "я" for char in words.ru)
        assert words.say("ru-RU") == words.ru
        assert words.say("de") == words.en


def junk(i: int) -> str:
    letters = "бвгджзклмнпрстфхцч"
    return "".join(letters[(i // len(letters) ** k) % len(letters)] + "а" for k in range(4))


def voices(phrases: list[str]) -> dict[str, Any]:
    """Many cards with these phrases, chained so that each can be reached."""
    chunks = [phrases[i : i + 10_000] for i in range(0, len(phrases), 10_000)]
    nodes = {}
    for n, chunk in enumerate(chunks):
        to = f"c{n + 1}" if n + 1 < len(chunks) else "bye"
        nodes[f"c{n}"] = ask(*({"voice": chunk[i : i + 200], "goto": to} for i in range(0, len(chunk), 200)))
    return nodes


HEAVY: dict[str, dict[str, Any]] = {
    "words that no dictionary knows": voices([junk(i) for i in range(60_000)]),
    "phrases without number": voices(["да"] * 90_000),
    "phrases that begin alike": voices([f"да {i}" for i in range(10_000)]),
    "expressions": voices([f"/x{i}[а-я]+/" for i in range(3_000)]),
    "templates": {f"t{i}": say("{{ phone }}" * 190, next=f"t{i + 1}" if i < 299 else "bye") for i in range(300)},
}


@pytest.mark.parametrize("name", HEAVY)
def test_what_would_take_long_to_look_through_is_refused_quickly(name: str) -> None:
    given = document(HEAVY[name])
    began = time.perf_counter()
    problems = check(given)
    assert time.perf_counter() - began < 2
    assert "too_large" in {problem.code for problem in problems}


def test_a_thousand_unknown_names_are_told_quickly() -> None:
    nodes = {f"t{i}": say(f"{{{{ nam{i} }}}}", next=f"t{i + 1}" if i < 999 else "bye") for i in range(1000)}
    began = time.perf_counter()
    problems = check(document(nodes, fields={f"name{i}": {} for i in range(200)}))
    assert time.perf_counter() - began < 2
    assert [problem.code for problem in problems] == ["unknown_name"] * 1000
    assert "perhaps" in problems[0].message.en
