"""One table: what the network says of a call (Q.850 causes, SIP codes, DIALSTATUS) -> the API's `status`. Total.

A SIP code, where there is one, says more than the cause that Asterisk makes of it: 480 (the telephone is off) and no
answer are both cause 19.
"""

from __future__ import annotations

from engine.model import Status

NORMAL, BUSY, NO_USER, NO_ANSWER, REJECTED, INVALID, TEMPORARY = 16, 17, 18, 19, 21, 28, 41

Q850 = {
    1: Status.INVALID_NUMBER,  # unallocated
    2: Status.UNREACHABLE,  # no route to the transit network
    3: Status.UNREACHABLE,  # no route to the destination
    16: Status.NO_ANSWER,  # cleared normally, and it was not answered
    17: Status.BUSY,
    18: Status.NO_ANSWER,  # no user responding
    19: Status.NO_ANSWER,
    20: Status.UNREACHABLE,  # subscriber absent
    21: Status.REJECTED,
    22: Status.INVALID_NUMBER,  # number changed
    23: Status.UNREACHABLE,
    25: Status.UNREACHABLE,  # routing error
    26: Status.NO_ANSWER,  # answered elsewhere
    27: Status.UNREACHABLE,  # out of order
    28: Status.INVALID_NUMBER,
    29: Status.FAILED,  # facility rejected
    31: Status.NO_ANSWER,  # normal, unspecified
    50: Status.FAILED,
    52: Status.REJECTED,  # outgoing calls barred
    54: Status.REJECTED,
    55: Status.REJECTED,  # incoming calls barred
    57: Status.FAILED,
    58: Status.CONGESTION,  # bearer capability not available now
    87: Status.REJECTED,
    88: Status.FAILED,  # incompatible: codecs
    102: Status.UNREACHABLE,  # nothing came back in time
}

SIP = {
    401: Status.FAILED,
    402: Status.REJECTED,
    403: Status.REJECTED,
    404: Status.INVALID_NUMBER,
    405: Status.FAILED,
    406: Status.FAILED,
    407: Status.FAILED,
    408: Status.NO_ANSWER,
    410: Status.INVALID_NUMBER,
    413: Status.FAILED,
    415: Status.FAILED,
    420: Status.FAILED,
    421: Status.FAILED,
    423: Status.FAILED,
    480: Status.UNREACHABLE,
    481: Status.FAILED,
    484: Status.INVALID_NUMBER,
    485: Status.INVALID_NUMBER,
    486: Status.BUSY,
    487: Status.NO_ANSWER,
    488: Status.FAILED,
    493: Status.FAILED,
    500: Status.CONGESTION,
    501: Status.FAILED,
    504: Status.UNREACHABLE,
    600: Status.BUSY,
    603: Status.REJECTED,
    604: Status.INVALID_NUMBER,
    606: Status.FAILED,
    607: Status.REJECTED,
    608: Status.REJECTED,
}

DIALSTATUS = {
    "ANSWER": Status.ANSWERED,
    "BUSY": Status.BUSY,
    "NOANSWER": Status.NO_ANSWER,
    "CANCEL": Status.NO_ANSWER,
    "CONGESTION": Status.CONGESTION,
    "CHANUNAVAIL": Status.UNREACHABLE,
    "DONTCALL": Status.REJECTED,
    "TORTURE": Status.REJECTED,
    "INVALIDARGS": Status.FAILED,
}


def status(cause: int, sip: int = 0) -> Status:
    """What became of a call that was not answered, from its Q.850 cause and, if it is known, its final SIP code."""
    if 300 <= sip <= 699:
        known = SIP.get(sip)
        if known is not None:
            return known
        if sip >= 600:
            return Status.REJECTED
        return Status.CONGESTION if sip >= 500 else Status.UNREACHABLE
    known = Q850.get(cause)
    if known is not None:
        return known
    if 1 <= cause <= 31:
        return Status.UNREACHABLE
    return Status.CONGESTION if 32 <= cause <= 47 else Status.FAILED


def transfer(dialstatus: str, cause: int = 0) -> str:
    """How a transfer went: done | busy | no_answer | failed."""
    came = DIALSTATUS.get(dialstatus.strip().upper(), Status.FAILED)
    if came is Status.ANSWERED:
        return "done"
    if came in (Status.CONGESTION, Status.UNREACHABLE) and cause:
        came = status(cause)  # the network's own word is better than Dial's
    if came in (Status.BUSY, Status.REJECTED):
        return "busy"
    return "no_answer" if came is Status.NO_ANSWER else "failed"


def number(text: str) -> int:
    """A cause as it comes over the wire; 0 if it is none."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 3 else 0
