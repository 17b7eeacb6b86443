"""An Asterisk to work with: the system's if it is new enough, else one of Debian's unpacked into a cache without root.

system, with chan_websocket ─▶ unpacked before ─▶ unpacked now ─▶ system, AudioSocket only ─▶ InstallError
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InstallError
from engine.setup import debian

Version = tuple[int, int, int]

SYSTEM_CONF = Path("/etc/asterisk/asterisk.conf")
SUITE = "sid"  # the only suite of Debian's that has asterisk
OLDEST: Version = (18, 0, 0)
ADVICE = (
    "install Asterisk 22.8 or newer (or 20.18, 23.2) with chan_websocket and PJSIP from your system's packages or from "
    "asterisk.org, then run this again"
)

_ALWAYS = ("res_pjsip.so", "res_pjsip_session.so", "chan_pjsip.so", "res_agi.so", "pbx_config.so")
_OF_TRANSPORT = {
    "websocket": ("chan_websocket.so", "res_websocket_client.so", "res_http_websocket.so"),
    "audiosocket": ("res_audiosocket.so", "app_audiosocket.so"),
}
_SYSTEM_PROGRAMS = ("/usr/sbin/asterisk", "/usr/local/sbin/asterisk", "/opt/asterisk/sbin/asterisk")
_SYSTEM_MODULES = (
    "/usr/lib/*/asterisk/modules",
    "/usr/lib/asterisk/modules",
    "/usr/lib64/asterisk/modules",
    "/usr/local/lib*/asterisk/modules",
    "/opt/asterisk/lib/asterisk/modules",
)
_SYSTEM_DATA = (
    "/usr/share/asterisk",
    "/var/lib/asterisk",
    "/usr/local/var/lib/asterisk",
    "/opt/asterisk/var/lib/asterisk",
)


@dataclass(frozen=True)
class Asterisk:
    """One that can be started: `(*command, "-C", CONF, "-f")`."""

    command: tuple[str, ...]
    version: Version
    modules_dir: Path
    data_dir: Path  # astdatadir: its XML documentation, without which modules refuse their configuration
    transports: frozenset[str]  # of `asterisk.media.transport`: websocket, audiosocket
    source: str  # for a person: where it comes from

    def has(self, module: str) -> bool:
        """Is the module (`chan_pjsip.so`) there?"""
        return (self.modules_dir / module).is_file()


def find(cache: Path | None = None) -> Asterisk | None:
    """The best Asterisk on this machine, without fetching anything; takes milliseconds."""
    system = _system()
    if system is not None and "websocket" in system.transports:
        return system
    return _unpacked(cache or debian.cache_dir()) or system


def install(progress: Callable[[str, float], None], cache: Path | None = None) -> Asterisk:
    """The best Asterisk, fetched into `cache` if the system has none with chan_websocket.

    `progress` is told what is being done and the share done (0..1); what an interruption left is used again; of two at
    once one fetches. Raises InstallError, which says what to install.
    """
    cache = cache or debian.cache_dir()
    found = find(cache)
    if found is not None and "websocket" in found.transports:
        return found
    try:
        return _unpack(cache, progress)
    except InstallError as error:
        if found is not None:
            return found
        raise InstallError(f"there is no usable Asterisk here and none could be fetched ({error}): {ADVICE}") from None


def version_of(command: Sequence[str]) -> Version | None:
    """What `asterisk -V` says; None if it does not start or is no Asterisk."""
    try:
        done = subprocess.run([*command, "-V"], capture_output=True, text=True, timeout=10, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(done.stdout)


def parse_version(text: str) -> Version | None:
    """`Asterisk 22.10.1+dfsg…`, `Asterisk certified/20.7-cert2` or `Asterisk GIT-22-…` -> numbers."""
    match = re.match(r"Asterisk (?:certified[/-]|GIT-)?(\d{1,3})(?:\.(\d{1,4}))?(?:\.(\d{1,4}))?", text)
    return (int(match[1]), int(match[2] or 0), int(match[3] or 0)) if match else None


def has_chan_websocket(version: Version) -> bool:
    """Is chan_websocket of this version good enough for us? (Its JSON events and commands came with these.)"""
    return version >= {20: (20, 18, 0), 22: (22, 8, 0), 23: (23, 2, 0)}.get(version[0], (24, 0, 0))


def transports(version: Version, modules_dir: Path) -> frozenset[str]:
    """How this Asterisk can bring us audio; empty if it is of no use to us."""
    if version < OLDEST or not _all_there(modules_dir, _ALWAYS):
        return frozenset()
    can = {name for name, modules in _OF_TRANSPORT.items() if _all_there(modules_dir, modules)}
    return frozenset(can if has_chan_websocket(version) else can - {"websocket"})


def _all_there(folder: Path, files: Sequence[str]) -> bool:
    return all((folder / file).is_file() for file in files)


def _system() -> Asterisk | None:
    names = [shutil.which("asterisk"), *_SYSTEM_PROGRAMS]
    program = next((name for name in names if name and Path(name).is_file()), None)
    if program is None:
        return None
    version = version_of([program])
    if version is None:
        return None
    said = _directories(SYSTEM_CONF)
    root = Path("/")
    modules = [*said.get("astmoddir", ()), *(found for glob in _SYSTEM_MODULES for found in root.glob(glob[1:]))]
    data = [*said.get("astdatadir", ()), *map(Path, _SYSTEM_DATA)]
    modules_dir = next((folder for folder in modules if (folder / "chan_pjsip.so").is_file()), None)
    data_dir = next((folder for folder in data if (folder / "documentation").is_dir()), None)
    if modules_dir is None or data_dir is None:
        return None
    return _usable(Asterisk((program,), version, modules_dir, data_dir, frozenset(), f"the system's, {program}"))


def _directories(conf: Path) -> dict[str, list[Path]]:
    """The folders that the system's asterisk.conf names."""
    try:
        text = conf.read_text("utf-8", "replace")
    except OSError:
        return {}
    return {key: [Path(value)] for key, value in re.findall(r"^\s*(ast\w+dir)\s*=>?\s*(/[^\s;]+)", text, re.M)}


