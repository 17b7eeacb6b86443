"""`dozvon asterisk …`: have one, configure it, run it alone, talk to it."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands import run as run_async
from engine.commands import say, settings
from engine.errors import InstallError

if TYPE_CHECKING:
    from channels.voice.install import Asterisk
    from channels.voice.render import Rendered


def install(args: argparse.Namespace) -> int:
    """One that is new enough; fetched if need be."""
    from channels.voice import install as installer

    there = installer.find()
    if args.brief and there is not None and "websocket" in there.transports:
        return 0
    last = ("", -1.0)

    def tell(what: str, share: float) -> None:
        nonlocal last
        if what != last[0] or share >= last[1] + 0.1:
            last = (what, share)
            say(f"{what} {share:.0%}")

    for line in installer.describe(installer.install(tell)):
        say(line)
    return 0


def render(args: argparse.Namespace) -> int:
    """Write the configuration; says which files are not as they were."""
    _, rendered = _rendered(args, args.to)
    for name in sorted(rendered.changed):
        say(f"{rendered.folder / name}")
    if not rendered.changed:
        say(f"nothing to change in {rendered.folder}")
    return 0


def run(args: argparse.Namespace) -> int:
    """In the foreground, without the robot: callers hear busy."""
    asterisk, rendered = _rendered(args)
    from channels.voice.supervise import running

    async def work() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with running(asterisk, rendered) as here:
            say(f"Asterisk {asterisk.source} is ready, process {here.pid}; its log is {rendered.folders.output}")
            await stop.wait()

    run_async(work())
    return 0


def cli(args: argparse.Namespace) -> int:
    """One command's answer, or with none Asterisk's own prompt in place of this program."""
    loaded = settings(args, quiet=True)
    from channels.voice.render import lay_out
    from channels.voice.supervise import Supervised

    asterisk, folders = _found(), lay_out((loaded.data_dir / "asterisk").absolute())
    words = [word for word in args.words if word != "--"]
    if words:
        sys.stdout.write(run_async(Supervised(asterisk, folders).cli(" ".join(words))))
        return 0
    argv = [*asterisk.command, "-C", str(folders.conf), "-r"]
    if not folders.control.exists():
        raise InstallError("Asterisk does not run: start it with `dozvon up` or `dozvon asterisk run`")
    sys.stderr.write(f"{shlex.join(argv)}\n")
    os.execv(argv[0], argv)


def _found() -> Asterisk:
    from channels.voice import install as installer

    found = installer.find()
    if found is None:
        raise InstallError("there is no usable Asterisk here: `dozvon asterisk install` gets one")
    return found


def _rendered(args: argparse.Namespace, root: Path | None = None) -> tuple[Asterisk, Rendered]:
    loaded = settings(args, quiet=True)
    from channels.voice.render import render as written

    found = _found()
    return found, written(loaded, found, root=root)
