from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.attempt import Job
from engine.errors import ConfigError, StoreDown
from engine.model import Result, Status, TalkLog
from engine.ports import Line
from engine.records import Accept, InboundLine, Reject
from engine.router import Router, route
from engine.rules.billing import Tariff, Tariffs
from engine.rules.window import window
from tests.engine.rig import FIRST, MONDAY, Rig, said, until
from tests.fakes import FakeIncoming
from tests.virtual_time import virtually

LINE = InboundLine(
    3, 1, 7, after_hours_scenario_id=8, windows=(window("09:00", "18:00", range(1, 6)),), timezone="Europe/Moscow"
)
NIGHT = datetime(2026, 3, 2, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "barred", "now", "decision"),
    [
        (LINE, False, MONDAY, Accept(7)),
        (LINE, False, NIGHT, Accept(8, after_hours=True)),
        (replace(LINE, after_hours_scenario_id=None), False, NIGHT, Reject(17, "closed")),
        (replace(LINE, windows=()), False, NIGHT, Accept(7)),
        (LINE, True, MONDAY, Reject(21, "stop list")),
        (None, False, MONDAY, Reject(17, "no line")),
    ],
)
def test_who_answers(line: InboundLine | None, barred: bool, now: datetime, decision: Accept | Reject) -> None:
    assert route(line, barred=barred, now=now) == decision


