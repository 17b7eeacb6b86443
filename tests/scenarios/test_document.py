"""The document: both forms read alike, nothing is lost, and size and form are bounded."""

from __future__ import annotations

import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scenarios import source
from scenarios.check import check
from scenarios.document import Draft, parse, read
from scenarios.problems import ScenarioError
from tests.scenarios.talks import document

LIBRARY = sorted((Path(__file__).parents[2] / "scenarios" / "library").glob("*.yaml"))
TEXT = """
dozvon: 1
name: Проба
start: yes
fields: {visit_at: {type: date, default: 2026-12-01}, code: {type: string, default: 007}}
nodes:
  yes: {kind: recognize, filters: [{dtmf: 1, goto: no}, {voice: да, goto: no}, {silence: true, goto: no}, {other: true, goto: no}]}
  no: {kind: time, windows: [{from: 09:00, to: 24:00}], timezone: Europe/Moscow, inside: off, outside: off}
  off: {kind: hangup}
layout: {yes: [80, 40.5], no: {x: 1}}
tests: [{name: t, fields: {visit_at: 2026-12-03}, subscriber: [{dtmf: 1}], expect: {path: [yes, no, off]}}]
"""  # noqa: E501


def codes(draft: Draft) -> set[tuple[str, str]]:
    return {(problem.path, problem.code) for problem in draft.problems}


def test_yaml_is_read_by_the_rules_of_json() -> None:
    raw = source.read(TEXT)
    assert raw["start"] == "yes"
    assert set(raw["nodes"]) == {"yes", "no", "off"}
    assert raw["fields"] == {
        "visit_at": {"type": "date", "default": "2026-12-01"},
        "code": {"type": "string", "default": "007"},
    }
    assert raw["nodes"]["no"]["windows"] == [{"from": "09:00", "to": "24:00"}]
    assert check(TEXT) == []


def test_both_forms_and_an_object_are_the_same_scenario() -> None:
    raw = source.read(TEXT)
    as_json = parse(json.dumps(raw, ensure_ascii=False))
    assert parse(TEXT).to_dict() == as_json.to_dict() == parse(raw).to_dict() == raw
    assert parse(TEXT).steps == as_json.steps


@pytest.mark.parametrize("file", LIBRARY, ids=lambda file: file.stem)
def test_a_round_trip_loses_nothing(file: Path) -> None:
    scenario = parse(file.read_bytes())
    again = parse(scenario.to_yaml())
    assert again.to_dict() == scenario.to_dict() == source.read(file.read_text())
    assert again.steps == scenario.steps
    assert again.to_dict()["layout"] == scenario.to_dict()["layout"]
    assert again.tests == scenario.tests


def test_what_is_handed_out_is_a_copy() -> None:
    scenario = parse(TEXT)
    scenario.to_dict()["nodes"].clear()
    assert scenario.to_dict()["nodes"]


def test_another_yaml_reader_s_values_are_brought_to_ours() -> None:
    raw = source.read({"dozvon": 1, True: 1, 5: date(2026, 12, 1), "t": (1, 2)})
    assert raw == {"dozvon": 1, "true": 1, "5": "2026-12-01", "t": [1, 2]}


def bomb() -> str:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (bomb(), "not_parsed"),
        ("[" * 100_000, "too_large"),
        ("{" * 100_000, "not_parsed"),
        ('{"a":' * 100_000, "too_large"),
        ("a: " + "- " * 100_000 + "x", "not_parsed"),
        ("\n".join(" " * i + "a:" for i in range(500)), "too_large"),
        ("x" * 1_000_001, "too_large"),
        ("[" + "1," * 300_000 + "1]", "too_large"),
        ("a: !!python/object/apply:os.system ['true']", "not_parsed"),
        ("a: &b c", "not_parsed"),
        ("a: 1\na: 2", "not_parsed"),
        ("a: 1\n---\nb: 2", "not_parsed"),
        ("? [a]\n: b", "not_parsed"),
        ("a: [", "not_parsed"),
        ("a: \x00", "not_parsed"),
        ("", "wrong_type"),
        ("just words", "wrong_type"),
        ("[1, 2]", "wrong_type"),
        ('{"a": NaN}', "wrong_type"),
    ],
    ids=range(19),
)
def test_hostile_text_is_refused_at_once(text: str, code: str) -> None:
    began = time.perf_counter()
    draft = read(text)
    assert time.perf_counter() - began < 3
    if code == "wrong_type" and text.startswith("{"):
        assert draft.problems
    else:
        assert [problem.code for problem in draft.problems] == [code]
        assert draft.scenario is None


def test_bytes_that_are_no_text() -> None:
    assert [p.code for p in read(b"\xff\xfe\x00").problems] == ["not_parsed"]


def test_numbers_without_end_are_refused() -> None:
    assert [p.code for p in read({"dozvon": 10**30}).problems] == ["too_large"]
    assert [p.code for p in read({"dozvon": float("inf")}).problems] == ["not_parsed"]


def test_five_thousand_cards_are_refused_fast() -> None:
    nodes = {f"c{i}": {"kind": "tag", "tag": "x", "next": f"c{i + 1}"} for i in range(5000)}
    for form in (document(nodes), json.dumps(document(nodes)), source.dump(document(nodes))):
        began = time.perf_counter()
        problems = check(form)
        assert [(p.path, p.code) for p in problems] == [("/nodes", "too_large")]
        assert time.perf_counter() - began < 1.5


def test_checking_grows_with_the_cards_and_no_faster() -> None:
    _checked_s(100)  # the card classes are read once
    assert _checked_s(1998) < 10 * _checked_s(498) + 0.5  # quadratic: sixteen times


