"""What tables are made of: column types that behave the same on SQLite and on PostgreSQL, and refuse what only one of
them would take."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    Boolean,
    DateTime,
    Dialect,
    ForeignKey,
    Integer,
    MetaData,
    Text,
    literal,
)
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

from engine.errors import InputError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# SQLite gives row numbers by itself only to a column called INTEGER; there it holds 64 bits as well.
Big = BigInteger().with_variant(Integer(), "sqlite")


class UtcTime(TypeDecorator[datetime]):
    """An aware moment, exact to the microsecond: `timestamptz` on PostgreSQL, microseconds since 1970 on SQLite.

    A naive datetime is a programming error and raises ValueError."""

    impl = DateTime
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        return datetime

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        return (value - EPOCH) // MICROSECOND if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return EPOCH + timedelta(microseconds=value) if dialect.name == "sqlite" else value.astimezone(UTC)


def moment(at: datetime) -> BindParameter[datetime]:
    """A moment within an expression, where SQLAlchemy cannot tell its type from a column."""
    return literal(at, UtcTime())


class Words(TypeDecorator[str]):
    """Text. What PostgreSQL cannot hold (NUL, lone surrogates) is refused as the caller's InputError on both."""

    impl = Text
    cache_ok = True

    @property
    def python_type(self) -> type[str]:
        return str

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is not None:
            check_text(value)
        return value


Json = JSON(none_as_null=True)  # keys stay in the order given; Python's None is SQL's NULL


def dump(value: Any) -> str:
    """JSON as it is stored. Raises InputError for what one of the databases could not hold."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        raise InputError("infinity and not-a-number cannot be stored") from None
    if "\\u0000" in text:
        raise InputError("the text holds a NUL character, which cannot be stored")
    check_text(text)
    return text


def check_text(value: str) -> None:
    """Raises InputError if `value` holds characters that cannot be stored."""
    if "\0" in value:
        raise InputError("the text holds a NUL character, which cannot be stored")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError("the text holds half a character (a lone surrogate), which cannot be stored") from None


Id = Annotated[int, mapped_column(primary_key=True)]
UserRef = Annotated[int, mapped_column(ForeignKey("users.id", ondelete="CASCADE"))]
ProjectRef = Annotated[int, mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))]
Empty = Annotated[str, mapped_column(default="")]
Zero = Annotated[int, mapped_column(default=0)]
No = Annotated[bool, mapped_column(default=False)]


class Table(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map = {
        int: Big,
        str: Words(),
        bool: Boolean(),
        datetime: UtcTime(),
        dict[str, Any]: Json,
        list[Any]: Json,
        list[int]: Json,
        list[str]: Json,
    }
