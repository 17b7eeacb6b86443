"""How turns are taken in every call, as the settings of speech say."""

from __future__ import annotations

from engine.config import Speech
from engine.ear import TurnTaking
from engine.rules.barge_in import BargeIn
from engine.rules.endpointing import Endpointing


def turns(speech: Speech) -> TurnTaking:
    asked = speech.turns
    return TurnTaking(
        Endpointing(asked.end_ms, asked.unfinished_ms, asked.complete_ms),
        BargeIn(echo_db=asked.echo_db, alike=asked.echo_alike, words=asked.interrupt_by == "words"),
    )
