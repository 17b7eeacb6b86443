"""Who is it? A bearer token, or the session of a browser.

    Authorization: Bearer … ─▶ SHA-256 ─▶ tokens ─┐
    Cookie: dozvon_session  ─▶ SHA-256 ─▶ logins ─┴▶ Caller        (a cookie changes nothing without its CSRF token)

Passwords are argon2id, checked in a thread, two at a time: a flood of log-ins takes neither the loop nor the memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import argon2
from aiohttp import web
from argon2.exceptions import InvalidHashError, VerificationError

from engine.errors import StoreDown, TooOften
from engine.store.tables import Login, User
from web.ask import PARTS, SCOPES, Ask, Caller, Parts
from web.limits import Limiter
from web.problems import Forbidden, Unauthorized
from web.words import language_of, say

COOKIE = "dozvon_session"
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf"
SESSION_DAYS = 14
SEEN_EVERY = timedelta(minutes=5)  # how exactly "last seen" is kept: not a write for every request
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
TOKEN_PREFIX = "dz_"
LONGEST_PASSWORD = 1024

_hasher = argon2.PasswordHasher()


def digest(secret: str) -> str:
    """How a token or a cookie is stored: whoever reads the database cannot use it. Both have 256 random bits, so that
    no slow hash is needed."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def new_token() -> tuple[str, str]:
    """(the token, told once; its digest, stored)."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    return token, digest(token)


def hash_password(password: str) -> str:
    """Takes a tenth of a second and 64 MB: in a thread."""
    return _hasher.hash(password)


def check_password(stored: str, password: str) -> bool:
    """Takes the same time whether there is such an account (empty `stored`: there is not) or not."""
    try:
        return _hasher.verify(stored or _nobody(), password) and bool(stored)
    except (VerificationError, InvalidHashError):
        return False


@lru_cache(maxsize=1)
def _nobody() -> str:
    return _hasher.hash(secrets.token_urlsafe(16))


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in that has just been made: `cookie` goes to the browser and nowhere else."""

    cookie: str
    csrf: str
    user: User


class Door:
    """Log-in and log-out, with how often they may be tried."""

    def __init__(self, public_url: str) -> None:
        self.secure = public_url.startswith("https://")
        self._pair = Limiter(burst=5, per_s=5 / 900)
        self._address = Limiter(burst=30, per_s=30 / 900)
        self._account = Limiter(burst=50, per_s=50 / 900)
        self._hashing = asyncio.Semaphore(2)

    async def log_in(
        self, parts: Parts, email: str, password: str, *, address: str, agent: str, language: str, old: str = ""
    ) -> Session:
        """A new session; the browser's `old` one ends. Raises Unauthorized, TooOften."""
        user = await self.prove(parts, email, password, address=address, language=language)
        return await self.open(parts, user, agent=agent, old=old)

    async def prove(self, parts: Parts, email: str, password: str, *, address: str, language: str) -> User:
        """Whose password this is. Raises Unauthorized, TooOften."""
        now = parts.clock.now()
        email = email.strip().lower()
        limits = ((self._pair, (address, email)), (self._address, address), (self._account, email))
        wait_s = max(limiter.wait_s(key, now) for limiter, key in limits)
        if wait_s > 0:
            raise TooOften(say(language, "many_logins"), wait_s)
        for limiter, key in limits:  # taken before the check: a hundred at once are a hundred attempts
            limiter.take(key, now)
        user = await parts.store.users.by_email(email)
        stored = user.password_hash if user is not None and not user.disabled else ""
        async with self._hashing:
            right = await asyncio.to_thread(check_password, stored, password[:LONGEST_PASSWORD])
        if not right or user is None:
            raise Unauthorized(say(language, "bad_login"))
        self._pair.forget((address, email))
        return user

    async def hashed(self, password: str) -> str:
        """How a new password is stored."""
        async with self._hashing:
            return await asyncio.to_thread(hash_password, password)

    async def open(self, parts: Parts, user: User, *, agent: str = "", old: str = "") -> Session:
        """A new session for somebody who was recognised; the browser's `old` one ends."""
        now = parts.clock.now()
        cookie, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        if old:
            await parts.store.users.end_login(digest(old))
        await parts.store.users.add_login(
            Login(
                id=digest(cookie),
                user_id=user.id,
                csrf=csrf,
                agent=agent[:200],
                created_at=now,
                seen_at=now,
                expires_at=now + timedelta(days=SESSION_DAYS),
            )
        )
        return Session(cookie, csrf, user)

    def give(self, answer: web.StreamResponse, session: Session) -> None:
        """Put the session's cookie into an answer."""
        answer.set_cookie(
            COOKIE,
            session.cookie,
            max_age=SESSION_DAYS * 86_400,
            path="/",
            httponly=True,
            secure=self.secure,
            samesite="Lax",
        )

    def take_away(self, answer: web.StreamResponse) -> None:
        answer.del_cookie(COOKIE, path="/", httponly=True, secure=self.secure, samesite="Lax")


