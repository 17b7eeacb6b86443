"""Templates: what they may say, and what hostile ones may not do."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.problems import CardError
from scenarios.template import MOST_OUTPUT, BadTemplate, expression_names, names, render, true, value

VARS = {
    "name": "Анна",
    "n": 3,
    "x": "xx",
    "big": "z" * 4000,
    "phone": "+79001234567",
    "visit_at": "2026-12-01",
    "debt": "1521,50",
}

REFUSED = """
{{ ''.__class__ }}
{{ ''['__class__'] }}
{{ ()['__class__'] }}
{{ 'a'|attr('x') }}
{{ x.y }}
{{ x() }}
{{ 'x' * 10**9 }}
{{ 9**9**9 }}
{{ range(10) }}
{{ self }}
{{ super() }}
{{ '{0.__class__}'.format(1) }}
{{ '%s'|format(1) }}
{{ 'a'|center(100000000) }}
{{ x|map('upper')|join }}
{{ {'a': 1} }}
{{ x|list }}
{% for i in [1,2] %}{{ i }}{% endfor %}
{% set y = 1 %}
{% macro a() %}{% endmacro %}
{% include 'x' %}
{% import 'x' as y %}
{% extends 'x' %}
{% block a %}{% endblock %}
{% filter upper %}{% endfilter %}
{% call x() %}{% endcall %}
{% with %}{% endwith %}
{{ x is callable }}
{{ x|plural(*x) }}
{{ x
{% if %}
{{ }}
"""
DEEP = [
    "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
    "{{ " + "-" * 3000 + "1 }}",
    "{{ " + "not " * 900 + "1 }}",
    "{{ " + "1 + " * 399 + "1 }}",
    "{{ " + "9" * 3000 + " }}",
    "{{ x" + "[0]" * 900 + " }}",
    "{{ x" + "|upper" * 600 + " }}",
    "x" * 5000 + "{{ x }}",
]
FAILS = """
{{ 'x' * 1000000000 }}
{{ [1, 2] * 1000000000 }}
{{ '%1000000000d' % 1 }}
{{ 999999999999999 * 999999999999999 * 999999999999999 }}
{{ big ~ big }}
{{ big }}{{ big }}
{{ big + big }}
{{ 1 / 0 }}
{{ nobody }}
{{ name | spoken_date }}
{{ name | spoken_money }}
{{ 1 + 'a' }}
{{ 'a' | replace('', 'bbbb') }}
{{ 10 | spoken_money('XXX') }}
{{ '99999999999999999' | spoken_number }}
{{ n | spoken_number('no such case') }}
{{ x | replace('x', big) }}
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Здравствуйте!", "Здравствуйте!"),
        ("{{ name }}", "Анна"),
        ("{{ visit_at | spoken_date }}", "первое декабря"),
        ("{{ visit_at | spoken_date('родительный') }}", "первого декабря"),
        ("{{ visit_at | spoken_date('g', year=true) }}", "первого декабря две тысячи двадцать шестого года"),
        ("{{ visit_at | spoken_date(weekday=true) }}", "вторник, первое декабря"),
        ("{{ '03.12.2026' | spoken_date }}", "третье декабря"),
        ("{{ '14:30' | spoken_time }}", "четырнадцать часов тридцать минут"),
        ("{{ '21:01' | spoken_time('род') }}", "двадцати одного часа одной минуты"),
        ("{{ debt | spoken_money }}", "одна тысяча пятьсот двадцать один рубль пятьдесят копеек"),
        ("{{ 2 | spoken_money('USD') }}", "два доллара"),
        ("{{ 21 | spoken_number('n', 'f') }}", "двадцать одна"),
        ("{{ phone | spoken_phone }}", "плюс семь, девятьсот, сто двадцать три, сорок пять, шестьдесят семь"),
        (
            "{{ '+74950000007' | spoken_phone }}",
            "плюс семь, четыреста девяносто пять, ноль ноль ноль, ноль ноль, ноль семь",
        ),
        ("{{ phone[-4:] | spoken_digits }}", "четыре пять шесть семь"),
        ("{{ 3 | ordinal }} {{ 3 | ordinal('f') }}", "третий третья"),
        ("{{ n | plural('рубль', 'рубля', 'рублей') }}", "рубля"),
        ("{{ 11 | plural('рубль', 'рубля', 'рублей') }}", "рублей"),
        ("{{ 21 | plural('рубль', 'рубля', 'рублей') }}", "рубль"),
        ("{% if n > 2 %}много{% else %}мало{% endif %}", "много"),
        ("{{ 'да' if n == 3 else 'нет' }}", "да"),
        ("{{ unknown | default('никто') }}", "никто"),
        ("{{ n * 2 + 1 }} {{ 7 // 2 }} {{ 7 % 2 }}", "7 3 1"),
        ("{{ name | upper | replace('А', 'О') }}", "ОННО"),
    ],
)
def test_says(text: str, said: str) -> None:
    assert render(text, VARS) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ visit_at | spoken_date }}", "December first"),
        ("{{ '14:05' | spoken_time }}", "two oh five p m"),
        ("{{ '2.50' | spoken_money('USD') }}", "two dollars fifty cents"),
        ("{{ '+12125550100' | spoken_phone }}", "plus one, two one two, five five five, zero one, zero zero"),
        ("{{ 2 | plural('call', 'calls') }}", "calls"),
        ("{{ 3 | ordinal }}", "third"),
    ],
)
def test_says_in_english(text: str, said: str) -> None:
    assert render(text, VARS, "en-GB") == said


