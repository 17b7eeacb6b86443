"""`dozvon scenario …`: every problem of a document, and its own tests, with no telephone."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands import say

if TYPE_CHECKING:
    from scenarios.problems import Problem


def check(args: argparse.Namespace) -> int:
    """1 if a document cannot be run; warnings are told and do not count. Raises OSError if a file cannot be read."""
    from scenarios.check import check as problems_of

    failed = False
    for file in args.files:
        problems = problems_of(file.read_bytes())
        failed |= any(problem.is_error for problem in problems)
        _tell(file, problems)
        if not any(problem.is_error for problem in problems):
            say(f"{file}: right")
    return 1 if failed else 0


def language() -> str:
    """Whoever's shell speaks Russian is answered in Russian."""
    told = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ru" if told.lower().startswith("ru") else "en"


def _tell(file: Path, problems: list[Problem]) -> None:
    for problem in problems:
        kind = "" if problem.is_error else "warning: "
        say(f"{file}: {problem.path or '/'}: {kind}{problem.message.say(language())} [{problem.code}]")
