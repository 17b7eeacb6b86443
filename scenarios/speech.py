"""Numbers, dates, times, money and telephone numbers as they are said, in Russian and in English.

Every function takes what a contact list brings, text or number, and raises ValueError for what it should not be.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation

from babel.dates import format_date, get_day_names
from num2words import num2words  # type: ignore[import-untyped]

_CASES = {
    **dict.fromkeys(("n", "nominative", "именительный", "им", "и"), "n"),
    **dict.fromkeys(("g", "genitive", "родительный", "род", "р"), "g"),
    **dict.fromkeys(("d", "dative", "дательный", "дат", "д"), "d"),
    **dict.fromkeys(("a", "accusative", "винительный", "вин", "в"), "a"),
    **dict.fromkeys(("i", "instrumental", "творительный", "твор", "т"), "i"),
    **dict.fromkeys(("p", "prepositional", "предложный", "предл", "п"), "p"),
}
_GENDERS = {
    **dict.fromkeys(("m", "masculine", "мужской", "м"), "m"),
    **dict.fromkeys(("f", "feminine", "женский", "ж"), "f"),
    **dict.fromkeys(("n", "neuter", "средний", "с"), "n"),
}
_LARGEST = 10**15

_HOURS = {
    "n": (("час", "часа", "часов"), ("минута", "минуты", "минут")),
    "a": (("час", "часа", "часов"), ("минуту", "минуты", "минут")),
    "g": (("часа", "часов", "часов"), ("минуты", "минут", "минут")),
    "d": (("часу", "часам", "часам"), ("минуте", "минутам", "минутам")),
}

_MONEY_RU = {
    "RUB": (("рубль", "рубля", "рублей"), "m", ("копейка", "копейки", "копеек"), "f"),
    "USD": (("доллар", "доллара", "долларов"), "m", ("цент", "цента", "центов"), "m"),
    "EUR": (("евро", "евро", "евро"), "m", ("цент", "цента", "центов"), "m"),
    "KZT": (("тенге", "тенге", "тенге"), "n", ("тиын", "тиына", "тиынов"), "m"),
    "BYN": (("рубль", "рубля", "рублей"), "m", ("копейка", "копейки", "копеек"), "f"),
    "CNY": (("юань", "юаня", "юаней"), "m", ("фэнь", "фэня", "фэней"), "m"),
}
_MONEY_EN = {
    "RUB": ("rouble", "roubles", "kopeck", "kopecks"),
    "USD": ("dollar", "dollars", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
    "KZT": ("tenge", "tenge", "tiyn", "tiyns"),
    "BYN": ("rouble", "roubles", "kopeck", "kopecks"),
    "CNY": ("yuan", "yuan", "fen", "fen"),
}


def _one_of(choices: dict[str, str], given: str) -> str:
    if given not in choices:
        raise ValueError(f"{given!r}: one of {', '.join(sorted(choices))}")
    return choices[given]


def number(value: object) -> int | Decimal:
    """`1500`, `"1 500,50"`, `12.0` as an exact number."""
    if isinstance(value, bool) or value is None:
        raise ValueError("not a number")
    text = re.sub(r"[\s\u00a0\u202f]", "", str(value)).replace(",", ".").replace("−", "-")
    if not re.fullmatch(r"[-+]?\d{1,18}(\.\d{1,9})?", text):
        raise ValueError(f"{str(value)[:40]!r} is not a number")
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise ValueError("not a number") from None
    if abs(exact) >= _LARGEST:
        raise ValueError("too large a number to say")
    return int(exact) if exact == exact.to_integral_value() else exact


def words(n: int | Decimal, language: str, case: str = "n", gender: str = "m") -> str:
    case, gender = _one_of(_CASES, case), _one_of(_GENDERS, gender)
    if not language.startswith("ru"):
        return str(num2words(n, lang="en")).replace(" and ", " ")
    sign = "минус " if n < 0 else ""
    if isinstance(n, Decimal):
        return sign + str(num2words(abs(n).normalize(), lang="ru"))
    return sign + str(num2words(abs(n), lang="ru", case=case, gender=gender, animate=False))


def spoken_number(value: object, language: str, case: str = "n", gender: str = "m") -> str:
    return words(number(value), language, case, gender)


def ordinal(value: object, language: str, gender: str = "m", case: str = "n") -> str:
    n = number(value)
    if not isinstance(n, int) or n < 0:
        raise ValueError("an ordinal is a whole number")
    if not language.startswith("ru"):
        return str(num2words(n, lang="en", to="ordinal"))
    case, gender = _one_of(_CASES, case), _one_of(_GENDERS, gender)
    return str(num2words(n, lang="ru", to="ordinal", case=case, gender=gender, animate=False))


def plural(value: object, one: str, few: str, many: str = "") -> str:
    """The form that agrees with the number: `рубль, рубля, рублей`; in English two forms: `rouble, roubles`."""
    n = number(value)
    if not many:
        return one if n == 1 else few
    if not isinstance(n, int):
        return few
    n = abs(n)
    if n % 10 == 1 and n % 100 != 11:
        return one
    return few if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else many


def currency_forms(currency: str) -> tuple[str, str, str]:
    """The Russian name of a currency after 1, 2 and 5. Raises ValueError."""
    if currency not in _MONEY_RU:
        raise ValueError(f"{currency[:8]!r}: one of {', '.join(_MONEY_RU)}")
    return _MONEY_RU[currency][0]


def spoken_money(value: object, language: str, currency: str = "RUB") -> str:
    """An amount in whole units (roubles); its fraction is said in the small ones."""
    exact = Decimal(number(value))
    sign = "" if exact >= 0 else ("минус " if language.startswith("ru") else "minus ")
    minor_all = int((abs(exact) * 100).to_integral_value(rounding="ROUND_HALF_UP"))
    major, minor = divmod(minor_all, 100)
    names = _MONEY_RU if language.startswith("ru") else _MONEY_EN
    if currency not in names:
        raise ValueError(f"{currency[:8]!r}: one of {', '.join(names)}")
    if language.startswith("ru"):
        big, big_gender, small, small_gender = _MONEY_RU[currency]
        parts = [f"{words(major, language, gender=big_gender)} {plural(major, *big)}"]
        if minor:
            parts.append(f"{words(minor, language, gender=small_gender)} {plural(minor, *small)}")
    else:
        one, many, cent, cents = _MONEY_EN[currency]
        parts = [f"{words(major, language)} {one if major == 1 else many}"]
        if minor:
            parts.append(f"{words(minor, language)} {cent if minor == 1 else cents}")
    return sign + " ".join(parts)


def day(value: object) -> date:
    """ISO 8601 (`2026-12-01`, with or without a time) or `01.12.2026`."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = str(value).strip()
    if match := re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ T].*)?", text):
        return date(int(match[3]), int(match[2]), int(match[1]))
    return datetime.fromisoformat(text).date()


