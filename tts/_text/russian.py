"""Russian: figures and abbreviations as words, in the gender, number and case that their neighbours ask for."""

from __future__ import annotations

import re
from decimal import Decimal

from scenarios import forms, speech
from tts._text.scan import Reader, Say

_MONTHS = "января|февраля|марта|апреля|мая|июня|июля|августа|сентября|октября|ноября|декабря"
_GENITIVE = "от|до|без|около|более|менее|больше|меньше|свыше|после|с|со|из"
_ACCUSATIVE = "в|во|на|через|за"
_FIGURE = r"\d{1,3}(?:[ \u00a0\u202f]\d{3}){1,4}(?!\d)(?:,\d{1,4}(?!\d))?|\d{1,15}(?:[.,]\d{1,4}(?![\d.]))?(?!\d)"
_NOT_INSIDE = r"(?<![\w.,:/+-])"

# what is measured: forms for 1, 2, 5; gender; and whether the abbreviation takes a full stop
_UNITS = {
    "тыс": (("тысяча", "тысячи", "тысяч"), "f"),
    "млн": (("миллион", "миллиона", "миллионов"), "m"),
    "млрд": (("миллиард", "миллиарда", "миллиардов"), "m"),
    "трлн": (("триллион", "триллиона", "триллионов"), "m"),
    "%": (("процент", "процента", "процентов"), "m"),
    "°C": (("градус", "градуса", "градусов"), "m"),
    "°": (("градус", "градуса", "градусов"), "m"),
    "км/ч": (("километр в час", "километра в час", "километров в час"), "m"),
    "кв. м": (("квадратный метр", "квадратных метра", "квадратных метров"), "m"),
    "кв.м": (("квадратный метр", "квадратных метра", "квадратных метров"), "m"),
    "м²": (("квадратный метр", "квадратных метра", "квадратных метров"), "m"),
    "м2": (("квадратный метр", "квадратных метра", "квадратных метров"), "m"),
    "кВт·ч": (("киловатт-час", "киловатт-часа", "киловатт-часов"), "m"),
    "кВт": (("киловатт", "киловатта", "киловатт"), "m"),
    "км": (("километр", "километра", "километров"), "m"),
    "см": (("сантиметр", "сантиметра", "сантиметров"), "m"),
    "мм": (("миллиметр", "миллиметра", "миллиметров"), "m"),
    "м": (("метр", "метра", "метров"), "m"),
    "кг": (("килограмм", "килограмма", "килограммов"), "m"),
    "мг": (("миллиграмм", "миллиграмма", "миллиграммов"), "m"),
    "гр": (("грамм", "грамма", "граммов"), "m"),
    "мл": (("миллилитр", "миллилитра", "миллилитров"), "m"),
    "л": (("литр", "литра", "литров"), "m"),
    "шт": (("штука", "штуки", "штук"), "f"),
    "чел": (("человек", "человека", "человек"), "m"),
    "ч": (("час", "часа", "часов"), "m"),
    "мин": (("минута", "минуты", "минут"), "f"),
    "сек": (("секунда", "секунды", "секунд"), "f"),
    "дн": (("день", "дня", "дней"), "m"),
    "мес": (("месяц", "месяца", "месяцев"), "m"),
    "ГБ": (("гигабайт", "гигабайта", "гигабайт"), "m"),
    "Гб": (("гигабайт", "гигабайта", "гигабайт"), "m"),
    "МБ": (("мегабайт", "мегабайта", "мегабайт"), "m"),
    "Мб": (("мегабайт", "мегабайта", "мегабайт"), "m"),
}
_MONEY = {
    "₽": "RUB", "руб": "RUB", "рублей": "RUB", "рубля": "RUB", "рубль": "RUB", "р": "RUB", "RUB": "RUB",
    "$": "USD", "USD": "USD", "долл": "USD", "€": "EUR", "EUR": "EUR", "евро": "EUR",
    "тг": "KZT", "₸": "KZT", "KZT": "KZT", "BYN": "BYN", "¥": "CNY", "CNY": "CNY",
}  # fmt: skip
_ENDINGS = {
    "й": ("m", "n"), "ый": ("m", "n"), "ой": ("m", "n"), "я": ("f", "n"), "ая": ("f", "n"), "е": ("n", "n"),
    "ое": ("n", "n"), "го": ("m", "g"), "ого": ("m", "g"), "му": ("m", "d"), "ому": ("m", "d"), "ю": ("f", "a"),
    "ую": ("f", "a"), "м": ("m", "p"), "ом": ("m", "p"),
}  # fmt: skip

