"""The log: its two forms, its fields, and no telephone number in either."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from engine import logs

log = logging.getLogger("tests.logs")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = before
    root.setLevel(level)


def written(style: str = "json", level: str = "info", stream: io.StringIO | None = None) -> io.StringIO:
    stream = io.StringIO() if stream is None else stream
    logs.setup(level, style, stream)
    return stream


def last(stream: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return line


def test_json_has_one_line_with_its_fields() -> None:
    out = written()
    log.info("trunk is away", extra={"trunk": "main", "tries": 3, "for_s": 1.5, "codecs": ["alaw"], "cause": None})
    line = last(out)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info", "logger": "tests.logs", "message": "trunk is away", "trunk": "main", "tries": 3, "for_s": 1.5,
        "codecs": ["alaw"], "cause": None,
    }  # fmt: skip


def test_a_field_never_hides_what_every_line_has() -> None:
    out = written()
    log.info("x", extra={"level": "none", "at": "never", "trouble": "no"})
    line = last(out)
    assert (line["level"], line["field_level"], line["field_at"], line["field_trouble"]) == (
        "info",
        "none",
        "never",
        "no",
    )


def test_a_failure_brings_its_traceback_in_the_same_line() -> None:
    out = written()
    try:
        raise ValueError("first\nsecond +79001234567")
    except ValueError:
        log.exception("it failed")
    assert out.getvalue().count("\n") == 1
    assert "ValueError: first\nsecond +7…67" in last(out)["trouble"]


def test_a_person_gets_columns_and_a_terminal_colours() -> None:
    out = written("auto", stream=Terminal())
    log.warning("trunk is away", extra={"trunk": "main", "why": 'no "answer"\nlevel=info'})
    line = out.getvalue()
    assert line.startswith("\x1b[33m")
    assert 'warning  tests.logs  trunk is away  trunk=main why="no \\"answer\\"\\nlevel=info"' in line
    assert line.count("\n") == 1


def test_auto_is_json_where_nobody_looks() -> None:
    out = written("auto")
    log.info("x")
    assert last(out)["message"] == "x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+79001234567", "+7…67"),
        ("call 89001234567 failed", "call 89…67 failed"),
        ("to=+7 (900) 123-45-67;", "to=+7…67;"),
        ("<sip:74950000001@10.0.0.1>", "<sip:74…01@10.0.0.1>"),
        ("+442071838750", "+4…50"),
    ],
)
def test_numbers_are_struck_out_wherever_they_stand(text: str, shown: str) -> None:
    out = written()
    log.info(f"said {text}", extra={"field": text, "list": [text], "map": {"a": text}})
    line = last(out)
    assert line["message"] == f"said {shown}"
    assert (line["field"], line["list"], line["map"]) == (shown, [shown], {"a": shown})


def test_a_number_given_as_a_number_is_struck_out_too() -> None:
    out = written()
    log.info("x", extra={"n": 79001234567})
    assert last(out)["n"] == "79…67"


@pytest.mark.parametrize(
    "text", ["1763640000123", "2026-11-20T09:15:00+00:00", "d1f7a0e2-90e1-4b8e", "10.0.0.1:5060", "8080"]
)
def test_other_digits_stay(text: str) -> None:
    assert logs.redacted(text) == text


def test_a_huge_field_is_cut() -> None:
    out = written()
    log.info("x", extra={"body": "a" * 10**6, "many": list(range(10**4))})
    assert len(out.getvalue()) < 3 * logs.LONGEST


def test_libraries_that_talk_much_are_quiet_unless_asked() -> None:
    out = written()
    logging.getLogger("aiohttp.access").info("GET /")
    assert out.getvalue() == ""
    out = written(level="debug")
    logging.getLogger("aiohttp.access").info("GET /")
    assert last(out)["message"] == "GET /"
