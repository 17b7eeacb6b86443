"""Why a card was left by its arrow: which of its answers decided, by which phrase, and by which of the words said.

"да, приеду" + filters ─▶ Matcher, as it decided then ─▶ answer 1, phrase «приехать», said «приеду»: another form
"""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.card import Card
from scenarios.forms import words
from scenarios.match import Answer, Matcher
from scenarios.patterns import is_regex
from scenarios.steps.recognize import Step as Recognize


@dataclass(frozen=True, slots=True)
class Reason:
    """`answer` counts the card's filters from 1; 0: none of them, the card had no arrow for this. `how`: the phrase was
    met `exact`, in another `form`, or is a `pattern`; empty where no phrase decided."""

    answer: int
    phrase: str = ""
    said: str = ""
    how: str = ""


def reason(card: Card | None, by: str, heard: str, port: str) -> Reason | None:
    """Of a card that sorts answers by filters; None where there is nothing to explain. A version of a scenario never
    changes, so what is found now is what decided then."""
    if not isinstance(card, Recognize) or not by:
        return None
    if by == "voice":
        return _spoken(card, heard)
    named = next((n for n, one in enumerate(card.filters, 1) if one.name == port and _is(one.given, by)), 0)
    if not named:  # `silence` stands in for `other`, and the other way round
        named = next((n for n, one in enumerate(card.filters, 1) if one.name == port), 0)
    keys = card.filters[named - 1].dtmf if named and by == "dtmf" else ""
    return Reason(named, keys, heard if by == "dtmf" else "")


def _is(given: list[str], by: str) -> bool:
    return by in given


def _spoken(card: Recognize, heard: str) -> Reason | None:
    spoken = [(n, one) for n, one in enumerate(card.filters, 1) if one.voice]
    matcher = Matcher([Answer(one.voice, one.goto, (one.forms or card.forms) == "exact") for _, one in spoken])
    hit = matcher.match(heard)
    if hit is None:
        return None
    met = words(heard)[hit.end - hit.length : hit.end]
    how = "pattern" if is_regex(hit.phrase) else "exact" if met == words(hit.phrase) else "form"
    return Reason(spoken[hit.answer][0], hit.phrase, " ".join(met), how)