# What stands for a noun, which follows its preposition: `на ул. Ленина` is `на улице Ленина`.
_NOUNS = [
    (r"ул\.", "улица"), (r"(?:просп\.|пр-т|пр-кт)", "проспект"), (r"пер\.", "переулок"), (r"наб\.", "набережная"),
    (r"пл\.(?= ?[А-ЯЁ])", "площадь"), (r"(?:бул\.|б-р)", "бульвар"), (r"ш\.(?= ?[А-ЯЁ,\d])", "шоссе"),
    (r"(?:мкрн?\.)", "микрорайон"), (r"обл\.", "область"), (r"р-н", "район"), (r"г\.(?= ?[А-ЯЁ])", "город"),
    (r"пос\.", "посёлок"), (r"дер\.", "деревня"), (r"д\.(?= ?\d)", "дом"), (r"кв\.(?= ?\d)", "квартира"),
    (r"корп\.(?= ?\d)", "корпус"), (r"стр\.(?= ?\d)", "строение"), (r"оф\.(?= ?\d)", "офис"),
    (r"эт\.(?= ?\d)", "этаж"), (r"под\.(?= ?\d)", "подъезд"), (r"м\.(?= ?[А-ЯЁ])", "метро"), (r"тел\.", "телефон"),
]  # fmt: skip
_ASKS = {
    **dict.fromkeys(["в", "во", "на", "о", "об", "при"], "loct"),
    **dict.fromkeys(["по", "к", "ко"], "datv"),
    **dict.fromkeys(["от", "до", "из", "с", "со", "у", "около", "возле", "для", "без", "после"], "gent"),
    **dict.fromkeys(["за", "над", "под", "перед", "между"], "ablt"),
}
_SHORT = [
    (r"т\. ?е\.", "то есть"), (r"и т\. ?д\.", "и так далее"), (r"и т\. ?п\.", "и тому подобное"),
    (r"т\. ?к\.", "так как"), (r"т\. ?н\.", "так называемый"), (r"и др\.", "и другие"), (r"и пр\.", "и прочее"),
    (r"им\.", "имени"), (r"моб\.", "мобильный"), (r"доб\.", "добавочный"), (r"см\.", "смотрите"),
    (r"напр\.", "например"), (r"г-на", "господина"), (r"г-ну", "господину"), (r"г-же", "госпоже"),
    (r"г-н", "господин"), (r"г-жа", "госпожа"), (r"руб\.", "рублей"), (r"коп\.", "копеек"), (r"тыс\.", "тысяч"),
    (r"млн\.?", "миллионов"), (r"млрд\.?", "миллиардов"), (r"мин\.", "минут"), (r"сек\.", "секунд"),
]  # fmt: skip
_LAST = {"рублей", "копеек", "тысяч", "минут", "секунд", "и так далее", "и тому подобное", "и другие", "и прочее"}
_LETTERS = [("ООО", "о-о-+о"), ("ПАО", "па+о"), ("ОАО", "оа+о"), ("ЗАО", "за+о"), ("ИП(?= [А-ЯЁ])", "и-п+э")]


def said(text: str) -> str:
    """`text` has been cleaned; its stress marks are `+`."""
    read = _LOOSE.sub(r"\1", _READER.read(text))
    return _WORD.sub(lambda match: forms.with_yo(match[0]), read)


