"""`dozvon user create` and `dozvon token create`: who may come in, said by whoever sits at the machine."""

from __future__ import annotations

import argparse
import getpass
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from engine.commands import run, say, settings
from engine.errors import InputError, NotFound

SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 1024


def create_user(args: argparse.Namespace) -> int:
    """Raises Conflict if there is such a user, InputError where address or password will not do."""
    email = args.email.strip().lower()
    if not re.fullmatch(r"[^@\s]{1,64}@[^@\s]{1,189}", email):
        raise InputError(f"{args.email!r} is no e-mail address")
    loaded = settings(args, quiet=True)
    password = _password(args.password_file)

    async def work() -> None:
        from engine.commands.store import opened
        from web.auth import hash_password

        async with opened(loaded) as store:
            await store.users.add(email, hash_password(password), now=datetime.now(UTC), admin=args.admin)

    run(work())
    say(f"{email} may log in at {loaded.http.public_url}")
    return 0


def create_token(args: argparse.Namespace) -> int:
    """The token alone on stdout: it can be had only now. Raises NotFound if there is no such user."""
    from web.ask import SCOPES

    unknown = [scope for scope in args.scopes if scope not in SCOPES]
    if unknown or not args.scopes:
        raise InputError(f"scopes are {', '.join(sorted(SCOPES))}, not {', '.join(unknown) or 'none'}")
    loaded = settings(args, quiet=True)

    async def work() -> str:
        from engine.commands.store import opened
        from web.auth import new_token

        async with opened(loaded) as store:
            user = await store.users.by_email(args.email)
            if user is None:
                raise NotFound(f"there is no user {args.email}: `dozvon user create {args.email}`")
            token, digest = new_token()
            scopes = list(dict.fromkeys(args.scopes))
            await store.users.add_token(user.id, digest, scopes=scopes, now=datetime.now(UTC), name="command line")
            return token

    say(run(work()))
    return 0


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
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InputError(f"the password must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return password
