"""`dozvon up` and `dozvon demo`."""

from __future__ import annotations

import argparse
import sys

from engine.commands import run, say, settings


def up(args: argparse.Namespace) -> int:
    """The robot in the foreground until it is told to stop."""
    loaded = settings(args)
    from engine import app

    run(app.run(loaded, ready=lambda url: say(f"dozvon ready {url}")))
    return 0


def demo(args: argparse.Namespace) -> int:
    """The demonstration; without a terminal it ends by itself."""
    from engine import demo as shown

    once = args.once or not (sys.stdin.isatty() and sys.stdout.isatty())
    return int(run(shown.run(once=once, calls=args.calls, port=args.port)))