def _number(value: str, case: str = "n", gender: str = "m") -> str:
    whole = value.lstrip("0")
    if value[0] == "0" and len(value) > 1 and value.isdigit() or len(whole) > 12 and value.isdigit():
        return _by_digit(value)
    return speech.spoken_number(value, "ru", case, gender)


def _before(match: re.Match[str]) -> tuple[str, str]:
    """The preposition that stands before a figure, with its space, and the case it asks for."""
    word = match["prep"] or ""
    small = word.lower()
    case = "g" if small in _GENITIVE.split("|") else "a" if small in _ACCUSATIVE.split("|") else "n"
    return f"{word} " if word else "", case


def _telephone(match: re.Match[str]) -> str | None:
    found = match[0]
    digits = re.sub(r"\D", "", found)
    if not 10 <= len(digits) <= 15:
        return None
    return speech.spoken_phone(found, "ru", by_digit=True)


def _date(match: re.Match[str]) -> str:
    prep, _ = _before(match)
    year, month, day = match["year"], int(match["month"]), int(match["day"])
    full = year if len(year) == 4 else f"20{year}"
    if not year:
        return prep + speech.spoken_date(f"2000-{month:02}-{day:02}", "ru", "g")
    return prep + speech.spoken_date(f"{full}-{month:02}-{day:02}", "ru", "g", year=True)


def _day(match: re.Match[str]) -> str | None:
    if not 1 <= int(match["day"]) <= 31:
        return None
    said = f"{_before(match)[0]}{speech.ordinal(match['day'], 'ru', 'n', 'g')} {match['month']}"
    return f"{said} {speech.ordinal(match['year'], 'ru', 'm', 'g')} года" if match["year"] else said


def _year(match: re.Match[str]) -> str:
    prep, word = match["prep"] or "", match["word"]
    if word in ("году", "г.") and prep.lower() in ("в", "во"):
        return f"{prep} {speech.ordinal(match['year'], 'ru', 'm', 'p')} году"
    said = speech.ordinal(match["year"], "ru", "m", "n" if word == "год" else "g")
    return f"{prep} {said}".lstrip() + (" год" if word == "год" else " года")


def _time(match: re.Match[str]) -> str:
    prep, case = _before(match)
    if (match["prep"] or "").lower() in ("к", "ко"):
        case = "d"
    return prep + speech.spoken_time(match["time"], "ru", case)


def _money(match: re.Match[str]) -> str:
    currency = _MONEY[(match["unit"] or match["sign"]).rstrip(".")]
    amount = f"{match['minus'] or ''}{match['figure']}"
    exact = speech.number(amount)
    prep = _before(match)[0] if "prep" in match.re.groupindex else ""
    if prep and isinstance(exact, int) and _before(match)[1] == "g" and prep.lower() not in ("с ", "со ", "из "):
        _, few, many = speech.currency_forms(currency)
        return f"{prep}{_number(amount, 'g')} {few if exact % 10 == 1 and exact % 100 != 11 else many}{_stop(match)}"
    if isinstance(exact, int) or round(exact, 2) == exact:
        return prep + speech.spoken_money(amount, "ru", currency) + _stop(match)
    return f"{prep}{_number(amount)} {speech.plural(amount, *speech.currency_forms(currency))}"


def _kopecks(match: re.Match[str]) -> str:
    noun = speech.plural(match["figure"], "копейка", "копейки", "копеек")
    return f"{_number(match['figure'], gender='f')} {noun}{_stop(match)}"


def _unit(match: re.Match[str]) -> str:
    prep, case = _before(match)
    (one, few, many), gender = _UNITS[match["unit"].rstrip(".")]
    value = match["figure"]
    exact = speech.number(value)
    if isinstance(exact, Decimal):
        said = f"{_number(value)} {few}"
    elif case == "g":
        said = f"{_number(value, 'g', gender)} {few if exact % 10 == 1 and exact % 100 != 11 else many}"
    elif case == "a" and gender == "f":
        said = f"{_number(value, 'a', 'f')} {speech.plural(value, _accusative(one), few, many)}"
    else:
        said = f"{_number(value, gender=gender)} {speech.plural(value, one, few, many)}"
    return f"{prep}{'минус ' if match['minus'] else ''}{said}{_stop(match)}"


