"""The AGI port: what the dialplan asks is answered, and strangers cost nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.voice import agi
from channels.voice.agi import Answer, Question, command, commands, question

HEADERS = (
    b"agi_request: agi://127.0.0.1:4573/next?call=dz-1&dial=ANSWER&cause=\nagi_channel: PJSIP/main-1\n"
    b"agi_uniqueid: 17.1\nagi_callerid: 79001234567\nagi_calleridname: Eve\xe2\x80\xa8agi_uniqueid: forged\n"
    b"agi_uniqueid: forged\nagi_extension: 74950000001\n\n"
)


class Engine:
    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.answer: Answer = {"DOZVON_DO": "media"}
        self.holds = asyncio.Event()
        self.holds.set()

    async def __call__(self, question: Question) -> Answer:
        self.asked.append(question)
        await self.holds.wait()
        return self.answer


@asynccontextmanager
async def port(engine: Engine) -> AsyncGenerator[int]:
    async with asyncio.timeout(15), agi.listen("127.0.0.1", 0, engine) as port:
        yield port


async def sent(port: int, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    return reader, writer


async def closed(reader: asyncio.StreamReader) -> bytes:
    """All that came until the other end closed."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def test_a_question_is_answered_by_variables_one_by_one() -> None:
    engine = Engine()
    engine.answer = {"DOZVON_DO": "transfer", "DOZVON_TO": 'PJSIP/"7\\9"\n@main'}
    async with port(engine) as at:
        reader, writer = await sent(at, HEADERS)
        assert await reader.readline() == b'SET VARIABLE DOZVON_DO "transfer"\n'
        writer.write(b"200 result=1\n")
        assert await reader.readline() == b'SET VARIABLE DOZVON_TO "PJSIP/\\"7\\\\9\\" @main"\n'
        writer.write(b"200 result=1\n")
        assert await reader.read() == b""
        writer.close()
    (asked,) = engine.asked
    assert asked.path == "next"
    assert asked.query == {"call": "dz-1", "dial": "ANSWER", "cause": ""}
    assert asked.uniqueid == "17.1"


async def test_plain_variables_go_in_one_command() -> None:
    engine = Engine()
    engine.answer = {"DOZVON_DO": "answer", "DOZVON_CALL": "dz-17.1", "DOZVON_MARK": "/srv/my calls/dz-17.1"}
    async with port(engine) as at:
        reader, writer = await sent(at, HEADERS)
        assert await reader.readline() == (
            b'SET VARIABLE ARRAY(DOZVON_DO,DOZVON_CALL,DOZVON_MARK) "answer,dz-17.1,/srv/my calls/dz-17.1"\n'
        )
        writer.write(b"200 result=1\n")
        assert await reader.read() == b""
        writer.close()


