"""Call passwords: limits, attempts and expiry, each decided in the transaction that uses it up."""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from engine.config import CallPassword as Limits
from engine.errors import Conflict, InputError, Problem, TooOften
from engine.model import CallEnd, Status
from engine.records import PasswordCall
from engine.rules.campaign import Caller
from engine.store.access import RAW, absent, create
from engine.store.database import Database
from engine.store.queue import new_uid
from engine.store.settling import end_call
from engine.store.tables import Call, CallPassword, Number

SHORTEST, LONGEST = 3, 6
_OPEN = ("calling", "delivered")


class Passwords:
    """calling ─▶ delivered | failed; calling or delivered ─▶ verified | failed (no attempts left) | expired."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(
        self,
        phone: str,
        *,
        user: int,
        token_id: int | None,
        limits: Limits,
        now: datetime,
        code_length: int = 4,
        ttl_s: float = 300.0,
    ) -> CallPassword:
        """With its call, `queued`. `phone` is E.164. The number that will ring is one that the user rents, by chance,
        and not one that rang there within the hour if there is another.

        Raises InputError, TooOften (by telephone or by token), Conflict if the user rents no number.
        """
        if not SHORTEST <= code_length <= LONGEST:
            message = f"code_length must be from {SHORTEST} to {LONGEST}"
            raise InputError(message, [Problem("/code_length", "range", message)])
        async with self._db.write() as session:
            await self._alone(session, phone, token_id or -user)
            await self._limit(session, CallPassword.phone == phone, timedelta(hours=1), limits.per_phone_per_hour, now)
            ours = (
                CallPassword.token_id == token_id
                if token_id is not None
                else and_(CallPassword.token_id.is_(None), CallPassword.user_id == user)
            )
            await self._limit(session, ours, timedelta(minutes=1), limits.per_token_per_minute, now)
            caller = await self._caller(session, user, phone, now)
            call = await create(
                session,
                Call,
                uid=new_uid(),
                kind="password",
                direction="outbound",
                user_id=user,
                phone=phone,
                number=caller,
                status="queued",
                created_at=now,
            )
            return await create(
                session,
                CallPassword,
                user_id=user,
                token_id=token_id,
                call_id=call.id,
                phone=phone,
                caller=caller,
                code=caller[-code_length:],
                state="calling",
                attempts_left=limits.attempts,
                created_at=now,
                expires_at=now + timedelta(seconds=ttl_s),
            )

    async def get(self, password_id: int, *, user: int | None, now: datetime) -> CallPassword:
        """Raises NotFound."""
        async with self._db.write() as session:
            return await self._standing(session, password_id, user, now)

    async def verify(self, password_id: int, code: str, *, user: int | None, now: datetime) -> tuple[bool, int]:
        """(is it the code, how many attempts are left). A wrong code uses one up. Once it was verified, has expired or
        failed, no code is right. Raises NotFound, and Conflict if it was verified already."""
        async with self._db.write() as session:
            row = await self._standing(session, password_id, user, now)
            if row.state == "verified":
                raise Conflict("this password was verified already")
            if row.state not in _OPEN or row.attempts_left <= 0:
                return False, 0
            right = hmac.compare_digest(code.encode("utf-8", "replace"), row.code.encode())
            left = row.attempts_left - 1
            state = "verified" if right else "failed" if left <= 0 else row.state
            await session.execute(
                update(CallPassword).where(CallPassword.id == password_id).values(state=state, attempts_left=left),
                execution_options=RAW,
            )
            return right, left

    async def sweep(self, now: datetime) -> int:
        """Passwords that expired before anything was dialled: their calls are ended, so that none stays open."""
        async with self._db.write() as session:
            rows = await session.scalars(
                select(Call.id)
                .join(CallPassword, CallPassword.call_id == Call.id)
                .where(Call.ended_at.is_(None), Call.status == "queued", CallPassword.expires_at <= now)
            )
            ids = rows.all()
            for call_id in ids:
                end = CallEnd(Status.BLOCKED, 0, now, reason="the password expired before it could ring")
                await (await session.connection()).run_sync(end_call, call_id, end, _nobody)
            await session.execute(
                update(CallPassword)
                .where(CallPassword.state.in_(_OPEN), CallPassword.expires_at <= now)
                .values(state="expired"),
                execution_options=RAW,
            )
            return len(ids)

    # --- of engine.records.CallStore

    async def password(self, password_id: int) -> PasswordCall | None:
        async with self._db.write() as session:
            row = await session.get(CallPassword, password_id)
            if row is None or row.state != "calling" or row.call_id is None:
                return None
            call = await session.scalar(
                update(Call)
                .where(Call.id == row.call_id, Call.status == "queued", Call.ended_at.is_(None))
                .values(status="dialing")
                .returning(Call),
                execution_options=RAW,
            )
            number = await session.get(Number, row.caller)
            if call is None or number is None:
                return None
            caller = Caller(number.number, number.trunk, number.max_concurrent)
            return PasswordCall(row.id, call.id, call.uid, 0, row.phone, caller, row.expires_at)

    async def password_rang(self, password_id: int, *, delivered: bool) -> None:
        async with self._db.write() as session:
            await session.execute(
                update(CallPassword)
                .where(CallPassword.id == password_id, CallPassword.state == "calling")
                .values(state="delivered" if delivered else "failed"),
                execution_options=RAW,
            )

    # --- inside

    async def _standing(self, session: AsyncSession, password_id: int, user: int | None, now: datetime) -> CallPassword:
        statement = select(CallPassword).where(CallPassword.id == password_id).with_for_update()
        if user is not None:
            statement = statement.where(CallPassword.user_id == user)
        row = await session.scalar(statement)
        if row is None:
            raise absent(CallPassword)
        if row.state in _OPEN and row.expires_at <= now:
            row.state = "expired"
        return row

    async def _alone(self, session: AsyncSession, phone: str, token: int) -> None:
        """Two requests for one telephone, or with one token, are counted one after the other."""
        if self._db.kind == "postgresql":
            await session.execute(text("SELECT pg_advisory_xact_lock(71, hashtext(:phone))").bindparams(phone=phone))
            await session.execute(
                text("SELECT pg_advisory_xact_lock(72, hashtext(:token))").bindparams(token=str(token))
            )

    async def _limit(
        self, session: AsyncSession, which: ColumnElement[bool], within: timedelta, most: int, now: datetime
    ) -> None:
        recent = (
            await session.execute(
                select(func.count(), func.min(CallPassword.created_at)).where(
                    which, CallPassword.created_at > now - within
                )
            )
        ).one()
        if recent[0] >= most:
            wait_s = max(1.0, (recent[1] + within - now).total_seconds())
            raise TooOften("too many call passwords were asked for: wait a little", wait_s)

    async def _caller(self, session: AsyncSession, user: int, phone: str, now: datetime) -> str:
        numbers = (await session.scalars(select(Number.number).where(Number.user_id == user))).all()
        if not numbers:
            raise Conflict("no number can ring: rent one first")
        rang = await session.scalars(
            select(CallPassword.caller).where(
                CallPassword.phone == phone, CallPassword.created_at > now - timedelta(hours=1)
            )
        )
        fresh = set(numbers) - set(rang.all())
        return secrets.choice(sorted(fresh or numbers))


def _nobody(phone: str) -> str:
    return ""  # nothing was dialled: whose number it is does not matter