def _accusative(one: str) -> str:
    return one[:-1] + "у" if one.endswith("а") else one


def _ordinal(match: re.Match[str]) -> str | None:
    gender, case = _ENDINGS[match["ending"]]
    return speech.ordinal(match["figure"], "ru", gender, case)


def _plain(match: re.Match[str]) -> str:
    prep, case = _before(match)
    value, after = match["figure"], match["after"] or ""
    small, rest = (match["prep"] or "").lower(), match.string[match.end() : match.end() + 4]
    if small in ("с", "со", "из", "к", "ко") and rest not in (" до ", " по ") or case == "a":
        case = "n"  # these go with several cases
    minus = "минус " if match["minus"] else ""
    gender = "m"
    whole = re.sub(r"\D", "", value)
    if after and whole[-1] in "12" and whole[-2:] not in ("11", "12"):
        gender = forms.gender(after) or "m"
        if gender == "f" and whole[-1] == "1" and after[-1] in "ую":
            case = "a"
    return f"{prep}{minus}{_number(value, case, gender)}"


def _dotted(match: re.Match[str]) -> str:
    return " точка ".join(_number(part) for part in match[0].split("."))


def _digits(match: re.Match[str]) -> str:
    return f" {_by_digit(match[0])} "


def _by_digit(digits: str) -> str:
    step = 3 if len(digits) > 5 else 5
    return ", ".join(speech.spoken_digits(digits[at : at + step], "ru") for at in range(0, len(digits), step))


def _short(words: str) -> Say:
    def say(match: re.Match[str]) -> str:
        capital = match[0][0].isupper() and (len(match[0]) < 3 or not match[0].isupper())
        return (words[0].upper() + words[1:] if capital else words) + (_stop(match) if words in _LAST else _gap(match))

    return say


def _stop(match: re.Match[str]) -> str:
    """The full stop of an abbreviation that ends its sentence as well."""
    after = match.string[match.end() : match.end() + 2].lstrip()
    return "." if match[0].endswith(".") and (not after or after.isupper()) else _gap(match)


def _noun(word: str) -> Say:
    def say(match: re.Match[str]) -> str:
        prep = match["prep"] or ""
        said = forms.inflected(word, _ASKS[prep.lower()]) if prep.lower() in _ASKS else word
        if not prep and match[0][0].isupper():
            said = said[0].upper() + said[1:]
        return f"{prep} {said}".lstrip() + _gap(match)

    return say


def _gap(match: re.Match[str]) -> str:
    return " " if match.end() < len(match.string) and match.string[match.end()].isalnum() else ""


