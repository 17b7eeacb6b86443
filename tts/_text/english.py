"""English: figures and abbreviations as words."""

from __future__ import annotations

import re
from decimal import Decimal

from scenarios import speech
from tts._text.scan import Reader, Say

_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_FIGURE = r"\d{1,3}(?:,\d{3}){1,4}(?![\d,])(?:\.\d{1,4}(?!\d))?|\d{1,15}(?:\.\d{1,4}(?![\d.]))?(?!\d)"
_FREE = r"(?<![\w.,:/+-])"
_UNITS = {
    "%": ("percent", "percent"), "km/h": ("kilometre an hour", "kilometres an hour"),
    "mph": ("mile an hour", "miles an hour"),
    "km": ("kilometre", "kilometres"), "kg": ("kilogram", "kilograms"), "cm": ("centimetre", "centimetres"),
    "mm": ("millimetre", "millimetres"), "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "ft": ("foot", "feet"),
    "oz": ("ounce", "ounces"), "hr": ("hour", "hours"), "hrs": ("hour", "hours"), "min": ("minute", "minutes"),
    "mins": ("minute", "minutes"), "sec": ("second", "seconds"), "secs": ("second", "seconds"),
    "GB": ("gigabyte", "gigabytes"), "MB": ("megabyte", "megabytes"), "°C": ("degree", "degrees"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"), "°": ("degree", "degrees"),
}  # fmt: skip
_MONEY = {"$": "USD", "€": "EUR", "£": "GBP", "₽": "RUB", "USD": "USD", "EUR": "EUR", "GBP": "GBP", "RUB": "RUB"}
_SHORT = [
    (r"Mr\.?", "Mister"), (r"Mrs\.?", "Missis"), (r"Ms\.?", "Miz"), (r"Dr\.?(?= [A-Z])", "Doctor"),
    (r"Prof\.", "Professor"), (r"St\.(?= [A-Z])", "Saint"), (r"St\.?", "Street"), (r"Ave\.?", "Avenue"),
    (r"Rd\.?", "Road"), (r"Blvd\.?", "Boulevard"), (r"Ln\.", "Lane"), (r"Sq\.", "Square"), (r"Apt\.?", "Apartment"),
    (r"No\.(?= ?\d)", "number"), (r"Jr\.", "Junior"), (r"Sr\.", "Senior"), (r"Inc\.", "Incorporated"),
    (r"Ltd\.?", "Limited"), (r"Co\.", "Company"), (r"Dept\.", "Department"), (r"e\. ?g\.", "for example"),
    (r"i\. ?e\.", "that is"), (r"etc\.", "et cetera"), (r"vs\.?", "versus"), (r"approx\.", "approximately"),
    (r"ext\.(?= ?\d)", "extension"), (r"tel\.", "telephone"), (r"appt\.", "appointment"), (r"a\.m\.", "a m"),
    (r"p\.m\.", "p m"),
]  # fmt: skip


def said(text: str) -> str:
    """`text` has been cleaned."""
    return _LOOSE.sub(r"\1", _READER.read(text))


def _number(value: str) -> str:
    plain = value.replace(",", "")
    if plain.isdigit() and len(plain) > 1 and (plain[0] == "0" or len(plain) > 12):
        return _by_digit(plain)
    return speech.spoken_number(plain, "en")


def _by_digit(digits: str) -> str:
    step = 3 if len(digits) > 5 else 5
    return ", ".join(speech.spoken_digits(digits[at : at + step], "en") for at in range(0, len(digits), step))


def _telephone(match: re.Match[str]) -> str | None:
    if not 10 <= len(re.sub(r"\D", "", match[0])) <= 15:
        return None
    return speech.spoken_phone(match[0], "en")


def _date(match: re.Match[str]) -> str:
    return speech.spoken_date(match[0], "en", year=True)


def _day(match: re.Match[str]) -> str | None:
    month, day = match["month"], match["day"]
    if not 1 <= int(day) <= 31:
        return None
    said = f"{month} {speech.ordinal(day, 'en')}"
    return f"{said}, {speech.spoken_year(int(match['year']))}" if match["year"] else said


def _year(match: re.Match[str]) -> str:
    return f"{match['prep']} {speech.spoken_year(int(match['year']))}"


def _time(match: re.Match[str]) -> str | None:
    hour, minute, half = int(match["hour"]), int(match["minute"] or 0), (match["half"] or "").lower()[:1]
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    elif 1 <= hour <= 12 and not match["hour"].startswith("0"):
        return _no_half(hour, minute)
    return speech.spoken_time(f"{hour}:{minute:02}", "en")


def _no_half(hour: int, minute: int) -> str:
    """Which half of the day is meant is not written, so it is not said."""
    if not minute:
        return f"{speech.words(hour, 'en')} o'clock"
    return f"{speech.words(hour, 'en')} {'oh ' if minute < 10 else ''}{speech.words(minute, 'en')}"


def _money(match: re.Match[str]) -> str:
    currency = _MONEY[match["sign"]]
    minus, amount = "minus " if match["minus"] else "", match["figure"].replace(",", "")
    if scale := match["scale"]:
        unit = speech.spoken_money(2, "en", currency).split(" ", 1)[1]
        return f"{minus}{_number(amount)} {scale} {unit}"
    return minus + speech.spoken_money(amount, "en", currency)


def _unit(match: re.Match[str]) -> str:
    one, many = _UNITS[match["unit"]]
    value = match["figure"]
    single = speech.number(value.replace(",", "")) == Decimal(1)
    return f"{'minus ' if match['minus'] else ''}{_number(value)} {one if single else many}"


def _plain(match: re.Match[str]) -> str:
    return f"{'minus ' if match['minus'] else ''}{_number(match['figure'])}"


def _dotted(match: re.Match[str]) -> str:
    return " dot ".join(_number(part) for part in match[0].split("."))


def _short(words: str) -> Say:
    def say(match: re.Match[str]) -> str:
        return words + (" " if match.end() < len(match.string) and match.string[match.end()].isalnum() else "")

    return say


_MINUS = r"(?P<minus>[-−](?=[\d$€£]))?"
_SIGNS = "|".join(re.escape(sign) for sign in _MONEY)
_UNIT_WORDS = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_RULES: list[tuple[str, Say]] = [
    (r"(?<![\w.,])\+\d[\d ().\-]{8,18}\d(?!\d)", _telephone),
    (r"(?<![\w.,+])(?:1[ -])?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\d)", _telephone),
    (rf"{_FREE}\d{{4}}-\d{{2}}-\d{{2}}(?!\d)", _date),
    (rf"\b(?P<month>{_MONTHS}) (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:])(?:,? (?P<year>[12]\d{{3}})(?!\d))?", _day),
    (rf"{_FREE}(?P<day>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?(?P<month>{_MONTHS})\b"
     r"(?:,? (?P<year>[12]\d{3})(?!\d))?", _day),
    (r"\b(?P<prep>(?i:in|since|until|by|of)) (?P<year>(?:1[5-9]|20)\d\d)(?![\w,.:-]\w|%)(?! ?(?:%|[a-z]))", _year),
    (rf"{_FREE}(?P<hour>\d{{1,2}}):(?P<minute>[0-5]\d)(?::[0-5]\d)?(?![\d:])"
     r"(?: ?(?P<half>(?i:[ap]\.m\.|[ap]m\b)))?", _time),
    (rf"{_FREE}(?P<hour>\d{{1,2}})(?P<minute>) ?(?P<half>(?i:[ap]\.m\.|[ap]m\b))",
     _time),
    (rf"{_MINUS}(?<![\w.,])(?P<sign>[$€£₽]) ?(?P<figure>{_FIGURE})"
     r"(?: ?(?P<scale>thousand|million|billion)\b)?", _money),
    (rf"{_FREE}{_MINUS}(?P<figure>{_FIGURE})(?: (?P<scale>thousand|million|billion))?"
     rf" ?(?P<sign>{_SIGNS})(?!\w)", _money),
    (rf"(?<![\w.,:/+]){_MINUS}(?P<figure>{_FIGURE}) ?(?P<unit>{_UNIT_WORDS})(?!\w)", _unit),
    (rf"{_FREE}(?P<figure>\d{{1,9}})(?:st|nd|rd|th)\b", lambda match: speech.ordinal(match["figure"], "en")),
    (r"(?<![\w.])\d{1,6}(?:\.\d{1,6}){2,5}(?![\d.]*\d)", _dotted),
    (rf"(?<![\w.,:+]){_MINUS}(?P<figure>{_FIGURE})(?![\w:])", _plain),
    (r"(?<=\d)/(?=\d)", lambda match: " slash "),
    (r"(?<=\d) ?[–—-] ?(?=\d)", lambda match: " to "),
    (r"\d+", lambda match: f" {_by_digit(match[0])} "),
    (r"#(?=\d)", lambda match: "number "),
    (r"(?<=\s)&(?=\s)", lambda match: "and"),
    (r"%", lambda match: " percent "),
    (r"\+", lambda match: " plus "),
    *((rf"(?<![\w-]){short}(?!\w)", _short(words)) for short, words in _SHORT),
]  # fmt: skip
_READER = Reader(_RULES)
_LOOSE = re.compile(r" +([,.!?;:])(?=\s|$)")
