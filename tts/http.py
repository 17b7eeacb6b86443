"""Any speech service that answers a request with a sound: the big clouds, Silero servers, one's own.

    text ─▶ request from the template ─▶ 200: wav mp3 ogg flac, raw PCM, or base64 in JSON ─▶ 8 kHz, one loudness
                                         429, 5xx: again, within render_s

    http:
      url: https://tts.example/v1/synthesize
      headers: {Authorization: "Api-Key {env.TTS_KEY}"}
      json: {text: "{text}", voice: "{voice}", lang: "{language}", speed: "{rate}"}
      voices: {anna: "alena", ivan: "filipp"}

In `url`, `headers`, `json` and `body`: {text} {voice} {language} {rate}, and {env.NAME} from the environment.
The address is the operator's own word and is not looked at further; redirects are not followed, they would take the
secrets along.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from engine import audio
from engine.errors import ConfigError, InputError, Overloaded, SpeechError
from engine.model import RATE, Sound
from tts import _text
from tts._sound import finished
from tts._speakable import speakable

MOST_BYTES = 32 << 20
LONGEST_S = 600.0
FIRST_PAUSE_S = 0.2
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_PLACE = re.compile(r"\{(text|voice|language|rate|env\.[A-Za-z_][A-Za-z0-9_]{0,63})\}")
_PUT: Mapping[str, Callable[[str], str]] = {
    "none": str,
    "xml": lambda value: escape(value, quote=True),
    "url": lambda value: quote(value, safe=""),
}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    url: str
    method: Literal["GET", "POST", "PUT"] = "POST"
    headers: dict[str, str] = Field(default_factory=dict)
    json_: Annotated[dict[str, Any] | None, Field(alias="json")] = None
    body: str | None = None
    escape: Literal["none", "xml", "url"] = "none"  # of what is put into `body`: xml for SSML, url for forms
    answer: Literal["sound", "pcm"] = "sound"  # sound: a file of any known kind; pcm: raw 16-bit mono, little-endian
    pcm_hz: Annotated[int, Field(ge=4000, le=192_000)] = 16_000
    base64_at: str = ""  # the sound is text in a JSON answer, here: `audioContent`, `result.audio.0`
    voices: dict[str, str] = Field(default_factory=dict)  # our names for the service's
    default_voice: str = ""  # the service's; empty: the first of `voices`
    languages: dict[str, str] = Field(default_factory=dict)  # {ru: ru-RU}; without: as the scenario says
    rate: Annotated[float, Field(gt=0, le=4)] = 1.0
    stress: Literal["plus", "acute", "none"] = "none"
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    queue_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    render_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    retries: Annotated[int, Field(ge=0, le=10)] = 3

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        if not re.match(r"https?://[^\s{}/?#]+", value) or any(c.isspace() or c < " " for c in value):
            raise ValueError("must be http://HOST/… or https://HOST/…, its host written out")
        return value

    @field_validator("headers")
    @classmethod
    def _names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} is no header's name")
        return value

    @model_validator(mode="after")
    def _one_body(self) -> Settings:
        if self.json_ is not None and self.body is not None:
            raise ValueError("give json or body, not both")
        return self


@asynccontextmanager
async def open(settings: Settings, *, data_dir: Path) -> AsyncGenerator[Http]:
    """Raises ConfigError if the environment lacks a secret that the template names."""
    secrets = _secrets(settings)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=settings.concurrency),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    ) as session:
        yield Http(settings, session, secrets)


class Http:
    """See `engine.ports.Synthesizer`."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession, secrets: Mapping[str, str]) -> None:
        self._settings = settings
        self._session = session
        self._secrets = secrets
        self._room = asyncio.Semaphore(settings.concurrency)

    @property
    def identity(self) -> str:
        """Everything of the settings that may change the sound; of secrets only their names."""
        shown = self._settings.model_dump(exclude={"concurrency", "queue_s", "render_s", "retries"})
        return "http-1 " + json.dumps(shown, sort_keys=True, ensure_ascii=False)

    @property
    def voices(self) -> list[str]:
        return sorted(self._settings.voices)

    async def render(self, text: str, *, voice: str = "", language: str = "ru") -> Sound:
        """An unknown voice is the default one. Raises Overloaded if there is no room for it, else SpeechError."""
        spoken = _text.spelled(speakable(text), self._settings.stress)
        if not spoken:
            return Sound(b"")
        await self._enter()
        try:
            async with asyncio.timeout(self._settings.render_s):
                data = await self._insist(self._request(spoken, voice, language))
        except TimeoutError:
            raise SpeechError(f"the speech service did not answer within {self._settings.render_s:g} s") from None
        finally:
            self._room.release()
        return await asyncio.to_thread(self._sound, data)

    async def _enter(self) -> None:
        try:
            async with asyncio.timeout(self._settings.queue_s):
                await self._room.acquire()
        except TimeoutError:
            raise Overloaded("too many texts wait for the speech service") from None

    # --- the request --------------------------------------------------------------------------------------------------

    def _request(self, text: str, voice: str, language: str) -> dict[str, Any]:
        settings = self._settings
        base = language.split("-")[0].lower()
        default = settings.default_voice or next(iter(settings.voices.values()), "")
        values: dict[str, str] = {
            "text": text,
            "voice": settings.voices.get(voice) or settings.voices.get(voice.lower()) or default,
            "language": settings.languages.get(language) or settings.languages.get(base) or _plain(language),
            "rate": f"{settings.rate:g}",
            **{f"env.{name}": value for name, value in self._secrets.items()},
        }
        request: dict[str, Any] = {
            "method": settings.method,
            "url": _filled(settings.url, values, lambda value: quote(value, safe="")),
            "headers": {name: _one_line(_filled(value, values)) for name, value in settings.headers.items()},
        }
        if settings.json_ is not None:
            request["json"] = _tree(settings.json_, values, settings.rate)
        elif settings.body is not None:
            put = _PUT[settings.escape]
            request["data"] = _filled(settings.body, values, put).encode()
        return request

    async def _insist(self, request: dict[str, Any]) -> bytes:
        pause_s, left = FIRST_PAUSE_S, self._settings.retries
        while True:
            try:
                async with self._session.request(**request, allow_redirects=False) as answer:
                    if answer.status == 200:
                        return await _whole(answer)
                    problem: SpeechError = SpeechError(f"the speech service answered {answer.status}")
                    if answer.status not in _AGAIN:
                        raise problem
                    if answer.status in (429, 503):
                        problem = Overloaded(str(problem))
                    wait_s = max(pause_s, _after(answer.headers.get("Retry-After", "")))
            except (aiohttp.ClientError, OSError) as error:
                problem, wait_s = SpeechError(f"the speech service cannot be reached ({type(error).__name__})"), pause_s
            left -= 1
            if left < 0 or wait_s >= self._settings.render_s:
                raise problem
            await asyncio.sleep(wait_s)
            pause_s *= 2

    # --- the answer ---------------------------------------------------------------------------------------------------

    def _sound(self, data: bytes) -> Sound:
        settings = self._settings
        if settings.base64_at:
            data = _unpacked(data, settings.base64_at)
        if settings.answer == "pcm":
            if len(data) > LONGEST_S * settings.pcm_hz * 2:
                raise SpeechError("the speech service answered with too long a sound")
            return finished(audio.samples(data), settings.pcm_hz)
        try:
            return finished(audio.samples(audio.read(data, longest_s=LONGEST_S).pcm), RATE)
        except InputError as error:
            raise SpeechError(f"the speech service answered with no sound: {error}") from None


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    if answer.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        raise SpeechError("the speech service answered with packed data, which was not asked for")
    data = bytearray()
    async for part in answer.content.iter_chunked(1 << 16):
        data += part
        if len(data) > MOST_BYTES:
            raise SpeechError(f"the speech service answered with more than {MOST_BYTES >> 20} MB")
    return bytes(data)


