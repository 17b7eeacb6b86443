"""Sorts contacts by shares, the same contact always the same way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from scenarios.card import Arrow, Card, Fault, Here, Text, Turn, Way, about, fault, leave
from scenarios.problems import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    share: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = about("Доля", "Share")
    port: Text = about("Имя стрелки", "The arrow's name", default="")
    goto: Arrow = about("Куда", "Where to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("A/B", "Split")
    does = Label(
        "Делит контакты по долям; один и тот же контакт всегда идёт одним путём.",
        "Sorts contacts by shares; the same contact always goes the same way.",
    )
    icon = "percent"
    group = "flow"

    shares: Annotated[tuple[Share, ...], Field(min_length=1, max_length=20)] = about("Доли", "Shares")

    def ways(self) -> Iterator[Way]:
        for i, one in enumerate(self.shares):
            yield Way(one.port or one.goto, one.goto, ("shares", i, "goto"))

    def faults(self) -> Iterator[Fault]:
        if sum(one.share for one in self.shares) <= 0:
            yield fault("bad_value", "shares", what="0")
        leads: dict[str, str] = {}
        for i, one in enumerate(self.shares):
            name = one.port or one.goto
            if leads.setdefault(name, one.goto) != one.goto:
                yield fault("same_port", "shares", i, "port" if one.port else "goto", what=name)

    def enter(self, here: Here) -> Turn:
        digest = blake2b(f"{here.node}\0{here.contact_key}".encode(), digest_size=8).digest()
        at = int.from_bytes(digest) / 2**64 * sum(one.share for one in self.shares)
        chosen = self.shares[-1]
        for one in self.shares:
            if at < one.share:
                chosen = one
                break
            at -= one.share
        return leave(chosen.port or chosen.goto)
