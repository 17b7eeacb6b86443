"""A child process and the messages to and from it; whatever happens to it, its end is waited for."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from asr._wire import Garbled, Kind, Unpacker, pack

ROOT = Path(__file__).resolve().parent.parent
CHUNK = 65_536
BACKLOG = 4 << 20  # bytes that a process may leave unread before it counts as hung
PARTING_S = 0.5  # a process has this long to end by itself
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # one core each: the pool is the parallelism


class End(Exception):
    """The process has ended, or spoke nonsense and was made to."""


class Pipe:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        self._process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._messages: deque[tuple[Kind, int, bytes]] = deque()
        self._unpacker = Unpacker()
        self._said = b""

    @classmethod
    async def start(cls, module: str, *arguments: str) -> Pipe:
        """`python -m module arguments…`, with this checkout's or installation's packages."""
        paths: Sequence[str] = (str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the engine, which lets live calls finish
            env={**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": os.pathsep.join(paths)},
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, kind: Kind, number: int = 0, payload: bytes = b"") -> bool:
        """Never blocks. False: it has not been reading for long."""
        if self._stdin.is_closing():
            return True
        self._stdin.write(pack(kind, number, payload))
        return self._stdin.transport.get_write_buffer_size() <= BACKLOG

    async def next(self) -> tuple[Kind, int, bytes]:
        """Raises End."""
        while not self._messages:
            data = await self._stdout.read(CHUNK)
            if not data:
                raise End
            try:
                self._messages.extend(self._unpacker.feed(data))
            except Garbled as error:
                self.kill()
                raise End from error
        return self._messages.popleft()

    async def read_errors(self) -> None:
        """Keeps the end of what is said on stderr, until that ends."""
        while data := await self._stderr.read(4096):
            self._said = (self._said + data)[-4096:]

    async def last_words(self) -> str:
        """Why it ended, as far as it said."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PARTING_S):
                await self.read_errors()
        lines = [line.strip() for line in self._said.decode("utf-8", "replace").splitlines() if line.strip()]
        telling = [line for line in lines if "ERROR" in line or "Error" in line] or lines
        return telling[-1][:300] if telling else "without a word"

    def dismiss(self) -> None:
        """It ends when it has done what it was given."""
        self._stdin.close()

    def kill(self) -> None:
        if self._process.returncode is None:
            # Not Popen.kill: it polls, and takes the exit code away from asyncio, which logs that it is unknown.
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """Let it end, then make it; returns when it is down."""
        self._stdin.close()
        try:
            async with asyncio.timeout(PARTING_S):
                await self._ended()
        except TimeoutError:
            self.kill()
            await self._ended()

    async def _ended(self) -> None:
        """Both pipes are read to their end first: asyncio tells of a process only after that of its pipes."""
        for stream in (self._stdout, self._stderr):
            while await stream.read(CHUNK):
                pass
        await self._process.wait()
