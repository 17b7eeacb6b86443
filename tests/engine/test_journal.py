from __future__ import annotations

import asyncio

import pytest

from engine.journal import MOST_CALLS, MOST_EVENTS, MOST_LINES, MOST_LISTENERS, MOST_TEXT, LiveJournal
from engine.model import CallEvent, Status
from scenarios.talk import Value
from tests.engine.rig import MONDAY
from tests.virtual_time import virtually


def event(kind: str, call: int = 1, **data: Value) -> CallEvent:
    return CallEvent(call, kind, MONDAY, data)


def test_a_listener_hears_everything_in_order_and_whose_it_is() -> None:
    async def main() -> None:
        journal = LiveJournal()
        journal.note(event("dialing", project_id=7, direction="outbound", phone="+79001112233"))
        async with journal.events() as heard:
            for kind in ("ringing", "answered", "said", "ended"):
                journal.note(event(kind, text="Hello"))
            journal.close()
            found = [(e.kind, e.data["project_id"]) async for e in heard]
        assert found == [("ringing", 7), ("answered", 7), ("said", 7), ("ended", 7)]

    virtually(main)


def test_a_slow_listener_loses_the_oldest_and_holds_nobody_up() -> None:
    async def main() -> None:
        journal = LiveJournal()
        async with journal.events() as slow, journal.events() as quick:
            got: list[int] = []

            async def listen() -> None:
                got.extend([e.call_id async for e in quick])

            task = asyncio.ensure_future(listen())
            for n in range(MOST_EVENTS + 500):
                journal.note(event("ringing", n))
                if n % 100 == 0:
                    await asyncio.sleep(0)
            journal.close()
            await task
            assert got == list(range(MOST_EVENTS + 500))
            assert slow.lost == 500
            assert (await anext(slow)).call_id == 500
        assert journal.counters["events_lost_total", ()] == 500

    virtually(main)


def test_too_many_listeners_are_refused_and_leaving_makes_room() -> None:
    async def main() -> None:
        journal = LiveJournal()
        contexts = [journal.events() for _ in range(MOST_LISTENERS)]
        for context in contexts:
            await context.__aenter__()
        with pytest.raises(OverflowError):
            await journal.events().__aenter__()
        await contexts[0].__aexit__(None, None, None)
        async with journal.events():
            pass

    virtually(main)


def test_the_picture_of_a_live_call() -> None:
    journal = LiveJournal()
    journal.note(event("dialing", project_id=1, phone="+79001112233", number="+74950000001"))
    journal.note(event("ringing"))
    (call,) = journal.live()
    assert call.status is Status.RINGING and call.facts["phone"] == "+79001112233"
    journal.note(event("answered"))
    journal.note(event("at", node="ask"))
    journal.note(event("said", text="Are you coming?"))
    journal.note(event("partial", text="yes of"))
    assert (call.status, call.node, call.partial) == (Status.ANSWERED, "ask", "yes of")
    journal.note(event("heard", text="yes of course"))
    assert call.partial == ""
    assert [(who, text) for _, who, text in call.transcript] == [
        ("robot", "Are you coming?"),
        ("subscriber", "yes of course"),
    ]
    journal.note(event("ended", status="answered"))
    assert not journal.live()


def test_pictures_are_bounded() -> None:
    journal = LiveJournal()
    journal.note(event("dialing"))
    for _ in range(MOST_LINES + 50):
        journal.note(event("heard", text="x" * 100_000))
    (call,) = journal.live()
    assert len(call.transcript) == MOST_LINES and len(call.transcript[0][2]) == MOST_TEXT
    for n in range(MOST_CALLS + 10):
        journal.note(event("dialing", n))
    assert len(journal.live()) == MOST_CALLS


def test_events_of_unknown_calls_and_kinds_do_no_harm() -> None:
    journal = LiveJournal()
    for kind in ("ringing", "heard", "ended", "whatever", ""):
        journal.note(event(kind))
    assert not journal.live()


def test_counters() -> None:
    journal = LiveJournal()
    for n, status in enumerate(("answered", "busy", "answered")):
        journal.note(event("dialing", n, direction="outbound"))
        if status == "answered":
            journal.note(event("answered", n))
        journal.note(event("ended", n, status=status, result="goal" if n == 0 else None))
    outbound = ("direction", "outbound")
    assert journal.counters["calls_started_total", (outbound,)] == 3
    assert journal.counters["calls_total", (outbound, ("status", "answered"))] == 2
    assert journal.counters["results_total", (("result", "goal"),)] == 1
    assert journal.buckets()[0] == ("0.5", 2) and journal.buckets()[-1] == ("+Inf", 2)
