"""`dozvon user create` and `dozvon token create`: who may come in, said by whoever sits at the machine."""

from __future__ import annotations

import argparse
import getpass
import re
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from engine.commands import run, say, settings
from engine.config import Settings
from engine.errors import InputError, NotFound

T = TypeVar("T")
SHORTEST_PASSWORD = 10


def create_user(args: argparse.Namespace) -> int:
    """Raises Conflict if there is such a user, InputError where address or password will not do."""
    email = args.email.strip().lower()
    if not re.fullmatch(r"[^@\s]{1,64}@[^@\s]{1,189}", email):
        raise InputError(f"{args.email!r} is no e-mail address")
    loaded = settings(args, quiet=True)
    password = _password(args.password_file)
    _with_store(loaded, _create_user(loaded, email, password, admin=args.admin))
    say(f"{email} may log in at {loaded.http.public_url}")
    return 0


async def _create_user(loaded: Settings, email: str, password: str, *, admin: bool) -> None:
    from engine.store.database import Database
    from engine.store.users import Users
    from web.auth import hash_password

    db = Database(loaded.database_url)
    try:
        await Users(db).add(email, hash_password(password), now=datetime.now(UTC), admin=admin)
    finally:
        await db.close()


def create_token(args: argparse.Namespace) -> int:
    """The token alone on stdout: it can be had only now. Raises NotFound if there is no such user."""
    from web.ask import SCOPES

    unknown = [scope for scope in args.scopes if scope not in SCOPES]
    if unknown or not args.scopes:
        raise InputError(f"scopes are {', '.join(sorted(SCOPES))}, not {', '.join(unknown) or 'none'}")
    loaded = settings(args, quiet=True)
    say(_with_store(loaded, _create_token(loaded, args.email, args.scopes)))
    return 0


async def _create_token(loaded: Settings, email: str, scopes: tuple[str, ...]) -> str:
    from engine.store.database import Database
    from engine.store.users import Users
    from web.auth import new_token

    db = Database(loaded.database_url)
    try:
        users = Users(db)
        user = await users.by_email(email)
        if user is None:
            raise NotFound(f"there is no user {email}: `dozvon user create {email}`")
        token, digest = new_token()
        await users.add_token(user.id, digest, scopes=scopes, now=datetime.now(UTC), name="command line")
    finally:
        await db.close()
    return token


def _with_store(loaded: Settings, work: Coroutine[Any, Any, T]) -> T:
    from engine.commands.store import migrate_to_latest

    migrate_to_latest(loaded)
    return run(work)


def _password(file: Path | None) -> str:
    """From the file's first line (- is stdin), else asked for twice, else refused."""
    if file is not None:
        text = sys.stdin.readline() if str(file) == "-" else file.read_text("utf-8")
        password = (text.splitlines() or [""])[0]
    elif sys.stdin.isatty():
        password = getpass.getpass("password (not shown): ")
        if getpass.getpass("the same again: ") != password:
            raise InputError("the two passwords differ: nothing was done, try again")
    else:
        raise InputError("there is no terminal to ask for the password at: give --password-file F, or - for stdin")
    if len(password) < SHORTEST_PASSWORD:
        raise InputError(f"the password must have {SHORTEST_PASSWORD} characters or more")
    return password
