"""What the network says of a call has always a meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.voice import causes
from engine.model import Status

ENDS = {
    Status.NO_ANSWER,
    Status.BUSY,
    Status.REJECTED,
    Status.UNREACHABLE,
    Status.INVALID_NUMBER,
    Status.CONGESTION,
    Status.FAILED,
}


@given(st.integers(), st.integers())
def test_every_cause_and_code_is_one_of_the_ends(cause: int, sip: int) -> None:
    assert causes.status(cause, sip) in ENDS
    assert causes.status(cause) in ENDS


@given(st.integers(0, 127), st.integers(300, 699))
def test_a_final_sip_code_decides(cause: int, sip: int) -> None:
    assert causes.status(cause, sip) is causes.status(0, sip)


@given(st.text(), st.integers())
def test_a_transfer_has_always_an_outcome(dialstatus: str, cause: int) -> None:
    assert causes.transfer(dialstatus, cause) in {"done", "busy", "no_answer", "failed"}


@given(st.text())
def test_whatever_comes_over_the_wire_is_a_number(text: str) -> None:
    assert 0 <= causes.number(text) <= 999


@pytest.mark.parametrize(
    ("cause", "sip", "expected"),
    [
        (17, 486, Status.BUSY),
        (17, 600, Status.BUSY),
        (19, 480, Status.UNREACHABLE),
        (19, 0, Status.NO_ANSWER),
        (16, 487, Status.NO_ANSWER),
        (1, 404, Status.INVALID_NUMBER),
        (28, 484, Status.INVALID_NUMBER),
        (21, 403, Status.REJECTED),
        (21, 603, Status.REJECTED),
        (34, 503, Status.CONGESTION),
        (42, 0, Status.CONGESTION),
        (20, 0, Status.UNREACHABLE),
        (0, 0, Status.FAILED),
        (127, 0, Status.FAILED),
        (0, 499, Status.UNREACHABLE),
        (0, 599, Status.CONGESTION),
        (0, 699, Status.REJECTED),
        (19, 200, Status.NO_ANSWER),
    ],
)
def test_the_usual_ends(cause: int, sip: int, expected: Status) -> None:
    assert causes.status(cause, sip) is expected


@pytest.mark.parametrize(
    ("dialstatus", "cause", "expected"),
    [
        ("ANSWER", 16, "done"),
        ("BUSY", 17, "busy"),
        ("CHANUNAVAIL", 21, "busy"),
        ("NOANSWER", 0, "no_answer"),
        ("CHANUNAVAIL", 19, "no_answer"),
        ("CONGESTION", 34, "failed"),
        ("", 0, "failed"),
    ],
)
def test_transfers(dialstatus: str, cause: int, expected: str) -> None:
    assert causes.transfer(dialstatus, cause) == expected
