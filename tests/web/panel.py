"""A browser without scripts, for the panel's tests; and a project in which every page has something to show."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import numpy as np
import soundfile  # type: ignore[import-untyped]
from aiohttp import ClientSession

from engine.model import CallEnd, Result, Spoken, Status, StepLog, TalkLog
from tests.web.conftest import START, Client, Shop, World
from web import auth
from web.ask import PARTS

LANGUAGES = ("ru", "en")
FORM = "application/x-www-form-urlencoded"


@dataclass
class Screen:
    """What the browser shows."""

    status: int
    text: str
    headers: Mapping[str, str]
    path: str

    def field(self, name: str) -> str:
        """The value of an input, a chosen option or a text area."""
        tag = re.search(rf'<(input|select|textarea)[^>]*\sname="{re.escape(name)}"[^>]*>', self.text)
        assert tag, f"{self.path} has no field {name}"
        rest = self.text[tag.end() :]
        if tag[1] == "textarea":
            return html.unescape(rest[: rest.index("</textarea>")].removeprefix("\n"))
        if tag[1] == "select":
            chosen = re.search(r'<option value="([^"]*)" selected>', rest[: rest.index("</select>")])
            return html.unescape(chosen[1]) if chosen else ""
        value = re.search(r'\svalue="([^"]*)"', tag[0])
        return html.unescape(value[1]) if value else ""

    @property
    def words(self) -> str:
        """What a person reads."""
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", self.text)).split())


@dataclass
class Browser:
    base: str
    http: ClientSession
    language: str = "ru"
    csrf: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **headers: str) -> Screen:
        return await self._ask("GET", path, None, headers)

    async def post(self, path: str, given: Mapping[str, Any] | None = None, **headers: str) -> Screen:
        """Send a form, with the session's token."""
        pairs = [(k, str(v)) for k, vs in (given or {}).items() for v in (vs if isinstance(vs, list) else [vs])]
        return await self._ask("POST", path, [("csrf", self.csrf), *pairs], headers)

    async def done(self, path: str, given: Mapping[str, Any] | None = None) -> Screen:
        """Send a form that must succeed; the page that it leads to."""
        answer = await self.post(path, given)
        assert answer.status == 303, (path, answer.status, answer.words[:600])
        shown = await self.get(answer.headers["Location"])
        assert shown.status == 200, (answer.headers["Location"], shown.status)
        return shown

    async def _ask(
        self, method: str, path: str, pairs: list[tuple[str, str]] | None, headers: Mapping[str, str]
    ) -> Screen:
        async with self.http.request(
            method,
            self.base + path,
            data=io.BytesIO(urlencode(pairs).encode()) if pairs is not None else None,
            headers={"Accept-Language": self.language, "Content-Type": FORM, **headers},
            cookies=self.cookies,
            allow_redirects=False,
        ) as answer:
            for name, morsel in answer.cookies.items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(name)
            return Screen(answer.status, await answer.text(), dict(answer.headers), path)


async def browser(world: World, email: str = "anna@example.com", language: str = "ru") -> Browser:
    """Somebody with a session; a new user, if there is none of this address."""
    user = await world.store.users.by_email(email) or await world.user(email)
    session = await world.app[auth.DOOR].open(world.app[PARTS], user)
    http = ClientSession()
    world.sessions.append(http)
    return Browser(world.base, http, language, session.csrf, {auth.COOKIE: session.cookie})


