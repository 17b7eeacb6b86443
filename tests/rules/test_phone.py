"""Telephone numbers as people type them, and the zone of a number with how it is known."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rules.phone import LONGEST, REASONS, Refused, Zone, normalise, zone_of
from engine.rules.regions import zone_of_region


@pytest.mark.parametrize(
    "typed",
    [
        "8 (900) 123-45-67",
        "+7 900 123-45-67",
        "7 900 123 45 67",
        "9001234567",
        "89001234567",
        " +7(900)1234567 ",
        "8-900-123-45-67",
        "8\u00a0900\u00a0123\u201145\u201167",
        "tel:+79001234567",
        "٨٩٠٠١٢٣٤٥٦٧",
    ],
)
def test_one_number_in_all_its_spellings(typed: str) -> None:
    assert normalise(typed) == "+79001234567"


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("84951234567", "+74951234567"),
        ("812 123 45 67", "+78121234567"),
        ("+380 50 123 45 67", "+380501234567"),
        ("8 701 123 45 67", "+77011234567"),
        ("8 800 555 35 35", "+78005553535"),
        ("8 10 49 30 1234567", "+49301234567"),
    ],
)
def test_other_numbers(typed: str, number: str) -> None:
    assert normalise(typed) == number


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "not_a_number"),
        ("hello", "not_a_number"),
        ("+", "not_a_number"),
        ("1" * 65, "not_a_number"),
        ("+79001234567 доб. 12", "not_a_number"),
        ("+79001234567;ext=5", "not_a_number"),
        ("112", "emergency"),
        ("02", "emergency"),
        ("103", "emergency"),
        ("1-1-2", "emergency"),
        ("911", "emergency"),
        ("0911", "short"),
        ("123456", "short"),
        ("7", "too_short"),
        ("+7900123", "too_short"),
        ("+112", "too_short"),
        ("+7900123456789", "too_long"),
        ("+7 809 123-45-67", "premium"),
        ("8 803 123 45 67", "premium"),
        ("+1 900 555 1234", "premium"),
        ("+999 12345678", "unknown"),
        ("+7 000 123-45-67", "unknown"),
    ],
)
def test_what_is_not_called_has_a_reason(typed: str, reason: str) -> None:
    assert normalise(typed) == Refused(reason)


def test_the_region_is_where_a_number_without_a_country_belongs() -> None:
    assert normalise("(212) 555-2368", "US") == "+12125552368"
    assert normalise("212 555 2368") == Refused("unknown")
    assert normalise("911", "US") == Refused("emergency")


@given(st.text(max_size=LONGEST + 5))
def test_anything_at_all_gives_a_number_or_a_reason(typed: str) -> None:
    found = normalise(typed)
    if isinstance(found, Refused):
        assert found.message == REASONS[found.code]
        return
    assert found[0] == "+" and found[1:].isascii() and found[1:].isdecimal() and 7 <= len(found[1:]) <= 15
    assert phonenumbers.is_valid_number(phonenumbers.parse(found))
    assert normalise(found) == found


@given(st.from_regex(r"(\+7|8|7)[ -]?\(?[3-9]\d\d\)?[ -]?\d{3}[ -]?\d{2}[ -]?\d{2}", fullmatch=True))
def test_a_russian_number_is_normal_once_normalised(typed: str) -> None:
    found = normalise(typed)
    if isinstance(found, str):
        assert found.startswith("+7") and len(found) == 12
        assert normalise("8" + found[2:]) == normalise(found[2:]) == found


def test_a_zone_says_how_it_is_known_and_is_never_guessed() -> None:
    mobile, landline = "+79001234567", "+74951234567"
    everything = {"field": "Asia/Omsk", "registry": "Asia/Tomsk", "default": "Europe/Moscow"}
    assert zone_of(mobile, **everything) == Zone("Asia/Omsk", "field")
    assert zone_of(mobile, registry="Asia/Tomsk", default="Europe/Moscow") == Zone("Asia/Tomsk", "registry")
    assert zone_of(mobile, default="Europe/Moscow") == Zone("Europe/Moscow", "default")
    assert zone_of(mobile) is None  # sixteen zones are none
    assert zone_of(landline, default="Asia/Omsk") == Zone("Europe/Moscow", "phone")
    assert zone_of("+77011234567") is None
    assert zone_of("+78005553535") is None


@pytest.mark.parametrize("name", ["Mars/Base", "", "../etc/passwd", "Europe", "x" * 500, "Moscow\0"])
def test_what_is_no_zone_counts_for_nothing(name: str) -> None:
    assert zone_of("+79001234567", field=name, registry=name, default=name) is None


@pytest.mark.parametrize(
    ("region", "zone"),
    [
        ("Калининградская область", "Europe/Kaliningrad"),
        ("г. Калининград|Калининградская обл.", "Europe/Kaliningrad"),
        ("г. Москва и Московская область", "Europe/Moscow"),
        ("г. Санкт-Петербург и Ленинградская область", "Europe/Moscow"),
        ("р-н Кировский|г. Санкт-Петербург", "Europe/Moscow"),
        ("г. Кировск|Мурманская область", "Europe/Moscow"),
        ("Кировская область", "Europe/Kirov"),
        ("Республика Крым", "Europe/Simferopol"),
        ("Волгоградская область", "Europe/Volgograd"),
        ("Самарская область", "Europe/Samara"),
        ("Удмуртская Республика", "Europe/Samara"),
        ("Саратовская область", "Europe/Saratov"),
        ("Ханты-Мансийский автономный округ - Югра", "Asia/Yekaterinburg"),
        ("Ямало-Ненецкий автономный округ", "Asia/Yekaterinburg"),
        ("Ненецкий автономный округ", "Europe/Moscow"),
        ("Коми-Пермяцкий округ", "Asia/Yekaterinburg"),
        ("Республика Коми", "Europe/Moscow"),
        ("Омская область", "Asia/Omsk"),
        ("Томская область", "Asia/Tomsk"),
        ("Алтайский край", "Asia/Barnaul"),
        ("Республика Алтай", "Asia/Barnaul"),
        ("Кемеровская область - Кузбасс", "Asia/Novokuznetsk"),
        ("Республика Тыва", "Asia/Krasnoyarsk"),
        ("Иркутская область", "Asia/Irkutsk"),
        ("Республика Бурятия", "Asia/Irkutsk"),
        ("Забайкальский край", "Asia/Chita"),
        ("Республика Саха /Якутия/", "Asia/Yakutsk"),
        ("р-н Оймяконский|Республика Саха /Якутия/", "Asia/Ust-Nera"),
        ("р-н Верхоянский|Республика Саха (Якутия)", "Asia/Vladivostok"),
        ("у. Среднеколымский|Республика Саха /Якутия/", "Asia/Srednekolymsk"),
        ("Сахалинская область", "Asia/Sakhalin"),
        ("Приморский край", "Asia/Vladivostok"),
        ("Еврейская автономная область", "Asia/Vladivostok"),
        ("Магаданская область", "Asia/Magadan"),
        ("Камчатский край", "Asia/Kamchatka"),
        ("Чукотский автономный округ", "Asia/Anadyr"),
        ("Российская Федерация", ""),
        ("г. Москва и Камчатский край", ""),
        ("Москва, Омск", ""),
        ("", ""),
    ],
)
def test_regions_as_the_registry_writes_them(region: str, zone: str) -> None:
    assert zone_of_region(region) == zone


SUBJECTS = """
Адыгея Алтай Алтайский Амурская Архангельская Астраханская Башкортостан Белгородская Брянская Бурятия
Владимирская Волгоградская Вологодская Воронежская Дагестан Донецкая Еврейская Забайкальский Запорожская
Ивановская Ингушетия Иркутская Кабардино-Балкарская Калининградская Калмыкия Калужская Камчатский
Карачаево-Черкесская Карелия Кемеровская Кировская Коми Костромская Краснодарский Красноярский Крым Курганская
Курская Ленинградская Липецкая Луганская Магаданская Марий Мордовия Москва Московская Мурманская Ненецкий
Нижегородская Новгородская Новосибирская Омская Оренбургская Орловская Пензенская Пермский Приморский
Псковская Ростовская Рязанская Самарская Санкт-Петербург Саратовская Якутия Сахалинская Свердловская
Севастополь Осетия Смоленская Ставропольский Тамбовская Татарстан Тверская Томская Тульская Тыва Тюменская
Удмуртская Ульяновская Хабаровский Хакасия Ханты-Мансийский Херсонская Челябинская Чеченская Чувашская
Чукотский Ямало-Ненецкий Ярославская
"""


@pytest.mark.parametrize("subject", SUBJECTS.split())
def test_every_subject_of_the_federation_has_a_zone(subject: str) -> None:
    assert zone_of_region(subject)
    assert zone_of_region(subject.upper()) == zone_of_region(subject)
