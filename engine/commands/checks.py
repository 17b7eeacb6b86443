"""The single checks of `dozvon check`. Each looks at one part and never raises what it can tell."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import socket
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from engine.commands import sip_probe
from engine.config import Settings, Trunk
from engine.errors import DozvonError

ROOM_WARN, ROOM_FAIL = 2 << 30, 200 << 20  # bytes; an hour of recorded talk is 115 MB
HTTP_S = 3.0
AMI_S = 5.0


class State(StrEnum):
    OK = "ok"
    WARN = "warn"  # calls can be made, but something should be mended
    FAIL = "fail"  # calls cannot be made


@dataclass(frozen=True, slots=True)
class Finding:
    part: str
    state: State
    text: str
    mend: str = ""


Check = Coroutine[Any, Any, Sequence[Finding]]


def _ok(part: str, text: str) -> Finding:
    return Finding(part, State.OK, text)


def _fail(part: str, text: str, mend: str) -> Finding:
    return Finding(part, State.FAIL, text, mend)


# --- this machine -----------------------------------------------------------------------------------------------------


async def data_folder(loaded: Settings) -> Sequence[Finding]:
    folder = loaded.data_dir
    above = next(path for path in (folder, *folder.parents) if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        return [_fail("data", f"{folder} cannot be written", f"give yourself rights on {above}, or set data_dir")]
    free = shutil.disk_usage(above).free
    text = f"{folder}, {free / 2**30:.1f} GB free"
    if free < ROOM_FAIL:
        return [_fail("data", text, "make room: recordings and the database need it")]
    if free < ROOM_WARN:
        return [Finding("data", State.WARN, text, "an hour of recorded talk takes 115 MB: make room")]
    return [_ok("data", text)]


async def ports(loaded: Settings, *, running: bool) -> Sequence[Finding]:
    """Can our ports be taken? While the robot runs they are its own."""
    if running:
        return [_ok("ports", "in use by the running robot")]
    asterisk = loaded.asterisk
    wanted = [
        ("http.port", loaded.http.host, loaded.http.port, socket.SOCK_STREAM),
        ("asterisk.agi.port", asterisk.agi.host, asterisk.agi.port, socket.SOCK_STREAM),
        ("asterisk.media.port", asterisk.media.host, asterisk.media.port, socket.SOCK_STREAM),
    ]
    if asterisk.mode == "embedded":
        wanted += [
            ("asterisk.ami.port", asterisk.ami.host, asterisk.ami.port, socket.SOCK_STREAM),
            ("asterisk.sip.port", asterisk.sip.host, asterisk.sip.port, socket.SOCK_DGRAM),
            ("asterisk.rtp.start", asterisk.sip.host, asterisk.rtp.start, socket.SOCK_DGRAM),
        ]
    taken = [finding for each in wanted if (finding := _port(*each)) is not None]
    return taken or [_ok("ports", ", ".join(f"{port}" for _, _, port, _ in wanted) + " are free")]


def _port(setting: str, host: str, port: int, kind: socket.SocketKind) -> Finding | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return _fail("ports", f"{host}:{port} is in use by another program", f"end that, or change {setting}")
            why = error.strerror or str(error)
            return _fail("ports", f"{host}:{port} cannot be taken: {why}", f"change {setting} or its host")
    return None


# --- the robot and its database ---------------------------------------------------------------------------------------


async def robot(loaded: Settings) -> Sequence[Finding] | None:
    """What a robot that runs with these settings says of itself; None if none does."""
    try:
        async with asyncio.timeout(HTTP_S):
            health = await _health(loaded)
    except (OSError, ValueError, TimeoutError, KeyError, TypeError, AttributeError):
        return None
    bad = [f"{name}: {detail or 'does not work'}" for name, (ok, detail) in health.items() if not ok]
    if bad:
        return [_fail("robot", f"runs, but {'; '.join(bad)}", "mend that; it comes back by itself")]
    return [_ok("robot", f"runs at {loaded.http.public_url}")]


async def _health(loaded: Settings) -> dict[str, tuple[bool, str]]:
    host = "127.0.0.1" if loaded.http.host in ("0.0.0.0", "") else loaded.http.host
    reader, writer = await asyncio.open_connection(host, loaded.http.port)
    try:
        writer.write(b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = (await reader.read(1 << 20)).partition(b"\r\n\r\n")[2]
    finally:
        writer.close()
    return {str(name): (bool(part["ok"]), str(part["detail"])) for name, part in json.loads(answer)["parts"].items()}


async def database(loaded: Settings) -> Sequence[Finding]:
    from sqlalchemy.engine import make_url

    url = make_url(loaded.database_url)
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite" and _absent(url.database or ""):
        return [_ok("database", f"{shown} will be made at the first start")]
    try:
        behind = await _behind(loaded.database_url)
    except DozvonError as error:
        return [_fail("database", f"{shown}: {error}", "start it, or set `database`")]
    if behind:
        return [Finding("database", State.WARN, f"{shown} has not this version's tables yet", "dozvon migrate, or up")]
    return [_ok("database", shown)]


async def _behind(url: str) -> bool:
    """Has the database the tables of another version, or none? Raises StoreDown."""
    from sqlalchemy import exc, text

    from engine.store.database import Database
    from engine.store.migrate import head

    db = Database(url)
    try:
        async with db.read() as session:
            return bool(await session.scalar(text("SELECT version_num FROM alembic_version")) != head())
    except exc.DBAPIError:  # no such table
        return True
    finally:
        await db.close()


def _absent(path: str) -> bool:
    return not Path(path).exists()


# --- the telephone ----------------------------------------------------------------------------------------------------


async def asterisk(loaded: Settings) -> Sequence[Finding]:
    if loaded.asterisk.mode == "external":
        return [await _external(loaded)]
    from channels.voice import install

    found = await asyncio.to_thread(install.find)
    if found is None:
        return [_fail("Asterisk", "there is none on this machine", "dozvon asterisk install")]
    wished = loaded.asterisk.media.transport
    text = f"{install.told(found.version)}, {found.source}; {', '.join(sorted(found.transports))}"
    if wished not in found.transports:
        others = " or ".join(sorted(found.transports))
        return [_fail("Asterisk", text, f"set asterisk.media.transport to {others}, or dozvon asterisk install")]
    return [_ok("Asterisk", text)]


async def _external(loaded: Settings) -> Finding:
    ami = loaded.asterisk.ami
    where = f"manager at {ami.host}:{ami.port}"
    try:
        secret = ami.secret_file.read_text("utf-8").strip()
    except OSError as error:
        return _fail(
            "Asterisk", f"{ami.secret_file}: {error.strerror}", f"write the secret of manager user {ami.username} there"
        )
    try:
        async with asyncio.timeout(AMI_S):
            answer = await _login(ami.host, ami.port, ami.username, secret)
    except (OSError, TimeoutError, ValueError) as error:
        why = "no answer" if isinstance(error, TimeoutError) else str(error)
        return _fail(
            "Asterisk", f"{where}: {why}", "start Asterisk, enable manager.conf, open the port to this machine"
        )
    if "Response: Success" not in answer:
        return _fail("Asterisk", f"{where} refuses the login", f"compare manager.conf with {ami.secret_file}")
    return _ok("Asterisk", f"{where}: {answer.splitlines()[0]}")


async def _login(host: str, port: int, username: str, secret: str) -> str:
    """The banner and the answer to a login; raises ValueError if a manager does not speak so."""
    reader, writer = await asyncio.open_connection(host, port, limit=65536)
    try:
        banner = (await reader.readline()).decode("utf-8", "replace").strip()
        if not banner.startswith("Asterisk Call Manager"):
            raise ValueError("this is no Asterisk manager")
        secret = secret.replace("\r", "").replace("\n", "")
        writer.write(f"Action: Login\r\nUsername: {username}\r\nSecret: {secret}\r\nEvents: off\r\n\r\n".encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace")
        return f"{banner}\n{answer}"
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        raise ValueError("it ended the connection") from None
    finally:
        writer.close()


async def trunks(loaded: Settings) -> Sequence[Finding]:
    """Calls can be made while one trunk answers; the others are then only warned of."""
    if not loaded.trunks:
        return [_fail("trunk", "there is none", "describe your provider's server under `trunks`, or try dozvon demo")]
    asked = await asyncio.gather(*(_trunk(loaded, name, trunk) for name, trunk in loaded.trunks.items()))
    if any(finding.state is State.OK for finding in asked):
        return [f if f.state is State.OK else Finding(f.part, State.WARN, f.text, f.mend) for f in asked]
    return asked


async def _trunk(loaded: Settings, name: str, trunk: Trunk) -> Finding:
    part, where = f"trunk {name}", f"{trunk.host}:{trunk.port}"
    mine = loaded.asterisk.sip.host
    if loaded.asterisk.mode == "embedded" and _loopback(mine) and not _loopback(trunk.host):
        return _fail(part, f"{where} cannot be reached from {mine}", "set asterisk.sip.host to 0.0.0.0 or your address")
    answer = await sip_probe.options(trunk.host, trunk.port)
    if answer.status:
        told = f"{where} answers OPTIONS with {answer.status} {answer.detail}".rstrip()
        return _ok(part, told)
    return _fail(
        part, f"{where}: {answer.detail}", "check host, port and firewall; ask the provider to let your address in"
    )


def _loopback(host: str) -> bool:
    return host.startswith("127.") or host in ("localhost", "::1", "[::1]")


async def numbers(loaded: Settings) -> Sequence[Finding]:
    if not loaded.numbers:
        mend = "list yours under `numbers`, or dozvon numbers import"
        return [Finding("numbers", State.WARN, "the settings name none to call from", mend)]
    return [_ok("numbers", f"{len(loaded.numbers)} in the settings")]


# --- speech -----------------------------------------------------------------------------------------------------------


async def recogniser(loaded: Settings) -> Sequence[Finding]:
    try:
        from asr._catalogue import choose

        speech = loaded.speech
        choice = await asyncio.to_thread(
            choose, speech.recognizer, speech.recognizers, language=speech.language, data_dir=loaded.data_dir
        )
    except (DozvonError, OSError) as error:
        return [_fail("recogniser", str(error), "dozvon models list shows what there is")]
    state = State.WARN if choice.demonstration else State.OK
    return [Finding("recogniser", state, choice.why, f"for people: {choice.better}" if choice.better else "")]


async def voice(loaded: Settings) -> Sequence[Finding]:
    try:
        from tts._auto import choose

        choice = await asyncio.to_thread(choose, loaded.speech.synthesizer, loaded.speech.synthesizers)
    except DozvonError as error:
        return [_fail("voice", str(error), "see speech.synthesizer")]
    return [Finding("voice", State.OK, choice.why, f"better: {choice.better}" if choice.better else "")]
