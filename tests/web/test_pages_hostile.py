"""The panel's forms as strangers send them."""

from __future__ import annotations

import asyncio

import pytest

from tests.web.conftest import World
from web.pages import shell


@pytest.mark.parametrize("dribbles", [False, True], ids=["half a form", "a form that dribbles in"])
async def test_a_form_that_does_not_come_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch, dribbles: bool
) -> None:
    assert shell.PAUSE_S <= 5
    monkeypatch.setattr(shell, "BODY_S" if dribbles else "PAUSE_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.base.rsplit(":", 1)[1]))
    writer.write(
        b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 1000\r\n\r\nemail=an"
    )

    async def dribble() -> None:
        while dribbles and not writer.is_closing():
            writer.write(b"n")
            await asyncio.sleep(0.02)

    dribbling = asyncio.create_task(dribble())
    async with asyncio.timeout(5):
        assert b" 400 " in await reader.readline()
        try:
            while await reader.read(65536):
                pass
        except ConnectionResetError:
            pass
    dribbling.cancel()
    writer.close()
