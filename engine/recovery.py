"""After a crash: what had been begun is brought to its end, so that nobody is dialled twice for one attempt and nothing
dialled is missing.

    open rows ─▶ not ours ─▶ Asterisk drops what still lives ─▶ answered: closed | else: failed, by the retry rules
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta

from engine.attempt import Desk
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
    lived = await desk.voice.drop_strangers(desk.knows)
    lost = [
        call for call in await desk.calls.open_calls() if call.call_id not in desk.owned and call.created_at < began
    ]
    await _settle(desk, contacts, campaigns, lost)
    if lost:
        log.warning("calls of an earlier run settled", extra={"calls": len(lost), "alive": len(lived)})
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
    await _settle(desk, contacts, campaigns, lost)
    if lost:
        log.warning("calls without an owner settled", extra={"calls": len(lost)})
    return len(lost)


async def _settle(desk: Desk, contacts: Contacts, campaigns: Mapping[int, Campaign], lost: Sequence[OpenCall]) -> None:
    for call in lost:
        end = _end(desk, call)
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


def _end(desk: Desk, call: OpenCall) -> CallEnd:
    """How long it went on nobody knows: it is not billed."""
    answered = call.answered_at is not None
    return CallEnd(
        status=Status.ANSWERED if answered else Status.FAILED,
        cause=0,
        ended_at=desk.clock.now(),
        dialed_at=call.dialed_at or call.created_at,
        ringing_at=call.ringing_at,
        answered_at=call.answered_at,
        talk=_CUT if answered else None,
        number=call.number,
        reason=REASON,
    )
