"""Debian packages unpacked into a private folder, without root, chroot or container.

    apt-get update ─▶ what is needed ─▶ apt-get --download-only ─▶ dpkg -x each ─▶ PREFIX ─▶ run_in(PREFIX, program)
    (own lists, own empty status)        (signatures by apt)        (aside)        (one rename)

Standard library only: it runs before anything of ours is installed.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InstallError

Progress = Callable[[str, float], None]  # what is being done, and how much of all of it (0..1) is done

STAMP = ".complete"  # in a prefix: all of it is there; it holds the names of the packages
STALL_S = 300.0  # apt reports at least every second while bytes flow
DEBIAN = "http://deb.debian.org/debian"
KEYRINGS = ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")

# The system's hooks (they clean, refresh and notify the system itself) have no business here, nor its extra indexes.
_CONF = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Architectures;
#clear APT::Default-Release;
#clear Acquire::IndexTargets::deb;
Acquire::IndexTargets::deb::Packages {{
  MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages"; flatMetaKey "Packages";
  ShortDescription "Packages"; Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages"; Optional "0";
}};
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "0";
APT::Install-Suggests "0";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
APT::Get::Assume-Yes "1";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Dir::State "{state}";
Dir::State::Lists "{state}/lists";
Dir::State::status "{state}/status";
Dir::State::extended_states "{state}/extended_states";
Dir::Cache "{cache}";
Dir::Cache::archives "{cache}/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Log "{state}";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"""


def cache_dir() -> Path:
    """Where things that every installation on this machine can share are kept: DOZVON_CACHE, or ~/.cache/dozvon."""
    own = os.environ.get("DOZVON_CACHE")
    if own:
        return Path(own).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dozvon"


def architecture() -> str:
    """Debian's name of this machine's architecture (`amd64`). Raises InstallError where there is no dpkg."""
    return _output(["dpkg", "--print-architecture"]).strip()


def complete(prefix: Path) -> bool:
    """Was `prefix` unpacked to the end?"""
    return (prefix / STAMP).is_file()


def unpack(packages: Sequence[str], prefix: Path, *, suite: str | None, progress: Progress) -> None:
    """Unpack `packages` and all that they depend on into `prefix`.

    `suite` is one of Debian's (`sid`), fetched from the mirror that this system uses; None is this system's own release
    with its own sources. A `prefix` that is complete and holds these packages is left alone. What was fetched before an
    interruption is not fetched again; `prefix` appears all at once. Processes that want the same prefix wait for each
    other. Raises InstallError.
    """
    prefix = prefix.absolute()
    with alone(prefix):
        here = set((prefix / STAMP).read_text("utf-8").split()) if complete(prefix) else set()
        if here and here.issuperset(packages):
            return
        packages = sorted(here.union(packages))
        apt = _Apt(prefix.with_name(prefix.name + ".apt"))
        names = apt.download(packages, suite, progress)
        _unpack(apt.archives, names, prefix, packages, progress)
        shutil.rmtree(apt.folder, ignore_errors=True)


@contextmanager
def alone(prefix: Path) -> Iterator[None]:
    """One process at a time works on `prefix`; the others wait."""
    try:
        prefix.parent.mkdir(parents=True, exist_ok=True)
        lock = prefix.with_name(f".{prefix.name}.lock").open("w")
    except OSError as error:
        raise InstallError(f"{prefix.parent} cannot be written ({error.strerror}): set DOZVON_CACHE") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_in(prefix: Path, program: str) -> tuple[str, ...]:
    """The argv that starts `program` (a bare name, or a path below `prefix`) with the loader and libraries of `prefix`.
    Raises InstallError if it is not there."""
    places = [program] if "/" in program else [f"{at}/{program}" for at in _PROGRAMS]
    found = next((prefix / place for place in places if (prefix / place).is_file()), None)
    loader = next((file for glob in _LOADERS for file in sorted(prefix.glob(glob)) if file.is_file()), None)
    if found is None or loader is None:
        raise InstallError(f"there is no {program} in {prefix}: remove that folder and install again")
    return (str(loader), "--library-path", ":".join(map(str, _libraries(prefix))), str(found))


