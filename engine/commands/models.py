"""`dozvon models …`: recognition models, those known and those here."""

from __future__ import annotations

import argparse

from engine.commands import say, settings


def list_models(args: argparse.Namespace) -> int:
    """All that are known, the best of a language first; * marks those that are here."""
    loaded = settings(args, quiet=True)
    from asr._catalogue import catalogue, choose, installed

    here = {entry.name for entry in installed(loaded.data_dir)}
    width = max(len(entry.name) for entry in catalogue())
    for entry in catalogue():
        mark = "*" if entry.name in here else " "
        about = f"{entry.engine}, {entry.size / 1e6:.0f} MB, {entry.memory_mb} MB of memory a process, {entry.licence}"
        say(f"{mark} {entry.name:<{width}}  {entry.language}  {about}")
    speech = loaded.speech
    choice = choose(speech.recognizer, speech.recognizers, language=speech.language, data_dir=loaded.data_dir)
    say(f"in use: {choice.why}")
    if choice.better:
        say(f"for people: {choice.better}")
    return 0
