"""Webhooks against a real server on loopback: what comes back, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from engine.errands import MOST_BYTES, is_public, open_web
from engine.model import Sound
from scenarios.talk import Fetch


@asynccontextmanager
async def server(seen: list[dict[str, Any]]) -> AsyncGenerator[str]:
    async def echo(request: web.Request) -> web.Response:
        seen.append({"headers": dict(request.headers), "body": await request.text(), "query": dict(request.query)})
        return web.json_response({"manager": "Олег"})

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://169.254.169.254/latest/meta-data")

    async def huge(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * (MOST_BYTES + 1))

    async def stuck(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await asyncio.Event().wait()
        return answer

    app = web.Application()
    app.router.add_route("*", "/echo", echo)
    app.router.add_get("/redirect", redirect)
    app.router.add_get("/huge", huge)
    app.router.add_get("/stuck", stuck)
    async with TestServer(app, host="127.0.0.1") as running:
        yield f"http://127.0.0.1:{running.port}"


async def test_json_goes_out_and_comes_back(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    async with server(seen) as url, open_web(tmp_path, ["127.0.0.1"]) as errands:
        answer = await errands.fetch(
            Fetch(
                url=f"{url}/echo",
                body={"phone": "+7900"},
                params={"a": "б"},
                auth={"bearer": "t"},
                headers={"X-A": "1"},
            )
        )
    assert (answer.status, answer.body, answer.error) == (200, {"manager": "Олег"}, "")
    assert seen[0]["body"] == '{"phone": "+7900"}'
    assert seen[0]["query"] == {"a": "б"}
    assert seen[0]["headers"]["Authorization"] == "Bearer t"


async def test_a_form(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    async with server(seen) as url, open_web(tmp_path, ["127.0.0.1"]) as errands:
        await errands.fetch(Fetch(url=f"{url}/echo", type="form", body={"a": 1, "b": "в"}))
    assert seen[0]["body"] == "a=1&b=%D0%B2"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:80/",
        "http://localhost:80/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest",
        "http://0.0.0.0/",
        "http://2130706433/",
        "file:///etc/passwd",
        "ftp://example.org/",
        "http://",
        "",
    ],
)
async def test_the_operators_own_network_is_not_for_scenarios(url: str, tmp_path: Path) -> None:
    async with open_web(tmp_path, []) as errands:
        answer = await errands.fetch(Fetch(url=url, method="GET", timeout_s=3))
    assert (answer.status, answer.body) == (0, None)
    assert answer.error


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async with server([]) as url, open_web(tmp_path, ["127.0.0.1"]) as errands:
        assert (await errands.fetch(Fetch(url=f"{url}/redirect", method="GET"))).status == 302


async def test_an_endless_answer_is_cut(tmp_path: Path) -> None:
    async with server([]) as url, open_web(tmp_path, ["127.0.0.1"]) as errands:
        answer = await errands.fetch(Fetch(url=f"{url}/huge", method="GET"))
    assert answer.status == 0
    assert "KiB" in answer.error


async def test_no_answer_in_time(tmp_path: Path) -> None:
    async with server([]) as url, open_web(tmp_path, ["127.0.0.1"]) as errands:
        answer = await errands.fetch(Fetch(url=f"{url}/stuck", method="GET", timeout_s=0.2))
    assert (answer.status, answer.error) == (0, "no answer within 0.2 s")


async def test_headers_cannot_be_forged(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    async with server(seen) as url, open_web(tmp_path, ["127.0.0.1"]) as errands:
        await errands.fetch(Fetch(url=f"{url}/echo", headers={"X-A": "1\r\nX-Evil: 1", "Host": "evil"}))
    assert "X-Evil" not in seen[0]["headers"]
    assert "X-A" not in seen[0]["headers"]
    assert seen[0]["headers"]["Host"] != "evil"


async def test_a_message_is_kept_as_wav(tmp_path: Path) -> None:
    async with open_web(tmp_path, []) as errands:
        where = await errands.keep("dz-1", Sound(bytes(16000)))
    assert (tmp_path / where).read_bytes()[:4] == b"RIFF"


def test_what_is_public() -> None:
    assert is_public("8.8.8.8")
    assert not is_public("fe80::1%eth0")
    assert not is_public("100.64.0.1")
    assert not is_public("nonsense")
