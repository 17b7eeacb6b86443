"""`dozvon bench [PARTS…]`: measure, show, and write what came of it into bench/results.json."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from bench import calls, dialler, lease, memory, pacing, reaction, talking
from bench.figures import Figure, machine, merge, show
from bench.hearing import command as hearing
from bench.rig import Robot, robot
from bench.sipp import NOISE_DBFS
from channels.voice import install
from engine.errors import InputError

WEEK_S = 60.0  # the virtual campaign may take

Measured = tuple[list[Figure], str]  # and Asterisk's version where one took part
Run = Callable[[Path], Awaitable[Measured]]


@dataclass(frozen=True, slots=True)
class Part:
    """`how`: what the figures are of, for who reads them later."""

    how: str
    run: Run


def main(parts: Sequence[str], asked: hearing.Asked | None = None) -> int:
    """1 if a part could not be measured, and it is said why; a figure that misses its target is no failure.

    `asked`: of the part `hearing`. Raises InputError for a part that is none, or a corpus that is wrong.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise InputError(f"there is no part {unknown[0]}: choose from {', '.join(PARTS)}")
    console = Console()
    failed = False
    table = PARTS if asked is None else PARTS | {"hearing": replace(PARTS["hearing"], run=_hearing(asked))}
    for name in parts or PARTS:
        part = table[name]
        console.print(f"[bold]{name}[/] …")
        try:
            figures, asterisk = _loop(part.run)
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001 - around one part: the others are measured all the same
            sys.stderr.write(f"{name} could not be measured: {type(error).__name__}: {error}\n")
            failed = True
            continue
        if name != "hearing" or asked is None or asked.whole:
            merge(name, figures, machine(asterisk), part.how)
        show(name, figures, part.how, console)
    return int(failed)


def _loop(run: Run) -> Measured:
    import uvloop

    async def measured() -> Measured:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # what was started is ended then
        return await run(Path(folder))

    with (
        tempfile.TemporaryDirectory(prefix="dozvon-bench-", ignore_cleanup_errors=True) as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(measured())


def _on_robot(measure: Callable[[Robot, Path], Awaitable[list[Figure]]]) -> Run:
    async def run(folder: Path) -> Measured:
        async with robot(folder) as ours:
            there = await asyncio.to_thread(install.find)
            return await measure(ours, folder), install.told(there.version) if there else ""

    return run


async def _dialler(_: Path) -> Measured:
    report = await asyncio.to_thread(dialler.run)
    return [
        Figure("contacts", report.contacts, at_least=100_000),
        Figure("calls", report.calls),
        Figure("wall time", report.wall_s, "s", at_most=WEEK_S),
        Figure("rows touched for each call", report.rows_per_call),
        Figure("virtual time", report.virtual_days, "days"),
        Figure("calls outside of a window", report.outside_window, at_most=0),
        Figure("calls over a limit", report.over_limit, at_most=0),
        Figure("contacts or calls lost", report.lost, at_most=0),
        Figure("dialled twice", report.twice, at_most=0),
    ], ""


async def _lease(_: Path) -> Measured:
    return await lease.figures(), ""


def _hearing(asked: hearing.Asked) -> Run:
    async def run(_: Path) -> Measured:
        return await hearing.measure(asked, Console()), ""

    return run


PARTS: dict[str, Part] = {
    "calls": Part(
        f"SIPp calls to an inbound line, each sending A-law comfort noise of {NOISE_DBFS:.0f} dBFS; the scenario plays "
        "7 s, listens 4 s, and again, with VAD on every frame, both sides recorded. Nobody speaks, so the recognisers "
        f"rest. Measured for {calls.HOLD_S:.0f} s while all calls stand; gaps by {calls.PHONES} telephones among them, "
        "with the kernel's time stamps; robot, Asterisk, SIPp and telephones share the machine.",
        _on_robot(calls.all_figures),
    ),
    "talking": Part(
        f"SIPp subscribers in {talking.GROUPS} groups who each speak {talking.SHARE:.0%} of the time, phrases of their "
        "own; the scenario plays 7 s, may be interrupted, and listens; VAD on every frame, silero and the recogniser "
        f"where somebody speaks. {talking.HOLD_S:.0f} s while all calls stand; gaps by {calls.PHONES} telephones among "
        "them. Robot, Asterisk, SIPp and telephones share the machine.",
        _on_robot(talking.all_figures),
    ),
    "memory": Part(
        f"{memory.GROUP * memory.GROUPS:,} SIPp calls of {memory.CALL_S:g} s, {memory.PER_S:g} a second, recorded; the "
        f"engine's resident memory after each {memory.GROUP}, when all of them are over.",
        _on_robot(memory.all_figures),
    ),
    "reaction": Part(
        f"{reaction.PHONES} telephones, {reaction.PHONES * reaction.ROUNDS} samples of each kind, on RTP by the "
        "kernel's time stamps: from the key let go to the first loud packet; from the first packet of a spoken answer "
        "that interrupts a prompt to the prompt's last loud packet; from that answer's last packet to the next sound.",
        _on_robot(reaction.figures),
    ),
    "pacing": Part(
        f"A campaign of {pacing.PER_S * pacing.SECONDS} contacts at {pacing.PER_S * 3600} calls an hour on the real "
        "Asterisk; when each INVITE came to the subscribers' socket, against the even grid that fits best.",
        _on_robot(lambda ours, _: pacing.figures(ours)),
    ),
    "hearing": Part(hearing.HOW, _hearing(hearing.Asked())),
    "dialler": Part("The real dialler over a store in memory, in virtual time: a week, eleven time zones.", _dialler),
    "lease": Part(
        f"{lease.SAMPLES} turns of next due, lease and settle, one after the other, in a queue of {lease.CONTACTS:,} "
        "contacts in 11 zones; PostgreSQL on the same machine, without fsync.",
        _lease,
    ),
}
