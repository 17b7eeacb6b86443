"""Makes a checkout ready to run: `python3 engine/setup/bootstrap.py [check|run|test]`, which `make` calls.

    check: .venv ─▶ locked libraries ─▶ the project itself    run: + front-end libraries, Asterisk    test: + programs
                    (pip, by hash)      (.pth and a launcher)

Standard library only, for whatever Python 3.11 or later the system has; modules of ours are imported late, for an older
Python must come as far as to say so. Each step leaves a stamp of what it was made
from, so that a second run does nothing; an interrupted one goes on where it stopped.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / "setup.json"
LOG = VENV / "setup.log"
OLDEST = (3, 11)


class SetupError(Exception):
    """It cannot be made ready; the text is one sentence with the mend."""


def say(text: str) -> None:
    sys.stdout.write(f"  {text}\n")
    sys.stdout.flush()


def main() -> int:
    goal = sys.argv[1] if len(sys.argv) > 1 else "run"
    if goal not in ("check", "run", "test"):
        sys.stderr.write("setup: the first argument is check, run or test\n")
        return 2
    _newer_python()
    sys.path[0] = str(ROOT)
    from engine.errors import InstallError

    began = time.monotonic()
    try:
        with _alone():
            done = _steps(goal)
    except (SetupError, InstallError) as error:
        sys.stderr.write(f"setup: {error}\n")
        return 1
    except subprocess.TimeoutExpired as error:
        sys.stderr.write(
            f"setup: {error.cmd[0]} did not end in {error.timeout:.0f} s: look at the network, run again\n"
        )
        return 1
    except OSError as error:
        sys.stderr.write(f"setup: {error}: mend that and run again\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nsetup: interrupted; run it again and it goes on from here\n")
        return 1
    if done:
        say(f"ready in {time.monotonic() - began:.0f} s")
    return 0


def _newer_python() -> None:
    """Go on in the newest Python here if this one is too old."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(14, OLDEST[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            os.execv(newer, [newer, *sys.argv])
    sys.stderr.write(
        "setup: Python 3.11 or later is needed: install it, or name one: make PYTHON=/path/to/python3.11 …\n"
    )
    sys.exit(1)


@contextmanager
def _alone() -> Iterator[None]:
    """One set-up of a checkout at a time; a second one waits."""
    with (ROOT / "requirements.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _steps(goal: str) -> bool:
    """Do what is not done yet; was there anything?"""
    from engine.setup import tools

    worked = [
        _step("python", f"{sys.version_info[:2]} {VENV}", PYTHON, _venv),
        _step("libraries", _digest(ROOT / "requirements.lock"), PYTHON, _libraries),
        _step("project", f"1 {ROOT}", VENV / "bin" / "dozvon", _project),
    ]
    if goal in ("run", "test"):
        package = ROOT / "package.json"
        if package.exists():
            key = _digest(package, ROOT / "package-lock.json")
            worked.append(_step("front end", key, ROOT / "node_modules", _front_end))
        worked.append(_asterisk())
    if goal == "test":
        worked.append(tools.install(tools.TESTING, say))
    return any(worked)


def _step(name: str, key: str, product: Path, work: Callable[[], None]) -> bool:
    stamps = _stamps()
    if product.exists() and stamps.get(name) == key:
        return False
    say(f"{name} …")
    work()
    STAMPS.write_text(json.dumps({**_stamps(), name: key}, indent=1) + "\n", "utf-8")
    return True


def _stamps() -> dict[str, str]:
    try:
        stamps = json.loads(STAMPS.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def _digest(*files: Path) -> str:
    taken = hashlib.sha256()
    for file in files:
        taken.update(file.read_bytes() if file.exists() else b"-")
    return taken.hexdigest()


def _run(what: str, command: list[str], *, limit_s: float = 1800.0, line: Callable[[str], None] | None = None) -> None:
    """Run a program, its output into the log. Raises SetupError with its last word."""
    with LOG.open("a", encoding="utf-8", errors="replace") as log:
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        started = time.monotonic()
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        ) as process:  # fmt: skip
            assert process.stdout is not None
            last, wrong = "", list[str]()
            for text in process.stdout:
                log.write(text)
                last = text.strip() or last
                if re.match(r"(?i)\W*(error|npm err)", text):
                    wrong.append(last)
                if line is not None:
                    line(text)
                if time.monotonic() - started > limit_s:
                    process.kill()
                    raise SetupError(f"{what} took over {limit_s:.0f} s: look at the network and run again")
        if process.returncode:
            why = "; ".join(wrong[:2] or [last])[:300]
            raise SetupError(f"{what} failed ({why}): {LOG} has all of it; mend that and run again")


# --- the steps ------------------------------------------------------------------------------------------------------


def _venv() -> None:
    """A virtual environment with pip. Debian keeps pip apart from Python, so it may have to be fetched."""
    works = PYTHON.exists() and _answers(
        [str(PYTHON), "-c", f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"]
    )
    if not works:
        made = subprocess.run(
            [sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], capture_output=True, text=True
        )
        if made.returncode:
            _fetch_venv()
            subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], check=True)
    if _answers([str(PYTHON), "-m", "pip", "--version"]) or _answers([str(PYTHON), "-m", "ensurepip"]):
        return
    wheel = _pip_wheel()
    _run("installing pip", [str(PYTHON), f"{wheel}/pip", "install", "--no-index", str(wheel)])