_PROGRAMS = ("usr/bin", "usr/sbin", "bin", "sbin", "usr/games")
_LOADERS = tuple(f"{at}/{name}" for at in ("usr/lib/*", "lib/*") for name in ("ld-linux*.so.[0-9]", "ld64.so.[0-9]"))


def _libraries(prefix: Path) -> list[Path]:
    """Library folders, and those one below that hold shared libraries of their own: a RUNPATH names the real system."""
    folders = [folder for glob in ("usr/lib/*-linux-*", "lib/*-linux-*") for folder in sorted(prefix.glob(glob))]
    folders += [prefix / "usr/lib", prefix / "lib"]
    private = {file.parent for folder in folders[:-2] for file in folder.glob("*/lib*.so*")}
    return [folder for folder in folders if folder.is_dir()] + sorted(private)


@dataclass(frozen=True, slots=True)
class _Apt:
    """apt-get with folders of its own."""

    folder: Path

    @property
    def archives(self) -> Path:
        return self.folder / "cache" / "archives"

    def download(self, packages: Sequence[str], suite: str | None, progress: Progress) -> list[str]:
        """Fetch the packages and all that they need; the names of the files in `archives`."""
        if any(shutil.which(tool) is None for tool in ("apt-get", "dpkg")):
            raise InstallError("this machine has no apt-get")
        self._lay_out()
        troubles = []
        for sources in self._sources(suite):
            try:
                self._run([*sources, "update"], "reading the lists of packages", (0.0, 0.1), progress)
                names = self._plan([*sources, "install", *packages])
                self._run([*sources, "install", "--download-only", *packages], "fetching", (0.1, 0.8), progress)
            except _AptFailed as error:
                troubles.append(str(error))
                continue
            return names
        raise InstallError(f"{', '.join(packages)} could not be fetched: {'; '.join(troubles)}")

    def _lay_out(self) -> None:
        state, cache = self.folder / "state", self.folder / "cache"
        for folder in (state / "lists/partial", cache / "archives/partial", cache / "none/partial"):
            folder.mkdir(parents=True, exist_ok=True)
        (state / "status").touch()
        conf = _CONF.format(architecture=architecture(), state=state, cache=cache)
        (self.folder / "apt.conf").write_text(conf, "utf-8")

    def _sources(self, suite: str | None) -> Iterator[list[str]]:
        """apt options naming where packages come from, the likeliest first."""
        if suite is None:
            yield []
            return
        keyring = self._keyring()
        for mirror in mirrors():
            file = self.folder / "sources.list"
            file.write_text(f"deb [signed-by={keyring}] {mirror} {suite} main\n", "utf-8")
            yield ["-o", f"Dir::Etc::sourcelist={file}", "-o", "Dir::Etc::sourceparts=/dev/null"]

    def _keyring(self) -> Path:
        """Debian's public keys: the system's, else those of its package, which this system's own keys vouch for."""
        below = Path("usr/share/keyrings")
        for name in KEYRINGS:
            if (Path("/") / below / name).is_file():
                return Path("/") / below / name
        prefix = self.folder / "keyring"
        unpack(["debian-archive-keyring"], prefix, suite=None, progress=lambda _text, _share: None)
        found = [prefix / below / name for name in KEYRINGS if (prefix / below / name).is_file()]
        if not found:
            raise InstallError("Debian's keys are not here: install the package debian-archive-keyring")
        return found[0]

    def _plan(self, arguments: Sequence[str]) -> list[str]:
        """The files that `arguments` would fetch if nothing had been fetched yet."""
        nothing = ["-o", f"Dir::Cache::archives={self.folder}/cache/none", "-qq", "--print-uris"]
        done = subprocess.run(
            [*self._command(), *nothing, *arguments], capture_output=True, text=True, env=_env(), timeout=STALL_S
        )
        if done.returncode:
            raise _AptFailed(_reason(done.stderr))
        return re.findall(r"^'[^']+' (\S+\.deb) \d+", done.stdout, re.M)

    def _command(self) -> list[str]:
        return ["apt-get", "-c", str(self.folder / "apt.conf")]

    def _run(self, arguments: Sequence[str], what: str, part: tuple[float, float], progress: Progress) -> None:
        """Run apt-get and tell how far it is, as `part` of the whole. Raises _AptFailed."""
        progress(what, part[0])
        status, to_us = os.pipe()
        log = (self.folder / "apt.log").open("w+", encoding="utf-8", errors="replace")
        with log, os.fdopen(status, "rb", buffering=0) as pipe:
            try:
                process = subprocess.Popen(
                    [*self._command(), "-q", "-o", f"APT::Status-Fd={to_us}", *arguments],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(to_us,), env=_env(),
                )  # fmt: skip
            finally:
                os.close(to_us)
            try:
                for share in _shares(pipe.fileno()):
                    progress(what, part[0] + (part[1] - part[0]) * share)
                process.wait(STALL_S)
            except (_AptFailed, subprocess.TimeoutExpired):
                raise _AptFailed(f"nothing came for {STALL_S:.0f} s") from None
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            if process.returncode:
                log.seek(0)
                raise _AptFailed(_reason(log.read()))


