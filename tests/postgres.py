"""A private PostgreSQL for tests: started once, on a free port of the loopback, gone with its data at the end.

with server() as pg: pg.url() is a new empty database; pg.kill(), pg.start() for bad days
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from engine.loopback import free_ports

USER = "dozvon"


class Postgres:
    """A server in a folder of its own. It listens on 127.0.0.1 and trusts whoever comes."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._bin = binaries()
        self._as = _account()
        self._names = count(1)
        os.chmod(folder, 0o755)
        self._data = folder / "data"
        self._data.mkdir(mode=0o700)
        if self._as is not None:
            os.chown(self._data, self._as, -1)
        self._run("initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        with (self._data / "postgresql.conf").open("a") as conf:
            # Without fsync a commit still outlives the processes (not the machine); with synchronous_commit off
            # it would not.
            conf.write(
                f"listen_addresses='127.0.0.1'\nport={port}\nunix_socket_directories=''\nfsync=off\n"
                "full_page_writes=off\nshared_buffers=64MB\nmax_connections=60\n"
            )

    def start(self) -> None:
        """Returns when connections are taken."""
        log = str(self._data / "log")
        self._run("pg_ctl", "-D", str(self._data), "-l", log, "-w", "-t", "60", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", "immediate", "stop", check=False)

    def kill(self) -> None:
        """kill -9 of the server and of everything that serves its connections; returns when it is gone."""
        pid = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        everyone = [pid, *map(int, children)]
        for each in everyone:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        while any(_lives(each) for each in everyone):
            time.sleep(0.01)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def url(self) -> str:
        """The address of a new, empty database."""
        name = f"t{next(self._names)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, name)
        return f"postgresql+asyncpg://{USER}@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *args: str, check: bool = True) -> None:
        # pg_ctl's server keeps the pipes open, so the output goes to a file.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                [str(self._bin / program), *args],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                user=self._as,
                cwd="/",
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "PGCONNECT_TIMEOUT": "10"},
                timeout=120,
                check=False,
            )
            if check and done.returncode:
                said.seek(0)
                raise RuntimeError(f"{program} failed: {said.read().decode(errors='replace')}")


@contextmanager
def server() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="dozvon-pg-"))
    try:
        postgres = Postgres(folder, *free_ports(1))
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def binaries() -> Path:
    """Where initdb is. Raises RuntimeError with what to install."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    raise RuntimeError("PostgreSQL is not here: install the package postgresql, or run the tests by `make test`")


def _account() -> int | None:
    """initdb refuses to work for root: whom to be then."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise RuntimeError("there is neither a user postgres nor nobody to run PostgreSQL as")


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False
