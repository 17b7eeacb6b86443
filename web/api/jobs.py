"""Long work and how far it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from engine.store.tables import Job
from web.ask import Ask
from web.routes import Routes, Told

routes = Routes("jobs")


class JobOut(Told):
    id: int
    kind: str
    state: Literal["queued", "running", "done", "failed"]
    done: int
    total: int
    result: dict[str, Any] | None
    errors: list[Any]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def job_out(row: Job) -> JobOut:
    return JobOut.model_validate(row)


@routes.get("/jobs/{job_id}", "A job of yours, or of a project that you see")
async def get(ask: Ask, job_id: int) -> JobOut:
    return job_out(await ask.store.jobs.get(job_id, user=ask.user))
