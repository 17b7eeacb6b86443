"""A campaign's money and goals: what has come of it, and what live calls may still cost."""

from __future__ import annotations

from engine.model import CallEnd
from engine.rules.billing import Tariff
from engine.rules.outcome import Totals

MARGIN_S = 5.0  # a talk may last a little longer than it was allowed to
LEAST_TALK_S = 60.0  # with money for less nobody is called


class Purse:
    """The greatest cost of every live call is reserved: together they can never pass a limit.

    `tight`: the last contact could not be paid for; it stays so until money comes back or a limit changes.
    """

    def __init__(self, totals: Totals) -> None:
        self.totals = totals
        self.tight = False
        self._reserved: dict[int, int] = {}

    def reserve(self, call_id: int, tariff: Tariff, most_s: float, max_spend: int) -> float | None:
        """How long this talk may last, `most_s` if nothing limits it; its cost is set aside until `free`.
        None: the money does not pay for a talk that is worth it."""
        left = [] if not max_spend else [max_spend - self.totals.spent]
        if self.totals.balance is not None:
            left.append(self.totals.balance)
        if not left:
            return most_s
        allowed_s = tariff.affords_s(min(left) - sum(self._reserved.values()), most_s + MARGIN_S)
        if allowed_s - MARGIN_S < min(LEAST_TALK_S, most_s):
            self.tight = True
            return None
        self._reserved[call_id] = tariff.cost(allowed_s)
        return allowed_s - MARGIN_S

    def count(self, end: CallEnd) -> None:
        """What this call came to."""
        self.totals = self.totals.plus(end)

    def free(self, call_id: int) -> None:
        """This call costs nothing more than what was counted."""
        self._reserved.pop(call_id, None)
        self.tight = False

    def top_up(self, balance: int | None) -> None:
        """The owner's balance as it is now; goals and money spent stay this purse's own count."""
        self.totals = Totals(self.totals.calls, self.totals.goals, self.totals.spent, balance)
        self.tight = False