_PREP = rf"(?:\b(?P<prep>(?i:{_GENITIVE}|{_ACCUSATIVE}|к|ко|по|о|об)) )?"
_ASKING = rf"(?:\b(?P<prep>(?i:{'|'.join(_ASKS)})) )?"
_UNIT_WORDS = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_MONEY_WORDS = "|".join(re.escape(unit) for unit in sorted(_MONEY, key=len, reverse=True))
_ENDING_WORDS = "|".join(sorted(_ENDINGS, key=len, reverse=True))
_MINUS = r"(?P<minus>[-−](?=\d))?"
_FREE = r"(?<![\w.,:/+])"
_RULES: list[tuple[str, Say]] = [
    (r"(?<![\w.,])\+\d[\d ()\-]{8,18}\d(?!\d)", _telephone),
    (r"(?<![\w.,+])[78][ \-]?\(?\d{3}\)?[ \-]?\d{3}[ \-]?\d{2}[ \-]?\d{2}(?!\d)", _telephone),
    (r"(?<![\w.,+])\(\d{3,5}\) ?[\d\-]{5,9}\d(?!\d)", _telephone),
    (rf"{_PREP}{_NOT_INSIDE}(?P<day>\d{{1,2}})\.(?P<month>\d{{2}})\.(?P<year>\d{{4}}|\d{{2}})(?!\d)"
     r"(?: ?(?:г\.|года)(?!\w))?", _date),
    (rf"{_PREP}{_NOT_INSIDE}(?P<year>\d{{4}})-(?P<month>\d{{2}})-(?P<day>\d{{2}})(?!\d)", _date),
    (rf"\b(?P<prep>(?i:с|со|до|по|на|от|к|после|около)) (?P<day>[0-3]\d)\.(?P<month>[01]\d)(?P<year>)"
     rf"(?![\w%]|[.,]\d| ?(?:{_UNIT_WORDS}|{_MONEY_WORDS})(?!\w))", _date),
    (rf"{_PREP}{_NOT_INSIDE}(?P<day>\d{{1,2}}) (?P<month>{_MONTHS})\b"
     r"(?: (?P<year>\d{4})(?: ?(?:года\b|г\.))?)?", _day),
    (rf"{_PREP}{_NOT_INSIDE}(?P<year>[12]\d{{3}}) ?(?P<word>году\b|года\b|год\b|г\.)", _year),
    (rf"{_PREP}{_NOT_INSIDE}(?P<time>(?:[01]?\d|2[0-3]):[0-5]\d)(?::[0-5]\d)?(?![\d:])", _time),
    (rf"{_MINUS}{_NOT_INSIDE}(?P<sign>[$€¥₽]) ?(?P<figure>{_FIGURE})(?P<unit>)", _money),
    (rf"{_PREP}{_FREE}{_MINUS}(?P<figure>{_FIGURE}) ?(?P<unit>{_MONEY_WORDS})(?![\w-])\.?(?P<sign>)", _money),
    (rf"{_NOT_INSIDE}(?P<figure>\d{{1,2}}) ?коп(?:\.|еек\b|ейки\b|ейка\b)", _kopecks),
    (rf"{_PREP}{_FREE}{_MINUS}(?P<figure>{_FIGURE}) ?(?P<unit>{_UNIT_WORDS})(?![\w-])\.?", _unit),
    (rf"{_NOT_INSIDE}(?P<figure>\d{{1,9}})-(?P<ending>{_ENDING_WORDS})\b", _ordinal),
    (r"(?<![\w.])\d{1,6}(?:\.\d{1,6}){2,5}(?![\d.]*\d)", _dotted),
    (rf"{_PREP}(?<![\w.,:+]){_MINUS}(?P<figure>{_FIGURE})(?![\w:])(?= (?P<after>[а-яёА-ЯЁ]{{2,40}})\b|)", _plain),
    (r"(?<=\d)/(?=\d)", lambda match: " дробь "),
    (r"(?<=\d) ?[–—-] ?(?=\d)", lambda match: " — "),
    (r"\d+", _digits),
    (r"№", lambda match: "номер "),
    (r"(?<=\s)&(?=\s)", lambda match: "и"),
    (r"%", lambda match: " процентов "),
    (r"\+(?![аеёиоуыэюяАЕЁИОУЫЭЮЯ])", lambda match: " плюс "),
    *((rf"{_ASKING}(?<![\w-])(?i:{short})(?!\w)", _noun(word)) for short, word in _NOUNS),
    *((rf"(?<![\w-])(?i:{short})(?!\w)", _short(words)) for short, words in _SHORT),
    *((rf"(?<![\w-]){short}(?![\w-])", lambda match, words=words: words) for short, words in _LETTERS),
]  # fmt: skip
_READER = Reader(_RULES)
_LOOSE = re.compile(r" +([,.!?;:])(?=\s|$)")
_WORD = re.compile(r"(?<![\w+])[а-яА-Я]+(?![\w+])")
