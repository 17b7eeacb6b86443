"""What happens, as it happens: to live listeners, to the picture of live calls, to counters.

Call, Dialer, … ─note─▶ LiveJournal ─┬▶ listeners (each bounded: the slow one loses the oldest)
                                     ├▶ live(): one picture for each call that lives
                                     └▶ counters, for metrics
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from engine.model import CallEvent, Status
from scenarios.talk import Value

MOST_EVENTS = 1000  # kept for one listener
MOST_LISTENERS = 200
MOST_LINES = 200  # of a live call's transcript
MOST_TEXT = 2000  # characters of one line
MOST_CALLS = 20_000  # live pictures; beyond that the oldest one is forgotten

Labels = tuple[tuple[str, str], ...]
SECONDS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)  # upper bounds of the histogram of talks
_BUCKETS: tuple[Labels, ...] = tuple((("le", f"{s:g}"),) for s in SECONDS) + ((("le", "+Inf"),),)


@dataclass(slots=True)
class LiveCall:
    """A call that lives, as the panel shows it. `facts`: project_id, campaign_id, phone, number, direction, …"""

    call_id: int
    status: Status
    since: datetime
    facts: Mapping[str, Value] = field(default_factory=dict[str, Value])
    answered_at: datetime | None = None
    node: str = ""
    partial: str = ""  # what the subscriber is just saying
    transcript: deque[tuple[datetime, str, str]] = field(default_factory=lambda: deque(maxlen=MOST_LINES))


class Listener:
    """Iterates over the events from now on. `lost` counts those that it was too slow for."""

    def __init__(self) -> None:
        self._events: deque[CallEvent] = deque()
        self._some = asyncio.Event()
        self._closed = False
        self.lost = 0

    def push(self, event: CallEvent) -> None:
        if len(self._events) >= MOST_EVENTS:
            self._events.popleft()
            self.lost += 1
        self._events.append(event)
        self._some.set()

    def close(self) -> None:
        """What has been heard is given out, then the iteration ends."""
        self._closed = True
        self._some.set()

    def __aiter__(self) -> AsyncIterator[CallEvent]:
        return self

    async def __anext__(self) -> CallEvent:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._some.clear()
            await self._some.wait()
        return self._events.popleft()


class LiveJournal:
    """A Journal. Belongs to one event loop; every event a listener gets bears its call's `project_id`, so that nobody
    is shown another's."""

    def __init__(self) -> None:
        self.counters: Counter[tuple[str, Labels]] = Counter()
        self._listeners: set[Listener] = set()
        self._live: dict[int, LiveCall] = {}

    def note(self, event: CallEvent) -> None:
        call = self._picture(event)
        if self._listeners and call is not None and "project_id" not in event.data:
            event = replace(event, data={**event.data, "project_id": call.facts.get("project_id")})
        self._count(event, call)
        for listener in self._listeners:
            listener.push(event)

    def live(self) -> list[LiveCall]:
        """The oldest first. Not copies: read them at once."""
        return list(self._live.values())

    @asynccontextmanager
    async def events(self) -> AsyncIterator[Listener]:
        """Live events from now on. Raises OverflowError when too many listen already."""
        with self._listen() as listener:
            yield listener

    @contextmanager
    def _listen(self) -> Iterator[Listener]:
        if len(self._listeners) >= MOST_LISTENERS:
            raise OverflowError("too many listeners: close some of the live pages")
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            self._add("events_lost_total", by=listener.lost)

    def close(self) -> None:
        """The engine ends: every listener's iteration does too."""
        for listener in self._listeners:
            listener.close()

    # --- the picture --------------------------------------------------------------------------------------------------

    def _picture(self, event: CallEvent) -> LiveCall | None:
        """The call's picture after this event; that of an ended call is given a last time."""
        call = self._live.get(event.call_id)
        match event.kind:
            case "dialing" | "created":
                call = self._live[event.call_id] = LiveCall(event.call_id, Status.DIALING, event.at, dict(event.data))
                if len(self._live) > MOST_CALLS:
                    del self._live[next(iter(self._live))]
            case "ended" | "undialled":
                self._live.pop(event.call_id, None)
            case _ if call is not None:
                _paint(call, event)
        return call

    # --- the counters -------------------------------------------------------------------------------------------------

    def _count(self, event: CallEvent, call: LiveCall | None) -> None:
        match event.kind:
            case "dialing":
                self._add("calls_started_total", ("direction", str(event.data.get("direction", ""))))
            case "ended":
                direction = str(call.facts.get("direction", "")) if call is not None else ""
                self._add("calls_total", ("direction", direction), ("status", str(event.data.get("status", ""))))
                if event.data.get("result"):
                    self._add("results_total", ("result", str(event.data["result"])))
                if call is not None and call.answered_at is not None:
                    self._talked((event.at - call.answered_at).total_seconds())
            case "recording_lost" | "undialled" | "lost":
                self._add("troubles_total", ("kind", event.kind))

    def _talked(self, seconds: float) -> None:
        """A histogram: how many ended in each bucket; Prometheus wants them summed up, see `buckets`."""
        self.counters["talk_seconds", _BUCKETS[bisect_left(SECONDS, seconds)]] += 1
        self.counters["talk_seconds_sum_ms", ()] += round(seconds * 1000)

    def _add(self, name: str, *labels: tuple[str, str], by: int = 1) -> None:
        self.counters[name, labels] += by

    def buckets(self) -> list[tuple[str, int]]:
        """(upper bound, talks not longer) for the histogram `talk_seconds`, up to `+Inf`."""
        total, found = 0, []
        for bucket in _BUCKETS:
            total += self.counters["talk_seconds", bucket]
            found.append((bucket[0][1], total))
        return found


def _paint(call: LiveCall, event: CallEvent) -> None:
    text = str(event.data.get("text", ""))[:MOST_TEXT]
    match event.kind:
        case "ringing":
            call.status = Status.RINGING
        case "answered":
            call.status, call.answered_at = Status.ANSWERED, event.at
        case "partial":
            call.partial = text
        case "heard":
            call.partial = ""
            call.transcript.append((event.at, "subscriber", text))
        case "said":
            call.transcript.append((event.at, "robot", text))
        case "at":
            call.node = str(event.data.get("node", ""))
