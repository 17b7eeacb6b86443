"""Are the trunks that must register with their provider registered? Asked of Asterisk, for the page of the state.

every 10 s: PJSIPShowRegistrationsOutbound ─▶ {trunk: 1 | 0} ─▶ the gauge `trunk_registered`
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol

from channels.voice.ami import Message
from engine.errors import ChannelDown

EVERY_S = 10.0
DETAIL = "OutboundRegistrationDetail"  # each is followed by the details of its password, under the same name
Labels = tuple[tuple[str, str], ...]


class Asks(Protocol):
    """See `channels.voice.ami.Ami`."""

    async def ask(self, action: str, *, whole: str = "") -> list[Message]: ...


class Registrations:
    """`wanted` are the trunks that register; nothing is asked where there is none."""

    def __init__(self, ami: Asks, wanted: Iterable[str]) -> None:
        self._ami = ami
        self._wanted = frozenset(wanted)
        self._known: dict[str, bool] = {}

    async def watch(self) -> None:
        """For ever. While Asterisk is away nothing is known."""
        while self._wanted:
            await self.look()
            await asyncio.sleep(EVERY_S)
        await asyncio.Event().wait()

    async def look(self) -> Mapping[str, bool]:
        try:
            rows = await self._ami.ask("PJSIPShowRegistrationsOutbound", whole=f"{DETAIL}Complete")
        except ChannelDown:
            self._known = {}
            return self._known
        found = {row.get("ObjectName"): row.get("Status") for row in rows if row.get("Event") == DETAIL}
        self._known = {name: found[name] == "Registered" for name in self._wanted if name in found}
        return self._known

    def gauges(self) -> dict[tuple[str, Labels], float]:
        """For /metrics: (name, labels) -> value."""
        return {("trunk_registered", (("trunk", name),)): float(up) for name, up in self._known.items()}
