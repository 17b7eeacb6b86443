"""What a scenario asks of the outside world: an HTTP request, a message kept.

    Fetch ─▶ address checked (no private network unless allowed) ─▶ aiohttp, bounded in time and size ─▶ Fetched

Scenario authors are not trusted with the operator's network: names are resolved here, every address they resolve to
must be public, the connection goes to exactly that address, and a redirect is an answer, not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from engine.audio import to_wav
from engine.model import Sound
from scenarios.talk import Fetch, Fetched

log = logging.getLogger(__name__)

MOST_BYTES = 256 * 1024
MOST_S = 30.0
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})  # headers no scenario may set


class Refused(Exception):
    """This address is not for scenarios."""


class PublicResolver(AbstractResolver):
    """The system's resolver, minus every address that is not public."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._inner = aiohttp.ThreadedResolver()
        self._allowed = frozenset(allowed)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if host in self._allowed:
            return found
        public = [each for each in found if is_public(each["host"])]
        if not public:
            raise OSError(f"{host} is not a public address: list it under webhooks.allow_hosts if it is meant")
        return public

    async def close(self) -> None:
        await self._inner.close()


def is_public(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast


class Web:
    """`Errands` over aiohttp; `folder` is where recorded messages go."""

    def __init__(self, session: aiohttp.ClientSession, folder: Path, allowed: Sequence[str]) -> None:
        self._session = session
        self._folder = folder
        self._allowed = frozenset(allowed)

    async def fetch(self, request: Fetch) -> Fetched:
        """Never raises; see `engine.ports.Errands`."""
        try:
            return await self._fetch(request)
        except Refused as error:
            return Fetched(0, error=str(error))
        except TimeoutError:
            return Fetched(0, error=f"no answer within {request.timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError, TypeError) as error:
            return Fetched(0, error=f"{type(error).__name__}: {error}"[:300])

    async def _fetch(self, request: Fetch) -> Fetched:
        if request.integration:
            raise Refused(f"there is no integration {request.integration!r}")
        self._check(request)
        async with (
            asyncio.timeout(min(max(request.timeout_s, 0.1), MOST_S)),
            self._session.request(
                request.method.upper(),
                request.url,
                params=dict(request.params) or None,
                headers={k: v for k, v in _headers(request).items() if k.lower() not in OURS},
                allow_redirects=False,
                **_body(request),
            ) as answer,
        ):
            raw = await answer.content.read(MOST_BYTES + 1)
            while len(raw) <= MOST_BYTES and (more := await answer.content.read(MOST_BYTES)):
                raw += more
            if len(raw) > MOST_BYTES:
                return Fetched(0, error=f"the answer is longer than {MOST_BYTES // 1024} KiB")
            return Fetched(answer.status, _json(raw))

    def _check(self, request: Fetch) -> None:
        if request.method.upper() not in METHODS:
            raise Refused(f"there is no method {request.method!r}: use one of {', '.join(sorted(METHODS))}")
        parts = urlsplit(request.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused("a webhook's address must begin with http:// or https://")
        if parts.hostname in self._allowed:
            return
        literal = parts.hostname.strip("[]")
        try:
            ipaddress.ip_address(literal)
        except ValueError:
            return  # a name: the resolver looks at what it resolves to
        if not is_public(literal):
            raise Refused(f"{literal} is not a public address: list it under webhooks.allow_hosts if it is meant")

    async def keep(self, call: str, sound: Sound) -> str:
        """Write the message as WAV; its path under the data folder."""
        now = datetime.now(UTC)
        name = f"{now:%Y/%m/%d}/{call}-{now:%H%M%S%f}.wav"
        path = self._folder / "messages" / name
        await asyncio.to_thread(_write, path, to_wav(sound))
        return str(Path("messages") / name)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _headers(request: Fetch) -> dict[str, str]:
    headers = {k: v for k, v in request.headers.items() if not any(c in k + v for c in "\r\n\0")}
    if token := request.auth.get("bearer"):
        headers["Authorization"] = f"Bearer {token}"
    elif basic := request.auth.get("basic"):
        user, _, password = basic.partition(":")
        headers["Authorization"] = aiohttp.encode_basic_auth(user, password)
    return headers


def _body(request: Fetch) -> dict[str, Any]:
    if request.body is None or request.method.upper() == "GET":
        return {}
    if request.type == "form":
        body = request.body if isinstance(request.body, dict) else {}
        return {"data": {str(k): str(v) for k, v in body.items()}}
    return {"json": request.body}


def _json(raw: bytes) -> object:
    try:
        return json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return None


@asynccontextmanager
async def open_web(folder: Path, allowed: Sequence[str]) -> AsyncGenerator[Web]:
    connector = aiohttp.TCPConnector(resolver=PublicResolver(allowed), limit=200, limit_per_host=50, ttl_dns_cache=30)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, max_line_size=8190
    ) as session:
        yield Web(session, folder, allowed)
