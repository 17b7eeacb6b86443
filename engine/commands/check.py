"""`dozvon check`: what works, what does not, and how to mend it.

settings ─▶ data folder, database, Asterisk, ports, trunks, numbers, recogniser, voice ─▶ findings ─▶ table, exit code
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict

from engine.commands import checks, config_file, run, say, settings
from engine.commands.checks import Finding, State
from engine.config import Settings

MARKS = {State.OK: "✓", State.WARN: "!", State.FAIL: "✗"}
LIMIT_S = 20.0  # of one check, whatever it waits for


def check(args: argparse.Namespace) -> int:
    """1 if calls cannot be made. Raises ConfigError if there is nothing to check."""
    loaded = settings(args, quiet=True)
    file = config_file(args)
    told = f"{file.resolve()}" if file else "no dozvon.yaml here, the defaults count"
    first = Finding("settings", State.OK if file else State.WARN, told, "" if file else "dozvon init writes one")
    findings = [first, *run(_all(loaded))]
    failed = any(finding.state is State.FAIL for finding in findings)
    if args.json:
        say(json.dumps({"calls": not failed, "findings": [asdict(each) for each in findings]}, ensure_ascii=False))
    else:
        _show(findings)
        say("calls cannot be made: mend what is marked ✗" if failed else "calls can be made")
    return 1 if failed else 0


async def _all(loaded: Settings) -> list[Finding]:
    """Everything at once, in the order in which it is told."""
    running = await checks.robot(loaded)
    works = [
        checks.data_folder(loaded),
        checks.database(loaded),
        checks.asterisk(loaded),
        checks.ports(loaded, running=running is not None),
        checks.trunks(loaded),
        checks.numbers(loaded),
        checks.recogniser(loaded),
        checks.voice(loaded),
    ]
    done = await asyncio.gather(*(_bounded(work) for work in works))
    return [*(running or ()), *(finding for found in done for finding in found)]


async def _bounded(work: checks.Check) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(LIMIT_S):
            return await work
    except TimeoutError:
        part = getattr(work, "__name__", "check").replace("_", " ")
        return [Finding(part, State.FAIL, f"no answer in {LIMIT_S:g} s", "look whether the machine is overloaded")]


def _show(findings: Sequence[Finding]) -> None:
    width = max(len(finding.part) for finding in findings)
    for finding in findings:
        say(f"{MARKS[finding.state]} {finding.part:<{width}}  {finding.text}")
        if finding.mend:
            say(f"  {'':<{width}}  → {finding.mend}")
