"""Keeps an Asterisk of our own running: starts it, waits until it is ready, restarts it when it dies, stops it last.

    running(asterisk, rendered) ─▶ one runs already ── reload will do ──▶ taken over ─┐
                                     └ none, or another ─▶ ended, started ────────────┴─▶ ready ─▶ body ─▶ stopped
                                                 ▲─── growing pauses ─── died ◀────────────┘

An Asterisk outlives an engine that crashes, and its calls with it: the next engine takes it over.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import re
import shutil
import signal
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from channels.voice.install import Asterisk
from channels.voice.render import Folders, Rendered, reload_commands
from engine.errors import ChannelDown, ConfigError
from engine.tasks import beside, kept_alive, surely

log = logging.getLogger(__name__)

State = Callable[[bool, str], None]  # does it work, and in words

READY_S = 60.0  # a first start on a slow disk; usually 0.5 s
STOP_S = 10.0
CLI_S = 15.0
OUTPUT_LIMIT = 8_000_000  # bytes of Asterisk's output kept, twice (`asterisk.log`, `asterisk.log.1`)
OUTPUT_CHECK_S = 10.0
_TICK_S = 0.02


@dataclass(slots=True)
class Supervised:
    """A running Asterisk."""

    asterisk: Asterisk
    folders: Folders
    pid: int = 0  # 0: not running now
    restarts: int = 0
    _up: asyncio.Event = field(default_factory=asyncio.Event)

    async def ready(self) -> None:
        """Wait until it runs."""
        await self._up.wait()

    async def cli(self, command: str) -> str:
        """What Asterisk's command line answers. Raises ChannelDown when it does not."""
        return await _cli(self.asterisk, self.folders, command)

    async def reload(self, rendered: Rendered) -> bool:
        """Bring it to the files that changed, with every live call going on. False: some need a new start."""
        commands = reload_commands(rendered.changed)
        for command in commands or ():
            await self.cli(command)
        return commands is not None

    async def restart(self) -> None:
        """End it, calls and all; it comes back by itself. Returns when it is ready again."""
        if self.pid:
            self._up.clear()
            await _end(self.pid)
        await self.ready()


@asynccontextmanager
async def running(
    asterisk: Asterisk,
    rendered: Rendered,
    state: State = lambda _works, _words: None,
    *,
    first_pause_s: float = 0.5,
    ready_s: float = READY_S,
) -> AsyncGenerator[Supervised]:
    """An Asterisk with the configuration `rendered`, ready when the block is entered and stopped when it is left.

    Between the two it is started again, with growing pauses, whenever it dies; `state` is told each time. Raises
    ChannelDown if it cannot be started at all, ConfigError if another engine works in the same folder.
    """
    folders = rendered.folders
    with _alone(folders):
        here = Supervised(asterisk, folders)
        process: _Process | None = await _take_over(here, rendered) or await _start(here, ready_s)
        failure: Exception | None = None
        _told_up(here, state)

        async def once() -> None:
            nonlocal process
            if process is None:
                process = await _start(here, ready_s)
                here.restarts += 1
                _told_up(here, state)
            died = await process.wait()
            process = None
            here.pid = 0
            here._up.clear()
            state(False, f"Asterisk ended ({died}); starting it again")

        try:
            async with beside(kept_alive("asterisk", once, first_pause_s=first_pause_s), _keep_small(folders.output)):
                try:
                    yield here
                except Exception as error:  # noqa: BLE001 - raised below, as it is and not in a group
                    failure = error
        finally:
            here._up.clear()
            if process is not None:
                await surely(process.end())
            state(False, "Asterisk was stopped")
        if failure is not None:
            raise failure


def _told_up(here: Supervised, state: State) -> None:
    here._up.set()
    state(True, "")
    log.info("asterisk is ready", extra={"pid": here.pid, "restarts": here.restarts})


# --- processes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Process:
    """Asterisk, whether it is our child or was a crashed engine's."""

    pid: int
    child: asyncio.subprocess.Process | None = None

    async def wait(self) -> str:
        """How it ended, in words."""
        if self.child is not None:
            code = await self.child.wait()
            return signal.Signals(-code).name if code < 0 else f"exit {code}"
        await _gone(self.pid)
        return "gone"

    async def end(self) -> None:
        await _end(self.pid)
        if self.child is not None:
            await self.child.wait()


async def _start(here: Supervised, ready_s: float) -> _Process:
    folders = here.folders
    stale = _found(folders)
    if stale:
        await _end(stale)
    folders.control.unlink(missing_ok=True)
    _shrink(folders.output)
    with folders.output.open("ab") as output:
        begun = output.tell()
        # A group of its own: Ctrl-C is for the engine, which lets live calls finish. Not a session of its own: Linux
        # shares a full machine out between sessions, and the engine was left behind by Asterisk's hundreds of threads.
        child = await asyncio.create_subprocess_exec(
            *_argv(here.asterisk, folders), "-f",
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            cwd=folders.root, env=_env(folders), preexec_fn=os.setpgrp,
        )  # fmt: skip
    process = _Process(child.pid, child)
    try:
        async with asyncio.timeout(ready_s):
            await _until_ready(here.asterisk, folders, child)
            if taken := _taken(folders, begun):
                raise ChannelDown(taken)
    except (TimeoutError, ChannelDown) as error:
        await process.end()
        why = str(error) or f"it was not ready within {ready_s:.0f} s"
        raise ChannelDown(f"Asterisk did not start: {why}{_complaint(folders.output, begun)}") from None
    except BaseException:
        await surely(process.end())
        raise
    here.pid = child.pid
    return process


