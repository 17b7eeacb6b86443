"""`dozvon up` and `dozvon demo`."""

from __future__ import annotations

import argparse
import gc
import sys

from engine.commands import run, say, settings


def up(args: argparse.Namespace) -> int:
    """The robot in the foreground until it is told to stop."""
    loaded = settings(args)
    from engine.app import run as serve

    def ready(url: str) -> None:
        _spare_the_collector()
        say(f"dozvon ready {url}")

    run(serve(loaded, ready=ready))
    return 0


def _spare_the_collector() -> None:
    """What was made at the start stays for ever: it is not looked through again and again while calls are live. Looking
    took a tenth of the engine's time with 300 of them, and each time all of them waited."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def demo(args: argparse.Namespace) -> int:
    """The demonstration; without a terminal it ends by itself."""
    from engine.demo.run import run as show

    once = args.once or not (sys.stdin.isatty() and sys.stdout.isatty())
    return int(run(show(once=once, calls=args.calls, port=args.port)))
