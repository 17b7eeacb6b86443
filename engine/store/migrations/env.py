"""Alembic's entry: the connection is given by `engine.store.migrate`, which has begun the transaction."""

from __future__ import annotations

from alembic import context

from engine.store.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite changes a table by making a new one
    compare_type=True,
)
context.run_migrations()
