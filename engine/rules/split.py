"""A/B variants: which one a contact gets, the same at every attempt and on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b


def pick(contact: int, shares: Sequence[float], salt: int | str = "") -> int:
    """0 for the main one, n for the n-th of `shares`. A share is the part of all contacts, from 0 to 1; what they leave
    is the main one's. `salt` (the campaign) keeps two campaigns from cutting the same people the same way."""
    place = int.from_bytes(blake2b(f"{salt}:{contact}".encode(), digest_size=8).digest(), "big") / 2**64
    edge = 0.0
    for index, share in enumerate(shares, 1):
        edge += share
        if place < edge:
            return index
    return 0
