"""The registry of the national numbering plan: operator, region and zone of a number, in microseconds.

    CSV files ─import_files─▶ numbering_ranges ─load─▶ sorted arrays ─lookup─▶ Range

The files are those of the open registry (one for each group of codes): semicolons, UTF-8 with or without a mark, or
Windows-1251; the columns are found by their names in the header.
"""

from __future__ import annotations

import asyncio
import csv
import io
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import delete, func, insert, select

from engine.errors import InputError, Problem
from engine.rules.regions import zone_of_region
from engine.store.access import RAW
from engine.store.database import Database
from engine.store.tables import NumberingRange

BATCH = 5000
MOST_PROBLEMS = 100
LARGEST_FILE = 256 << 20
COUNTRY = "7"

_COLUMNS = {
    "code": ("авс/def", "abc/def", "код"),
    "first": ("от",),
    "last": ("до",),
    "operator": ("оператор",),
    "region": ("регион",),
    "territory": ("территориягар", "территория"),
}


@dataclass(frozen=True, slots=True)
class Range:
    """Who serves a number, and where. `timezone` is empty where the region has several zones or is not known."""

    operator: str
    region: str
    timezone: str


@dataclass(slots=True)
class _Plan:
    """Ranges that do not overlap, in order; `who` points into `owners`."""

    first: array[int] = field(default_factory=lambda: array("q"))
    last: array[int] = field(default_factory=lambda: array("q"))
    who: array[int] = field(default_factory=lambda: array("l"))
    owners: list[Range] = field(default_factory=list)


class Numbering:
    """Look-ups are synchronous and from memory: `load` first, `import_files` does it too."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._plan = _Plan()

    def __len__(self) -> int:
        return len(self._plan.first)

    def lookup(self, e164: str) -> Range | None:
        """None: no range has this number, or none were imported."""
        digits = e164.removeprefix("+")
        if not digits.isascii() or not digits.isdecimal() or len(digits) > 18:
            return None
        number = int(digits)
        index = bisect_right(self._plan.first, number) - 1
        if index < 0 or number > self._plan.last[index]:
            return None
        return self._plan.owners[self._plan.who[index]]

    def operator(self, e164: str) -> str:
        """Who serves the number; empty if it is not known."""
        found = self.lookup(e164)
        return found.operator if found is not None else ""

    async def load(self) -> int:
        """Read what was imported into memory; how many ranges there are."""
        plan, seen = _Plan(), dict[tuple[str, str, str], int]()
        columns = (
            NumberingRange.first,
            NumberingRange.last,
            NumberingRange.operator,
            NumberingRange.region,
            NumberingRange.timezone,
        )
        after = -1
        while True:
            async with self._db.read() as session:
                rows = await session.execute(
                    select(*columns).where(NumberingRange.first > after).order_by(NumberingRange.first).limit(BATCH)
                )
                batch = rows.all()
            for first, last, *owner in batch:
                key = (owner[0], owner[1], owner[2])
                if key not in seen:
                    seen[key] = len(plan.owners)
                    plan.owners.append(Range(*key))
                plan.first.append(first)
                plan.last.append(last)
                plan.who.append(seen[key])
                after = first
            if len(batch) < BATCH:
                break
        self._plan = plan
        return len(plan.first)

    async def import_files(
        self, paths: Sequence[Path], progress: Callable[[int, int], None] = lambda done, total: None
    ) -> int:
        """Replace the plan by these files, all or nothing; how many ranges they have. `progress(bytes, of)`.

        Raises InputError with each bad line and its reason; what was imported before stays then.
        """
        total = sum(path.stat().st_size for path in paths if path.is_file())
        problems: list[Problem] = []
        ranges: list[dict[str, object]] = []
        done = 0
        for path in paths:
            found, wrong, size = await asyncio.to_thread(_read, path)
            ranges += found
            problems += wrong
            done += size
            progress(done, total)
        if not problems:
            ranges.sort(key=lambda row: _int(row["first"]))
            problems += _overlaps(ranges)
        if problems:
            first = problems[0]
            more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
            raise InputError(f"{first.path}: {first.message}{more}; nothing was imported", problems[:MOST_PROBLEMS])
        if not ranges:
            raise InputError("these files hold no ranges; nothing was imported")
        for row in ranges:
            del row["line"]
        async with self._db.write() as session:
            await session.execute(delete(NumberingRange), execution_options=RAW)
            for start in range(0, len(ranges), BATCH):
                await session.execute(insert(NumberingRange), ranges[start : start + BATCH])
        return await self.load()

    async def count(self) -> int:
        async with self._db.read() as session:
            return await session.scalar(select(func.count()).select_from(NumberingRange)) or 0


def _read(path: Path) -> tuple[list[dict[str, object]], list[Problem], int]:
    """Ranges and problems of one file, and its size."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            return [], [Problem(str(path), "too_large", "this is larger than the whole registry")], 0
        raw = path.read_bytes()
    except OSError as error:
        return [], [Problem(str(path), "unreadable", error.strerror or "cannot be read")], 0
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1251", "replace")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=";")
    found: list[dict[str, object]] = []
    problems: list[Problem] = []
    try:
        where = _header(next(rows, []))
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            try:
                found.append(_range(row, where) | {"line": f"{path}:{rows.line_num}"})
            except ValueError as error:
                problems.append(Problem(f"{path}:{rows.line_num}", "line", str(error)))
                if len(problems) >= MOST_PROBLEMS:
                    break
    except (ValueError, csv.Error) as error:
        problems.append(Problem(f"{path}:{max(1, rows.line_num)}", "header", str(error)))
    return found, problems, len(raw)