def _usable(asterisk: Asterisk) -> Asterisk | None:
    can = transports(asterisk.version, asterisk.modules_dir)
    if not can:
        return None
    a = asterisk
    return Asterisk(a.command, a.version, a.modules_dir, a.data_dir, can, a.source)


def _unpacked(cache: Path) -> Asterisk | None:
    """The newest one in the cache; its version is in its folder's name, so that nothing need be started."""
    try:
        architecture = debian.architecture()
    except InstallError:
        return None
    named = re.compile(rf"asterisk-(\d+)\.(\d+)\.(\d+)-{re.escape(architecture)}")
    matches = [(folder, named.fullmatch(folder.name)) for folder in cache.glob("asterisk-*")]
    versions = [((int(m[1]), int(m[2]), int(m[3])), folder) for folder, m in matches if m and debian.complete(folder)]
    usable = (_at(prefix, version) for version, prefix in sorted(versions, reverse=True))
    return next((found for found in usable if found is not None), None)


def _at(prefix: Path, version: Version) -> Asterisk | None:
    modules_dir = next(iter(prefix.glob("usr/lib/*/asterisk/modules")), None)
    if modules_dir is None:
        return None
    try:
        command = debian.run_in(prefix, "usr/sbin/asterisk")
    except InstallError:
        return None
    data_dir = prefix / "usr/share/asterisk"
    return _usable(Asterisk(command, version, modules_dir, data_dir, frozenset(), f"Debian's, in {prefix}"))


def _unpack(cache: Path, progress: Callable[[str, float], None]) -> Asterisk:
    architecture = debian.architecture()
    with debian.alone(cache / "asterisk"):
        found = _unpacked(cache)  # by another process, while we waited
        if found is not None and "websocket" in found.transports:
            return found
        fresh = cache / f"asterisk-fresh-{architecture}"
        debian.unpack(["asterisk"], fresh, suite=SUITE, progress=progress)
        version = version_of(debian.run_in(fresh, "usr/sbin/asterisk"))
        if version is None:
            shutil.rmtree(fresh, ignore_errors=True)
            raise InstallError("the Asterisk that was fetched does not start here")
        prefix = cache / f"asterisk-{told(version)}-{architecture}"
        shutil.rmtree(prefix, ignore_errors=True)
        fresh.rename(prefix)
    found = _at(prefix, version)
    if found is None or "websocket" not in found.transports:
        raise InstallError(f"Debian's Asterisk {told(version)} lacks chan_websocket")
    return found


def told(version: Version) -> str:
    return ".".join(map(str, version))


def describe(asterisk: Asterisk) -> Iterator[str]:
    """Lines for a person."""
    yield f"Asterisk {told(asterisk.version)}: {asterisk.source}"
    yield f"transports: {', '.join(sorted(asterisk.transports))}"
