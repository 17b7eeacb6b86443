"""Joins the subscriber to a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from scenarios.card import (
    Arrow,
    Card,
    Fault,
    Here,
    Speech,
    Template,
    Turn,
    about,
    fault,
    leave,
    prompt,
    prompt_faults,
    stay,
)
from scenarios.problems import CardError, Label
from scenarios.talk import Event, Transfer, Transferred

OUTCOMES = ("done", "busy", "no_answer", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Card):
    label = Label("Соединить с человеком", "Transfer")
    does = Label(
        "Соединяет абонента с номером, SIP-адресом или группой операторов.",
        "Joins the subscriber to a number, a SIP address or an operator group.",
    )
    icon = "phone-forwarded"
    group = "flow"
    waits = True

    to: Template = about("Кому", "To whom")
    ring_s: Annotated[float, Field(ge=3, le=180)] = about("Звонить, с", "Ring for, s", default=25.0)
    caller_id: Template = about("Показать номер", "Caller ID", default="")
    whisper: Speech | None = about("Сказать оператору", "Said to the operator", default=None)
    hold: Speech | None = about("Сказать абоненту", "Said to the subscriber", default=None)
    done: Arrow = about("поговорили", "done", default="")
    busy: Arrow = about("занято", "busy", default="")
    no_answer: Arrow = about("не ответили", "no answer", default="")
    failed: Arrow = about("не удалось", "failed", default="")

    def faults(self) -> Iterator[Fault]:
        if not self.to.strip():
            yield fault("required", "to", what="to")
        if not any(getattr(self, port) for port in OUTCOMES):
            yield fault("no_arrow", "done", what="done")
        elif not self.failed:
            for port in ("busy", "no_answer", "failed"):
                if not getattr(self, port):
                    yield fault("no_fallback", port, what=port)
        for name in ("whisper", "hold"):
            if (said := getattr(self, name)) is not None:
                yield from prompt_faults(said, name)

    def sayings(self) -> Iterator[Any]:
        for said in (self.hold, self.whisper):
            if said is not None:
                yield said

    def templates(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        yield ("to",), self.to
        yield ("caller_id",), self.caller_id
        for name in ("whisper", "hold"):
            if (said := getattr(self, name)) is not None:
                yield (name, "say"), said.say

    def fallback(self, port: str) -> str:
        return "failed" if port in ("busy", "no_answer") else "hangup" if port == "done" else ""

    def enter(self, here: Here) -> Turn:
        to = " ".join(here.render(self.to).split())
        if not to or len(to) > 200:
            raise CardError("there is nobody to transfer to: `to` came out empty")
        return stay(
            Transfer(
                to=to,
                ring_s=self.ring_s,
                caller_id=" ".join(here.render(self.caller_id).split())[:80],
                whisper=None if self.whisper is None else prompt(self.whisper, here),
                hold=None if self.hold is None else prompt(self.hold, here),
            )
        )

    def on(self, event: Event, here: Here) -> Turn:
        if not isinstance(event, Transferred):
            return Turn()
        outcome = event.outcome if event.outcome in OUTCOMES else "failed"
        return leave(outcome, detail=f"{event.talked_s:.0f} s" if event.talked_s else "")
