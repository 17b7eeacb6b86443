"""One database, SQLite or PostgreSQL, as two doors: `read` and `write`, and a quick way through each.

    read, glance    ─▶ any of several connections, each statement by itself
    write, transact ─▶ SQLite: the one writer, BEGIN IMMEDIATE, in turn     PostgreSQL: a transaction of its own

So "database is locked" never shows within this process; another process is waited for. A database that is away, full or
too busy is StoreDown, and the pool heals by itself: each connection is tried before use.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, exc, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from engine.errors import ConfigError, Conflict, DozvonError, InputError, StoreDown
from engine.store.gate import Gate
from engine.store.types import Table, dump

BUSY_S = 15.0  # how long another process's write is waited for
CONNECT_S = 5.0
STATEMENT_S = 120.0
READERS = 4
POOL = 10

# SQLite: busy, locked, no memory, read-only, I/O error, full, cannot open. PostgreSQL: classes of connection,
# resources, operator intervention and system errors, then serialization failure, deadlock, lock timeout.
_SQLITE_DOWN = {5, 6, 7, 8, 10, 13, 14}
_PG_DOWN = ("08", "53", "57", "58", "40001", "40P01", "55P03")


_SQLITE: dict[str, Any] = {
    "json_serializer": dump,
    "json_deserializer": json.loads,
    "connect_args": {"timeout": BUSY_S, "cached_statements": 512, "check_same_thread": False},
}
T = TypeVar("T")
P = ParamSpec("P")


class Database:
    """The doors. `kind` is sqlite or postgresql."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.kind = self.url.get_backend_name()
        self._gate: Gate | None = None
        if self.kind == "sqlite":
            if self.url.database in (None, "", ":memory:"):
                raise ConfigError("the database must be a file: sqlite+aiosqlite:///./var/dozvon.db")
            self._gate = Gate()
            self.engine = self._sqlite(pool_size=1, writes=True)
            self._reader = self._sqlite(pool_size=READERS, writes=False)
            plain = self.url.set(drivername="sqlite")
            self._hand = create_engine(plain, **_SQLITE, pool_size=1, max_overflow=0, poolclass=QueuePool)
            _prepared(self._hand, writes=True)
            self._eye = create_engine(plain, **_SQLITE, pool_size=1, max_overflow=0, poolclass=QueuePool)
            _prepared(self._eye, writes=False)
            self._writing, self._looking = ThreadPoolExecutor(1, "store"), ThreadPoolExecutor(1, "store-look")
        elif self.kind == "postgresql":
            self.engine = create_async_engine(
                self.url,
                pool_size=POOL,
                max_overflow=POOL,
                pool_timeout=BUSY_S,
                pool_pre_ping=True,
                json_serializer=dump,
                json_deserializer=json.loads,
                connect_args={"timeout": CONNECT_S, "command_timeout": STATEMENT_S},
            )
            self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        else:
            raise ConfigError("the database must be sqlite+aiosqlite:///… or postgresql+asyncpg://…")

    def _sqlite(self, *, pool_size: int, writes: bool) -> AsyncEngine:
        Path(str(self.url.database)).parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(self.url, **_SQLITE, pool_size=pool_size, max_overflow=0, pool_timeout=BUSY_S)
        _prepared(engine.sync_engine, writes=writes)
        return engine

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Look; nothing is kept. Raises StoreDown."""
        with told():
            async with AsyncSession(self._reader, expire_on_commit=False, autoflush=False) as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """All of the block or none of it. Raises StoreDown, and Conflict where a constraint is broken."""
        with told():
            async with AsyncExitStack() as stack:
                if self._gate is not None:
                    await stack.enter_async_context(self._gate.alone())
                session = await stack.enter_async_context(
                    AsyncSession(self.engine, expire_on_commit=False, autoflush=False)
                )
                await stack.enter_async_context(session.begin())
                yield session

    async def transact(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `write`, for what runs for every call: on SQLite the whole of `work` is one trip to the writer's thread,
        and the next one in the thread does not wait until the event loop has heard of it.

        Cancelled, it is finished first: all of it is done, or none."""
        with told():
            if self._gate is None:
                async with self.engine.begin() as connection:
                    return await connection.run_sync(work, *args, **kwargs)

            def run() -> T:
                with self._hand.begin() as connection:
                    return work(connection, *args, **kwargs)

            async with self._gate.together():
                done = asyncio.get_running_loop().run_in_executor(self._writing, run)
                try:
                    return await asyncio.shield(done)
                except asyncio.CancelledError:
                    await asyncio.wait([done])
                    raise

    async def glance(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `read`, for what is asked for every call."""
        with told():
            if self._gate is None:
                async with self._reader.connect() as connection:
                    return await connection.run_sync(work, *args, **kwargs)

            def run() -> T:
                with self._eye.connect() as connection:
                    return work(connection, *args, **kwargs)

            return await asyncio.get_running_loop().run_in_executor(self._looking, run)

    def insert(self, table: type[Table]) -> postgresql.Insert:
        """An insert that knows ON CONFLICT; both dialects write it alike."""
        if self.kind == "sqlite":
            return cast(postgresql.Insert, sqlite.insert(table))
        return postgresql.insert(table)

    async def ping(self) -> None:
        """Raises StoreDown."""
        async with self.read() as session:
            await session.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self._reader.dispose()
        await self.engine.dispose()
        if self._gate is not None:
            self._writing.shutdown()
            self._looking.shutdown()
            self._hand.dispose()
            self._eye.dispose()


def _prepared(engine: Engine, *, writes: bool) -> None:
    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # an attempt is on the disk before anybody's telephone rings
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "journal_size_limit=67108864",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        if not writes:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    if writes:

        @event.listens_for(engine, "begin")
        def _begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def told() -> Iterator[None]:
    """The driver's errors in our words."""
    try:
        yield
    except DozvonError:
        raise
    except exc.TimeoutError:
        raise StoreDown("the database is too busy: no connection was free in time") from None
    except exc.IntegrityError as error:
        raise Conflict("this is there already, or what it names is not") from error
    except exc.DataError as error:
        raise InputError("a value is too large to be stored") from error
    except exc.DBAPIError as error:
        if error.connection_invalidated or _is_down(error.orig):
            raise StoreDown(f"the database is away for now: {_line(error.orig)}") from error
        if _sqlstate(error.orig).startswith("22"):
            raise InputError("a value is too large to be stored") from error
        raise
    except exc.StatementError as error:
        if isinstance(error.orig, DozvonError):
            raise error.orig from None
        raise
    except OverflowError as error:
        raise InputError("a value is too large to be stored") from error
    except (OSError, TimeoutError) as error:
        raise StoreDown(f"the database is away for now: {_line(error)}") from error
    except Exception as error:
        # While connecting, the driver's own errors come unwrapped.
        if type(error).__module__.startswith("asyncpg") and _is_down(error):
            raise StoreDown(f"the database is away for now: {_line(error)}") from error
        raise


def _is_down(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_DOWN
    cause = error.__cause__ if error is not None else None
    if isinstance(error, (OSError, TimeoutError)) or isinstance(cause, (OSError, TimeoutError)):
        return True
    return _sqlstate(error).startswith(_PG_DOWN) or (
        "InterfaceError" in type(error).__name__ and "clos" in str(error)  # a connection that is (being) closed
    )


def _sqlstate(error: BaseException | None) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def _line(error: BaseException | None) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