def _checked_s(cards: int) -> float:
    nodes: dict[str, Any] = {}
    for i in range(0, cards, 2):
        nodes[f"c{i}"] = {"kind": "play", "say": f"Шаг {i}, {{{{ name }}}}", "next": f"c{i + 1}"}
        nodes[f"c{i + 1}"] = {
            "kind": "recognize",
            "filters": [
                {"voice": ["да", f"ответ {i}"], "goto": f"c{i + 2}" if i < cards - 2 else "bye"},
                {"voice": ["нет", "не хочу"], "goto": "bye"},
                {"silence": True, "goto": "bye"},
                {"other": True, "goto": "bye"},
            ],
        }
    form = document(nodes, fields={"name": {}})
    began = time.process_time()
    assert check(form) == []
    return time.process_time() - began


def test_everything_wrong_is_told_at_once_with_its_place() -> None:
    draft = read(
        {
            "dozvon": 2,
            "nme": "x",
            "start": "a",
            "language": "русский язык",
            "defaults": {"timeout_s": "soon"},
            "fields": {"good": {"type": "date"}, "плохое имя": {}, "x": {"type": "time"}},
            "nodes": {
                "a": {"kind": "play", "say": 5, "nxt": "b"},
                "b": {"kind": "recognise", "filters": []},
                "c": {"kind": "recognize", "filters": [{"voice": ["да"], "dtmf": True}], "timeout_s": -1},
                "d": {"kind": "condition", "cases": [{"when": "x > 1"}]},
                "e/~": {"kind": "time", "windows": [{"from": "25:00", "to": "10:00"}], "timezone": "Europe/Moscow"},
                "f": "play",
                "g": {},
                "h\n": {"kind": "hangup"},
                "i": {"kind": "play", "audio": "../../etc/passwd", "next": "a"},
                "j": {"kind": "webhook", "url": "http://x", "headers": {"A\r\nB": "x"}, "ok": "a"},
            },
        }
    )
    assert codes(draft) == {
        ("/dozvon", "bad_value"),
        ("/nme", "unknown_field"),
        ("/name", "required"),
        ("/language", "bad_value"),
        ("/defaults/timeout_s", "wrong_type"),
        ("/fields/плохое имя", "bad_value"),
        ("/fields/x/type", "bad_value"),
        ("/nodes/a/next", "no_arrow"),
        ("/nodes/a/nxt", "unknown_field"),
        ("/nodes/b/kind", "unknown_kind"),
        ("/nodes/c/filters/0/goto", "no_arrow"),
        ("/nodes/c/filters/0/dtmf", "wrong_type"),
        ("/nodes/c/timeout_s", "bad_value"),
        ("/nodes/d/cases/0/goto", "no_arrow"),
        ("/nodes/d/else", "no_arrow"),
        ("/nodes/e~1~0/windows/0/from", "bad_value"),
        ("/nodes/e~1~0/inside", "no_arrow"),
        ("/nodes/e~1~0/outside", "no_arrow"),
        ("/nodes/f", "wrong_type"),
        ("/nodes/g", "required"),
        ("/nodes/h\n", "bad_value"),
        ("/nodes/i/audio", "bad_value"),
        ("/nodes/j/headers/A\r\nB", "bad_value"),
    }
    near = next(p for p in draft.problems if p.code == "unknown_kind")
    assert "recognize" in near.message.en
    assert "recognize" in near.message.ru
    assert (near.card, near.field) == ("b", "kind")


def test_parse_raises_with_all_problems() -> None:
    with pytest.raises(ScenarioError) as caught:
        parse({"dozvon": 1, "nodes": {"a": {"kind": "nothing"}}})
    assert {p.code for p in caught.value.problems} == {"required", "unknown_kind"}


def test_defaults_fill_only_what_asks_for_them() -> None:
    nodes = {
        "a": {"kind": "recognize", "filters": [{"other": True, "goto": "w"}, {"silence": True, "goto": "w"}]},
        "w": {"kind": "webhook", "url": "http://x", "ok": "bye", "failed": "bye"},
    }
    scenario = parse(document(nodes, defaults={"timeout_s": 3, "barge_in": False}))
    assert scenario.steps["a"].timeout_s == 3  # type: ignore[attr-defined]
    assert scenario.steps["a"].barge_in is False  # type: ignore[attr-defined]
    assert scenario.steps["w"].timeout_s == 5  # type: ignore[attr-defined]


def test_contacts_fields_by_their_type() -> None:
    fields = {
        "n": {"type": "number"},
        "d": {"type": "date"},
        "b": {"type": "boolean", "default": False},
        "s": {"type": "string"},
    }
    scenario = parse(document({"a": {"kind": "goto", "to": "bye"}}, fields=fields))
    assert scenario.fitted({"n": "1 500,50", "d": "2026-12-01", "b": "да", "s": 5, "extra": "x"}) == {
        "n": 1500.5, "d": "2026-12-01", "b": True, "s": "5", "extra": "x"
    }  # fmt: skip
    assert scenario.missing({"n": "many", "d": ""}) == ("n", "d")
    assert scenario.missing({"n": 1, "d": "01.12.2026"}) == ()
    assert len(str(scenario.fitted({"s": "x" * 10**6})["s"])) == 4000


scalars = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8)
values = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False, width=32),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["dozvon", "name", "start", "nodes", "fields", "tests", "layout"]), values))
def test_any_object_is_read_without_raising(given_: dict[str, object]) -> None:
    check(given_)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_read_without_raising(given_: str | bytes) -> None:
    check(given_)


printable = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1)


@given(st.dictionaries(printable, values, max_size=5))
def test_what_is_written_is_read_back(given_: dict[str, object]) -> None:
    raw = source.read(given_)
    assert source.read(source.dump(raw) if raw else {}) == raw
    assert isinstance(yaml.safe_load(source.dump(raw)), dict)
