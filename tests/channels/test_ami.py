"""The manager link: every trap of such a link, on a manager that misbehaves as asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.voice import ami
from channels.voice.ami import Ami, Message, Refused, Unanswered, decode, encode
from engine.errors import ChannelDown
from engine.tasks import beside


class Manager:
    """Speaks as Asterisk does; `silent` actions are never answered."""

    def __init__(self) -> None:
        self.asked: list[Message] = []
        self.silent: set[str] = set()
        self.secret = "secret"
        self.banner = b"Asterisk Call Manager/9.0.0\r\n"
        self.logins = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.heard = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        writer.write(self.banner)
        try:
            while True:
                message = decode(await reader.readuntil(b"\r\n\r\n"))
                async with self.heard:
                    self.asked.append(message)
                    self.heard.notify_all()
                if message["Action"] not in self.silent:
                    self._answer(writer, message)
        except (EOFError, OSError):
            pass
        finally:
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, message: Message) -> None:
        id = message["ActionID"]
        if message["Action"] == "Login":
            right = message["Secret"] == self.secret
            self.logins += right
            writer.write(say(Response="Success" if right else "Error", ActionID=id, Message="Authentication failed"))
            if right:
                writer.write(say(Event="FullyBooted", Privilege="system,all"))
        elif message["Action"] == "CoreShowChannels":
            writer.write(say(Response="Success", ActionID=id, EventList="start"))
            for n in range(3):
                writer.write(say(Event="CoreShowChannel", ActionID=id, Uniqueid=f"dz-{n}"))
            writer.write(say(Event="CoreShowChannelsComplete", ActionID=id, EventList="Complete"))
        elif message["Action"] == "Refuse":
            writer.write(say(Response="Error", ActionID=id, Message="No such channel"))
        else:
            writer.write(say(Response="Success", ActionID=id))

    async def until(self, action: str, count: int = 1) -> None:
        async with asyncio.timeout(5), self.heard:
            await self.heard.wait_for(lambda: sum(m["Action"] == action for m in self.asked) >= count)

    def drop(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()


def say(**headers: str) -> bytes:
    return ("".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode()


class States:
    def __init__(self) -> None:
        self.all: list[bool] = []
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, up: bool) -> None:
        self.all.append(up)
        task = asyncio.get_running_loop().create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, *states: bool) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.all == list(states))


@asynccontextmanager
async def linked(manager: Manager, secret: str = "secret") -> AsyncGenerator[tuple[Ami, States]]:
    server = await asyncio.start_server(manager.serve, "127.0.0.1", 0)
    states = States()
    link = Ami("127.0.0.1", server.sockets[0].getsockname()[1], "dozvon", secret, states)
    async with beside(link.run()):
        yield link, states
    server.close()
    manager.drop()


async def test_actions_are_answered_and_lists_come_whole() -> None:
    async with linked(Manager()) as (link, states):
        await states.until(True)
        assert (await link.ask("Ping"))[0]["Response"] == "Success"
        rows = await link.ask("CoreShowChannels", whole="CoreShowChannelsComplete")
        assert [row["Uniqueid"] for row in rows if "Uniqueid" in row] == ["dz-0", "dz-1", "dz-2"]
        with pytest.raises(Refused, match="No such channel"):
            await link.ask("Refuse")


async def test_an_originate_is_never_sent_again_after_the_link_broke() -> None:
    manager = Manager()
    manager.silent.add("Originate")
    async with linked(manager) as (link, states):
        await states.until(True)
        call = asyncio.create_task(link.ask("Originate", ("Channel", "PJSIP/1@main"), id="dz-1"))
        await manager.until("Originate")
        manager.drop()
        with pytest.raises(Unanswered):
            await call
        await states.until(True, False, True)
        manager.silent.clear()
        await link.ask("Ping")
        assert [m["Action"] for m in manager.asked].count("Originate") == 1


async def test_what_was_not_sent_is_known_to_be_undone() -> None:
    manager = Manager()
    async with linked(manager) as (link, states):
        await states.until(True)
        manager.drop()
        await states.until(True, False)
        with pytest.raises(ChannelDown) as caught:
            await link.ask("Originate", id="dz-1")
        assert not isinstance(caught.value, Unanswered)


async def test_every_action_has_a_deadline() -> None:
    manager = Manager()
    manager.silent.add("Slow")
    async with linked(manager) as (link, states):
        await states.until(True)
        with pytest.raises(Unanswered):
            await link.ask("Slow", within_s=0.05)
        await link.ask("Ping")


async def test_a_link_that_answers_no_ping_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ami, "PING_EVERY_S", 0.02)
    monkeypatch.setattr(ami, "PING_WITHIN_S", 0.05)
    manager = Manager()
    async with linked(manager) as (link, states):
        await states.until(True)
        manager.silent.add("Ping")
        await states.until(True, False)
        assert "Ping" in link.reason
        manager.silent.clear()
        await states.until(True, False, True)


async def test_a_refused_login_says_what_to_do() -> None:
    manager = Manager()
    async with linked(manager, secret="wrong") as (link, states):
        await manager.until("Login", 2)
        assert "asterisk.ami.secret_file" in link.reason
        assert (states.all, link.refused) == ([False], True)


async def test_another_service_at_the_port_is_told() -> None:
    manager = Manager()
    manager.banner = b"SSH-2.0-OpenSSH\r\n"
    async with linked(manager) as (link, _):
        async with asyncio.timeout(5):
            while "no Asterisk manager" not in link.reason:  # noqa: ASYNC110 - the reason is all there is to see
                await asyncio.sleep(0.01)


async def test_events_reach_the_call_they_name_and_no_other() -> None:
    manager = Manager()
    heard: dict[str, list[Message]] = {"dz-1": [], "dz-2": []}
    async with linked(manager) as (link, states):
        await states.until(True)
        for call, messages in heard.items():
            link.listen(call, messages.append)
        link.forget("dz-2")
        manager.writers[-1].write(
            say(Event="Hangup", Uniqueid="dz-1", Cause="17")
            + say(Event="DialState", Uniqueid="dz-9", DestUniqueid="dz-1", DialStatus="RINGING")
            + say(Event="OriginateResponse", ActionID="dz-1", Response="Failure")
            + say(Event="Hangup", Uniqueid="dz-2", Cause="16")
            + say(Event="VarSet", Uniqueid="dz-1", Value="x")
        )
        await link.ask("Ping")
        assert [m["Event"] for m in heard["dz-1"]] == ["Hangup", "DialState", "OriginateResponse"]
        assert heard["dz-2"] == []


async def test_a_message_without_end_breaks_the_link_not_the_memory() -> None:
    manager = Manager()
    async with linked(manager) as (link, states):
        await states.until(True)
        manager.writers[-1].write(b"x" * 3 * ami.MAX_MESSAGE)
        await states.until(True, False, True)
        assert (await link.ask("Ping"))[0]["Response"] == "Success"


@given(st.text(), st.lists(st.tuples(st.sampled_from(["Channel", "CallerID", "Variable"]), st.text())))
def test_no_value_can_be_another_header(id: str, headers: list[tuple[str, str]]) -> None:
    data = encode("Originate", id, headers)
    assert data.endswith(b"\r\n\r\n")
    lines = data[:-4].split(b"\r\n")
    assert len(lines) == 2 + len(headers)
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)
    for (name, _), line in zip(headers, lines[2:], strict=True):
        assert line.startswith(name.encode() + b": ")


def test_a_header_must_be_a_name() -> None:
    with pytest.raises(ValueError, match="no header"):
        encode("Originate", "1", [("Channel: x\r\nAction", "y")])
