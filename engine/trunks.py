"""What the trunks can carry, shared fairly by all campaigns and single calls: channels, calls a second, numbers.

    options(who) ─▶ plan ─▶ take ─▶ … the call … ─▶ free ─▶ the next one who waits is woken

Whoever waits for a trunk's next start holds its own place on the trunk's grid, so nobody is overtaken for ever; for
channels those who wait longer come first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.rules.campaign import Caller
from engine.rules.pacing import Pace
from engine.rules.plan import Option

Key = str  # who asks: a campaign, a single call
Wake = Callable[[], None]

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Limit:
    channels: int
    per_second: float


@dataclass(slots=True)
class _Trunk:
    limit: Limit
    pace: Pace
    live: int = 0
    last_slot: datetime | None = None
    held: dict[Key, datetime] = field(default_factory=dict)  # places on the grid that are waited for
    queue: dict[Key, Wake] = field(default_factory=dict)  # who waits for a channel, in order


class Trunks:
    """Synchronous; belongs to one event loop."""

    def __init__(self, limits: Mapping[str, Limit]) -> None:
        self._trunks = {name: _Trunk(limit, Pace(limit.per_second)) for name, limit in limits.items()}
        self._numbers: Counter[str] = Counter()
        self._used: dict[str, int] = {}  # number -> when it was taken last, for taking turns
        self._turn = 0
        self._pause_s = 0.0
        self.down_until: datetime | None = None

    # --- what may be dialled ------------------------------------------------------------------------------------------

    def options(self, key: Key, callers: Sequence[Caller], now: datetime) -> list[Option]:
        """The callers whose trunk exists, the one unused for longest first."""
        outlook: dict[str, tuple[int, datetime]] = {}
        options = []
        for caller in sorted(callers, key=self._last_used):
            trunk = self._trunks.get(caller.trunk)
            if trunk is None:
                continue
            if caller.trunk not in outlook:
                outlook[caller.trunk] = (self._free(trunk, key), self._slot(trunk, key, now))
            free, slot = outlook[caller.trunk]
            number_free = not caller.channels or self._numbers[caller.number] < caller.channels
            options.append(Option(caller, free, trunk.limit.channels, number_free, slot, trunk.limit.per_second))
        return options

    def _last_used(self, caller: Caller) -> int:
        return self._used.get(caller.number, 0)

    @staticmethod
    def _free(trunk: _Trunk, key: Key) -> int:
        """Channels left for `key`: those who have waited longer come first."""
        free = trunk.limit.channels - trunk.live
        for other in trunk.queue:
            if other == key:
                break
            free -= 1
        return free

    def _slot(self, trunk: _Trunk, key: Key, now: datetime) -> datetime:
        held = trunk.held.get(key)
        if held is not None:
            if not trunk.pace.missed(held, now):
                return held
            del trunk.held[key]
        return trunk.pace.next_slot(trunk.last_slot, now)

    # --- taking turns -------------------------------------------------------------------------------------------------

    def hold(self, key: Key, option: Option) -> None:
        """`key` waits for this place on the trunk's grid; it is nobody else's until `take` or `leave`."""
        trunk = self._trunks[option.caller.trunk]
        if trunk.held.get(key) != option.slot:
            trunk.held[key] = option.slot
            trunk.last_slot = option.slot

    def wait(self, key: Key, trunk: str, wake: Wake) -> None:
        """`key` waits for a channel of this trunk: `wake` is called when one may have come free for it."""
        if trunk in self._trunks:
            self._trunks[trunk].queue.setdefault(key, wake)

    def leave(self, key: Key) -> None:
        """`key` waits for nothing any more."""
        for trunk in self._trunks.values():
            held = trunk.held.pop(key, None)
            if held is not None and held == trunk.last_slot:
                trunk.last_slot = held - trunk.pace.gap
            if trunk.queue.pop(key, None) is not None:
                self._wake(trunk)

    # --- calls --------------------------------------------------------------------------------------------------------

    def take(self, key: Key, option: Option, started: datetime) -> None:
        """A call starts for `option.slot`, really at `started`; it occupies a channel until `free`."""
        trunk = self._trunks[option.caller.trunk]
        kept = trunk.pace.kept(option.slot, started)
        if trunk.held.pop(key, None) is None or trunk.last_slot is None:
            trunk.last_slot = kept
        else:
            trunk.last_slot = max(trunk.last_slot, kept)
        trunk.queue.pop(key, None)
        self._occupy(option.caller)

    def occupy(self, caller: Caller) -> None:
        """A call that came in, or a transferred one: it is there, whatever the limits say."""
        if caller.trunk in self._trunks:
            self._occupy(caller)

    def _occupy(self, caller: Caller) -> None:
        self._trunks[caller.trunk].live += 1
        self._numbers[caller.number] += 1
        self._turn += 1
        self._used[caller.number] = self._turn

    def free(self, caller: Caller) -> None:
        trunk = self._trunks.get(caller.trunk)
        if trunk is None:
            return
        trunk.live -= 1
        self._numbers[caller.number] -= 1
        if not self._numbers[caller.number]:
            del self._numbers[caller.number]
        self._wake(trunk)

    @staticmethod
    def _wake(trunk: _Trunk) -> None:
        free = trunk.limit.channels - trunk.live
        for wake in list(trunk.queue.values())[: max(0, free)]:
            wake()

    def live(self) -> Mapping[str, int]:
        """Trunk -> channels in use, for metrics."""
        return {name: trunk.live for name, trunk in self._trunks.items()}

    def gauges(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """The same for /metrics, with what there is: (name, labels) -> value."""
        figures: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        for name, trunk in self._trunks.items():
            figures["trunk_channels_used", (("trunk", name),)] = float(trunk.live)
            figures["trunk_channels", (("trunk", name),)] = float(trunk.limit.channels)
        return figures

    # --- the telephony as a whole -------------------------------------------------------------------------------------

    def failed(self, now: datetime) -> None:
        """Nothing could be dialled at all: a pause for everybody, which grows."""
        if self.down_until is None or now >= self.down_until:
            self._pause_s = min(max(FIRST_PAUSE_S, 2 * self._pause_s), LONGEST_PAUSE_S)
            self.down_until = now + timedelta(seconds=self._pause_s)

    def worked(self) -> None:
        """Something was dialled."""
        self._pause_s = 0.0
        self.down_until = None
