"""`dozvon asterisk …`: have one, configure it, run it alone, talk to it."""

from __future__ import annotations

import argparse

from engine.commands import say


def install(args: argparse.Namespace) -> int:
    """One that is new enough; fetched if need be."""
    from channels.voice import install as installer

    told = ""

    def tell(what: str, share: float) -> None:
        nonlocal told
        line = f"{what} {share:.0%}"
        if line != told:
            told = line
            say(f"  {line}")

    for line in installer.describe(installer.install(tell)):
        say(line)
    return 0
