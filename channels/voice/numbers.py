"""Numbers and addresses on their way into a dial string and out of SIP; whatever is not plainly one is none. Pure."""

from __future__ import annotations

import re

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
SIP_ADDRESS = re.compile(r"sips?:[A-Za-z0-9_.+-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?")
TRUNK = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
CALL_ID = re.compile(r"dz-[A-Za-z0-9.-]{1,100}")
USER = re.compile(r"sips?:([^@;>]{1,32})@")
PUNCTUATION = re.compile(r"[ ().-]")


def endpoint(to: str, trunk: str) -> str:
    """Where Asterisk is to dial for a number (E.164 with +) or a SIP address, over a trunk. Raises ValueError."""
    if not TRUNK.fullmatch(trunk):
        raise ValueError("that is no trunk")
    if E164.fullmatch(to):
        return f"PJSIP/{to[1:]}@{trunk}"
    if SIP_ADDRESS.fullmatch(to):
        return f"PJSIP/{trunk}/{to}"
    raise ValueError("that is neither a telephone number nor a SIP address")


def caller_id(number: str) -> str:
    """The digits of a caller ID; empty if it is none."""
    digits = number.removeprefix("+")
    return digits if digits.isascii() and digits.isdecimal() and 1 <= len(digits) <= 15 else ""


def e164(text: str) -> str:
    """A number as SIP brings it -> E.164 with +; empty if it is withheld or no number.

    National forms are read by the Russian plan, the only one in which 8 and ten bare digits mean something.
    """
    text = PUNCTUATION.sub("", text.strip())[:32]
    if text.startswith("00"):
        text = "+" + text[2:]
    elif not text.startswith("+"):
        if len(text) == 11 and text.startswith("8"):
            text = "7" + text[1:]
        elif len(text) == 10 and text[:1] in "3489":
            text = "7" + text
        elif len(text) < 10:
            return ""
        text = "+" + text
    return text if E164.fullmatch(text) else ""


def of_address(header: str) -> str:
    """The number in a To or From header; empty if there is none."""
    found = USER.search(header[:512])
    return e164(found[1]) if found else ""
