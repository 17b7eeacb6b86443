"""What a campaign does when no person answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from engine.store.types import Json

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("amd", Json, nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("campaigns", "amd")
