"""Nothing but numbers and addresses reaches a dial string."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.voice import numbers

ADDRESSES = st.one_of(
    st.text(),
    st.from_regex(numbers.E164, fullmatch=True),
    st.from_regex(numbers.SIP_ADDRESS, fullmatch=True),
    st.from_regex(numbers.E164),
    st.from_regex(numbers.SIP_ADDRESS),
)


@given(ADDRESSES, st.one_of(st.just("main"), st.text()))
def test_a_dial_string_has_nothing_that_means_more(to: str, trunk: str) -> None:
    try:
        where = numbers.endpoint(to, trunk)
    except ValueError:
        return
    assert re.fullmatch(r"PJSIP/[A-Za-z0-9_.+:@/-]+", where)


@pytest.mark.parametrize(
    "to",
    [
        "+7900&PJSIP/x",
        "+79001234567,60,g",
        "+7900\n1234567",
        "sip:a@b;transport=tcp",
        "sip:${X}@b",
        "sip:a@b,1",
        "112",
        "",
    ],
)
def test_what_could_mean_more_is_refused(to: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        numbers.endpoint(to, "main")


@pytest.mark.parametrize("trunk", ["a,b", "a&b", "", "${X}", "a b", "1a", "a" * 33])
def test_a_trunk_is_a_name(trunk: str) -> None:
    with pytest.raises(ValueError, match="trunk"):
        numbers.endpoint("+79001234567", trunk)


def test_numbers_and_addresses() -> None:
    assert numbers.endpoint("+79001234567", "main") == "PJSIP/79001234567@main"
    assert numbers.endpoint("sip:op-1@10.0.0.5:5060", "main") == "PJSIP/main/sip:op-1@10.0.0.5:5060"


@given(st.text())
def test_whatever_sip_brings_is_e164_or_nothing(text: str) -> None:
    assert re.fullmatch(r"(\+[1-9][0-9]{6,14})?", numbers.e164(text), re.ASCII)
    assert re.fullmatch(r"[0-9]{0,15}", numbers.caller_id(text), re.ASCII)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+7 (900) 123-45-67", "+79001234567"),
        ("89001234567", "+79001234567"),
        ("9001234567", "+79001234567"),
        ("79001234567", "+79001234567"),
        ("0044 20 7946 0000", "+442079460000"),
        ("anonymous", ""),
        ("100", ""),
        ("+0", ""),
        ("7900${SHELL(id)}", ""),
    ],
)
def test_forms_of_numbers(text: str, expected: str) -> None:
    assert numbers.e164(text) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('"Office" <sip:+74950000001@10.0.0.1:5060;user=phone>;tag=1', "+74950000001"),
        ("sips:84950000001@pbx", "+74950000001"),
        ("<sip:office@pbx>", ""),
        ("sip:" + "1" * 10_000, ""),
        ("", ""),
    ],
)
def test_the_number_in_a_header(header: str, expected: str) -> None:
    assert numbers.of_address(header) == expected
