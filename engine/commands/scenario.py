"""`dozvon scenario …`: every problem of a document, and its own tests, with no telephone."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands import run, say, settings
from engine.config import Settings

if TYPE_CHECKING:
    from scenarios.problems import Problem
    from scenarios.rehearse import Tested


def check(args: argparse.Namespace) -> int:
    """1 if a document cannot be run; warnings are told and do not count. Raises OSError if a file cannot be read."""
    from scenarios.check import check as problems_of

    failed = False
    for file in args.files:
        problems = problems_of(file.read_bytes())
        wrong = any(problem.is_error for problem in problems)
        failed |= wrong
        _tell(file, problems)
        if not wrong:
            say(f"{file}: right")
    return 1 if failed else 0


def test(args: argparse.Namespace) -> int:
    """1 if a test does not come out as it expects, or a document cannot be run or has no tests."""
    loaded = settings(args, quiet=True)
    passed = [_test(file, loaded, audio=args.audio) for file in args.files]
    return 0 if all(passed) else 1


def _test(file: Path, loaded: Settings, *, audio: bool) -> bool:
    from scenarios.check import load
    from scenarios.problems import ScenarioError
    from scenarios.rehearse import run_tests

    try:
        scenario = load(file.read_bytes())
    except ScenarioError as error:
        _tell(file, error.problems)
        return False
    if not scenario.tests:
        say(f"{file}: no tests: write some under `tests`")
        return False
    if audio:
        from engine.commands.spoken import spoken

        scenario = run(spoken(scenario, loaded, say))
    done = run_tests(scenario)
    for tested in done:
        _show(file, tested)
    failed = sum(not tested.passed for tested in done)
    say(f"{file}: {len(done) - failed} passed, {failed} failed")
    return not failed


def _show(file: Path, tested: Tested) -> None:
    if tested.passed:
        say(f"{file}: ✓ {tested.name}")
        return
    say(f"{file}: ✗ {tested.name}")
    for difference in tested.differences:
        say(f"    {difference.say(language())}")
    for line in tested.rehearsal.transcript:
        say(f"    {line.node}: {line.who}: {line.text}")


def language() -> str:
    """Whoever's shell speaks Russian is answered in Russian."""
    told = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ru" if told.lower().startswith("ru") else "en"


def _tell(file: Path, problems: Sequence[Problem]) -> None:
    for problem in problems:
        kind = "" if problem.is_error else "warning: "
        say(f"{file}: {problem.path or '/'}: {kind}{problem.message.say(language())} [{problem.code}]")
