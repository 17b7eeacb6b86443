"""Who asks, in which language, and with what at hand: what every function behind the API and the panel is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from aiohttp import web

from engine.clock import SystemClock
from engine.config import Settings
from engine.model import Sound
from engine.ports import Clock, Robot
from engine.store import Store
from web.problems import Forbidden
from web.words import say

Role = Literal["analyst", "operator", "manager", "admin"]
# analyst: looks. operator: calls, minds contacts. manager: everything in a project. admin: the project itself.
RANKS = {"analyst": 1, "operator": 2, "manager": 3, "admin": 4, "owner": 5}
SCOPES = ("read", "write", "call_password")


class Speaker(Protocol):
    """A voice. `gender`: f, m, or empty where nobody knows."""

    @property
    def name(self) -> str: ...

    @property
    def language(self) -> str: ...

    @property
    def engine(self) -> str: ...

    @property
    def gender(self) -> Literal["f", "m", ""]: ...


class Voices(Protocol):
    """The synthesizer in use, as far as the API needs it."""

    def speakers_told(self) -> Sequence[Speaker]:
        """Every voice with what is known of it."""
        ...

    def voices(self) -> list[tuple[str, str]]:
        """(name, language) of every voice that can be asked for."""
        ...

    async def preview(self, text: str, *, voice: str, language: str, project: int | None = None) -> Sound:
        """The text as sound, with a project's pronunciations if one is named. Raises SpeechError."""
        ...


class Replays(Protocol):
    """Who hears kept calls again; jobs of the kind `replay` are its work."""

    @property
    def recognizers(self) -> tuple[str, ...]:
        """By name; the one in use comes first."""
        ...

    def nudge(self) -> None:
        """There is a new job."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who was recognised, by a token or by a session."""

    user_id: int
    email: str
    admin: bool = False  # of the installation
    scopes: frozenset[str] = frozenset(SCOPES)
    token_id: int | None = None
    session: str = ""  # the cookie's value; empty with a token


@dataclass(frozen=True, slots=True)
class Parts:
    """What the web layer works with; put together once, by `web.app.make_app`."""

    settings: Settings
    store: Store
    robot: Robot
    clock: Clock = field(default_factory=SystemClock)
    voices: Voices | None = None
    replays: Replays | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a multipart request; it is deleted when the request is over, unless moved away."""

    path: Path
    name: str
    size: int


@dataclass(slots=True)
class Ask:
    parts: Parts
    caller: Caller
    language: str = "en"
    request: web.Request | None = None
    upload: Upload | None = None
    afterwards: list[Callable[[], Awaitable[None]]] = field(default_factory=list)  # run when the answer has been made

    @property
    def store(self) -> Store:
        return self.parts.store

    @property
    def robot(self) -> Robot:
        return self.parts.robot

    @property
    def settings(self) -> Settings:
        return self.parts.settings

    def say(self, key: str, **params: object) -> str:
        return say(self.language, key, **params)

    def need_scope(self, *any_of: str) -> None:
        """Raises Forbidden unless the caller has one of these. `write` includes the others."""
        have = self.caller.scopes
        if "write" not in have and not have.intersection(any_of):
            raise Forbidden(self.say("scope", scope="` | `".join(any_of)))

    async def may(self, project_id: int, role: Role) -> None:
        """Raises NotFound if the project is not the caller's, Forbidden if their role in it is less than `role`."""
        have = await self.store.projects.role(project_id, user=self.user)
        if RANKS.get(have, 0) < RANKS[role]:
            raise Forbidden(self.say("role"))

    @property
    def user(self) -> int:
        return self.caller.user_id

    def now(self) -> datetime:
        return self.parts.clock.now()


PARTS = web.AppKey("parts", Parts)
