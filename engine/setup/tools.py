"""Programs of the system that setting up and testing need: found, or installed from this system's own release.

    on PATH, or in its usual folder ─▶ there
    else  root ─▶ apt-get install         user ─▶ unpacked into the cache, with a wrapper in the cache's bin folder

Standard library only: it runs before anything of ours is installed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InstallError
from engine.setup import debian

Progress = Callable[[str], None]
APT_S = 1800.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, the Debian package that it (or what it lacks) comes in, and where it stands if that is not on PATH."""

    program: str
    package: str
    usual: str = ""  # glob from the root of the file system
    env: tuple[tuple[str, str], ...] = ()  # for the unpacked program; {prefix} and {libs} are filled in
    own: str = ""  # glob from the checkout: the program is there already and lacks only libraries


ROOT = Path(__file__).resolve().parents[2]
# Playwright brings the Node.js that it runs on. Debian's cannot be unpacked elsewhere: parts of it have fixed paths.
NODE = Tool("playwright-node", "libatomic1", own=".venv/lib/python3*/site-packages/playwright/driver/node")
NODE_PATH = "{prefix}/usr/share/nodejs:{libs}/nodejs:{prefix}/usr/lib/nodejs"
FRONT_END = (NODE, Tool("npm", "npm", "usr/share/nodejs/npm/bin/npm-cli.js", (("NODE_PATH", NODE_PATH),)))
POSTGRES = "usr/lib/postgresql/*/bin"
TESTING = (
    NODE,
    Tool("sipp", "sip-tester"),
    *(Tool(name, "postgresql", f"{POSTGRES}/{name}") for name in ("initdb", "pg_ctl", "postgres", "createdb", "psql")),
    Tool("chromium", "chromium", "usr/lib/chromium/chromium", (("FONTCONFIG_FILE", "{prefix}/fonts.conf"),)),
    Tool("chromedriver", "chromium-driver"),
    Tool("espeak-ng", "espeak-ng", env=(("ESPEAK_DATA_PATH", "{libs}"),)),
)


def folders() -> list[str]:
    """Folders with programs that are not on PATH by themselves, to be put behind it."""
    usual = {str(file.parent) for tool in TESTING if tool.usual for file in Path("/").glob(tool.usual)}
    return [*sorted(usual), str(_wrappers())]


def find(tool: Tool) -> str | None:
    """Where the program is, or None."""
    for file in sorted(ROOT.glob(tool.own)) if tool.own else ():
        if subprocess.run([file, "--version"], capture_output=True, timeout=60).returncode == 0:
            return str(file)
    return shutil.which(tool.program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *folders()]))


def install(tools: Iterable[Tool], progress: Progress) -> bool:
    """See that all of `tools` can be found; was there anything to do? Raises InstallError with what to do by hand."""
    missing = [tool for tool in tools if find(tool) is None]
    if not missing:
        return False
    packages = sorted({tool.package for tool in missing})
    if shutil.which("apt-get") is None:
        raise InstallError(f"install {', '.join(tool.program for tool in missing)} with this system's package manager")
    if os.geteuid() == 0:
        apt_install(packages, progress)
    else:
        _unpack(missing, packages, progress)
    still = [tool.program for tool in missing if find(tool) is None]
    if still:
        raise InstallError(f"{', '.join(still)} cannot be found though installed: put the folder on PATH")
    return True