async def _until_ready(asterisk: Asterisk, folders: Folders, child: asyncio.subprocess.Process) -> None:
    while True:
        if child.returncode is not None:
            raise ChannelDown(f"it ended with {child.returncode}")
        if folders.control.exists():
            with contextlib.suppress(ChannelDown):
                if "fully booted" in await _cli(asterisk, folders, "core waitfullybooted"):
                    return
        await asyncio.sleep(_TICK_S)


async def _take_over(here: Supervised, rendered: Rendered) -> _Process | None:
    """Go on with the Asterisk of a crashed engine, if it answers and its files can be reloaded."""
    pid = _found(here.folders)
    if not pid:
        return None
    try:
        same = os.fsencode(here.asterisk.command[-1]) in _cmdline(pid)
        if same and "fully booted" in await here.cli("core waitfullybooted") and await here.reload(rendered):
            here.pid = pid
            log.info("took over a running asterisk", extra={"pid": pid})
            return _Process(pid)
    except ChannelDown:
        log.warning("a running asterisk does not answer, starting another", extra={"pid": pid})
    await _end(pid)
    return None


def _found(folders: Folders) -> int:
    """The process that runs with our configuration, of this engine or of one that crashed; 0 if there is none."""
    ours = [b"-C", os.fsencode(folders.conf), b"-f", b""]
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return next((pid for pid in pids if _cmdline(pid)[-4:] == ours), 0)


def _cmdline(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


async def _end(pid: int) -> None:
    """Ask it to stop now; kill it and all that it started if it does not."""
    for sign, patience_s in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, STOP_S)):
        with contextlib.suppress(ProcessLookupError):
            if sign is signal.SIGKILL:
                log.warning("asterisk does not stop, killing it", extra={"pid": pid})
                os.killpg(pid, sign)
            else:
                os.kill(pid, sign)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await _gone(pid)
                return


async def _gone(pid: int) -> None:
    """Wait until the process has ended (a zombie has)."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    try:
        loop.add_reader(handle, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


@contextlib.contextmanager
def _alone(folders: Folders) -> Iterator[None]:
    with (folders.root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"another dozvon works in {folders.root}: stop it, or set another data_dir") from None
        yield


# --- the command line and the output ----------------------------------------------------------------------------------


def _argv(asterisk: Asterisk, folders: Folders) -> Sequence[str]:
    return (*asterisk.command, "-C", str(folders.conf))


def _env(folders: Folders) -> dict[str, str]:
    """Nothing of ours leaks into it (DOZVON_* may hold passwords)."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "HOME": str(folders.root), "TERM": "dumb"}


async def _cli(asterisk: Asterisk, folders: Folders, command: str) -> str:
    if not command.isprintable():
        raise ConfigError("a command of Asterisk's must be one line")
    child = await asyncio.create_subprocess_exec(
        *_argv(asterisk, folders), "-rx", command,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env=_env(folders),
    )  # fmt: skip
    try:
        async with asyncio.timeout(CLI_S):
            said, _ = await child.communicate()
    except TimeoutError:
        raise ChannelDown(f"Asterisk did not answer {command!r} within {CLI_S:.0f} s") from None
    finally:
        if child.returncode is None:
            child.kill()
            await surely(child.wait())
    text = said.decode("utf-8", "replace")
    if child.returncode:
        raise ChannelDown(f"Asterisk does not answer: {text.strip()[:200]}")
    return text


async def _keep_small(output: Path) -> None:
    while True:
        _shrink(output)
        await asyncio.sleep(OUTPUT_CHECK_S)


def _shrink(output: Path) -> None:
    """Asterisk appends to the file that it was given: it is copied away and cut, never renamed."""
    try:
        if output.stat().st_size > OUTPUT_LIMIT:
            shutil.copyfile(output, output.with_name(output.name + ".1"))
            os.truncate(output, 0)
    except FileNotFoundError:
        pass
    except OSError as error:
        log.warning("asterisk's log cannot be kept small", extra={"error": error.strerror})


def _taken(folders: Folders, begun: int) -> str:
    """It starts without a port that it cannot have, and would then work for nobody; empty: it has all."""
    for line in _lines(folders.output, begun):
        for setting, file, complaint in (
            ("asterisk.sip.port", "pjsip.conf", r"Transport '\w+' could not be started: (.*)"),
            ("asterisk.ami.port", "manager.conf", r"Unable to bind AMI server to \S+: (.*)"),
        ):
            if (told := re.search(complaint, line)) is not None:
                conf = (folders.etc / file).read_text("utf-8")
                host = re.search(r"^bind(?:addr)? = (\S+)", conf, re.MULTILINE)
                port = re.search(r"^port = (\d+)", conf, re.MULTILINE)
                where = ":".join(found[1] for found in (host, port) if found is not None)
                return f"{where} cannot be had ({told[1].lower()}): set {setting} to another one"
    return ""


def _lines(output: Path, begun: int) -> list[str]:
    """What it has said since `begun`."""
    try:
        with output.open("rb") as file:
            file.seek(max(begun, output.stat().st_size - 100_000))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _complaint(output: Path, begun: int) -> str:
    """What it complained of first since `begun`, and where the rest is."""
    lines = _lines(output, begun)
    errors = [re.sub(r"^\[[^\]]*\] ERROR\[\d+\]: \S+ \S+ ", "", line) for line in lines if " ERROR[" in line]
    told = errors[:2] or [line for line in lines if line.strip()][-1:]
    return f" ({'; '.join(told)[:300]}); all of it is in {output}"
