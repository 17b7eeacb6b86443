"""Rings for a call password: the code is the end of the number that calls, and nobody need answer.

calling ─▶ rang ─▶ delivered
        └▶ did not ring, expired ─▶ failed
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from engine.attempt import Desk
from engine.errors import ChannelDown, NotReached
from engine.model import CallEnd, CallEvent, DialOrder, Status
from engine.records import PasswordCall, PasswordStore
from engine.single import place
from engine.stubborn import Abandoned
from engine.tasks import surely

NORMAL = 16


class CallPasswords:
    def __init__(self, desk: Desk, store: PasswordStore, ring_s: float = 6.0) -> None:
        self._desk = desk
        self._store = store
        self._ring_s = ring_s

    async def ring(self, password_id: int) -> None:
        """Ring once. It counts as delivered from the first ringing, and is never billed, not even when it is picked up;
        if the telephony is away it is tried again until the password expires, then it has failed."""
        desk = self._desk
        call = await desk.stubborn.until_done("password", lambda: self._store.password(password_id))
        if call is None:
            return
        desk.owned.add(call.call_id)
        ringing = _Ringing(call, desk, self._store, self._ring_s)
        try:
            await ringing.run()
        finally:
            await surely(ringing.close())


class _Ringing:
    def __init__(self, call: PasswordCall, desk: Desk, store: PasswordStore, ring_s: float) -> None:
        self._call = call
        self._desk = desk
        self._store = store
        self._ring_s = ring_s
        self._dialed_at: datetime | None = None
        self._rang_at: datetime | None = None
        self._status, self._cause, self._reason = Status.FAILED, 0, "expired before it could ring"

    async def run(self) -> None:
        while await self._once():
            self._desk.trunks.failed(self._desk.clock.now())

    async def _once(self) -> bool:
        """True: nothing was dialled, do it again."""
        call, desk = self._call, self._desk
        option = await place(desk, f"password {call.id}", (call.caller,), call.expires_at)
        if option is None:
            return False
        self._dialed_at = desk.clock.now()
        self._tell("dialing", direction="outbound", project_id=call.project_id, phone=call.phone)
        order = DialOrder(call.uid, call.phone, call.caller.number, call.caller.trunk, self._ring_s, record=False)
        try:
            async with asyncio.timeout(60 + self._ring_s):
                await desk.voice.ring(order, self._progress, ring_s=self._ring_s)
            self._status, self._cause, self._reason = Status.NO_ANSWER, NORMAL, ""
        except NotReached as error:
            desk.trunks.worked()
            self._status, self._cause, self._reason = error.status, error.cause, ""
        except ChannelDown:
            if self._rang_at is None:
                self._dialed_at = None
                self._tell("undialled")
                return True
            self._status, self._cause, self._reason = Status.NO_ANSWER, 0, "the telephony went away"
        except TimeoutError:
            self._reason = "it neither rang nor failed"
        finally:
            desk.trunks.free(call.caller)
        return False

    def _progress(self, stage: str) -> None:
        if self._rang_at is None:
            self._desk.trunks.worked()
            self._rang_at = self._desk.clock.now()
            self._tell("ringing")

    async def close(self) -> None:
        desk, call = self._desk, self._call
        end = CallEnd(
            self._status,
            self._cause,
            desk.clock.now(),
            dialed_at=self._dialed_at,
            ringing_at=self._rang_at,
            number=call.caller.number,
            reason=self._reason,
        )
        self._tell("ended", status=end.status.value, cause=end.cause)
        delivered = self._rang_at is not None
        try:
            await desk.stubborn.until_done("end", lambda: desk.calls.end(call.call_id, end))
            await desk.stubborn.until_done("password", lambda: self._store.password_rang(call.id, delivered=delivered))
        except Abandoned:
            pass  # said in the log; the row stays open for the next start
        finally:
            desk.owned.discard(call.call_id)

    def _tell(self, kind: str, **data: str | int | None) -> None:
        self._desk.journal.note(CallEvent(self._call.call_id, kind, self._desk.clock.now(), data))
