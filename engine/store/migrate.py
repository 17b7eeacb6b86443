"""Brings a database to this version's tables, by Alembic, from inside the program."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from engine.errors import ConfigError
from engine.store.database import Database, told

SCRIPTS = Path(__file__).parent / "migrations"


async def migrate(url: str) -> None:
    """Safe to repeat, and to do from two processes at once. Raises StoreDown, and ConfigError if the database is newer
    than this program."""
    db = Database(url)
    try:
        with told():
            async with db.engine.begin() as connection:
                if db.kind == "postgresql":
                    await connection.execute(text("SELECT pg_advisory_xact_lock(70)"))
                await connection.run_sync(_upgrade)
    except CommandError as error:
        raise ConfigError(
            f"the database was made by a newer version of dozvon ({error}): use that one, or restore a backup"
        ) from error
    finally:
        await db.close()


def head() -> str:
    """The revision that this program expects."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    command.upgrade(_config(connection), "head")
