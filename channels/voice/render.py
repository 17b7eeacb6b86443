"""Settings -> a whole Asterisk configuration folder, written only where it differs.

    Settings ─┐
              ├─▶ asterisk-conf/*.j2, dialplans/*.j2 ─▶ ROOT/etc/*.conf ─▶ what changed ─▶ what must be reloaded
    Asterisk ─┘   (no value can begin a line)

Only the folder is written; who starts or reloads Asterisk is `supervise.py`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import resource
import secrets
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from channels.voice.ami import EVENTS
from channels.voice.install import Asterisk, told
from channels.voice.modules import DECLINED, IF_THERE, NEEDED, OF_TRANSPORT, there
from engine.config import Settings, Trunk
from engine.errors import ConfigError

UNWATCHED = ("WebSocket", "AudioSocket", "Local")  # the robot's own half of a call
# Originate, Hangup, Setvar, Redirect, CoreShowChannels, Ping; never Command, Config or System.
RIGHTS = {"read": "call,system,user", "write": "call,originate,reporting"}

_SAME = ("asterisk.conf", "modules.conf", "logger.conf", "rtp.conf", "http.conf", "indications.conf", "pjproject.conf")
_EMPTY = ("acl.conf", "features.conf", "udptl.conf", "ccss.conf", "chan_websocket.conf", "statsd.conf")
COMMON = {
    **{name: f"{name}.j2" for name in (*_SAME, "stasis.conf")},
    **dict.fromkeys(("cdr.conf", "cel.conf"), "disabled.conf.j2"),
    **dict.fromkeys(_EMPTY, "empty.conf.j2"),
}
TEMPLATES = {
    "pjsip.conf": "pjsip.conf.j2",
    "manager.conf": "manager.conf.j2",
    "websocket_client.conf": "websocket_client.conf.j2",
    "extensions.conf": "extensions.conf.j2",
    **COMMON,
}

# File -> the command that brings a running Asterisk to it without touching a live call; None: it must be started again.
RELOADS: Mapping[str, str | None] = {
    "asterisk.conf": None,
    "modules.conf": None,
    "stasis.conf": None,
    "pjproject.conf": None,
    "logger.conf": "logger reload",
    "pjsip.conf": "module reload res_pjsip.so",
    "rtp.conf": "module reload res_rtp_asterisk.so",
    "manager.conf": "manager reload",
    "websocket_client.conf": "module reload res_websocket_client.so",
    "extensions.conf": "dialplan reload",
}

_HERE = Path(__file__).resolve().parents[2]
_UNIX_PATH = 100  # a socket's path may have 107 bytes


@dataclass(frozen=True, slots=True)
class Folders:
    """Where one Asterisk keeps its things: below one root, but for `run` where that path is too long for a socket."""

    root: Path
    run: Path

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def lib(self) -> Path:
        return self.root / "lib"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def conf(self) -> Path:
        return self.etc / "asterisk.conf"

    @property
    def control(self) -> Path:
        return self.run / "asterisk.ctl"

    @property
    def output(self) -> Path:
        return self.log / "asterisk.log"


@dataclass(frozen=True, slots=True)
class Rendered:
    folders: Folders
    changed: frozenset[str]  # names of files that are not as they were

    @property
    def folder(self) -> Path:
        return self.folders.etc


def render(settings: Settings, asterisk: Asterisk, *, root: Path | None = None) -> Rendered:
    """Write the configuration of `settings` for `asterisk` below `root` (the data folder's `asterisk`).

    Files that are right already are left alone. Raises ConfigError where a value cannot stand in a configuration, a
    module is missing or this Asterisk cannot do the wished transport.
    """
    transport = settings.asterisk.media.transport
    if transport not in asterisk.transports:
        raise ConfigError(
            f"Asterisk {told(asterisk.version)} cannot do asterisk.media.transport: {transport}; "
            f"set it to {' or '.join(sorted(asterisk.transports))}"
        )
    folders = lay_out((root or settings.data_dir / "asterisk").absolute())
    ami = settings.asterisk.ami
    context = {
        "settings": settings,
        "transport": transport,
        "transmit_silence": True,  # networks drop a call without packets
        "modules": there(asterisk, [*NEEDED, *OF_TRANSPORT[transport]], IF_THERE),
        "sip": _sip(settings.asterisk.sip.host, settings.asterisk.sip.port),
        "trunks": [_trunk(name, trunk, settings) for name, trunk in sorted(settings.trunks.items())],
        "rtp": settings.asterisk.rtp,
        "ami": {
            "host": ami.host,
            "port": ami.port,
            "username": ami.username,
            "permit": "127.0.0.1/255.255.255.255,::1/128" if _loopback(ami.host) else "0.0.0.0/0.0.0.0,::/0",
        },
        "secret": secret(ami.secret_file),
        "rights": RIGHTS,
        "events": EVENTS,
        "unwatched": UNWATCHED,
        "advanced_filters": _advanced_filters(asterisk),
        "agi": {"address": plain(reachable(settings.asterisk.agi.host, settings.asterisk.agi.port))},
        "media": {"address": plain(reachable(settings.asterisk.media.host, settings.asterisk.media.port))},
    }
    return write(TEMPLATES, context, folders, asterisk)


def reload_commands(changed: Iterable[str]) -> Sequence[str] | None:
    """The CLI commands that bring a running Asterisk to the changed files, with every live call going on. None: only a
    new start does it."""
    commands = [RELOADS.get(name) for name in sorted(changed)]
    return None if None in commands else [command for command in commands if command]


def write(templates: Mapping[str, str], context: Mapping[str, Any], folders: Folders, asterisk: Asterisk) -> Rendered:
    """Render `templates` (file -> template) into `folders.etc`; files of ours that are not among them are removed."""
    common = {"folders": folders, "asterisk": asterisk, "max_files": _max_files(), "declined": DECLINED}
    environment = _environment()
    texts = {}
    for file, template in templates.items():
        try:
            texts[file] = environment.get_template(template).render({**common, **context})
        except jinja2.TemplateError as error:
            raise ConfigError(f"{template} cannot be rendered: {error}") from error
    changed = {file for file, text in texts.items() if _put(folders.etc / file, text)}
    for stray in folders.etc.glob("*.conf"):
        if stray.name not in texts:
            stray.unlink()
            changed.add(stray.name)
    return Rendered(folders, frozenset(changed))


def lay_out(root: Path) -> Folders:
    """Make the folders below `root`, for our eyes only."""
    run = root / "run"
    if len(os.fsencode(run / "asterisk.ctl")) > _UNIX_PATH:
        short = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
        run = Path(tempfile.gettempdir()) / f"dozvon-{os.getuid()}-{short}"
    folders = Folders(root, run)
    try:
        for folder in (root, folders.etc, folders.lib, folders.spool, folders.log, run):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)  # fails where it is somebody else's
    except OSError as error:
        raise ConfigError(
            f"{error.filename} cannot be written ({error.strerror}): set data_dir to a folder that can"
        ) from None
    return folders


def secret(file: Path) -> str:
    """The AMI secret in `file`, made on first use, readable by us only. Raises ConfigError if it is no secret."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as new:
            new.write(secrets.token_urlsafe(32) + "\n")
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigError(f"{file} cannot be made: {error.strerror}") from None
    try:
        kept = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None
    if not re.fullmatch(r"[\x21-\x3a\x3c-\x7e]{8,128}", kept):
        raise ConfigError(
            f"{file} must hold 8 to 128 printable characters without spaces and ';': remove it to get a new one"
        )
    return kept


def one_line(value: object) -> str:
    """A value as it may stand in any of Asterisk's files: it can begin no line and no comment. Raises ConfigError."""
    text = str(value)
    if not text.isprintable():
        raise ConfigError(f"{text!r} holds a character that no setting may have")
    return text.replace(";", "\\;")


def plain(value: object) -> str:
    """A value as it may stand inside a dialplan application: nothing there has a meaning. Raises ConfigError."""
    text = one_line(value)
    if re.search(r'[$,;"(){}|&\\<>`]', text):
        raise ConfigError(f"{text!r} holds a character that has a meaning in the dialplan")
    return text


def reachable(host: str, port: int) -> str:
    """HOST:PORT by which a server that listens on `host` is reached from this machine."""
    return _join({"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host), port)


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _sip(host: str, port: int) -> dict[str, str]:
    anywhere = host in ("0.0.0.0", "::", "")
    return {"bind": _join(host or "0.0.0.0", port), "address": "" if anywhere else host.strip("[]")}


def _trunk(name: str, trunk: Trunk, settings: Settings) -> dict[str, Any]:
    if trunk.registers and not (trunk.username and trunk.password):
        raise ConfigError(f"trunks.{name}: register needs username and password")
    address = _sip(settings.asterisk.sip.host, 0)["address"]
    return {
        "name": name,
        "host": trunk.host.strip("[]"),
        "address": _join(trunk.host, trunk.port),
        "codecs": ",".join(trunk.codecs),
        "username": trunk.username or "",
        "password": trunk.password or "",
        "registers": trunk.registers,
        "from_domain": trunk.host if trunk.username else address,
    }


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _advanced_filters(asterisk: Asterisk) -> bool:
    """`eventfilter(name(…))`, which tests a hash first, came with these."""
    return asterisk.version >= {20: (20, 12, 0), 21: (21, 7, 0)}.get(asterisk.version[0], (22, 2, 0))


def _max_files() -> int:
    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 16384)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([_HERE / "asterisk-conf", _HERE / "dialplans"]),
        undefined=jinja2.StrictUndefined,
        finalize=one_line,
        autoescape=False,  # noqa: S701 - no HTML: `finalize` sees every value
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = plain
    return environment


def _put(file: Path, text: str) -> bool:
    """Write `text` unless it is there already. Whole or not at all; for our eyes only."""
    try:
        if file.read_text("utf-8") == text:
            return False
    except (OSError, UnicodeDecodeError):
        pass
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    new.replace(file)
    return True
