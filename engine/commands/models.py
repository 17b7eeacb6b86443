"""`dozvon models …`: recognition models, those known and those here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from engine.commands import run, say, settings


def list_models(args: argparse.Namespace) -> int:
    """All that are known, the best of a language first; * marks those that are here."""
    loaded = settings(args, quiet=True)
    from asr._catalogue import catalogue, choose, installed, usable

    here = {entry.name for entry in installed(loaded.data_dir)}
    width = max(len(entry.name) for entry in catalogue())
    for entry in catalogue():
        mark = "*" if entry.name in here else " "
        about = f"{entry.engine}, {entry.size / 1e6:.0f} MB, {entry.memory_mb} MB of memory a process, {entry.licence}"
        if entry.wer is not None:
            about += f", {entry.wer:g} % of words wrong on the telephone ({entry.source})"
        if not usable(entry.engine):
            about += f"; needs {entry.engine.replace('_', '-')}, which is not installed"
        say(f"{mark} {entry.name:<{width}}  {entry.language}  {about}")
    speech = loaded.speech
    choice = choose(speech.recognizer, speech.recognizers, language=speech.language, data_dir=loaded.data_dir)
    say(f"in use: {choice.why}")
    if choice.better:
        say(f"for people: {choice.better}")
    return 0


def install(args: argparse.Namespace) -> int:
    """Fetch a model, or take it from an archive. Raises InstallError with what there is or what went wrong."""
    loaded = settings(args, quiet=True)
    from asr._download import install as fetched

    folder = run(fetched(args.name, loaded.data_dir, archive=args.archive, progress=progress()))
    say(f"{args.name} is in {folder}; `dozvon check` says whether it is the one in use")
    return 0


def remove(args: argparse.Namespace) -> int:
    """Make room. Raises InstallError if it is not here."""
    loaded = settings(args, quiet=True)
    from asr._catalogue import remove as removed

    say(f"{removed(args.name, loaded.data_dir)} is removed")
    return 0


def progress() -> Callable[[int, int], None]:
    """Lines on a terminal overwrite each other; elsewhere every tenth is told."""
    terminal, last = sys.stderr.isatty(), -1

    def tell(done: int, total: int) -> None:
        nonlocal last
        tenth = done * 10 // total if total else 0
        if terminal:
            sys.stderr.write(f"\r{done / 1e6:.0f} of {total / 1e6:.0f} MB ")
        elif tenth > last:
            sys.stderr.write(f"{done / 1e6:.0f} of {total / 1e6:.0f} MB\n")
        last = max(last, tenth)
        sys.stderr.flush()

    return tell
