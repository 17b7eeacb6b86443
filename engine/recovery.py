"""After a crash: what had been begun is brought to its end, so that nobody is dialled twice for one attempt and nothing
dialled is missing.

    open rows ─▶ not ours ─▶ Asterisk drops what still lives ─▶ answered: closed | else: failed, by the retry rules
                                                              └ what was recorded of it is kept
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta

from engine.attempt import Desk, Salvaged
from engine.model import CallEnd, Status, TalkLog
from engine.ports import Contacts
from engine.records import OpenCall
from engine.rules import retry
from engine.rules.campaign import Campaign

log = logging.getLogger(__name__)

REASON = "the engine stopped in the middle of this call"
_CUT = TalkLog(ending="failed", ended_by="system", result=None, reason=REASON)


SETTLED = timedelta(minutes=2)  # a younger row may be one whose writer has not heard yet that it was written


async def recover(desk: Desk, contacts: Contacts, campaigns: Mapping[int, Campaign]) -> int:
    """At the start: what lives in Asterisk and is not ours is dropped, every open call that is not ours is settled; how
    many. Raises what the store or the telephony raise: do it again then."""
    began = desk.clock.now()  # what is begun from now on is this engine's, though its writer may not know it yet
    answered = frozenset(await desk.voice.drop_strangers(desk.knows))
    lost = [
        call for call in await desk.calls.open_calls() if call.call_id not in desk.owned and call.created_at < began
    ]
    await _settle(desk, contacts, campaigns, lost, answered)
    if lost:
        log.warning("calls of an earlier run settled", extra={"calls": len(lost)})
    return len(lost)


async def sweep(desk: Desk, contacts: Contacts, campaigns: Mapping[int, Campaign]) -> int:
    """While running: rows that were written although the database's answer was lost, so that nobody owns them. Nothing
    was dialled for them."""
    now = desk.clock.now()
    lost = [
        call
        for call in await desk.calls.open_calls()
        if call.call_id not in desk.owned and now - call.created_at > SETTLED
    ]
    await _settle(desk, contacts, campaigns, lost, frozenset())
    if lost:
        log.warning("calls without an owner settled", extra={"calls": len(lost)})
    return len(lost)


async def _settle(
    desk: Desk,
    contacts: Contacts,
    campaigns: Mapping[int, Campaign],
    lost: Sequence[OpenCall],
    answered: frozenset[str],
) -> None:
    kept = await asyncio.gather(*(_salvaged(desk, call) for call in lost))
    for call, recorded in zip(lost, kept, strict=True):
        end = _end(desk, call, recorded, answered=call.answered_at is not None or call.uid in answered)
        if call.contact is None:
            await desk.calls.end(call.call_id, end)
            continue
        campaign = campaigns.get(call.contact.campaign_id)
        rules = campaign.retry if campaign is not None else retry.Retry()
        follow = retry.after(
            rules,
            end,
            call.contact.attempt,
            numbers=len(campaign.callers) if campaign is not None else 1,
            windows=campaign.windows if campaign is not None else (),
            timezone=campaign.zone(call.contact.timezone) if campaign is not None else "UTC",
        )
        await contacts.settle(call.contact, end, next_at=follow.at, closed=follow.closed)


async def _salvaged(desk: Desk, call: OpenCall) -> Salvaged:
    """A recording that is lost is no reason to leave a call open."""
    try:
        return await desk.salvage(call.uid)
    except Exception as error:  # noqa: BLE001 - around one call: whatever is wrong with its files, its end is written
        log.warning("recording lost", extra={"call": call.call_id, "error": type(error).__name__})
        return Salvaged()


def _end(desk: Desk, call: OpenCall, recorded: Salvaged, *, answered: bool) -> CallEnd:
    """How long it went on is known by its recording at most: it is not billed."""
    now = desk.clock.now()
    began = call.answered_at
    if answered and began is None:
        began = call.ringing_at or call.dialed_at or call.created_at
    ended = now if began is None else min(now, began + timedelta(seconds=recorded.seconds))
    return CallEnd(
        status=Status.ANSWERED if answered else Status.FAILED,
        cause=0,
        ended_at=ended,
        dialed_at=call.dialed_at or call.created_at,
        ringing_at=call.ringing_at,
        answered_at=began,
        talk=_CUT if answered else None,
        number=call.number,
        recording=recorded.path,
        reason=REASON,
    )
