"""The migrations make exactly the tables that the program works with, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from engine.errors import ConfigError
from engine.store import migrate
from engine.store.database import Database
from engine.store.migrate import head
from engine.store.tables import Table


async def looked(url: str, look: Any) -> Any:
    db = Database(url)
    try:
        async with db.engine.begin() as connection:
            return await connection.run_sync(look)
    finally:
        await db.close()


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": Table.metadata})
    return list(compare_metadata(context, Table.metadata))


def shapes(connection: Connection) -> dict[str, Any]:
    """What autogenerate does not compare: keys, partial indexes, uniqueness, foreign keys and their deletes."""
    inspector = inspect(connection)
    return {
        name: (
            sorted((c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(name)),
            inspector.get_pk_constraint(name)["constrained_columns"],
            sorted((i["name"], i["column_names"], options(i)) for i in inspector.get_indexes(name)),
            sorted((u["name"], u["column_names"]) for u in inspector.get_unique_constraints(name)),
            sorted(
                (f["name"], f["constrained_columns"], f["referred_table"], f["options"].get("ondelete"))
                for f in inspector.get_foreign_keys(name)
            ),
        )
        for name in inspector.get_table_names()
        if name != "alembic_version"
    }


def options(index: Any) -> str:
    return str({key: str(value) for key, value in index.get("dialect_options", {}).items()})


async def test_migrations_and_tables_agree(url: str) -> None:
    await migrate(url)
    assert await looked(url, differences) == []
    migrated = await looked(url, shapes)

    def anew(connection: Connection) -> dict[str, Any]:
        Table.metadata.drop_all(connection)
        Table.metadata.create_all(connection)
        return shapes(connection)

    assert migrated == await looked(url, anew)


async def test_migrating_again_and_at_once_does_nothing_more(url: str) -> None:
    await asyncio.gather(*(migrate(url) for _ in range(3)))
    await migrate(url)
    version = await looked(url, lambda c: c.execute(text("SELECT version_num FROM alembic_version")).scalars().all())
    assert version == [head()]


async def test_a_database_of_a_newer_version_is_refused_with_advice(url: str) -> None:
    await migrate(url)
    await looked(url, lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(ConfigError, match="newer version"):
        await migrate(url)
