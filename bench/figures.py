"""What was measured, beside what it must be: percentiles, a table for the reader, bench/results.json for machines.

part ─▶ [Figure] ─▶ show (a table)  ─▶ merge (results.json: this part's figures are replaced, the others stay)
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `at_most`, `at_least`: what it must be, None where nothing is asked of it."""

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def passes(self) -> bool | None:
        """None: nothing is asked of it."""
        if self.at_most is None and self.at_least is None:
            return None
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def target(self) -> str:
        bounds = (("≤", self.at_most), ("≥", self.at_least))
        return " ".join(f"{sign} {_short(bound)}" for sign, bound in bounds if bound is not None)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed. Raises ValueError without any."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered), -int(-share * len(ordered) // 1)) - 1)]


def of_buckets(counts: Mapping[float, float], share: float) -> float:
    """The same of a cumulative histogram, bound -> count up to it: the bound of the bucket that holds it."""
    bounds = sorted(counts)
    if not bounds or counts[bounds[-1]] <= 0:
        raise ValueError("nothing was measured")
    return next(bound for bound in bounds if counts[bound] >= share * counts[bounds[-1]])


def spread(name: str, values: Sequence[float], unit: str, *, p95_at_most: float | None = None) -> list[Figure]:
    """Median and 95th percentile."""
    return [
        Figure(f"{name} p50", round(percentile(values, 0.5), 2), unit),
        Figure(f"{name} p95", round(percentile(values, 0.95), 2), unit, at_most=p95_at_most),
    ]


def machine(asterisk: str = "") -> dict[str, Any]:
    """What it was measured on."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    found: dict[str, Any] = {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": model,
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
    }
    return found | ({"asterisk": asterisk} if asterisk else {})


def merge(part: str, figures: Sequence[Figure], about: Mapping[str, Any], notes: str, file: Path = RESULTS) -> None:
    """Put a part's figures in the place of its former ones."""
    try:
        known = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        known = {}
    known[part] = {
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": dict(about),
        "how": notes,
        "figures": [
            {name: value for name, value in asdict(figure).items() if value not in (None, "")}
            | ({} if figure.passes is None else {"passes": figure.passes})
            for figure in figures
        ],
    }
    file.write_text(json.dumps(dict(sorted(known.items())), ensure_ascii=False, indent=1) + "\n", "utf-8")


def show(part: str, figures: Sequence[Figure], notes: str, console: Console | None = None) -> None:
    table = Table(title=part, caption=notes, title_justify="left", caption_justify="left")
    for column in ("figure", "measured", "asked", ""):
        table.add_column(column, justify="left" if column in ("figure", "") else "right")
    for figure in figures:
        verdict = {None: "", True: "[green]pass[/]", False: "[red]MISS[/]"}[figure.passes]
        table.add_row(figure.name, f"{_short(figure.value)} {figure.unit}".strip(), figure.target, verdict)
    (console or Console()).print(table)


def _short(value: float) -> str:
    return f"{value:,.10g}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