class _AptFailed(Exception):
    """apt-get did not do it; the text says why."""


def _shares(pipe: int) -> Iterator[float]:
    """How far apt is (0..1), from lines such as `dlstatus:3:41.5:Retrieving file 4 of 9`, until it closes the pipe."""
    kept = b""
    last = 0.0
    while True:
        if not select.select([pipe], [], [], STALL_S)[0]:
            raise _AptFailed
        chunk = os.read(pipe, 65536)
        if not chunk:
            return
        *lines, kept = (kept + chunk).split(b"\n")
        seen = [re.match(rb"(?:dl|pm)status:[^:]*:([0-9.]+):", line) for line in lines]
        shares = [float(match[1]) / 100 for match in seen if match]
        if shares and time.monotonic() - last >= 0.1:
            last = time.monotonic()
            yield min(shares[-1], 1.0)


def mirrors() -> list[str]:
    """Mirrors of Debian's archive: the one that this system's own sources name, then the public one."""
    texts = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    found = [uri for file in texts if file.suffix in (".list", ".sources") for uri in _uris(file)]
    debian = [uri for uri in found if "debian" in uri and not re.search(r"security|backports", uri)]
    return list(dict.fromkeys([uri.rstrip("/") for uri in debian] + [DEBIAN]))


def _uris(file: Path) -> Iterator[str]:
    """The addresses of binary packages that a source file names, in either of apt's two formats, in order."""
    try:
        text = file.read_text("utf-8", "replace")
    except OSError:
        return
    if file.suffix == ".list":
        yield from re.findall(r"^\s*deb\s+(?:\[[^\]\n]*\]\s*)?(\S+)\s", text, re.M)
        return
    bare = re.sub(r"^#.*\n?", "", text, flags=re.M)
    for stanza in re.split(r"\n\s*\n", bare):
        fields = {
            key.lower(): value.split() for key, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.M)
        }
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"])[:1] != ["no"]:
            yield from fields.get("uris", [])


def _unpack(archives: Path, names: Sequence[str], prefix: Path, packages: Sequence[str], progress: Progress) -> None:
    aside = prefix.with_name(prefix.name + ".unpacking")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for index, name in enumerate(names):
        progress("unpacking", 0.8 + 0.2 * index / len(names))
        _output(["dpkg", "-x", str(archives / name), str(aside)])
    (aside / STAMP).write_text("\n".join(packages) + "\n", "utf-8")
    shutil.rmtree(prefix, ignore_errors=True)
    aside.rename(prefix)
    progress("unpacked", 1.0)


def _output(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=_env(), timeout=STALL_S)
    except FileNotFoundError:
        raise InstallError(f"this machine has no {command[0]}") from None
    except subprocess.TimeoutExpired:
        raise InstallError(f"{command[0]} did not end within {STALL_S:.0f} s") from None
    if done.returncode:
        raise InstallError(f"{' '.join(command[:2])} failed: {_reason(done.stderr)}")
    return done.stdout


def _env() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}


def _reason(output: str) -> str:
    """The first line of apt's or dpkg's output that says what is wrong."""
    wrong = [line for line in output.splitlines() if re.match(r"E:|Err:|dpkg.*error", line)]
    return " ".join((wrong or output.splitlines() or ["it does not say why"])[0].split())[:300]
