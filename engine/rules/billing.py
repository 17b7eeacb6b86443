"""Seconds into money: the tariff with the longest prefix, billed by its first portion and its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a minute costs, in minor units, to numbers that begin with `prefix` (with or without +)."""

    prefix: str
    per_minute: int
    first_s: int = 1
    step_s: int = 1

    def billed_s(self, seconds: float) -> int:
        """Seconds that are charged for so long a talk: `first_s` at least, then whole steps. 0 if nobody answered."""
        if seconds <= 0:
            return 0
        return self.first_s + max(0, ceil((seconds - self.first_s) / self.step_s)) * self.step_s

    def cost(self, seconds: float) -> int:
        """Minor units, a half rounded up; never less for a longer talk."""
        return (2 * self.billed_s(seconds) * self.per_minute + 60) // 120

    def affords_s(self, money: int, most_s: float) -> float:
        """The longest talk, at most `most_s`, that costs no more than `money`; 0 if not even the first portion."""
        if self.cost(most_s) <= money:
            return most_s
        if self.cost(self.first_s) > money:
            return 0.0
        low, high = 0, ceil((most_s - self.first_s) / self.step_s)  # in steps: low is paid for, high is not
        while high - low > 1:
            middle = (low + high) // 2
            paid = self.cost(self.first_s + middle * self.step_s) <= money
            low, high = (middle, high) if paid else (low, middle)
        return float(self.first_s + low * self.step_s)


FREE = Tariff("", 0)


@dataclass(frozen=True, slots=True)
class Tariffs:
    """A price list. A number that no prefix fits is free."""

    tariffs: Sequence[Tariff] = ()

    def of(self, phone: str) -> Tariff:
        digits = phone.removeprefix("+")
        fitting = (t for t in self.tariffs if digits.startswith(t.prefix.removeprefix("+")))
        return max(fitting, key=lambda t: len(t.prefix.removeprefix("+")), default=FREE)
