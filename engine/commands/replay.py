"""`dozvon replay …`: recorded calls through another recogniser or scenario version, and what would have gone otherwise.

Ends as diff(1) does: 0, every call would have gone the same way; 1, some would not; 2, one could not be heard again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.commands import run, say, settings
from engine.config import Settings, Speech
from engine.errors import ConfigError, DozvonError, InputError
from engine.replay import Answer, Compared, Hearers, Replay, replay
from engine.replays import Kept, Wish, kept, parsed

SAME, DIFFERS, TROUBLE = 0, 1, 2


def heard_again(args: argparse.Namespace) -> int:
    """Every call named, in order; what cannot be replayed is told on stderr and the others go on."""
    loaded = settings(args, quiet=True)
    try:
        done = run(_all(loaded, args))
    except DozvonError as error:
        sys.stderr.write(f"dozvon: {error}\n")
        return TROUBLE
    if args.json:
        say(json.dumps([_plain(call, got) for call, got in done], ensure_ascii=False))
    if any(not isinstance(got, Replay) or got.failed for _, got in done):
        return TROUBLE
    return DIFFERS if any(isinstance(got, Replay) and got.differs for _, got in done) else SAME


async def _all(loaded: Settings, args: argparse.Namespace) -> list[tuple[int, Replay | str]]:
    from asr import vad
    from engine.commands.store import opened
    from engine.ears import open_ears
    from engine.turns import turns

    speech = only(loaded.speech, args.recognizer, loaded.data_dir) if args.recognizer else loaded.speech
    done: list[tuple[int, Replay | str]] = []
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened(loaded))
        ears = await stack.enter_async_context(open_ears(speech, loaded.data_dir))
        voiced = await stack.enter_async_context(vad.open(vad.Settings(**speech.vad), data_dir=loaded.data_dir))
        hearers = Hearers(voiced, ears.of, turns(speech), at_once=max(1, ears.default.load().capacity))
        if args.recognizer:
            hearers = replace(hearers, recognizer=lambda _: ears.default)
        if not args.json:
            say(f"recogniser: {ears.choice.why}")
        for call in args.calls:
            try:
                found = _with(await kept(store, loaded.data_dir, _wish(call, args.scenario), user=None), args.scenario)
                got: Replay | str = await replay(found.call, found.was, found.now, hearers, language=speech.language)
            except DozvonError as error:
                got = str(error)
                sys.stderr.write(f"call {call}: {error}\n")
            done.append((call, got))
            if isinstance(got, Replay) and not args.json:
                _show(call, got)
    return done


# --- what was asked for -----------------------------------------------------------------------------------------------


def only(speech: Speech, name: str, data_dir: Path) -> Speech:
    """The settings with this recogniser in use, and no others loaded than those it wraps. `name` is one that the
    settings describe, an engine, or an installed model. Raises ConfigError."""
    from asr import _catalogue as models
    from engine import plugins

    described = dict(speech.recognizers)
    entry = next((e for e in models.catalogue() if e.name == name), None)
    if name not in described and entry is not None:
        folder = models.models_dir(data_dir) / name
        if not models.fits(entry, folder):
            raise ConfigError(f"{name} is not here: dozvon models install {name}")
        described[name] = {"engine": entry.engine, "model": str(folder)}
    if name == models.DEMO:
        described[name] = {"engine": "vosk", "model": str(models.demo_model(data_dir))}
    if name not in described:
        plugins.load("asr", name)  # raises with what there is
    wanted, needed = [name], dict[str, Mapping[str, Any]]()
    while wanted:
        one = wanted.pop()
        if one in described and one not in needed:
            needed[one] = described[one]
            wanted += described[one].get("recognizers", ())
    return speech.model_copy(update={"recognizer": name, "recognizers": needed})


def _wish(call: int, scenario: str | None) -> Wish:
    if scenario is None or _file(scenario):
        return Wish(call)
    ident, _, version = scenario.partition(":")
    if not (ident.isascii() and ident.isdigit()) or not (version == "" or version.isascii() and version.isdigit()):
        raise InputError(f"{scenario!r} is no scenario: give a file, its number, or number:version")
    return Wish(call, scenario_id=int(ident), version=int(version) if version else None)


def _file(scenario: str) -> bool:
    return scenario.endswith((".yaml", ".yml", ".json"))


def _with(found: Kept, scenario: str | None) -> Kept:
    """A version that is not kept yet: from a file. Raises InputError, OSError."""
    if scenario is None or not _file(scenario):
        return found
    return replace(found, now=parsed(Path(scenario).read_bytes()), now_id=0, now_version=0)


# --- what is told -----------------------------------------------------------------------------------------------------


def _plain(call: int, got: Replay | str) -> dict[str, Any]:
    return {"call_id": call, **(got.plain() if isinstance(got, Replay) else {"error": got})}


def _show(call: int, got: Replay) -> None:
    other = sum(card.difference in ("arrow", "absent") for card in got.cards)
    said = f"{other} of {len(got.cards)} cards go another way" if other else f"{len(got.cards)} cards, the same way"
    say(f"call {call}: {said}")
    for card in got.cards:
        _row(card)


MARKS = {"same": "=", "text": "~", "arrow": "≠", "absent": "?", "unheard": "!"}


def _row(card: Compared) -> None:
    at = f"{card.at_ms // 60_000}:{card.at_ms % 60_000 / 1000:04.1f}"
    mark = MARKS[card.difference]
    hypothetical = "  (hypothetical: an earlier card went another way)" if card.hypothetical else ""
    say(f"  {mark} {at} {card.node}: {_answer(card.was)}{hypothetical}")
    if card.difference == "absent":
        say("          now: no card of this name that listens")
    elif card.trouble:
        say(f"          now: not heard: {card.trouble}")
    elif card.now is not None and card.difference != "same":
        say(f"          now: {_answer(card.now)}")


def _answer(answer: Answer) -> str:
    sure = f" {answer.confidence:.0%}" if answer.text and answer.confidence else ""
    how = "partial" if answer.partial else answer.by
    return f"«{answer.text}»{sure} → {answer.to or answer.port} [{how}, {answer.ms} ms]"
