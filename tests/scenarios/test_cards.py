"""Each card, one by one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from scenarios.steps import cards
from scenarios.talk import (
    Fetch,
    Fetched,
    Heard,
    Mark,
    Move,
    Partial,
    Pressed,
    Prompt,
    Record,
    Recorded,
    Silent,
    Transfer,
    Transferred,
)
from tests.scenarios.talks import NOON, Talk, document

PLACES = {name: {"kind": "play", "say": name, "next": "bye"} for name in ("a", "b", "c", "d", "e")}


def at(card: dict[str, Any], *events: Any, vars: dict[str, Any] | None = None, **options: Any) -> Talk:
    """A talk that begins at this card, whose arrows lead to a…e."""
    head = {name: options.pop(name) for name in ("fields", "defaults") if name in options}
    talk = Talk(document({"card": card, **PLACES}, start="card", **head), vars, **options)
    talk.feed(*events)
    return talk


# --- recognize ------------------------------------------------------------------------------------------------------

MENU: dict[str, Any] = {
    "kind": "recognize",
    "filters": [
        {"voice": ["да"], "goto": "a"},
        {"dtmf": "1", "goto": "a"},
        {"dtmf": "12", "goto": "b"},
        {"dtmf": "[3-5]", "goto": "c"},
        {"silence": True, "goto": "d"},
        {"other": True, "goto": "e"},
    ],
}


@pytest.mark.parametrize(
    ("keys", "to"),
    [("3", "c"), ("12", "b"), ("7", "e"), ("13", "e"), ("1#", "a"), ("*", "e")],
)
def test_keys(keys: str, to: str) -> None:
    assert at(MENU, *map(Pressed, keys)).at == to


def test_a_key_waits_only_where_another_may_follow() -> None:
    talk = at(MENU, Pressed("1"))
    assert talk.at == "card"
    assert talk.listens is not None
    assert talk.listens.timeout_s == 2
    talk.feed(Silent())
    assert talk.at == "a"
    assert talk.visits[0].heard == "1"
    assert talk.visits[0].by == "dtmf"


def test_words_still_count_while_a_key_is_awaited() -> None:
    assert at(MENU, Pressed("1"), Heard("да")).at == "a"


def test_silence_and_other() -> None:
    assert at(MENU, Silent()).at == "d"
    assert at(MENU, Heard("что")).at == "e"
    assert at(MENU, Heard("", 0.0)).at == "e"
    said = at(MENU, Heard("что", 0.4)).visits[0]
    assert (said.by, said.heard, said.confidence, said.port) == ("other", "что", 0.4, "e")


@pytest.mark.parametrize(("left", "event"), [("other", Silent()), ("silence", Heard("что"))])
def test_one_stands_in_for_the_other(left: str, event: Any) -> None:
    assert (
        at({"kind": "recognize", "filters": [{"voice": "да", "goto": "a"}, {left: True, "goto": "b"}]}, event).at == "b"
    )


def test_with_neither_the_call_fails_and_says_why() -> None:
    talk = at({"kind": "recognize", "filters": [{"voice": "да", "goto": "a"}]}, Silent())
    assert (talk.state.ending, talk.state.reason) == ("failed", "no arrow for 'silence'")


def test_a_partial_decides_unless_told_not_to() -> None:
    talk = at(MENU, Partial("ну"), Partial("ну да"))
    assert talk.at == "a"
    assert talk.visits[0].partial
    assert at({**MENU, "decide": "final"}, Partial("да")).at == "card"
    final = at({**MENU, "decide": "final"})
    assert final.listens is not None
    assert not final.listens.partials


def test_keys_only_needs_no_recogniser() -> None:
    card = {"kind": "recognize", "filters": [{"dtmf": "1", "goto": "a"}, {"silence": True, "goto": "b"}]}
    talk = at(card)
    assert talk.listens is not None
    assert not talk.listens.voice


def test_what_was_heard_is_kept() -> None:
    assert at(MENU, Heard("да")).state.vars["heard"] == "да"


# --- collect --------------------------------------------------------------------------------------------------------

CODE: dict[str, Any] = {
    "kind": "collect", "save": "code", "min": 3, "max": 4, "ok": "a", "invalid": "b", "silence": "c"
}  # fmt: skip


@pytest.mark.parametrize(
    ("events", "to", "code"),
    [
        ([*map(Pressed, "1234")], "a", "1234"),
        ([*map(Pressed, "123#")], "a", "123"),
        ([*map(Pressed, "123"), Silent()], "a", "123"),
        ([*map(Pressed, "12"), Silent()], "b", None),
        ([*map(Pressed, "12#")], "b", None),
        ([Pressed("#")], "b", None),
        ([Silent()], "c", None),
        ([Heard("ноль ноль семь")], "a", "007"),
        ([Heard("два"), Heard("ноль семь")], "a", "207"),
        ([Pressed("2"), Heard("ноль семь")], "a", "207"),
        ([Heard("два"), Silent()], "b", None),
        ([Heard("один два три четыре пять")], "b", None),
        ([Heard("не скажу")], "b", None),
        ([Pressed("A"), *map(Pressed, "1234")], "a", "1234"),
    ],
)
def test_collect(events: list[Any], to: str, code: str | None) -> None:
    talk = at(CODE, *events)
    assert talk.at == to
    assert talk.state.vars.get("code") == code


def test_collect_waits_between_keys() -> None:
    talk = at(CODE, Pressed("1"))
    assert talk.listens is not None
    assert talk.listens.timeout_s == 2
    assert talk.state.memo == {"digits": "1"}


@pytest.mark.parametrize(("left", "event"), [("invalid", Silent()), ("silence", Heard("нет"))])
def test_collect_one_arrow_stands_in_for_the_other(left: str, event: Any) -> None:
    assert at({"kind": "collect", "save": "x", "ok": "a", left: "b"}, event).at == "b"


# --- what the world does --------------------------------------------------------------------------------------------


def test_record() -> None:
    talk = at({"kind": "record", "max_s": 30, "silence_s": 2, "beep": False, "save": "file", "next": "a"})
    assert talk.move.commands == (Record(30, 2, False),)
    talk.feed(Heard("да"), Recorded("calls/1.wav", 4.2))
    assert talk.at == "a"
    assert talk.state.vars["file"] == "calls/1.wav"


HOOK: dict[str, Any] = {
    "kind": "webhook", "url": "https://crm.example/{{ phone }}", "method": "PUT", "headers": {"X-Name": "{{ name }}"},
    "body": {"who": "{{ name }}", "sum": "{{ 2 + 3 }}", "list": [1, "{{ phone }}"]}, "params": {"q": "{{ name }}"},
    "auth": {"bearer": "secret"}, "fill": "Минутку", "timeout_s": 3,
    "save": {"manager": "$.manager.name", "all": "$.list", "third": "$.list[2]", "any": "$..deep", "none": "$.nothing"},
    "ok": "a", "failed": "b",
}  # fmt: skip


def test_webhook_asks() -> None:
    talk = at(HOOK, vars={"phone": "+7900", "name": "А\r\nB: в"}, fields={"name": {}})
    fetch = talk.move.commands[0]
    assert isinstance(fetch, Fetch)
    assert (fetch.url, fetch.method, fetch.timeout_s) == ("https://crm.example/+7900", "PUT", 3)
    assert fetch.headers == {"X-Name": "А B: в"}
    assert fetch.body == {"who": "А\r\nB: в", "sum": 5, "list": [1, "+7900"]}
    assert fetch.auth == {"bearer": "secret"}
    assert fetch.fill == Prompt(text="Минутку", language="ru")


def test_webhook_keeps_parts_of_the_answer() -> None:
    body = {"manager": {"name": "Пётр"}, "list": [1, 2, 3.5], "x": {"deep": True}}
    talk = at(HOOK, Fetched(201, body), fields={"name": {}})
    assert talk.at == "a"
    assert {name: talk.state.vars.get(name) for name in HOOK["save"]} == {
        "manager": "Пётр", "all": "[1, 2, 3.5]", "third": 3.5, "any": True, "none": None
    }  # fmt: skip


@pytest.mark.parametrize("answer", [Fetched(500), Fetched(404, {}), Fetched(0, None, "timeout"), Fetched(302)])
def test_webhook_fails(answer: Fetched) -> None:
    talk = at(HOOK, answer, fields={"name": {}})
    assert talk.at == "b"
    assert talk.visits[0].detail


@pytest.mark.parametrize("body", [None, [], "text", 5, {"manager": None}, {"manager": []}, {"list": "x" * 10**6}])
def test_webhook_with_a_strange_answer(body: Any) -> None:
    talk = at(HOOK, Fetched(200, body), fields={"name": {}})
    assert talk.at == "a"
    assert len(str(talk.state.vars.get("all", ""))) <= 4000


def test_webhook_down_with_no_arrow_for_it() -> None:
    talk = at({"kind": "webhook", "url": "http://x", "ok": "a"}, Fetched(0, None, "refused"))
    assert (talk.state.ending, talk.state.reason) == ("failed", "no arrow for 'failed'")


def test_transfer() -> None:
    card = {"kind": "transfer", "to": "{{ boss }}", "hold": "Соединяю", "whisper": {"audio": "w.wav"}, "ring_s": 20,
            "caller_id": "{{ phone }}", "done": "a", "busy": "b", "no_answer": "c", "failed": "d"}  # fmt: skip
    vars = {"boss": " +7495\r\n1 ", "phone": "+7900"}
    talk = at(card, vars=vars, fields={"boss": {}})
    assert talk.move.commands == (
        Transfer("+7495 1", 20, "+7900", Prompt(audio="w.wav", language="ru"), Prompt(text="Соединяю", language="ru")),
    )
    outcomes = {"done": "a", "busy": "b", "no_answer": "c", "failed": "d", "what": "d"}
    for outcome, to in outcomes.items():
        assert at(card, Transferred(outcome, 5), vars=vars, fields={"boss": {}}).at == to
    assert at(card, fields={"boss": {"default": " "}}).state.ending == "failed"


def test_transfer_falls_back() -> None:
    card = {"kind": "transfer", "to": "+7", "failed": "a"}
    assert at(card, Transferred("busy")).at == "a"
    done = at(card, Transferred("done"))
    assert (done.state.ending, done.visits[-1].port) == ("hangup", "done")
    assert at({"kind": "transfer", "to": "+7", "done": "a"}, Transferred("busy")).state.ending == "failed"


# --- flow and data --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "to"), [(70, "a"), ("30", "b"), (10, "c"), ("old", "c")])
def test_condition(age: Any, to: str) -> None:
    cases = [{"when": "age > 65", "goto": "a"}, {"when": "age | int >= 18", "goto": "b"}]
    talk = at({"kind": "condition", "cases": cases, "else": "c"}, vars={"age": age}, fields={"age": {"type": "number"}})
    assert talk.at == to


def test_a_condition_that_cannot_be_worked_out_does_not_hold_and_says_so() -> None:
    talk = at({"kind": "condition", "cases": [{"when": "age > 65", "goto": "a"}], "else": "c"}, fields={"age": {}})
    assert talk.at == "c"
    assert "age > 65" in talk.visits[0].detail


def test_set() -> None:
    vars = {"n": 1}
    card = {"kind": "set", "vars": {"n": "{{ n + 1 }}", "who": "г-н {{ name }}", "flag": True, "x": 1.5}, "next": "a"}
    talk = at(card, vars={**vars, "name": "Я"}, fields={"name": {}})
    assert {name: talk.state.vars[name] for name in card["vars"]} == {"n": 2, "who": "г-н Я", "flag": True, "x": 1.5}


def test_split_sorts_by_shares_and_the_same_contact_the_same_way() -> None:
    card = {
        "kind": "split",
        "shares": [{"share": 1, "goto": "a"}, {"share": 3, "goto": "b"}, {"share": 0, "goto": "c"}],
    }
    talk = at(card)
    ways = Counter(talk.interpreter.start({}, now=NOON, contact_key=f"+7900{i:07}").state.node for i in range(4000))
    assert 850 < ways["a"] < 1150
    assert ways["a"] + ways["b"] == 4000
    for i in range(50):
        moves: list[Move] = [talk.interpreter.start({}, now=NOON, contact_key=str(i)) for _ in range(3)]
        assert len({move.state.node for move in moves}) == 1


def test_two_splits_sort_independently() -> None:
    shares = {"shares": [{"share": 1, "goto": "x"}, {"share": 1, "goto": "y"}]}
    second = {"shares": [{"share": 1, "goto": "a"}, {"share": 1, "goto": "b"}]}
    nodes = {"card": {"kind": "split", **shares}, "x": {"kind": "split", **second}, "y": {"kind": "goto", "to": "c"}}
    talk = Talk(document({**nodes, **PLACES}, start="card"))
    ways = Counter(talk.interpreter.start({}, now=NOON, contact_key=str(i)).state.node for i in range(1000))
    assert all(150 < ways[name] < 350 for name in "ab")


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-12-01T09:59:59+03:00", False),
        ("2026-12-01T10:00:00+03:00", True),
        ("2026-12-01T06:59:59+00:00", False),
        ("2026-12-01T07:00:00+00:00", True),
        ("2026-12-01T19:59:00+03:00", True),
        ("2026-12-01T20:00:00+03:00", False),
        ("2026-12-05T12:00:00+03:00", False),  # a Saturday
        ("2026-12-04T22:00:00+03:00", True),  # Friday's night
        ("2026-12-05T05:59:00+03:00", True),  # which belongs to Friday
        ("2026-12-05T06:00:00+03:00", False),
        ("2026-12-05T22:30:00+03:00", False),
        ("2026-12-06T23:59:00+03:00", True),  # Sunday until 24:00
    ],
)
def test_time(moment: str, inside: bool) -> None:
    windows = [
        {"days": [1, 2, 3, 4], "from": "10:00", "to": "20:00"},
        {"days": [5], "from": "22:00", "to": "6:00"},
        {"days": [7], "from": "23:00", "to": "24:00"},
    ]
    card = {"kind": "time", "windows": windows, "timezone": "Europe/Moscow", "inside": "a", "outside": "b"}
    assert at(card, now=datetime.fromisoformat(moment)).at == ("a" if inside else "b")


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), False),  # 01:59 in Berlin, the clock then goes to 03:00
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 29, 2, 0, tzinfo=UTC), False),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), False),  # 02:30 the second time
        (datetime(2026, 10, 25, 2, 30, tzinfo=UTC), True),
    ],
)
def test_time_over_a_change_of_the_clock(moment: datetime, inside: bool) -> None:
    card = {
        "kind": "time", "windows": [{"from": "3:00", "to": "4:00"}], "timezone": "Europe/Berlin", "inside": "a",
        "outside": "b",
    }  # fmt: skip
    assert at(card, now=moment).at == ("a" if inside else "b")


@pytest.mark.parametrize(
    ("card", "mark"),
    [
        ({"kind": "goal", "tag": "hot"}, Mark("goal", "hot")),
        ({"kind": "goal"}, Mark("goal")),
        ({"kind": "tag", "tag": "x"}, Mark("tag", "x")),
        ({"kind": "opt_out"}, Mark("opt_out")),
        ({"kind": "retry_later", "after_s": 60}, Mark("retry_later", after_s=60)),
        ({"kind": "retry_later", "at": "{{ today }}T10:00"}, Mark("retry_later", at="2026-12-01T10:00")),
    ],
)
def test_marks(card: dict[str, Any], mark: Mark) -> None:
    talk = at({**card, "next": "a"})
    assert talk.move.commands[0] == mark
    assert talk.at == "a"


def test_a_moment_that_is_none_fails() -> None:
    assert at({"kind": "retry_later", "at": "{{ heard }}soon", "next": "a"}).state.ending == "failed"


def test_goto_hangs_up() -> None:
    talk = at({"kind": "goto", "to": "hangup"})
    assert talk.state.ending == "hangup"
    assert talk.visits[0].port == "to"


def test_today_is_the_contacts_own() -> None:
    card = {"kind": "set", "vars": {"d": "{{ today }}"}, "next": "a"}
    late = datetime(2026, 12, 1, 20, tzinfo=UTC)
    assert at(card, now=late).state.vars["d"] == "2026-12-01"
    assert at(card, now=late, vars={"timezone": "Asia/Vladivostok"}).state.vars["d"] == "2026-12-02"
    assert at(card, now=late, vars={"timezone": "no/such"}).state.vars["d"] == "2026-12-01"


@pytest.mark.parametrize("kind", sorted(cards()))
def test_every_card_says_what_it_is(kind: str) -> None:
    card = cards()[kind]
    assert card.label.ru
    assert card.label.en
    assert card.does.ru
    assert card.does.en.endswith(".")
    assert card.icon
    assert card.group in {"speech", "flow", "data", "result"}
