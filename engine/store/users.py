"""People, their sessions in the panel, and their tokens. Secrets come here as digests only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from engine.errors import Conflict
from engine.store.access import RAW, absent, change, create, one, only
from engine.store.database import Database
from engine.store.paging import Ask, Page, page
from engine.store.tables import Login, Token, User


class Users:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(
        self, email: str, password_hash: str, *, now: datetime, name: str = "", admin: bool = False, locale: str = "ru"
    ) -> User:
        """Raises Conflict if the address is taken."""
        email = email.strip().lower()
        async with self._db.write() as session:
            if await session.scalar(select(User.id).where(User.email == email)):
                raise Conflict(f"there is a user {email} already")
            return await create(
                session,
                User,
                email=email,
                password_hash=password_hash,
                name=name,
                admin=admin,
                locale=locale,
                created_at=now,
            )

    async def get(self, user_id: int) -> User:
        """Raises NotFound."""
        async with self._db.read() as session:
            return await one(session, User, user_id, None)

    async def by_email(self, email: str) -> User | None:
        async with self._db.read() as session:
            row: User | None = await session.scalar(select(User).where(User.email == email.strip().lower()))
            return row

    async def page(self, ask: Ask) -> Page[User]:
        async with self._db.read() as session:
            sorts = {"created_at": User.created_at, "email": User.email}
            return await page(session, select(User), ask, sorts, User.id)

    async def change(self, user_id: int, changes: Mapping[str, Any]) -> User:
        """`changes` of name, locale, admin, disabled, password_hash. Raises NotFound."""
        async with self._db.write() as session:
            allowed = only(changes, "name", "locale", "admin", "disabled", "password_hash")
            return await change(session, User, user_id, allowed)

    # --- sessions

    async def add_login(self, login: Login) -> None:
        async with self._db.write() as session:
            session.add(login)

    async def login(self, ident: str) -> tuple[Login, User] | None:
        """By the digest of the cookie; expired ones too."""
        async with self._db.read() as session:
            found = (
                await session.execute(select(Login, User).join(User, User.id == Login.user_id).where(Login.id == ident))
            ).first()
            return None if found is None else (found[0], found[1])

    async def saw_login(self, ident: str, at: datetime) -> None:
        async with self._db.write() as session:
            await session.execute(update(Login).where(Login.id == ident).values(seen_at=at), execution_options=RAW)

    async def end_login(self, ident: str) -> None:
        async with self._db.write() as session:
            await session.execute(delete(Login).where(Login.id == ident), execution_options=RAW)

    async def end_logins(self, user_id: int, *, but: str = "") -> None:
        """All sessions of a user, except the one with the digest `but`."""
        async with self._db.write() as session:
            await session.execute(delete(Login).where(Login.user_id == user_id, Login.id != but), execution_options=RAW)

    async def sweep_logins(self, now: datetime) -> None:
        """Forget sessions that have expired."""
        async with self._db.write() as session:
            await session.execute(delete(Login).where(Login.expires_at <= now), execution_options=RAW)

    # --- tokens

    async def add_token(
        self,
        user_id: int,
        digest: str,
        *,
        scopes: Sequence[str],
        now: datetime,
        name: str = "",
        expires_at: datetime | None = None,
    ) -> Token:
        async with self._db.write() as session:
            return await create(
                session,
                Token,
                user_id=user_id,
                hash=digest,
                name=name,
                scopes=list(scopes),
                created_at=now,
                expires_at=expires_at,
            )

    async def token(self, digest: str) -> tuple[Token, User] | None:
        """By its digest; expired ones too."""
        async with self._db.read() as session:
            found = (
                await session.execute(
                    select(Token, User).join(User, User.id == Token.user_id).where(Token.hash == digest)
                )
            ).first()
            return None if found is None else (found[0], found[1])

    async def tokens(self, user_id: int) -> list[Token]:
        """A user's, the newest first."""
        async with self._db.read() as session:
            rows = await session.scalars(select(Token).where(Token.user_id == user_id).order_by(Token.id.desc()))
            return list(rows.all())

    async def used_token(self, token_id: int, at: datetime) -> None:
        async with self._db.write() as session:
            await session.execute(update(Token).where(Token.id == token_id).values(used_at=at), execution_options=RAW)

    async def drop_token(self, token_id: int, *, user: int | None) -> None:
        """Raises NotFound, also if it is another user's."""
        async with self._db.write() as session:
            statement = delete(Token).where(Token.id == token_id)
            if user is not None:
                statement = statement.where(Token.user_id == user)
            if await session.scalar(statement.returning(Token.id), execution_options=RAW) is None:
                raise absent(Token)
