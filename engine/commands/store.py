"""The database for commands: migrated, opened, closed; `dozvon migrate` itself."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.commands import run, say, settings
from engine.config import Settings
from engine.store import Store, open_store
from engine.store import migrate as to_latest


def migrate(args: argparse.Namespace) -> int:
    """Bring the tables to this version. Raises StoreDown."""
    loaded = settings(args, quiet=True)
    run(to_latest(loaded.database_url))
    say("the database has this version's tables")
    return 0


@asynccontextmanager
async def opened(loaded: Settings) -> AsyncIterator[Store]:
    """The store, with its tables brought to this version. Raises StoreDown."""
    await to_latest(loaded.database_url)
    async with open_store(loaded.database_url) as store:
        yield store
