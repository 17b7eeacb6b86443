"""Call passwords: the code is the end of the number that rings."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from engine.errors import ChannelDown
from engine.model import CallEnd, Status
from engine.store.tables import CallPassword
from engine.tasks import surely
from web.api.calls import e164
from web.api.types import Phone
from web.ask import Ask
from web.routes import Given, Routes, Told

routes = Routes("call-passwords")

ASKED = ("call_password",)
SEEN = ("call_password", "read")


class NewPassword(Given):
    phone: Phone
    code_length: Annotated[int, Field(ge=3, le=6)] = 4
    ttl_s: Annotated[int, Field(ge=30, le=3600)] = 300


class PasswordOut(Told):
    id: int
    phone: str
    state: Literal["calling", "delivered", "failed", "verified", "expired"]
    attempts_left: int
    created_at: datetime
    expires_at: datetime


class PasswordMade(PasswordOut):
    code: str
    caller: str


class Guess(Given):
    code: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20)]


class Verdict(Told):
    verified: bool
    attempts_left: int


@routes.post(
    "/call-passwords", "Ring somebody from a number that ends in the code", status=201, scope=ASKED, idempotent=True,
    errors=(409, 503),
)  # fmt: skip
async def create(ask: Ask, body: NewPassword) -> PasswordMade:
    """It rings and hangs up unanswered, and is never billed as answered. How often a telephone may be rung, and a token
    may ask, is limited: 429."""
    row = await ask.store.passwords.add(
        e164(ask, body.phone),
        user=ask.user,
        token_id=ask.caller.token_id,
        limits=ask.settings.call_password,
        now=ask.now(),
        code_length=body.code_length,
        ttl_s=body.ttl_s,
    )
    try:
        await ask.robot.call_password(row.id)
    except ChannelDown:
        await surely(_given_up(ask, row))
        raise
    return PasswordMade.model_validate(row)


async def _given_up(ask: Ask, row: CallPassword) -> None:
    """Nothing was dialled, and a code is of no use later."""
    await ask.store.passwords.password_rang(row.id, delivered=False)
    if row.call_id is not None:
        end = CallEnd(Status.FAILED, 0, ask.now(), number=row.caller, reason="the robot could not ring")
        await ask.store.calls.end(row.call_id, end)


@routes.get("/call-passwords/{password_id}", "How it went", scope=SEEN)
async def get(ask: Ask, password_id: int) -> PasswordOut:
    row: CallPassword = await ask.store.passwords.get(password_id, user=ask.user, now=ask.now())
    return PasswordOut.model_validate(row)


@routes.post("/call-passwords/{password_id}/verify", "Is this the code?", scope=ASKED, errors=(409,))
async def verify(ask: Ask, password_id: int, body: Guess) -> Verdict:
    right, left = await ask.store.passwords.verify(password_id, body.code, user=ask.user, now=ask.now())
    return Verdict(verified=right, attempts_left=left)
