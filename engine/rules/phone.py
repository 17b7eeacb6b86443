"""Telephone numbers: what somebody typed -> E.164 or the reason why not; and the time zone, with how it is known.

"8 (900) 123-45-67" ─▶ normalise ─▶ +79001234567 ─▶ zone_of ─▶ (Asia/Novosibirsk, registry)

`phonenumbers` knows the zone of Russian landlines; of Russian and Kazakh mobiles it knows only that there are sixteen,
and its operator is a range's first owner. So the registry of the numbering plan is asked before it, and where nothing
names one zone the answer says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType, shortnumberinfo, timezone

from engine.rules.window import known

LONGEST = 64  # characters that somebody may have typed; no number needs more
EMERGENCY = frozenset({"01", "02", "03", "04", "101", "102", "103", "104", "112", "911", "999"})
_PREMIUM_KINDS = frozenset({PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST})
_PREMIUM_PREFIXES = ("+7809", "+7803")  # refused even where `phonenumbers` calls such a number impossible

REASONS = {
    "not_a_number": "this is no telephone number",
    "too_short": "there are digits missing",
    "too_long": "there are too many digits",
    "emergency": "emergency services are never called",
    "short": "this is a short number of one country's services",
    "premium": "calls to this number cost extra",
    "unknown": "no country has given out numbers like this",
}


@dataclass(frozen=True, slots=True)
class Refused:
    """Why this is no number to be called: `code` is one of REASONS."""

    code: str

    @property
    def message(self) -> str:
        return REASONS[self.code]


@dataclass(frozen=True, slots=True)
class Zone:
    """`name`: IANA. `source`: field | registry | phone | default."""

    name: str
    source: str


def normalise(text: str, region: str = "RU") -> str | Refused:
    """E.164 with +. `region` is where a number without a country code belongs. Never raises."""
    text = text.strip()
    if not text or len(text) > LONGEST:
        return Refused("not_a_number")
    digits = "".join(str(int(c)) for c in text if c.isdecimal())
    if not text.startswith("+") and len(digits) <= 6:
        return _short(digits, region)
    try:
        number = phonenumbers.parse(_unambiguous(text, digits, region), region)
    except NumberParseException as error:
        short = error.error_type in (NumberParseException.TOO_SHORT_NSN, NumberParseException.TOO_SHORT_AFTER_IDD)
        if error.error_type == NumberParseException.TOO_LONG:
            return Refused("too_long")
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
            return Refused("unknown")
        return Refused("too_short" if short and digits else "not_a_number")
    if number.extension:
        return Refused("not_a_number")
    return _checked(number)


def _unambiguous(text: str, digits: str, region: str) -> str:
    """In Russia and Kazakhstan 8 900 …, 7 900 … and 900 … are all the same number."""
    plain = all(c.isdecimal() or c in " -()./\u00a0\u2011" for c in text)
    if region in ("RU", "KZ") and plain:
        if len(digits) == 11 and digits[0] in "78":
            return "+7" + digits[1:]
        if len(digits) == 10 and digits[0] in "3456789":
            return "+7" + digits
    return text


def _checked(number: phonenumbers.PhoneNumber) -> str | Refused:
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if e164.startswith(_PREMIUM_PREFIXES):
        return Refused("premium")
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible in (phonenumbers.ValidationResult.TOO_SHORT, phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY):
        return Refused("too_short")
    if possible == phonenumbers.ValidationResult.TOO_LONG or (number.country_code == 7 and len(e164) > 12):
        return Refused("too_long")
    if possible != phonenumbers.ValidationResult.IS_POSSIBLE:
        return Refused("unknown")
    if phonenumbers.number_type(number) in _PREMIUM_KINDS:
        return Refused("premium")
    return e164 if phonenumbers.is_valid_number(number) else Refused("unknown")


def _short(digits: str, region: str) -> Refused:
    if not digits:
        return Refused("not_a_number")
    if digits in EMERGENCY or shortnumberinfo.is_emergency_number(digits, region):
        return Refused("emergency")
    return Refused("short" if len(digits) >= 3 else "too_short")


def zone_of(
    e164: str, *, field: str | None = None, registry: str | None = None, default: str | None = None
) -> Zone | None:
    """The contact's own field, else the registry's answer, else what `phonenumbers` names if it names one zone, else
    `default`. None: not known. A name that is no zone counts for nothing."""
    for name, source in ((field, "field"), (registry, "registry")):
        if name and known(name):
            return Zone(name, source)
    alone = _alone(e164)
    if alone:
        return Zone(alone, "phone")
    return Zone(default, "default") if default and known(default) else None


def _alone(e164: str) -> str:
    """The zone that `phonenumbers` names, if it is one only; empty else."""
    try:
        number = phonenumbers.parse(e164, None)
    except NumberParseException:
        return ""
    zones = timezone.time_zones_for_number(number)
    return zones[0] if len(zones) == 1 and zones[0] != timezone.UNKNOWN_TIMEZONE and known(zones[0]) else ""