def _after(header: str) -> float:
    return float(header) if re.fullmatch(r"\d{1,6}", header.strip()) else 0.0


def _unpacked(data: bytes, path: str) -> bytes:
    try:
        found: Any = json.loads(data)
        for step in path.split("."):
            found = found[int(step)] if isinstance(found, list) else found[step]
        return base64.b64decode(found, validate=True)
    except (ValueError, KeyError, IndexError, TypeError, RecursionError, binascii.Error):
        raise SpeechError(f"the speech service's answer has no sound at {path!r}") from None


def _filled(template: str, values: Mapping[str, str], put: Callable[[str], str] = str) -> str:
    return _PLACE.sub(lambda match: put(values[match[1]]), template)


def _tree(template: Any, values: Mapping[str, str], rate: float) -> Any:
    """JSON with its strings filled; `{rate}` alone is a number."""
    if isinstance(template, Mapping):
        return {key: _tree(value, values, rate) for key, value in template.items()}
    if isinstance(template, list):
        return [_tree(value, values, rate) for value in template]
    if isinstance(template, str):
        return rate if template == "{rate}" else _filled(template, values)
    return template


def _one_line(value: str) -> str:
    return "".join(c for c in value if c >= " " and c != "\x7f")


def _plain(language: str) -> str:
    return language if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", language) else "ru"


def _secrets(settings: Settings) -> dict[str, str]:
    templates = json.dumps([settings.url, settings.headers, settings.json_, settings.body], ensure_ascii=False)
    names = {place.removeprefix("env.") for place in _PLACE.findall(templates) if place.startswith("env.")}
    if missing := sorted(name for name in names if not os.environ.get(name)):
        raise ConfigError(f"the speech service needs {', '.join(missing)} in the environment")
    return {name: os.environ[name].strip() for name in names}
