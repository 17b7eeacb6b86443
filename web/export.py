"""Tables for spreadsheets, safe to open: a value that a spreadsheet would take for a formula is only text there."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from urllib.parse import quote

from aiohttp import web

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
BOM = "\ufeff"  # so that a spreadsheet takes the file for UTF-8


def cell(value: object) -> str:
    """A value as a cell. Telephone numbers and plain numbers stay as they are, though they begin with + or -."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    if text.startswith(FORMULA) and not (text[0] in "+-" and text[1:].isascii() and text[1:].isdigit()):
        return "'" + text
    return text


def row(values: Iterable[object]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([cell(value) for value in values])
    return out.getvalue().encode("utf-8", "replace")


async def send(
    request: web.Request, name: str, head: Sequence[str], rows: AsyncIterator[Sequence[object]]
) -> web.StreamResponse:
    """Answer with a CSV file, row by row."""
    answer = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name[:100], safe='')}.csv",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
    )
    await answer.prepare(request)
    await answer.write(BOM.encode() + row(head))
    async for each in rows:
        await answer.write(row(each))
    await answer.write_eof()
    return answer
