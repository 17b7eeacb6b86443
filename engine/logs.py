"""The log: one line a record on stderr, JSON for machines or columns for a person, telephone numbers struck out.

Messages are constant, what varies comes as fields (`extra={…}`). Nobody should log a number; this is the net below.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

LONGEST = 2000  # characters of one field; a traceback may be four times as long
QUIET = ("aiohttp.access", "aiosqlite", "asyncio", "sqlalchemy", "alembic", "picows")

# E.164 with its plus, Russian numbers with or without it, and the user part of a SIP address.
_PHONE = re.compile(r"\+\d[\d ().-]{5,18}\d|(?<![\w.-])[78]\d{10}(?![\w.-])|(?<=sip:)\+?\d{5,15}(?=@)")
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[1;31m"}


def setup(level: str = "info", style: str = "auto", stream: TextIO | None = None) -> None:
    """Send everything of `level` and above to `stream` (stderr). `style`: console, json, or auto: console on a
    terminal.

    Libraries that talk much are heard from `warning` on, unless `level` is debug. Called again, it replaces.
    """
    stream = sys.stderr if stream is None else stream
    terminal = stream.isatty()
    handler = logging.StreamHandler(stream)
    console = style == "console" or (style == "auto" and terminal)
    handler.setFormatter(ConsoleLines(colour=terminal) if console else JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "debug" else logging.WARNING)


def redacted(text: str) -> str:
    """`text` with the middle of every telephone number struck out: enough to tell two apart, not to call one."""
    return _PHONE.sub(lambda match: f"{match[0][:2]}…{match[0][-2:]}", text)


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the record carries beside its message, fit to be written."""
    return {key: _fit(value) for key, value in vars(record).items() if key not in _OWN and not key.startswith("_")}


def _fit(value: Any) -> Any:
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        text = str(value)
        return value if redacted(text) == text else redacted(text)
    if isinstance(value, Mapping):
        return {str(key): _fit(below) for key, below in list(value.items())[:50]}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_fit(below) for below in list(value)[:50]]
    return redacted(str(value)[:LONGEST])


def _trouble(record: logging.LogRecord, formatter: logging.Formatter) -> str:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return redacted("\n".join(parts)[-4 * LONGEST :])


class JsonLines(logging.Formatter):
    """`{"at": …, "level": …, "logger": …, "message": …, field: …, "trouble": traceback}`; a field never hides these."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            **{
                f"field_{key}" if key in ("at", "level", "logger", "trouble") else key: v
                for key, v in fields(record).items()
            },
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        head = ("at", "level", "logger", "message")
        line = {**{key: line[key] for key in head}, **line}
        if trouble := _trouble(record, self):
            line["trouble"] = trouble
        return json.dumps(line, ensure_ascii=False, default=str)


class ConsoleLines(logging.Formatter):
    """`12:30:01 warning  engine.app  trunk is away  trunk=main`, the traceback below."""

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        told = " ".join(f"{key}={_shown(value)}" for key, value in fields(record).items())
        message = " ".join(redacted(record.getMessage()).split("\n"))
        line = f"{at} {record.levelname.lower():<8} {record.name}  {message}  {told}".rstrip()
        if trouble := _trouble(record, self):
            line += f"\n{trouble}"
        if self._colour and record.levelname in _COLOURS:
            return f"{_COLOURS[record.levelname]}{line}\x1b[0m"
        return line


def _shown(value: Any) -> str:
    """Quoted when it is no plain word, so that a value can neither begin a line nor look like another field."""
    text = str(value)
    return text if re.fullmatch(r"[\w.:/+…@-]*", text) else json.dumps(text, ensure_ascii=False)
