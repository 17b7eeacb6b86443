"""`dozvon up` and `dozvon demo`."""

from __future__ import annotations

import argparse
import sys

from engine.commands import run, say, settings


def up(args: argparse.Namespace) -> int:
    """The robot in the foreground until it is told to stop."""
    loaded = settings(args)
    from engine.app import run as serve

    run(serve(loaded, ready=lambda url: say(f"dozvon ready {url}")))
    return 0


def demo(args: argparse.Namespace) -> int:
    """The demonstration; without a terminal it ends by itself."""
    from engine.demo import run as show

    once = args.once or not (sys.stdin.isatty() and sys.stdout.isatty())
    return int(run(show(once=once, calls=args.calls, port=args.port)))