@dataclass(frozen=True, slots=True)
class Full:
    """The ids of one of everything."""

    shop: Shop
    campaign: int
    line: int
    call: int
    password: int

    def pages(self) -> list[str]:
        project = f"/projects/{self.shop.project}"
        return [
            "/projects", project, f"{project}/settings", f"{project}/campaigns", f"{project}/campaigns/new",
            f"/campaigns/{self.campaign}", f"/campaigns/{self.campaign}/contacts", f"/campaigns/{self.campaign}/edit",
            f"{project}/segments", f"{project}/segments/new", f"/segments/{self.shop.segment}",
            f"/segments/{self.shop.blacklist}", f"{project}/calls", f"{project}/calls/new", f"/calls/{self.call}",
            f"{project}/live", f"{project}/lines", f"{project}/lines/new", f"/lines/{self.line}",
            f"/lines/{self.line}/edit", "/numbers", f"{project}/scenarios", f"{project}/scenarios/new",
            f"{project}/scenarios/new?from=clinic", f"/scenarios/{self.shop.scenario}",
            f"/scenarios/{self.shop.scenario}?version=1", f"/scenarios/{self.shop.scenario}/edit",
            f"/scenarios/{self.shop.scenario}/rehearse", "/call-password", f"/call-password/{self.password}",
            "/status", f"{project}/voices", f"{project}/materials", "/settings",
        ]  # fmt: skip

    def own(self) -> list[str]:
        """Those pages that belong to somebody."""
        return [page for page in self.pages() if re.search(r"\d", page)]


async def fill(anna: Client, shop: Shop, world: World) -> Full:
    """One of everything: among it a call that was talked through and recorded."""
    windows = [{"days": [1, 2], "from": "10:00", "to": "20:00"}]
    campaign = await anna.made(
        f"/projects/{shop.project}/campaigns",
        shop.campaign(schedule={"windows": windows}, variants=[{"scenario_id": shop.scenario, "share": 0.25}]),
    )
    line = await anna.made(
        f"/projects/{shop.project}/lines",
        {
            "name": "Reception",
            "numbers": [shop.number],
            "scenario_id": shop.scenario,
            "schedule": {"windows": windows},
            "after_hours_scenario_id": shop.scenario,
        },
    )
    call = await anna.made(
        f"/projects/{shop.project}/calls", {"phone": "+79001234567", "scenario_id": shop.scenario, "fields": {"n": 1}}
    )
    await world.store.calls.end(call["id"], ended(_recording(world)))
    password = await anna.made("/call-passwords", {"phone": "+79007654321"})
    return Full(shop, campaign["id"], line["id"], call["id"], password["id"])


def _recording(world: World) -> str:
    folder = world.settings.data_dir / "recordings"
    folder.mkdir(exist_ok=True)
    seconds = np.arange(8000 * 6) / 8000
    tone = (np.sin(seconds * 2 * np.pi * 440) * 9000).astype(np.int16)
    subscriber, robot = tone.copy(), tone.copy()
    subscriber[: 8000 * 3] = 0
    robot[8000 * 3 :] = 0
    soundfile.write(folder / "one.wav", np.stack([subscriber, robot], axis=1), 8000)
    return "recordings/one.wav"


MACHINE = "short_greeting_640_ms +2.0 @900 ms; phrase: оставьте сообщение +4.5 @2400 ms; beep_1000_hz +3.0 @2600 ms"


def ended(recording: str = "") -> CallEnd:
    """A talk in which everything happened that a page can show."""
    talk = TalkLog(
        ending="hangup",
        ended_by="robot",
        result=Result.GOAL,
        tags=("hot", "<b>bold</b>"),
        vars={"heard": "да", "choice": "yes"},
        steps=(
            StepLog(0, "hello", "play", 2100, "next"),
            StepLog(900, "amd", "amd", 0, "person", detail="short_greeting_640_ms +2.0 @900 ms"),
            StepLog(2100, "ask", "recognize", 1300, "agreed", "voice", "да", 0.97, 240, partial=True),
            StepLog(2600, "amd", "amd", 0, "machine", detail=MACHINE),
            StepLog(3400, "agreed", "goal", 0, "next"),
        ),
        transcript=(Spoken(0, "robot", "Здравствуйте! Придёте?"), Spoken(3100, "subscriber", "<script>да</script>")),
    )
    return CallEnd(
        Status.ANSWERED, 16, START + timedelta(seconds=16), dialed_at=START, answered_at=START + timedelta(seconds=10),
        talk=talk, number="+74950000001", recording=recording, scenario_version=1, cost=73,
    )  # fmt: skip
