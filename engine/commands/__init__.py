"""What the commands share: settings by the command line, a line on stdout, an event loop."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from engine import logs
from engine.config import Settings, load

T = TypeVar("T")
DEFAULT = Path("dozvon.yaml")


def config_file(args: argparse.Namespace) -> Path | None:
    """The settings' file: the one named, else ./dozvon.yaml if there is one; None stands for defaults."""
    named: Path | None = getattr(args, "config", None)
    if named is not None:
        return named
    return DEFAULT if DEFAULT.exists() else None


def settings(args: argparse.Namespace, *, quiet: bool = False) -> Settings:
    """The settings, with the log set up by them; `quiet` leaves only warnings. Raises ConfigError."""
    loaded = load(config_file(args))
    level = loaded.log.level
    logs.setup("warning" if quiet and level == "info" else level, loaded.log.format)
    return loaded


def say(text: str = "") -> None:
    """A line on stdout, at once: somebody may be waiting for it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on the loop that the robot runs on."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
