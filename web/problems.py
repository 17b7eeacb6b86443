"""Every error as RFC 9457 `application/problem+json`.

    raise Conflict(…) ──▶ problem_of(error, language) ──▶ {type, title, status, detail, code, errors?}

One place knows which error is which status; one place knows the two languages.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from engine.errors import (
    ChannelDown,
    Conflict,
    DozvonError,
    InputError,
    NotFound,
    Overloaded,
    Problem,
    StoreDown,
    TooOften,
)
from web.words import TITLES, VALIDATION, below, say

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """The panel's own answer to an error: (request, status, detail)."""

    show: Callable[[web.Request, int, str], Awaitable[web.StreamResponse]]


ERROR_PAGE = web.AppKey("error_page", ErrorPage)  # without it people too are answered with problem+json


class Unauthorized(DozvonError):
    """Nobody is known to be asking."""


class Forbidden(DozvonError):
    """Whoever asks may not do this."""


class BadRequest(DozvonError):
    """What came is not even a request of the kind expected: no JSON, no multipart."""


class Unsupported(DozvonError):
    """The content type is not one that this endpoint reads."""


class TooLarge(DozvonError):
    """The body is larger than this endpoint takes."""


class ProblemItem(BaseModel):
    """One thing wrong with a request."""

    path: str = Field(description="JSON pointer into the request: into the body, or /name of a query parameter")
    code: str
    message: str


class ProblemDocument(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(description="A URI reference that tells the kind of the problem")
    title: str
    status: int
    detail: str
    code: str = Field(description="The kind of the problem as one word, for programs")
    errors: list[ProblemItem] | None = Field(
        default=None, description="With 422: everything that is wrong, not the first"
    )


CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    422: "invalid",
    429: "too_many_requests",
    500: "internal",
    503: "unavailable",
}

_STATUS: tuple[tuple[type[DozvonError], int], ...] = (
    (InputError, 422),
    (NotFound, 404),
    (Conflict, 409),
    (Unauthorized, 401),
    (Forbidden, 403),
    (TooOften, 429),
    (TooLarge, 413),
    (Unsupported, 415),
    (BadRequest, 400),
    (ChannelDown, 503),
    (Overloaded, 503),
    (StoreDown, 503),
)


def status_of(error: DozvonError) -> int:
    """The HTTP status that tells this error; 500 for one that is nobody's fault but ours."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem_of(error: DozvonError, language: str) -> web.Response:
    """The answer that tells `error`. Of an error that is ours (500) only the title is told."""
    status = status_of(error)
    detail = below(language, str(error)) if status != 500 else ""
    errors = None
    if isinstance(error, InputError):
        errors = [Problem(e.path, e.code, below(language, e.message)) for e in error.problems]
    answer = problem(status, detail, language, errors)
    if isinstance(error, TooOften):
        answer.headers["Retry-After"] = str(max(1, math.ceil(error.wait_s)))
    elif status == 503:
        answer.headers["Retry-After"] = "5"
    elif status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="dozvon"'
    return answer


def problem(
    status: int, detail: str = "", language: str = "en", errors: Iterable[Problem] | None = None
) -> web.Response:
    code = CODES.get(status, "bad_request" if status < 500 else "internal")
    title = TITLES[code][language]
    document: dict[str, Any] = {
        "type": f"/api/docs#problem-{code}",
        "title": title,
        "status": status,
        "detail": detail or title,
        "code": code,
    }
    if errors is not None:
        document["errors"] = [{"path": e.path, "code": e.code, "message": e.message} for e in errors]
    return web.Response(
        status=status, body=json.dumps(document, ensure_ascii=False).encode(), content_type=CONTENT_TYPE
    )


def invalid(error: ValidationError, language: str, prefix: tuple[str | int, ...] = ()) -> InputError:
    """Pydantic's findings as problems with JSON pointers."""
    problems = []
    for fault in error.errors(include_url=False, include_input=False):
        template = VALIDATION.get(fault["type"]) if language == "ru" else None
        message = fault["msg"].removeprefix("Value error, ")
        if template is not None:
            message = template.format_map(_Blanks(fault.get("ctx", {})))
        problems.append(Problem(pointer(*prefix, *fault["loc"]), fault["type"], message))
    return InputError(say(language, "invalid"), problems)


def wrong(language: str, path: str, code: str, key: str = "", **params: object) -> InputError:
    """One thing wrong, in words of the catalogue (`key`, or the code itself)."""
    return InputError(say(language, "invalid"), [Problem(path, code, say(language, key or code, **params))])


def pointer(*parts: str | int) -> str:
    """RFC 6901."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


class _Blanks(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""
