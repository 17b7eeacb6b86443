"""Tables of people, projects, audiences and what is said."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from engine.store.types import Empty, Id, No, ProjectRef, Table, UserRef, Zero

# --- people and rights ----------------------------------------------------------------------------------------------


class User(Table):
    __tablename__ = "users"
    id: Mapped[Id]
    email: Mapped[str] = mapped_column(unique=True)  # lower case
    password_hash: Mapped[Empty]
    name: Mapped[Empty]
    locale: Mapped[str] = mapped_column(default="ru")
    admin: Mapped[No]
    disabled: Mapped[No]
    created_at: Mapped[datetime]


class Login(Table):
    """A session of the panel; `id` is the SHA-256 of the cookie's value."""

    __tablename__ = "logins"
    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UserRef] = mapped_column(index=True)
    csrf: Mapped[str]
    agent: Mapped[Empty]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class Token(Table):
    __tablename__ = "tokens"
    id: Mapped[Id]
    user_id: Mapped[UserRef] = mapped_column(index=True)
    name: Mapped[Empty]
    hash: Mapped[str] = mapped_column(unique=True)  # SHA-256 of the token
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class Project(Table):
    __tablename__ = "projects"
    id: Mapped[Id]
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    description: Mapped[Empty]
    timezone: Mapped[str] = mapped_column(default="Europe/Moscow")
    archived: Mapped[No]
    created_at: Mapped[datetime]


class Member(Table):
    """Who sees a project. Its owner is a member too, with the role `owner`."""

    __tablename__ = "members"
    project_id: Mapped[ProjectRef] = mapped_column(primary_key=True)
    user_id: Mapped[UserRef] = mapped_column(primary_key=True, index=True)
    role: Mapped[str]  # owner | admin | manager | operator | analyst


class Field(Table):
    __tablename__ = "fields"
    __table_args__ = (UniqueConstraint("project_id", "key"),)
    id: Mapped[Id]
    project_id: Mapped[ProjectRef]
    name: Mapped[str]
    key: Mapped[str]
    type: Mapped[str]  # string | number | date | boolean
    created_at: Mapped[datetime]


class Tag(Table):
    __tablename__ = "tags"
    __table_args__ = (UniqueConstraint("project_id", "name"),)
    id: Mapped[Id]
    project_id: Mapped[ProjectRef]
    name: Mapped[str]
    color: Mapped[Empty]
    created_at: Mapped[datetime]


class Integration(Table):
    """A stored HTTP request that `webhook` cards name; `config` has Fetch's fields."""

    __tablename__ = "integrations"
    __table_args__ = (UniqueConstraint("project_id", "name"),)
    id: Mapped[Id]
    project_id: Mapped[ProjectRef]
    name: Mapped[str]
    config: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class OptOut(Table):
    """A project's own stop list: numbers that asked not to be called."""

    __tablename__ = "opt_outs"
    project_id: Mapped[ProjectRef] = mapped_column(primary_key=True)
    phone: Mapped[str] = mapped_column(primary_key=True)
    call_id: Mapped[int | None]
    created_at: Mapped[datetime]


# --- who is called, and what they hear ------------------------------------------------------------------------------


class Segment(Table):
    __tablename__ = "segments"
    id: Mapped[Id]
    project_id: Mapped[ProjectRef] = mapped_column(index=True)
    name: Mapped[str]
    kind: Mapped[str]  # contacts | blacklist | empty
    timezone: Mapped[Empty]  # of contacts whose own zone is unknown; empty: the project's
    size: Mapped[Zero]
    invalid: Mapped[Zero]
    duplicates: Mapped[Zero]
    state: Mapped[str] = mapped_column(default="ready")  # ready | importing | failed
    archived: Mapped[No]
    created_at: Mapped[datetime]


class SegmentContact(Table):
    __tablename__ = "segment_contacts"
    __table_args__ = (
        UniqueConstraint("segment_id", "phone"),
        Index(None, "segment_id", "id"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[Id]
    segment_id: Mapped[int] = mapped_column(ForeignKey("segments.id", ondelete="CASCADE"))
    phone: Mapped[str]
    email: Mapped[Empty]
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    timezone: Mapped[Empty]  # empty: unknown, the segment's or the project's is taken
    zone_source: Mapped[Empty]  # field | registry | phone; empty as above
    created_at: Mapped[datetime]


class Material(Table):
    __tablename__ = "materials"
    id: Mapped[Id]
    project_id: Mapped[ProjectRef] = mapped_column(index=True)
    name: Mapped[str]
    kind: Mapped[str]  # tts | text | link | audio
    status: Mapped[str] = mapped_column(default="active")  # moderation | active | rejected | archived
    text: Mapped[Empty]
    voice: Mapped[Empty]
    url: Mapped[Empty]
    path: Mapped[Empty]  # of audio, under the data folder
    duration_ms: Mapped[int | None]
    created_at: Mapped[datetime]


class Scenario(Table):
    __tablename__ = "scenarios"
    id: Mapped[Id]
    project_id: Mapped[ProjectRef] = mapped_column(index=True)
    name: Mapped[str]
    version: Mapped[int] = mapped_column(default=1)  # the newest
    archived: Mapped[No]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ScenarioVersion(Table):
    __tablename__ = "scenario_versions"
    scenario_id: Mapped[int] = mapped_column(ForeignKey("scenarios.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    graph: Mapped[dict[str, Any]]
    user_id: Mapped[int | None]
    created_at: Mapped[datetime]


class Number(Table):
    """The inventory. Rented by a user, for all projects of which they are a member, or for one."""

    __tablename__ = "numbers"
    number: Mapped[str] = mapped_column(primary_key=True)
    trunk: Mapped[str]
    operator: Mapped[Empty]
    region: Mapped[Empty]
    kind: Mapped[str] = mapped_column(default="landline")
    monthly_price: Mapped[Zero]
    max_concurrent: Mapped[Zero]  # 0: no limit of its own
    max_per_day: Mapped[Zero]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete="SET NULL"))
    rented_at: Mapped[datetime | None]
    rented_until: Mapped[datetime | None]
    calls: Mapped[Zero]
    created_at: Mapped[datetime]
