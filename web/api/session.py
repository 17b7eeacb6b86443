"""Logging in by a browser, and tokens for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from engine.errors import InputError
from engine.store.tables import Token, User
from web.api.types import Email, Moment, Name
from web.ask import Ask
from web.auth import COOKIE, DOOR, address_of, digest, new_token
from web.paging import PageOf
from web.problems import Forbidden, Unauthorized, wrong
from web.routes import Given, Routes, Told

routes = Routes("session")

Scope = Literal["read", "write", "call_password"]


class LogIn(Given):
    email: Email
    password: Annotated[str, Field(min_length=1, max_length=1024)]


class UserOut(Told):
    id: int
    email: str
    name: str
    locale: str
    admin: bool


class MePatch(Given):
    name: Annotated[str, Field(max_length=200)] | None = None
    locale: Literal["ru", "en"] | None = None


class NewPassword(Given):
    old: Annotated[str, Field(min_length=1, max_length=1024)]
    new: Annotated[str, Field(min_length=10, max_length=1024)]


class SessionOut(Told):
    user: UserOut
    csrf: str = Field(description="Send it as X-CSRF-Token with every request that changes something")


class NewToken(Given):
    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3)] = ["read", "write"]
    expires_at: Moment | None = None


class TokenOut(Told):
    id: int
    name: str
    scopes: list[Scope]
    created_at: datetime
    used_at: datetime | None
    expires_at: datetime | None


class TokenMade(TokenOut):
    token: str = Field(description="Told this once; only its digest is kept")


def user_out(row: User) -> UserOut:
    return UserOut.model_validate(row)


def _token(row: Token) -> TokenOut:
    return TokenOut.model_validate(row)


@routes.post("/session", "Log in: gives the session cookie", scope=None, status=201, errors=(401,), answer=SessionOut)
async def log_in(ask: Ask, body: LogIn) -> web.Response:
    request = _request(ask)
    session = await request.app[DOOR].log_in(
        ask.parts,
        body.email,
        body.password,
        address=address_of(request),
        agent=request.headers.get("User-Agent", ""),
        language=ask.language,
        old=request.cookies.get(COOKIE, ""),
    )
    told = SessionOut(user=user_out(session.user), csrf=session.csrf)
    answer = web.Response(status=201, body=told.model_dump_json().encode(), content_type="application/json")
    request.app[DOOR].give(answer, session)
    return answer


@routes.delete("/session", "Log out", answer=None)
async def log_out(ask: Ask) -> web.Response:
    answer = web.Response(status=204)
    if ask.caller.session:
        await ask.store.users.end_login(digest(ask.caller.session))
        _request(ask).app[DOOR].take_away(answer)
    return answer


@routes.get("/me", "Who you are")
async def me(ask: Ask) -> UserOut:
    return user_out(await ask.store.users.get(ask.user))


@routes.patch("/me", "Change your name or language")
async def patch_me(ask: Ask, body: MePatch) -> UserOut:
    return user_out(await ask.store.users.change(ask.user, body.model_dump(exclude_none=True)))


@routes.put("/me/password", "Change your password; your other sessions end", answer=None, status=204, errors=(429,))
async def change_password(ask: Ask, body: NewPassword) -> None:
    """Only from a session: a token cannot lock its owner out."""
    if not ask.caller.session:
        raise Forbidden(ask.say("session_only"))
    request = _request(ask)
    door = request.app[DOOR]
    try:
        await door.prove(ask.parts, ask.caller.email, body.old, address=address_of(request), language=ask.language)
    except Unauthorized:
        raise wrong(ask.language, "/old", "bad_login") from None
    await ask.store.users.change(ask.user, {"password_hash": await door.hashed(body.new)})
    await ask.store.users.end_logins(ask.user, but=digest(ask.caller.session))


@routes.get("/tokens", "Your tokens")
async def tokens(ask: Ask) -> PageOf[TokenOut]:
    return PageOf(items=[_token(row) for row in await ask.store.users.tokens(ask.user)], next=None)


@routes.post("/tokens", "Make a token", status=201)
async def make_token(ask: Ask, body: NewToken) -> TokenMade:
    """A token cannot make one that may do more than itself."""
    for scope in body.scopes:
        if scope not in ask.caller.scopes:
            raise Forbidden(ask.say("scope", scope=scope))
    if body.expires_at is not None and body.expires_at <= ask.now():
        raise _past(ask)
    token, hashed = new_token()
    row = await ask.store.users.add_token(
        ask.user, hashed, scopes=body.scopes, now=ask.now(), name=body.name, expires_at=body.expires_at
    )
    return TokenMade(**_token(row).model_dump(), token=token)


@routes.delete("/tokens/{token_id}", "Revoke a token")
async def drop_token(ask: Ask, token_id: int) -> None:
    await ask.store.users.drop_token(token_id, user=ask.user)


def _past(ask: Ask) -> InputError:
    return wrong(ask.language, "/expires_at", "past")


def _request(ask: Ask) -> web.Request:
    assert ask.request is not None
    return ask.request