def incoming(**changes: object) -> FakeIncoming:
    return FakeIncoming(**({"phone": "+79005554433", "number": FIRST.number} | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def routing(rig: Rig) -> AsyncIterator[Router]:
    router = Router(rig.desk(), rig.store, lambda number: FIRST if number == FIRST.number else None)
    task = asyncio.ensure_future(router.run())
    await asyncio.sleep(0.01)
    yield router
    task.cancel()
    await asyncio.wait([task])


def answer(rig: Rig, call: FakeIncoming, done: Callable[[], object] | None = None) -> None:
    async def main() -> None:
        async with routing(rig):
            rig.voice.come(call)
            await until(done or (lambda: call.rejected or rig.store.ends()), 120)

    virtually(main)


def test_a_call_is_answered_by_its_line() -> None:
    rig = Rig(tariffs=Tariffs([Tariff("", 600)]))
    rig.store.lines[FIRST.number] = LINE
    call = incoming()
    answer(rig, call)
    (end,) = rig.store.ends()
    assert end.status is Status.ANSWERED and end.scenario_id == 7 and end.cost == 0
    assert rig.jobs[0].direction == "inbound" and rig.jobs[0].line_id == 3 and rig.jobs[0].phone == "+79005554433"
    assert rig.trunks.live() == {"main": 0}
    assert (
        not rig.journal.live()
        and rig.journal.counters["calls_total", (("direction", "inbound"), ("status", "answered"))] == 1
    )


@pytest.mark.parametrize(
    ("phone", "number", "cause"), [("+79005554433", "+74959999999", 17), ("+79000000666", FIRST.number, 21)]
)
def test_refusals_leave_no_call(phone: str, number: str, cause: int) -> None:
    rig = Rig()
    rig.store.lines[FIRST.number] = LINE
    rig.store.stop_list.add("+79000000666")
    call = incoming(phone=phone, number=number)
    answer(rig, call)
    assert call.rejected == cause and not rig.store.calls


def test_a_withheld_number_is_welcome() -> None:
    rig = Rig()
    rig.store.lines[FIRST.number] = LINE
    rig.store.stop_list.add("")
    answer(rig, incoming(phone=""))
    assert rig.store.ends()[0].status is Status.ANSWERED


def test_a_caller_who_has_gone_is_in_the_list() -> None:
    rig = Rig()
    rig.store.lines[FIRST.number] = LINE
    answer(rig, incoming(gone=True))
    (end,) = rig.store.ends()
    assert end.status is Status.NO_ANSWER and end.answered_at is None


def test_without_the_store_the_caller_hears_busy_not_silence() -> None:
    rig = Rig()
    rig.store.failure = OSError("away")
    call = incoming()
    answer(rig, call)
    assert call.rejected == 42


def test_a_store_that_hangs_does_not_hang_the_caller() -> None:
    rig = Rig()
    rig.store.busy_s = 3600.0
    call = incoming()
    answer(rig, call)
    assert call.rejected == 42


def test_a_store_that_fails_after_the_refusal_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.store.lines[FIRST.number] = LINE
    rig.store.busy_s, rig.store.failure = 10.0, StoreDown("the database is away for now")
    call = incoming()

    async def main() -> None:
        desk = rig.desk()
        task = asyncio.ensure_future(Router(desk, rig.store).run())
        await asyncio.sleep(0.01)
        rig.voice.come(call)
        await until(lambda: call.rejected, 10)
        assert desk.busy.count == 1  # until it is known that there is no row
        assert await desk.busy.quiet(20)
        task.cancel()
        await asyncio.wait([task])

    virtually(main)
    assert call.rejected == 42 and not rig.store.calls
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("lines", [{}, {FIRST.number: LINE}])
def test_a_caller_whom_the_store_finds_too_late_leaves_nothing(lines: dict[str, InboundLine]) -> None:
    rig = Rig()
    rig.store.lines |= lines
    rig.store.busy_s = 10.0
    call = incoming()

    async def main() -> None:
        desk = rig.desk()
        task = asyncio.ensure_future(Router(desk, rig.store).run())
        await asyncio.sleep(0.01)
        rig.voice.come(call)
        await until(lambda: call.rejected, 10)
        assert await desk.busy.quiet(20)
        task.cancel()
        await asyncio.wait([task])

    virtually(main)
    assert call.rejected == 42 and not rig.store.calls


def test_a_row_that_was_written_too_late_is_not_left_open() -> None:
    rig = Rig()
    rig.store.lines[FIRST.number] = LINE
    rig.store.writing_s = 10.0
    call = incoming()
    answer(rig, call, lambda: rig.store.ends())
    (end,) = rig.store.ends()
    assert call.rejected == 42
    assert (end.status, end.reason) == (Status.FAILED, "no answer from the store")
    assert not rig.jobs


def test_a_scenario_that_cannot_start_is_busy_and_written() -> None:
    rig = Rig(refusal=ConfigError("scenario 7 is gone"))
    rig.store.lines[FIRST.number] = LINE
    call = incoming()
    answer(rig, call, lambda: call.rejected and rig.store.ends())
    (end,) = rig.store.ends()
    assert call.rejected and end.status is Status.FAILED


def test_one_calls_fault_is_its_own(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    rig = Rig()
    rig.store.lines[FIRST.number] = LINE

    async def talk(line: Line, job: Job) -> TalkLog:
        if job.phone.endswith("1"):
            raise ZeroDivisionError
        return said(Result.GOAL)

    rig.talk = talk

    async def main() -> None:
        async with routing(rig):
            rig.voice.come(incoming(phone="+79000000001", id="dz-1"))
            rig.voice.come(incoming(phone="+79000000002", id="dz-2"))
            await until(lambda: len(rig.store.ends()) == 2)

    virtually(main)
    assert [end.status for end in rig.store.ends()] == [Status.FAILED, Status.ANSWERED]


def test_a_machine_that_does_not_keep_up_takes_no_more_callers() -> None:
    rig = Rig()
    rig.store.lines[FIRST.number] = LINE
    rig.full = "overloaded"
    call = incoming()
    answer(rig, call)
    assert call.rejected == 42
    assert not rig.jobs


def test_while_draining_callers_hear_congestion() -> None:
    rig = Rig()
    rig.store.lines[FIRST.number] = LINE
    call = incoming()

    async def main() -> None:
        desk = rig.desk()
        desk.draining = True
        task = asyncio.ensure_future(Router(desk, rig.store).run())
        await asyncio.sleep(0.01)
        rig.voice.come(call)
        await until(lambda: call.rejected, 10)
        task.cancel()
        await asyncio.wait([task])

    virtually(main)
    assert call.rejected == 42 and not rig.store.calls