def _answers(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, timeout=120).returncode == 0


def _fetch_venv() -> None:
    from engine.setup import tools

    if os.geteuid() or shutil.which("apt-get") is None:
        raise SetupError(f"{sys.executable} has no venv module: install python3-venv (python3-virtualenv elsewhere)")
    tools.apt_install(["python3-venv"], say)


def _pip_wheel() -> Path:
    from engine.setup import debian

    places = [Path("/usr/share/python-wheels"), debian.cache_dir() / "pip" / "usr/share/python-wheels"]
    if not any(wheel for place in places for wheel in place.glob("pip-*.whl")):
        say("pip is not here, fetching it …")
        debian.unpack(["python3-pip-whl"], places[1].parents[2], suite=None, progress=lambda _what, _share: None)
    found = [wheel for place in places for wheel in sorted(place.glob("pip-*.whl"))]
    if not found:
        raise SetupError("there is no pip: install python3-venv and run again")
    return found[-1]


def _libraries() -> None:
    """Everything in requirements.lock, by hash; the build tool first, so that building asks the network for nothing."""
    pip = [str(PYTHON), "-m", "pip", "install", "--require-hashes", "--no-deps", "--no-input", "--progress-bar", "off"]
    pip += ["--disable-pip-version-check"]
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    build = re.search(r"^(setuptools==[^\s;]+)[^\\\n]*(\\\n(?:.*\\\n)*.*\n)", lock, re.M)
    if build is None:
        raise SetupError("requirements.lock lacks setuptools: run `make lock`")
    first = VENV / "build.lock"
    first.write_text(build[1] + " " + build[2], "utf-8")  # without the marker: every Python needs it for building
    _run("installing setuptools", [*pip, "-r", str(first)])
    total = len(re.findall(r"^[A-Za-z0-9][^\s=]*==", lock, re.M))
    _run(
        "installing the libraries",
        [*pip, "--no-build-isolation", "--use-pep517", "-r", str(ROOT / "requirements.lock")],
        line=_counter("libraries", total),
    )


def _counter(what: str, total: int) -> Callable[[str], None]:
    seen = [0]

    def line(text: str) -> None:
        if text.startswith(("Collecting ", "Requirement already")):
            seen[0] += 1
            if seen[0] % 20 == 0:
                say(f"{what}: {seen[0]} of about {total}")
        elif text.startswith("Installing collected"):
            say(f"{what}: fetched, unpacking")

    return line


def _project() -> None:
    """The checkout itself: importable from anywhere in the environment, and `.venv/bin/dozvon`."""
    site = next((VENV / "lib").glob("python3.*/site-packages"))
    (site / "dozvon.pth").write_text(f"{ROOT}\n", "utf-8")
    launcher = VENV / "bin" / "dozvon"
    # A shell finds Python, for a first line may hold neither blanks nor more than 127 characters of path.
    launcher.write_text(
        '#!/bin/sh\n\'\'\'exec\' "$(dirname "$(readlink -f "$0")")/python" "$0" "$@"\n\'\'\'\n'
        "import sys\n\nfrom engine.__main__ import main\n\nsys.exit(main())\n",
        "utf-8",
    )
    launcher.chmod(0o755)


def _front_end() -> None:
    from engine.setup import tools

    tools.install(tools.FRONT_END, say)
    npm = tools.find(tools.FRONT_END[-1])
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *tools.folders()])
    _run("installing the front-end libraries", [str(npm), "ci", "--no-audit", "--no-fund"], limit_s=600)


def _asterisk() -> bool:
    """An Asterisk new enough, the system's or unpacked into the cache; was there anything to do?"""
    with subprocess.Popen(
        [str(PYTHON), "-m", "engine", "asterisk", "install", "--brief"], cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        told = 0
        for line in process.stdout:
            say(f"Asterisk: {line.strip()}")
            told += 1
    if process.returncode:
        raise SetupError("there is no Asterisk yet, and without it no calls: do what is said above and run again")
    return bool(told)


if __name__ == "__main__":
    sys.exit(main())
