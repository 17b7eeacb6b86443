"""Russian regions -> IANA zones, by the words in which registries name them.

г. Барнаул|Алтайский край ─▶ Asia/Barnaul        Российская Федерация ─▶ nothing

A region's name is found by its stem; districts that keep another time than their region come first. A range that
belongs to several zones at once has none.
"""

from __future__ import annotations

import re
from functools import lru_cache

_BY_ZONE = {
    "Europe/Kaliningrad": "калининград",
    "Europe/Moscow": (
        "адыге белгород брянск владимир вологод воронеж дагестан донец ивановск ингуш кабардино калмык "
        "калуж карачаев карел коми костром краснодар кубань курск ленинград липецк луганск марий мордов москв московск "
        "мурманск ненецк нижегород новгород орлов орловск осети пензен псков ростов рязан санкт-петербург смолен "
        "ставропол тамбов татарстан твер тульск херсон чечен чеченск чуваш ярослав архангельск запорож"
    ),
    "Europe/Simferopol": "крым севастополь",
    "Europe/Volgograd": "волгоград",
    "Europe/Kirov": "киров кировск",
    "Europe/Astrakhan": "астрахан",
    "Europe/Saratov": "саратов",
    "Europe/Ulyanovsk": "ульянов",
    "Europe/Samara": "самар удмурт",
    "Asia/Yekaterinburg": (
        "башкорт башкир коми-пермя курган оренбург перм свердлов тюмен ханты-мансий югра челябин ямало-ненецк "
        "екатеринбург"
    ),
    "Asia/Qyzylorda": "байконур",
    "Asia/Omsk": "омск",
    "Asia/Barnaul": "алтайск алтай",
    "Asia/Novokuznetsk": "кемеров кузбасс",
    "Asia/Novosibirsk": "новосибирск",
    "Asia/Tomsk": "томск",
    "Asia/Krasnoyarsk": "краснояр тув тыв хакас таймыр эвенк",
    "Asia/Irkutsk": "иркутск бурят",
    "Asia/Chita": "забайкал читин агинск",
    "Asia/Yakutsk": "саха якут амурск",
    "Asia/Vladivostok": "примор хабаров еврейск владивосток",
    "Asia/Magadan": "магадан",
    "Asia/Sakhalin": "сахалин",
    "Asia/Kamchatka": "камчат коряк",
    "Asia/Anadyr": "чукот",
}
# Districts of Yakutia with a time of their own: a stem of the name -> zone.
_YAKUTIA = {
    "Asia/Vladivostok": "верхоянск усть-янск",
    "Asia/Ust-Nera": "оймякон",
    "Asia/Srednekolymsk": "абыйск аллаихов верхнеколым момск нижнеколым среднеколым",
    "Asia/Khandyga": "томпонск усть-майск",
}


def _by_stem(table: dict[str, str]) -> list[tuple[str, str]]:
    """(stem, zone), the longest first: Сахалин before Саха, Коми-Пермяцкий before Коми."""
    return sorted(
        ((stem, zone) for zone, stems in table.items() for stem in stems.split()), key=lambda pair: -len(pair[0])
    )


_STEMS = _by_stem(_BY_ZONE)
_DISTRICTS = _by_stem(_YAKUTIA)
_WORD = re.compile(r"[а-я]+(?:-[а-я]+)*")
_REGION = re.compile(r"област|\bобл\b|\bкрай\b|республик|\bресп\b|автономн|\bао\b")


@lru_cache(maxsize=8192)
def zone_of_region(name: str) -> str:
    """The IANA zone of a region, city or district as a registry writes it; empty if it has none or several."""
    text = name.lower().replace("ё", "е")
    words = _WORD.findall(text)
    if any(word.startswith("якут") for word in words):
        district = _zones(words, _DISTRICTS)
        if len(district) == 1:
            return district.pop()
    zones = _zones(_WORD.findall(_region_of(text)), _STEMS)
    return zones.pop() if len(zones) == 1 else ""


def _region_of(text: str) -> str:
    """Of "г. Кировск|Мурманская область" only the region: cities and districts share their names with other regions."""
    parts = re.split(r"[|,;]", text)
    regions = [part for part in parts if _REGION.search(part)]
    return " ".join(regions) if regions else parts[-1] if "|" in text else text


def _zones(words: list[str], table: list[tuple[str, str]]) -> set[str]:
    found = (next((zone for stem, zone in table if word.startswith(stem)), "") for word in words)
    return {zone for zone in found if zone}
