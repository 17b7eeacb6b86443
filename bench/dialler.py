"""A campaign of 100,000 contacts in eleven time zones over a week, in virtual time, and what it proves.

It runs the real dialler against the tests' store and clock, hence from a checkout: `dozvon bench dialler`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from engine.attempt import Desk, Job, Script
from engine.dialer import Dialer
from engine.errors import NotReached
from engine.journal import LiveJournal
from engine.model import DialOrder, Digit, Status, TalkLog
from engine.ports import Early, Incoming, Line, MediaStream, Progress, TransferEnd, TransferOrder
from engine.rules.campaign import Caller, Campaign
from engine.rules.outcome import Totals
from engine.rules.pacing import per_hour
from engine.rules.retry import Retry
from engine.rules.window import is_open, window
from engine.stubborn import Stubborn
from engine.trunks import Limit, Trunks
from tests.memory_store import MemoryStore
from tests.virtual_time import LoopClock, virtually

ZONES = (
    "Europe/Kaliningrad",
    "Europe/Moscow",
    "Europe/Samara",
    "Asia/Yekaterinburg",
    "Asia/Omsk",
    "Asia/Novosibirsk",
    "Asia/Irkutsk",
    "Asia/Yakutsk",
    "Asia/Vladivostok",
    "Asia/Magadan",
    "Asia/Kamchatka",
)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Report:
    contacts: int
    calls: int
    wall_s: float
    virtual_days: float
    rows_per_call: float
    peak: int
    peak_in_an_hour: int
    outside_window: int
    over_limit: int  # starts closer together than the speed allows, or calls beyond the concurrency
    lost: int  # contacts that are neither closed nor due, or whose calls are not all written
    twice: int  # an attempt dialled twice, or a contact dialled after its answer

    @property
    def sound(self) -> bool:
        return not (self.outside_window or self.over_limit or self.lost or self.twice)


class _Line:
    """An answered call that carries no sound."""

    cause = 16

    def __init__(self, id: str) -> None:
        self.id = id

    @property
    def media(self) -> MediaStream:
        return _Nothing()

    async def transfer(self, order: TransferOrder) -> TransferEnd:
        return TransferEnd("failed")

    async def hang_up(self) -> None:
        pass

    def recording(self) -> tuple[str, str] | None:
        return None


class _Nothing:
    async def __aiter__(self) -> AsyncGenerator[bytes | Digit]:
        return
        yield b""

    async def write(self, pcm: bytes) -> None:
        pass

    async def drain(self) -> None:
        pass

    def flush(self) -> None:
        pass


class _Network:
    """Subscribers who answer, are busy, do not answer or do not exist, by chance."""

    def __init__(self, clock: LoopClock, chance: random.Random) -> None:
        self._clock = clock
        self._chance = chance
        self.dialled: list[tuple[datetime, str, str]] = []  # when, attempt, phone
        self.live = self.peak = 0

    def dial(
        self, order: DialOrder, progress: Progress, early: Early | None = None
    ) -> AbstractAsyncContextManager[Line]:
        return self._dial(order, progress)

    @asynccontextmanager
    async def _dial(self, order: DialOrder, progress: Progress) -> AsyncIterator[Line]:
        self.dialled.append((self._clock.now(), order.id, order.phone))
        self.live += 1
        self.peak = max(self.peak, self.live)
        try:
            fate = self._chance.random()
            await asyncio.sleep(order.answer_timeout_s if fate < 0.2 else 6)
            if fate < 0.2:
                raise NotReached(Status.NO_ANSWER, 19)
            if fate < 0.3:
                raise NotReached(Status.BUSY, 17)
            if fate < 0.35:
                raise NotReached(Status.INVALID_NUMBER, 1)
            progress("answered")
            yield _Line(order.id)
        finally:
            self.live -= 1

    async def ring(self, order: DialOrder, progress: Progress, *, ring_s: float) -> None:
        raise NotReached(Status.FAILED)

    async def calls(self) -> AsyncGenerator[Incoming]:
        return
        yield

    async def drop_strangers(self, known: Callable[[str], bool]) -> Sequence[str]:
        return ()


class _Talk:
    version = 1

    async def talk(self, line: Line) -> TalkLog:
        await asyncio.sleep(25)
        return TalkLog("hangup", "robot", None)

    def dismiss(self) -> None:
        pass

    def log(self) -> TalkLog | None:
        return None


@asynccontextmanager
async def _prepare(job: Job) -> AsyncGenerator[Script]:
    yield _Talk()


def campaign(contacts: int) -> Campaign:
    """Weekdays from ten to eight on everybody's own clock, at a speed that needs most of the week."""
    return Campaign(
        id=1,
        project_id=1,
        scenario_id=1,
        callers=(Caller("+74950000001", "main"), Caller("+74950000002", "main")),
        windows=(window("10:00", "20:00", range(1, 6)),),
        timezone="Europe/Moscow",
        retry=Retry(attempts=3, interval_s=3600),
        pace=per_hour(max(60, contacts * 3 // 200)),
        max_concurrent=max(10, contacts // 2000),
        record=False,
    )


def run(contacts: int = 100_000, seed: int = 1, start: datetime = MONDAY) -> Report:
    """The whole campaign; deterministic but for `wall_s`."""
    clock = LoopClock(start)
    chance = random.Random(seed)
    network = _Network(clock, chance)
    store = MemoryStore()
    zones: dict[str, str] = {}
    for n in range(contacts):
        phone = f"+79{n:09d}"
        zones[phone] = ZONES[chance.randrange(len(ZONES))]
        store.add_contact(n, 1, phone, zones[phone], start)
    what = campaign(contacts)
    trunks = Trunks({"main": Limit(max(10, contacts // 1000), 10.0)})
    desk = Desk(network, _prepare, store, trunks, LiveJournal(), clock, Stubborn())
    began = time.perf_counter()
    virtually(lambda: Dialer(what, Totals(), desk, store, store).run())
    wall_s = time.perf_counter() - began
    return _report(what, network, store, zones, wall_s)


def _report(what: Campaign, network: _Network, store: MemoryStore, zones: dict[str, str], wall_s: float) -> Report:
    starts = sorted(at for at, _, _ in network.dialled)
    gap = timedelta(seconds=what.pace.gap_s - 0.051)
    tight = sum(b - a < gap for a, b in zip(starts, starts[1:], strict=False))
    hours = Counter(at.replace(minute=0, second=0, microsecond=0) for at in starts)
    ids = Counter(id for _, id, _ in network.dialled)
    answered = Counter(
        row.contact.id
        for row in store.calls.values()
        if row.contact is not None and row.end is not None and row.end.answered_at is not None
    )
    lost = sum(row.due is None and not row.closed for row in store.contacts.values())
    lost += sum(row.due is not None for row in store.contacts.values())
    return Report(
        contacts=len(store.contacts),
        calls=len(network.dialled),
        wall_s=round(wall_s, 2),
        virtual_days=round((starts[-1] - starts[0]).total_seconds() / 86_400, 2),
        rows_per_call=round(store.rows_touched / len(network.dialled), 2),
        peak=network.peak,
        peak_in_an_hour=max(hours.values()),
        outside_window=sum(not is_open(what.windows, at, zones[phone]) for at, _, phone in network.dialled),
        over_limit=tight + max(0, network.peak - what.max_concurrent),
        lost=lost + abs(len(network.dialled) - len(store.ends())),
        twice=sum(n - 1 for n in ids.values()) + sum(n - 1 for n in answered.values()),
    )


def as_json(report: Report) -> dict[str, object]:
    return {**asdict(report), "sound": report.sound}
