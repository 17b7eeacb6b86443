"""One YAML file and `DOZVON_*` of the environment -> typed settings.

    dozvon.yaml ─▶ overlay of DOZVON_A__B=… ─▶ Settings (pydantic) ─▶ paths made absolute against the file's folder

An unknown key is an error that names the nearest known one; every problem is told at once.
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from engine.errors import ConfigError

PREFIX = "DOZVON_"
_TAKEN = {errno.EADDRINUSE: "is taken by another program", errno.EACCES: "may be used by root only"}
SQLITE = "sqlite+aiosqlite:///"
Port = Annotated[int, Field(ge=0, le=65535)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")]


@contextmanager
def listening(setting: str, host: str, port: int) -> Iterator[None]:
    """Around what begins to listen there: a port that cannot be had becomes a ConfigError that names the setting."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        why = _TAKEN.get(error.errno, f"cannot be listened at ({os.strerror(error.errno)})")
        raise ConfigError(f"{host}:{port} {why}: set {setting} to another one") from None


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Http(Part):
    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str = "http://127.0.0.1:8080"  # unless given, where it listens

    @model_validator(mode="before")
    @classmethod
    def _where_it_listens(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("public_url"):
            return given
        host = given.get("host") or "127.0.0.1"
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
        return {**given, "public_url": f"http://{shown}:{given.get('port') or 8080}"}


class Sip(Part):
    host: str = "127.0.0.1"
    port: Port = 5060


class Rtp(Part):
    start: Port = 20000
    end: Port = 29999


class Ami(Part):
    host: str = "127.0.0.1"
    port: Port = 5038
    username: Name = "dozvon"
    secret_file: Path = Path("var/ami.secret")


class Agi(Part):
    host: str = "127.0.0.1"
    port: Port = 4573


class Media(Part):
    transport: Literal["websocket", "audiosocket"] = "websocket"
    host: str = "127.0.0.1"
    port: Port = 8765


class AsteriskSettings(Part):
    mode: Literal["embedded", "external"] = "embedded"
    sip: Sip = Sip()
    rtp: Rtp = Rtp()
    ami: Ami = Ami()
    agi: Agi = Agi()
    media: Media = Media()


Codec = Literal["alaw", "ulaw", "g722", "gsm", "opus", "slin", "g729"]


class Trunk(Part):
    """One SIP trunk. `register` is the contract's word, which pydantic's own method shadows: `registers` in Python."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:\[\]-]{1,253}$")]
    port: Port = 5060
    codecs: tuple[Codec, ...] = ("alaw", "ulaw")
    channels: Annotated[int, Field(ge=1)] = 100
    calls_per_second: Annotated[float, Field(gt=0)] = 10.0
    username: str | None = None
    password: str | None = None
    registers: bool = Field(default=False, alias="register")

    @field_validator("username", "password")
    @classmethod
    def _one_line(cls, value: str | None) -> str | None:
        if value is not None and any(c in value for c in "\r\n;[]\0"):
            raise ValueError("may not contain line breaks, ';' or brackets")
        return value


class Number(Part):
    number: Annotated[str, Field(pattern=r"^\+[1-9]\d{6,14}$")]
    trunk: Name
    operator: str = ""
    region: str = ""
    kind: Literal["landline", "mobile", "tollfree"] = "landline"
    monthly_price: Annotated[int, Field(ge=0)] = 0


class Turns(Part):
    """How turns are taken in every call: docs/RECOGNITION.md says how to tune it."""

    end_ms: Annotated[int, Field(ge=420, le=5000)] = 600  # so much silence ends an answer; people pause for 400
    unfinished_ms: Annotated[int, Field(ge=420, le=10_000)] = 1200  # after what can only be the beginning of an answer
    complete_ms: Annotated[int, Field(ge=20, le=5000)] = 240  # after the last digit of a number
    echo_db: Annotated[
        float, Field(ge=-40, le=0)
    ] = -12.0  # the line's echo is at least so much fainter than the prompt
    echo_alike: Annotated[float, Field(gt=0, le=1)] = 0.5  # and so much like it; 1: nothing is taken for an echo
    interrupt_by: Literal["voice", "words"] = "voice"  # words: a voice in which nothing is recognised lets it speak on


class Speech(Part):
    language: str = "ru"
    vad: Mapping[str, Any] = Field(default_factory=dict)
    turns: Turns = Turns()
    recognizer: str = "auto"
    recognizers: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    synthesizer: str = "auto"
    synthesizers: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    workers: Annotated[int, Field(ge=0, le=64)] = 0  # recogniser processes; 0: one less than the cores, at least one


class Tariff(Part):
    """What a minute costs to numbers with this prefix, in minor units."""

    prefix: Annotated[str, Field(pattern=r"^\+?\d*$")] = ""
    per_minute: Annotated[int, Field(ge=0)]
    first_s: Annotated[int, Field(ge=1)] = 1
    step_s: Annotated[int, Field(ge=1)] = 1


class Billing(Part):
    enabled: bool = False
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "RUB"
    tariffs: tuple[Tariff, ...] = ()


class CallPassword(Part):
    ring_s: Annotated[float, Field(gt=0, le=60)] = 6.0
    attempts: Annotated[int, Field(ge=1, le=10)] = 3  # of `verify`
    per_phone_per_hour: Annotated[int, Field(ge=1)] = 5
    per_token_per_minute: Annotated[int, Field(ge=1)] = 60


class Webhooks(Part):
    """Where scenarios may send requests. Private and loopback addresses are refused unless listed here."""

    allow_hosts: tuple[str, ...] = ()


class Log(Part):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class Settings(Part):
    data_dir: Path = Path("var")
    database: str = ""  # empty: SQLite in data_dir
    http: Http = Http()
    secret_key_file: Path = Path("var/secret.key")
    asterisk: AsteriskSettings = AsteriskSettings()
    trunks: Mapping[Name, Trunk] = Field(default_factory=dict)
    numbers: tuple[Number, ...] = ()
    speech: Speech = Speech()
    billing: Billing = Billing()
    call_password: CallPassword = CallPassword()
    webhooks: Webhooks = Webhooks()
    timezone: str = "Europe/Moscow"  # of projects, unless they say otherwise
    max_retries: Annotated[int, Field(ge=0, le=20)] = 3  # the platform's limit for a campaign's `retry.attempts`
    max_call_s: Annotated[float, Field(gt=0)] = 600.0
    log: Log = Log()

    @field_validator("database")
    @classmethod
    def _driver(cls, value: str) -> str:
        if value and not value.startswith(("sqlite+aiosqlite://", "postgresql+asyncpg://")):
            raise ValueError("must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://")
        return value

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite+aiosqlite:///{self.data_dir / 'dozvon.db'}"


def load(file: Path | None, env: Mapping[str, str] | None = None) -> Settings:
    """The settings of `file` (None: defaults) with the environment laid over them; relative paths are the file's
    folder's. Raises ConfigError with every problem."""
    raw: dict[str, Any] = {}
    if file is not None:
        raw = _read(file)
    _overlay(raw, os.environ if env is None else env)
    try:
        settings = Settings.model_validate(_filled(raw))
    except ValidationError as error:
        raise ConfigError(_told(error, file)) from None
    if problems := _contradictions(settings):
        raise ConfigError(f"{file or 'the environment'}: " + "; ".join(problems))
    return _absolute(settings, (file.parent if file else Path()).resolve())


def _read(file: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no {file}: make one with `dozvon init`, or name yours with --config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigError(f"{file} must be a mapping of settings")
    return raw


def _filled(raw: Any) -> Any:
    """Without the keys that have no value: `trunks:` with everything under it commented out is no mistake."""
    if not isinstance(raw, dict):
        return raw
    return {key: _filled(value) for key, value in raw.items() if value is not None}


def _overlay(raw: dict[str, Any], env: Mapping[str, str]) -> None:
    """DOZVON_HTTP__PORT=9000 -> raw["http"]["port"] = 9000."""
    for key, value in env.items():
        if not key.startswith(PREFIX):
            continue
        *folders, last = key.removeprefix(PREFIX).lower().split("__")
        if not last or (not folders and last not in Settings.model_fields):
            continue  # DOZVON_DEBUG and the like are not settings
        at = raw
        for folder in folders:
            below = at.get(folder)
            if below is None:
                below = at[folder] = {}
            if not isinstance(below, dict):
                raise ConfigError(f"{key} cannot be laid over {folder!r}, which is no mapping")
            at = below
        at[last] = _scalar(key, value)


def _scalar(key: str, value: str) -> Any:
    """Lists, mappings and null as in YAML; all else stays text, or the password 0123 would become the number 83."""
    if value.strip() in {"", "~", "null"}:
        return None
    if not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"{key} is not YAML: {' '.join(str(error).split())}") from None


def _contradictions(settings: Settings) -> list[str]:
    """What is wrong between settings that are right one by one."""
    problems = []
    for at, number in enumerate(settings.numbers):
        if number.trunk not in settings.trunks:
            near = difflib.get_close_matches(number.trunk, settings.trunks, n=1) or sorted(settings.trunks)
            hint = f", did you mean {near[0]!r}?" if near else ": describe it under `trunks`"
            problems.append(f"numbers.{at}.trunk: there is no trunk {number.trunk!r}{hint}")
    rtp = settings.asterisk.rtp
    if rtp.end <= rtp.start:
        problems.append(f"asterisk.rtp: end ({rtp.end}) must be above start ({rtp.start})")
    try:
        ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        problems.append(f"timezone: {settings.timezone!r} is no IANA time zone such as Europe/Moscow")
    return problems


def _told(error: ValidationError, file: Path | None) -> str:
    problems = []
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(fault["loc"][-1]), _known(), n=1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            problems.append(f"{where}: there is no such setting{hint}")
        else:
            hint = ", put it in quotes" if fault["type"] == "string_type" else ""
            problems.append(f"{where}: {fault['msg']}{hint}")
    return f"{file or 'the environment'}: " + "; ".join(problems)


def _known() -> list[str]:
    names: set[str] = set()

    def walk(model: type[BaseModel]) -> None:
        for name, info in model.model_fields.items():
            names.add(info.alias or name)
            for kind in (info.annotation, *get_args(info.annotation)):
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    walk(kind)

    walk(Settings)
    return sorted(names)


def _absolute(settings: Settings, root: Path) -> Settings:
    database = settings.database
    if database.startswith(SQLITE) and (path := database.removeprefix(SQLITE)) and not path.startswith(":"):
        database = f"{SQLITE}{_at(root, Path(path))}"
    ami = settings.asterisk.ami
    return settings.model_copy(
        update={
            "data_dir": _at(root, settings.data_dir),
            "secret_key_file": _at(root, settings.secret_key_file),
            "database": database,
            "asterisk": settings.asterisk.model_copy(
                update={"ami": ami.model_copy(update={"secret_file": _at(root, ami.secret_file)})}
            ),
            "speech": settings.speech.model_copy(
                update={
                    name: {k: _paths(v, root) for k, v in getattr(settings.speech, name).items()}
                    for name in ("recognizers", "synthesizers")
                }
            ),
        }
    )


def _at(root: Path, path: Path) -> Path:
    return root / path.expanduser()


def _paths(options: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """`model: ./models/x` of a recogniser is relative to the configuration too."""
    return {k: str(root / v) if isinstance(v, str) and v.startswith(("./", "../")) else v for k, v in options.items()}
