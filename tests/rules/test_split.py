from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from engine.rules.split import pick


@given(st.integers(0, 2**60), st.lists(st.floats(0, 1), max_size=4), st.integers(0, 1000))
def test_the_same_contact_always_gets_the_same(contact: int, shares: list[float], campaign: int) -> None:
    assert pick(contact, shares, campaign) == pick(contact, shares, campaign) <= len(shares)


def test_shares_are_kept() -> None:
    found = Counter(pick(n, [0.5, 0.2], 5) for n in range(20_000))
    assert abs(found[1] / 20_000 - 0.5) < 0.02 and abs(found[2] / 20_000 - 0.2) < 0.02
    assert {pick(n, [1.0]) for n in range(1000)} == {1}
    assert {pick(n, []) for n in range(1000)} == {0}


def test_known_contacts_stay_where_they_are() -> None:
    """A change of the hash would move people between variants in the middle of a campaign."""
    assert [pick(n, [0.5], 1) for n in range(12)] == [KNOWN[n] for n in range(12)]


KNOWN = [1, 0, 0, 0, 0, 1, 0, 1, 1, 1, 0, 1]


def test_two_campaigns_cut_differently() -> None:
    assert [pick(n, [0.5], 1) for n in range(200)] != [pick(n, [0.5], 2) for n in range(200)]