@pytest.mark.parametrize("text", [*REFUSED.strip().splitlines(), *DEEP])
def test_hostile_templates_are_refused_before_they_run(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(BadTemplate):
        names(text)
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("text", FAILS.strip().splitlines())
def test_hostile_values_end_in_a_card_error_and_take_no_time(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(CardError):
        render(text, VARS)
    assert time.perf_counter() - began < 0.5


def test_output_is_bounded() -> None:
    assert len(render("{{ big }}", VARS)) == MOST_OUTPUT
    with pytest.raises(CardError):
        render("{{ (big + big) | length }}", VARS)  # nor within


def test_names() -> None:
    assert names("{{ a }} {% if b %}{{ c | default(d) }}{% endif %}") == {"a", "b", "c", "d"}
    assert names("no names, { braces }") == frozenset()
    assert expression_names("age > 18 and city == 'Москва'") == {"age", "city"}


def test_one_expression_keeps_its_type() -> None:
    assert value("{{ n + 1 }}", VARS) == 4
    assert value("{{ n > 1 }}", VARS) is True
    assert value("{{ n }}{{ n }}", VARS) == "33"
    assert value("{{ n }}!", VARS) == "3!"


def test_expressions() -> None:
    assert true("n > 2 and name == 'Анна'", VARS)
    assert not true("n | int > 10", VARS)
    with pytest.raises(BadTemplate):
        expression_names("n }} {{ n")
    with pytest.raises(BadTemplate):
        expression_names("")
    with pytest.raises(CardError):
        true("nobody", VARS)


@given(st.text("{}%()[]'\"|.*+-~ abx1_,:=<>#\n", max_size=60))
def test_any_text_either_renders_is_refused_or_fails_its_card(text: str) -> None:
    for whole in (text, "{{ " + text + " }}"):
        with contextlib.suppress(BadTemplate, CardError):
            assert len(render(whole, VARS)) <= MOST_OUTPUT


def test_a_warm_template_is_quick() -> None:
    render("Здравствуйте, {{ name }}!", VARS)
    began = time.perf_counter()
    for _ in range(1000):
        render("Здравствуйте, {{ name }}!", VARS)
    assert (time.perf_counter() - began) / 1000 < 0.0001
