"""Which trunks are registered, as Asterisk tells it."""

from __future__ import annotations

from dataclasses import dataclass, field

from channels.voice.ami import Message
from channels.voice.registrations import Registrations
from engine.errors import ChannelDown


@dataclass
class Told:
    """An Asterisk that knows these registrations, or is away."""

    rows: list[Message]
    away: bool = False
    asked: list[str] = field(default_factory=list)

    async def ask(self, action: str, *, whole: str = "") -> list[Message]:
        self.asked.append(f"{action} {whole}")
        if self.away:
            raise ChannelDown("Asterisk is away")
        told = [part for row in self.rows for part in (row, {"Event": "AuthDetail", "ObjectName": row["ObjectName"]})]
        return [{"Response": "Success"}, *told]


def row(name: str, status: str) -> Message:
    return {"Event": "OutboundRegistrationDetail", "ObjectName": name, "Status": status}


async def test_registered_and_not() -> None:
    asterisk = Told([row("main", "Registered"), row("spare", "Rejected"), row("stranger", "Registered")])
    watched = Registrations(asterisk, ["main", "spare"])
    assert await watched.look() == {"main": True, "spare": False}
    assert watched.gauges() == {
        ("trunk_registered", (("trunk", "main"),)): 1.0,
        ("trunk_registered", (("trunk", "spare"),)): 0.0,
    }
    assert asterisk.asked == ["PJSIPShowRegistrationsOutbound OutboundRegistrationDetailComplete"]


async def test_while_asterisk_is_away_nothing_is_known() -> None:
    asterisk = Told([row("main", "Registered")])
    watched = Registrations(asterisk, ["main"])
    await watched.look()
    asterisk.away = True
    assert await watched.look() == {} and watched.gauges() == {}