def _header(row: Sequence[str]) -> dict[str, int]:
    """Where each column is. Raises ValueError."""
    names = ["".join(cell.lower().split()).translate(str.maketrans("abc", "авс")) for cell in row]
    where = {}
    for column, spellings in _COLUMNS.items():
        wanted = [spelling.translate(str.maketrans("abc", "авс")) for spelling in spellings]
        place = next((index for index, name in enumerate(names) if name in wanted), None)
        if place is not None:
            where[column] = place
    missing = [column for column in ("code", "first", "last", "operator", "region") if column not in where]
    if missing:
        raise ValueError("this is not the registry's header: АВС/ DEF;От;До;Емкость;Оператор;Регион;…")
    return where


def _range(row: Sequence[str], where: dict[str, int]) -> dict[str, object]:
    """Raises ValueError."""

    def cell(column: str) -> str:
        place = where.get(column)
        return row[place].strip() if place is not None and place < len(row) else ""

    if len(row) <= max(where[column] for column in ("code", "first", "last", "operator", "region")):
        raise ValueError("there are columns missing")
    code = cell("code")
    first, last = (_whole(code, cell(column)) for column in ("first", "last"))
    if last < first:
        raise ValueError("the range ends before it begins")
    region, territory = cell("region"), cell("territory")
    zone = zone_of_region(f"{region}|{territory}" if territory and "якут" in region.lower() else region)
    return {
        "first": first,
        "last": last,
        "operator": cell("operator"),
        "region": region,
        "timezone": zone or zone_of_region(territory),
    }


def _whole(code: str, rest: str) -> int:
    if not (code.isascii() and code.isdecimal() and len(code) == 3):
        raise ValueError(f"{code[:20]!r} is no code of three digits")
    if not (rest.isascii() and rest.isdecimal() and len(rest) <= 7):
        raise ValueError(f"{rest[:20]!r} is no number of seven digits")
    return int(COUNTRY + code + rest.rjust(7, "0"))


def _overlaps(ranges: Sequence[dict[str, object]]) -> Iterator[Problem]:
    for before, row in zip(ranges, ranges[1:], strict=False):
        if _int(row["first"]) <= _int(before["last"]):
            yield Problem(str(row["line"]), "overlap", f"this range overlaps the one in {before['line']}")


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
