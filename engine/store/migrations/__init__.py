"""Alembic: how a database of an older version gets the tables of this one."""
