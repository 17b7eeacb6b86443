"""Jobs that survive a restart, requests that are done once, and small settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, or_, select, update

from engine.store.access import RAW, absent, create
from engine.store.database import Database
from engine.store.tables import IdempotencyKey, Job, Member, Setting

ERRORS_KEPT = 1000  # of a job: nobody reads more, and the row stays small


class Jobs:
    """queued ─▶ running ─▶ done | failed. A running one whose worker has gone silent is claimed again."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(
        self,
        kind: str,
        params: Mapping[str, Any],
        *,
        now: datetime,
        user: int | None,
        project_id: int | None = None,
        total: int = 0,
    ) -> Job:
        async with self._db.write() as session:
            return await create(
                session,
                Job,
                kind=kind,
                params=dict(params),
                user_id=user,
                project_id=project_id,
                total=total,
                created_at=now,
            )

    async def get(self, job_id: int, *, user: int | None) -> Job:
        """Raises NotFound: a job is seen by who asked for it and by the members of its project."""
        async with self._db.read() as session:
            statement = select(Job).where(Job.id == job_id)
            if user is not None:
                projects = select(Member.project_id).where(Member.user_id == user)
                statement = statement.where(or_(Job.user_id == user, Job.project_id.in_(projects)))
            row = await session.scalar(statement)
            if row is None:
                raise absent(Job)
            return row

    async def claim(self, worker: str, *, now: datetime, until: datetime, kinds: Sequence[str] = ()) -> Job | None:
        """The oldest that waits, or whose worker did not renew its claim; this worker's until `until`."""
        free = or_(Job.state == "queued", and_(Job.state == "running", Job.claimed_until <= now))
        oldest = select(Job.id).where(free)
        if kinds:
            oldest = oldest.where(Job.kind.in_(kinds))
        oldest = oldest.order_by(Job.id).limit(1).with_for_update(skip_locked=True)
        async with self._db.write() as session:
            return await session.scalar(
                update(Job)
                .where(Job.id == oldest.scalar_subquery())
                .values(state="running", worker=worker, claimed_until=until, started_at=now)
                .returning(Job),
                execution_options=RAW,
            )

    async def progress(self, job_id: int, worker: str, *, done: int, total: int, until: datetime) -> bool:
        """Renews the claim. False: another worker has it now, stop."""
        return await self._held(job_id, worker, done=done, total=total, claimed_until=until)

    async def finish(
        self,
        job_id: int,
        worker: str,
        *,
        now: datetime,
        result: Mapping[str, Any] | None = None,
        errors: Sequence[Any] = (),
        failed: bool = False,
        done: int | None = None,
    ) -> bool:
        """False: another worker has it now, nothing is written."""
        values: dict[str, Any] = {
            "state": "failed" if failed else "done",
            "finished_at": now,
            "claimed_until": None,
            "result": None if result is None else dict(result),
            "errors": list(errors)[:ERRORS_KEPT],
        }
        if done is not None:
            values["done"] = done
        return await self._held(job_id, worker, **values)

    async def _held(self, job_id: int, worker: str, **values: Any) -> bool:
        async with self._db.write() as session:
            held = update(Job).where(Job.id == job_id, Job.worker == worker, Job.state == "running")
            return (await session.scalar(held.values(**values).returning(Job.id), execution_options=RAW)) is not None


class Idempotency:
    """One row for each key of a user, from before the work begins."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def claim(
        self, user: int, key: str, digest: str, *, now: datetime, older_than: datetime
    ) -> IdempotencyKey | None:
        """None: the key is new, or older than that, and now belongs to this request. Else the row that has it: compare
        its `digest`; `status` 0 means that its first request is still being answered."""
        async with self._db.write() as session:
            await session.execute(
                delete(IdempotencyKey).where(
                    IdempotencyKey.user_id == user, IdempotencyKey.key == key, IdempotencyKey.created_at < older_than
                ),
                execution_options=RAW,
            )
            put = self._db.insert(IdempotencyKey).values(user_id=user, key=key, digest=digest, created_at=now)
            ours = await session.scalar(put.on_conflict_do_nothing().returning(IdempotencyKey.key))
            if ours is not None:
                return None
            standing: IdempotencyKey | None = await session.scalar(
                select(IdempotencyKey).where(IdempotencyKey.user_id == user, IdempotencyKey.key == key)
            )
            return standing

    async def keep(self, user: int, key: str, *, status: int, answer: str) -> None:
        async with self._db.write() as session:
            await session.execute(
                update(IdempotencyKey)
                .where(IdempotencyKey.user_id == user, IdempotencyKey.key == key)
                .values(status=status, answer=answer),
                execution_options=RAW,
            )

    async def release(self, user: int, key: str) -> None:
        """The request failed: the key may be used again. An answer that was kept stays."""
        async with self._db.write() as session:
            await session.execute(
                delete(IdempotencyKey).where(
                    IdempotencyKey.user_id == user, IdempotencyKey.key == key, IdempotencyKey.status == 0
                ),
                execution_options=RAW,
            )

    async def sweep(self, older_than: datetime) -> None:
        async with self._db.write() as session:
            await session.execute(
                delete(IdempotencyKey).where(IdempotencyKey.created_at < older_than), execution_options=RAW
            )


class KeptSettings:
    """Small values by key, each a JSON object."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, key: str) -> dict[str, Any] | None:
        async with self._db.read() as session:
            return await session.scalar(select(Setting.value).where(Setting.key == key))

    async def put(self, key: str, value: Mapping[str, Any]) -> None:
        async with self._db.write() as session:
            put = self._db.insert(Setting).values(key=key, value=dict(value))
            await session.execute(put.on_conflict_do_update(index_elements=["key"], set_={"value": put.excluded.value}))