def clock(value: object) -> time:
    """`14:30`, `14:30:00`, or an ISO moment."""
    if isinstance(value, datetime):
        return value.time()
    if isinstance(value, time):
        return value
    text = str(value).strip()
    if match := re.fullmatch(r"(\d{1,2}):(\d{2})(?::\d{2})?", text):
        return time(int(match[1]), int(match[2]))
    return datetime.fromisoformat(text).time()


def spoken_date(value: object, language: str, case: str = "n", year: bool = False, weekday: bool = False) -> str:
    """`первое декабря`; in the genitive, as in "придите …": `первого декабря`."""
    on = day(value)
    if language.startswith("ru"):
        month = format_date(on, "d MMMM", locale="ru").split(" ", 1)[1]
        said = f"{ordinal(on.day, language, 'n', case)} {month}"
        if year:
            said += f" {ordinal(on.year, language, 'm', 'g')} года"
    else:
        said = f"{format_date(on, 'MMMM', locale='en')} {ordinal(on.day, language)}"
        if year:
            said += f", {spoken_year(on.year)}"
    if weekday:
        names = get_day_names("wide", locale="ru" if language.startswith("ru") else "en")
        said = f"{names[on.weekday()]}, {said}"
    return said


def spoken_year(year: int) -> str:
    """An English year: `twenty twenty-six`."""
    return str(num2words(year, lang="en", to="year"))


def spoken_time(value: object, language: str, case: str = "n") -> str:
    """`четырнадцать часов тридцать минут`; in the genitive, as in "с … до …": `четырнадцати часов тридцати минут`."""
    at = clock(value)
    if language.startswith("ru"):
        case = _one_of(_CASES, case)
        if case not in _HOURS:
            raise ValueError("a time is said in the nominative, the accusative, the genitive or the dative")
        hours, minutes = _HOURS[case]
        said = f"{words(at.hour, language, case)} {plural(at.hour, *hours)}"
        if at.minute:
            said += f" {words(at.minute, language, case, 'f')} {plural(at.minute, *minutes)}"
        return said
    half = "a m" if at.hour < 12 else "p m"
    hour = words(at.hour % 12 or 12, language)
    if not at.minute:
        return f"{hour} {half}"
    minute = words(at.minute, language)
    return f"{hour} {'oh ' if at.minute < 10 else ''}{minute} {half}"


def spoken_digits(value: object, language: str) -> str:
    """Digit by digit; everything else is passed over."""
    return " ".join(words(int(digit), language) for digit in re.sub(r"[^0-9]", "", str(value))[:40])


def spoken_phone(value: object, language: str, by_digit: bool = False) -> str:
    """A telephone number in the groups people say it in, a pause between them. `by_digit`: each digit by itself, as
    English always has it; Russian groups are numbers else (`сто двадцать три`)."""
    text = str(value).strip()
    digits = re.sub(r"[^0-9]", "", text)[:18]
    if not digits:
        raise ValueError("not a telephone number")
    plus = ("плюс " if language.startswith("ru") else "plus ") if text.startswith("+") else ""
    groups = _groups(digits)
    if language.startswith("ru") and not by_digit:
        return plus + ", ".join(_group(group) for group in groups)
    return plus + ", ".join(spoken_digits(group, language) for group in groups)


def _groups(digits: str) -> list[str]:
    if len(digits) == 11:
        return [digits[0], digits[1:4], digits[4:7], digits[7:9], digits[9:]]
    if len(digits) == 10:
        return [digits[:3], digits[3:6], digits[6:8], digits[8:]]
    head = len(digits) % 2
    pairs = [digits[i : i + 2] for i in range(head, len(digits), 2)]
    if head and pairs:
        return [digits[0] + pairs[0], *pairs[1:]]
    return pairs or [digits]


def _group(group: str) -> str:
    zeros = len(group) - len(group.lstrip("0"))
    said = ["ноль"] * zeros
    if rest := group[zeros:]:
        said.append(words(int(rest), "ru"))
    return " ".join(said)