NOBODY = Caller(user_id=0, email="", scopes=frozenset())
DOOR = web.AppKey("door", Door)


async def ask_of(request: web.Request, *, required: bool = True, language: str = "") -> Ask:
    """What every function behind the API is given, for this request; the language by Accept-Language unless given.
    Raises as `caller_of`."""
    language = language or language_of(request.headers.get("Accept-Language", ""))
    return Ask(request.app[PARTS], await caller_of(request, language, required=required), language, request)


async def caller_of(request: web.Request, language: str, *, required: bool = True) -> Caller:
    """Who sends this request. Raises Unauthorized, and Forbidden for a cookie without its CSRF token.

    With `required` false an absent or wrong proof, or one that cannot be looked at now, gives NOBODY.
    """
    parts = request.app[PARTS]
    header = request.headers.get("Authorization", "")
    try:
        if header:
            return await _by_token(parts, header, language)
        cookie = request.cookies.get(COOKIE, "")
        if not cookie:
            raise Unauthorized(say(language, "no_token"))
        caller, login = await by_session(parts, cookie, language)
    except (Unauthorized, StoreDown):
        if required:
            raise
        return NOBODY
    if required and request.method not in SAFE and not await _csrf_holds(request, login):
        raise Forbidden(say(language, "csrf"))
    return caller


async def by_session(parts: Parts, cookie: str, language: str) -> tuple[Caller, Login]:
    """Raises Unauthorized if there is no such session, or no more."""
    found = await parts.store.users.login(digest(cookie[:200]))
    now = parts.clock.now()
    if found is None or found[0].expires_at <= now or found[1].disabled:
        raise Unauthorized(say(language, "no_token"))
    login, user = found
    if now - login.seen_at > SEEN_EVERY:
        await parts.store.users.saw_login(login.id, now)
    return Caller(user.id, user.email, user.admin, frozenset(SCOPES), None, cookie), login


async def _by_token(parts: Parts, header: str, language: str) -> Caller:
    kind, _, token = header.partition(" ")
    if kind.lower() != "bearer" or not token.strip() or len(token) > 200:
        raise Unauthorized(say(language, "no_token"))
    found = await parts.store.users.token(digest(token.strip()))
    now = parts.clock.now()
    if found is None or found[1].disabled or _over(found[0].expires_at, now):
        raise Unauthorized(say(language, "bad_token"))
    row, user = found
    if row.used_at is None or now - row.used_at > SEEN_EVERY:
        await parts.store.users.used_token(row.id, now)
    return Caller(user.id, user.email, user.admin, frozenset(row.scopes), row.id)


async def _csrf_holds(request: web.Request, login: Login) -> bool:
    given = request.headers.get(CSRF_HEADER, "")
    if not given and request.content_type == "application/x-www-form-urlencoded":
        value = (await request.post()).get(CSRF_FIELD, "")
        given = value if isinstance(value, str) else ""
    return hmac.compare_digest(given.encode("utf-8", "replace"), login.csrf.encode())


def address_of(request: web.Request) -> str:
    """Where the request comes from. A proxy on this machine is believed about the address that it adds itself."""
    peer = request.remote or ""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return forwarded[:64] if forwarded and is_loopback(peer) else peer


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def same_origin(request: web.Request) -> bool:
    """Does the browser say that this request comes from our own page? For forms that have no session yet."""
    site = request.headers.get("Sec-Fetch-Site", "")
    if site:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin", "")
    return not origin or origin.partition("://")[2] == request.host


def _over(at: datetime | None, now: datetime) -> bool:
    return at is not None and at <= now