async def test_a_caller_who_goes_while_it_is_decided_is_noticed() -> None:
    for goodbye in (b"HANGUP\n", b""):
        engine = Engine()
        engine.holds.clear()
        async with port(engine) as at:
            reader, writer = await sent(at, HEADERS)
            async with asyncio.timeout(5):
                while not engine.asked:  # noqa: ASYNC110 - the question is all there is to see
                    await asyncio.sleep(0.005)
                if goodbye:
                    writer.write(goodbye)
                else:
                    writer.close()
                await engine.asked[0].gone.wait()
                engine.holds.set()
                assert await closed(reader) == b""
            writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\n\n",
        b"\x00\xff" * 100 + b"\n\n",
        b"agi_request: http://x/\n\n",
        b"agi_request: agi://[::1/next\n\n",
        b"\n\n",
        b"agi_x: " + b"y" * 2_000_000,
        b"agi_request: agi://127.0.0.1/next\n" * 60_000,
        HEADERS[:-1] + b"SET VARIABLE x y\n\n",
    ],
    ids=["http", "garbage", "scheme", "url", "empty", "2 MB line", "2 MB of lines", "a command among headers"],
)
async def test_nonsense_is_dropped_at_once_with_one_line(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine()
    with caplog.at_level(logging.INFO):
        async with port(engine) as at:
            reader, writer = await sent(at, data)
            async with asyncio.timeout(2):
                assert await closed(reader) == b""
            writer.close()
    assert engine.asked == []
    assert len([r for r in caplog.records if r.name == "channels.voice.agi"]) == 1


@pytest.mark.parametrize("data", [b"", b"agi_request: agi://127.0.0.1/next?call=1\n"], ids=["silent", "half"])
async def test_half_a_question_is_dropped_in_time(
    data: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert agi.HEADERS_S <= 5
    monkeypatch.setattr(agi, "HEADERS_S", 0.1)
    async with port(Engine()) as at:
        reader, writer = await sent(at, data)
        async with asyncio.timeout(2):
            assert await closed(reader) == b""
        writer.close()
    assert len(caplog.records) == 1


async def test_who_does_not_take_the_answer_is_dropped_in_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert agi.REPLY_S <= 5
    monkeypatch.setattr(agi, "REPLY_S", 0.1)
    async with port(Engine()) as at:
        reader, writer = await sent(at, HEADERS)
        async with asyncio.timeout(2):
            assert (await closed(reader)).count(b"\n") == 1
        writer.close()
    assert len(caplog.records) == 1


async def test_an_early_close_spins_nothing(caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine()
    async with port(engine) as at:
        for data in (b"", b"agi_req", HEADERS[:-1]):
            _, writer = await sent(at, data)
            writer.close()
        async with asyncio.timeout(2):
            while len(caplog.records) < 3:  # noqa: ASYNC110 - one line for each
                await asyncio.sleep(0.005)
        reader, writer = await sent(at, HEADERS)
        assert (await reader.readline()).startswith(b"SET VARIABLE")
        writer.close()
        async with asyncio.timeout(2):
            while len([t for t in asyncio.all_tasks() if t.get_name() == "agi connection"]):  # noqa: ASYNC110
                await asyncio.sleep(0.005)


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agi, "MAX_CONNECTIONS", 2)
    engine = Engine()
    engine.holds.clear()
    async with port(engine) as at:
        kept = [await sent(at, HEADERS) for _ in range(2)]
        async with asyncio.timeout(5):
            while len(engine.asked) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            reader, writer = await sent(at, HEADERS)
            assert await closed(reader) == b""
        for _, each in [*kept, (reader, writer)]:
            each.close()


@given(st.text())
def test_no_value_can_be_another_command(value: str) -> None:
    line = command("DOZVON_TO", value)
    assert line.count(b"\n") == 1
    assert line.startswith(b'SET VARIABLE DOZVON_TO "')
    assert line.endswith(b'"\n')
    inner = line[len(b'SET VARIABLE DOZVON_TO "') : -2]
    assert b'"' not in inner.replace(b"\\\\", b"").replace(b'\\"', b"")


@given(st.lists(st.one_of(st.text(), st.sampled_from(["a", "/b c", ",", "", '"', "${X}", "x" * 600])), max_size=4))
def test_no_value_can_be_another_variables(values: list[str]) -> None:
    names = ["DOZVON_DO", "DOZVON_CALL", "DOZVON_TO", "DOZVON_SAY"][: len(values)]
    answer = dict(zip(names, values, strict=True))
    lines = commands(answer)
    if len(lines) == len(answer):
        assert lines == [command(name, value) for name, value in answer.items()]
    else:
        (line,) = lines
        assert line.decode() == f'SET VARIABLE ARRAY({",".join(names)}) "{",".join(values)}"\n'
        assert len(line) < 2048 and not set("\"\\'(){}$\n\0") & set("".join(values))
        assert not any("," in value or not value or value != value.strip() for value in values)


def test_a_name_that_is_no_variable_is_a_programming_error() -> None:
    for answer in ({"DOZVON_DO": "a", "x)": "b"}, {"SHELL(x)": "a"}):
        with pytest.raises(ValueError, match="no variable"):
            commands(answer)


@given(st.binary())
def test_any_headers_are_a_question_or_nothing(block: bytes) -> None:
    with suppress(ValueError):
        assert question(block).headers
