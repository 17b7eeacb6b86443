"""A POST that costs money or dials, done once however often it is sent.

    Idempotency-Key ─▶ claim (one row, unique) ─┬ ours: run, keep the answer for 24 h
                                                └ there already: the same request → its answer; another one → 409

An attempt that ends in an error gives the key back, except when the engine died in the middle: then nobody knows
whether it dialled, and the key stays taken.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

from aiohttp import web

from engine.errors import Conflict, StoreDown
from engine.tasks import surely
from web.ask import Ask
from web.problems import wrong

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
_FORM = re.compile(r"[\x21-\x7e]{1,200}")

Run = Callable[[], Awaitable[web.StreamResponse]]


async def once(ask: Ask, what: str, body: bytes, run: Run) -> web.StreamResponse:
    """The answer of `run`, or of the first request with this key. Without a key: `run`. Raises Conflict, InputError."""
    assert ask.request is not None
    key = ask.request.headers.get(HEADER)
    if key is None:
        return await run()
    if not _FORM.fullmatch(key):
        raise wrong(ask.language, "/Idempotency-Key", "key_form")
    digest = hashlib.sha256(what.encode() + b"\0" + body).hexdigest()
    return await surely(_claimed(ask, key, digest, run))


async def _claimed(ask: Ask, key: str, digest: str, run: Run) -> web.StreamResponse:
    keys, user, now = ask.store.idempotency, ask.caller.user_id, ask.parts.clock.now()
    found = await keys.claim(user, key, digest, now=now, older_than=now - KEPT)
    if found is not None:
        if found.digest != digest:
            raise Conflict(ask.say("key_other"))
        if found.status == 0:
            raise Conflict(ask.say("key_busy"))
        return web.Response(
            status=found.status,
            body=found.answer.encode(),
            content_type="application/json",
            headers={"Idempotent-Replayed": "true"},
        )
    try:
        answer = await run()
    except StoreDown:
        raise  # it may have been done: the key stays taken
    except BaseException:
        await keys.release(user, key)
        raise
    if isinstance(answer, web.Response) and isinstance(answer.body, bytes):
        await keys.keep(user, key, status=answer.status, answer=answer.body.decode())
    return answer
