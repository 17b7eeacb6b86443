"""Both databases for every test of the store: a file of SQLite, and a database of a private PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from engine.store import Store, migrate, open_store
from tests.contracts.world import World, made
from tests.postgres import Postgres, server

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with server() as running:
        yield running


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, without tables."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/store.db"
    running: Postgres = request.getfixturevalue("postgres")
    return running.url()


@pytest.fixture
async def store(url: str) -> AsyncGenerator[Store]:
    """A store with its tables and nothing in them."""
    await migrate(url)
    async with open_store(url) as opened:
        yield opened


@pytest.fixture
async def world(store: Store) -> World:
    """A store with two tenants, and a little of everything that the first one has."""
    return await made(store)
