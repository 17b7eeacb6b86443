"""`dozvon numbering import` and `dozvon numbers import`: the numbering plan, and numbers of ours."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from engine.commands import run, say, settings
from engine.config import Number, Settings
from engine.errors import InputError, Problem

COLUMNS = tuple(Number.model_fields)
LARGEST = 64 << 20
MOST_PROBLEMS = 100


def import_ranges(args: argparse.Namespace) -> int:
    """Replace the imported registry by these files, all or nothing. Raises InputError with each bad line."""
    loaded = settings(args, quiet=True)

    async def work() -> int:
        from engine.commands.store import opened

        async with opened(loaded) as store:
            return await store.numbering.import_files(args.files, _progress)

    say(f"{run(work())} ranges imported")
    return 0


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty() and total:
        sys.stderr.write(f"\r{done / total:4.0%} read{chr(10) if done >= total else ''}")
        sys.stderr.flush()


def import_numbers(args: argparse.Namespace) -> int:
    """Add numbers to the inventory, or refresh them, all or nothing. Raises InputError with each bad line."""
    loaded = settings(args, quiet=True)
    numbers = read_numbers(args.files, loaded)

    async def work() -> int:
        from engine.commands.store import opened

        async with opened(loaded) as store:
            rows = [number.model_dump() for number in numbers]
            return await store.numbers.sync(rows, now=datetime.now(UTC))

    new = run(work())
    say(f"{new} new numbers, {len(numbers) - new} refreshed")
    return 0


def read_numbers(files: Sequence[Path], loaded: Settings) -> list[Number]:
    """The numbers of CSV files with a header of `number`, `trunk` and the other keys of `numbers` in dozvon.yaml."""
    numbers: dict[str, Number] = {}
    problems: list[Problem] = []
    for file in files:
        for line, row in _rows(file):
            where = f"{file}:{line}"
            try:
                number = Number.model_validate({key: value for key, value in row.items() if value != ""})
            except ValidationError as error:
                problems += [
                    Problem(where, e["type"], f"{'.'.join(map(str, e['loc']))}: {e['msg']}") for e in error.errors()
                ]
                continue
            if number.trunk not in loaded.trunks:
                there = ", ".join(sorted(loaded.trunks)) or "none is in the settings"
                problems.append(Problem(where, "trunk", f"there is no trunk {number.trunk!r} ({there})"))
            elif number.number in numbers:
                problems.append(Problem(where, "twice", "this number stands there twice"))
            numbers[number.number] = number
    if problems:
        raise InputError("nothing was imported: mend these lines", problems[:MOST_PROBLEMS])
    if not numbers:
        raise InputError("these files hold no numbers, nothing was imported")
    return list(numbers.values())


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    if file.stat().st_size > LARGEST:
        raise InputError(f"{file} is larger than {LARGEST >> 20} MB: split it")
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{file} is not in UTF-8: save it so") from None
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        unknown = [name for name in header if name not in COLUMNS]
        if unknown or "number" not in header or "trunk" not in header:
            raise InputError(
                f"{file}: the first line must name columns of {', '.join(COLUMNS)}, number and trunk among them"
            )
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, dict(zip(header, (cell.strip() for cell in row), strict=False))
    except csv.Error as error:
        raise InputError(f"{file}:{reader.line_num}: {error}") from None