def apt_install(packages: Iterable[str], progress: Progress) -> None:
    """`apt-get install` as root, with lists that are fresh; no service of the packages is left running."""
    names = list(packages)
    progress(f"installing {' '.join(names)} with apt-get")
    if "postgresql" in names:
        _no_cluster()
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    wait = ["-q", "-o", "DPkg::Lock::Timeout=300"]
    for command in (["update"], ["install", "-y", "--no-install-recommends", *names]):
        try:
            done = subprocess.run(
                ["apt-get", *wait, *command],
                env=env,
                capture_output=True,
                text=True,
                timeout=APT_S,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise InstallError(f"apt-get {command[0]} took over {APT_S:.0f} s: run it by hand") from None
        if done.returncode and command[0] != "update":  # one broken extra source is no reason to give up
            why = next((line for line in done.stderr.splitlines() if line.startswith("E:")), done.stderr.strip()[-200:])
            raise InstallError(f"apt-get install {' '.join(names)} failed ({why}): run it by hand, then again")


def _no_cluster() -> None:
    """Debian's package would make and start a database server of its own; only the programs are wanted."""
    parts = Path("/etc/postgresql-common/createcluster.d")
    if not parts.exists():
        parts.mkdir(parents=True)
        (parts / "dozvon.conf").write_text("create_main_cluster = false\nstart_conf = manual\n", "utf-8")


def _wrappers() -> Path:
    return debian.cache_dir() / "bin"


# Of the C library: the loader that starts a program is the system's, so its library must be too.
_LIBC = (
    "ld-linux*.so.*", "ld64.so.*", "libc.so.6", "libm.so.6", "libmvec.so.1", "libpthread.so.0", "libdl.so.2",
    "librt.so.1", "libresolv.so.2", "libnss_*.so.2", "libutil.so.1", "libanl.so.1", "libthread_db.so.1", "libnsl.so.1",
)  # fmt: skip


def _unpack(missing: list[Tool], packages: list[str], progress: Progress) -> None:
    prefix = debian.cache_dir() / "tools" / "-".join(packages)
    told = [""]

    def tell(what: str, _share: float) -> None:
        if what != told[0]:
            told[0] = what
            progress(f"{what} ({' '.join(packages)})")

    debian.unpack(packages, prefix, suite=None, progress=tell)
    libs = [*sorted(prefix.glob("usr/lib/*-linux-*")), *sorted(prefix.glob("lib/*-linux-*"))]
    for folder in libs:
        for name in _LIBC:
            for file in folder.glob(name):
                file.unlink()
    _fonts(prefix)
    _wrappers().mkdir(parents=True, exist_ok=True)
    for tool in missing:
        _wrap(tool, prefix, libs)


def _fonts(prefix: Path) -> None:
    places = "".join(f"<dir>{folder}</dir>" for folder in (prefix / "usr/share/fonts", Path("/usr/share/fonts")))
    cache = f"<cachedir>{debian.cache_dir() / 'fonts'}</cachedir>"
    (prefix / "fonts.conf").write_text(f"<?xml version='1.0'?><fontconfig>{places}{cache}</fontconfig>\n", "utf-8")


def _wrap(tool: Tool, prefix: Path, libs: list[Path]) -> None:
    """A script on PATH that starts the unpacked program with its own libraries."""
    places = [tool.usual] if tool.usual else [f"{at}/{tool.program}" for at in ("usr/bin", "usr/sbin", "bin")]
    found = [file for place in places for file in sorted(prefix.glob(place))] if not tool.own else ROOT.glob(tool.own)
    target = next((file for file in found if file.is_file()), None)
    if target is None or not libs:
        raise InstallError(f"{tool.package} holds no {tool.program}: install {tool.package} by hand")
    private = sorted({file.parent for folder in libs for file in folder.glob("*/lib*.so*")})
    env = {"LD_LIBRARY_PATH": os.pathsep.join(map(str, [*libs, *private]))}
    env |= {key: value.format(prefix=prefix, libs=libs[0]) for key, value in tool.env}
    lines = [f"export {key}={shlex.quote(value)}" for key, value in env.items()]
    start = f"{shlex.quote(find(NODE) or 'node')} " if target.suffix == ".js" else ""
    script = _wrappers() / tool.program
    aside = script.with_name(f".{script.name}.{os.getpid()}")
    aside.write_text("\n".join(["#!/bin/sh", *lines, f'exec {start}{shlex.quote(str(target))} "$@"', ""]), "utf-8")
    aside.chmod(0o755)
    aside.replace(script)
