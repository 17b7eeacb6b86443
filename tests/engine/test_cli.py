"""The command line as whoever types it meets it: exit codes, one sentence for a failure, init and check for real."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pty
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from engine import cli
from engine.commands.sip_probe import options
from engine.config import load
from engine.loopback import free_ports
from engine.setup import tools

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60


def dozvon(*words: str, cwd: Path, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """Each command that can be said, and where it is done."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield parser.prog, parser.get_default("does")
    for action in inner:
        for below in action.choices.values():
            yield from commands(below)


def test_the_commands_of_the_contract_are_there() -> None:
    said = {prog.removeprefix("dozvon ") for prog, _ in commands(cli.parser())}
    assert said >= {
        "up", "demo", "check", "init", "user create", "token create", "scenario check", "scenario test",
        "asterisk install", "asterisk render", "asterisk run", "asterisk cli", "models list", "models install", "bench",
        "migrate", "numbering import", "numbers import",
    }  # fmt: skip


@pytest.mark.parametrize(("said", "does"), list(commands(cli.parser())))
def test_every_command_leads_somewhere(said: str, does: str) -> None:
    file, _, function = does.partition(":")
    assert callable(getattr(import_module(f"engine.commands.{file}"), function))


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fly"],
        ["up", "--nonsense"],
        ["demo", "--calls", "0"],
        ["demo", "--calls", "many"],
        ["user", "create"],
        ["user"],
    ],
)
def test_wrong_use_is_2_and_tells_the_right_one(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert "usage: dozvon" in capsys.readouterr().err


def test_a_failure_is_one_sentence_and_debug_adds_where(tmp_path: Path) -> None:
    done = dozvon("check", "--config", "absent.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "dozvon: there is no absent.yaml: make one with `dozvon init`, or name yours with --config\n"
    for words in (["check", "--debug"], ["--debug", "check"]):
        told = dozvon(*words, "--config", "absent.yaml", cwd=tmp_path).stderr
        assert "Traceback" in told
        assert told.endswith(done.stderr)


def test_what_nobody_foresaw_is_one_sentence_too(tmp_path: Path) -> None:
    broken = "cli._command = lambda name: (lambda args: 1 // 0)"
    code = f"import sys\nfrom engine import cli\n{broken}\nsys.exit(cli.main(['up']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 1
    assert done.stderr.startswith("dozvon: this should not have happened (ZeroDivisionError")
    assert done.stderr.count("\n") == 1


def test_the_version_is_that_of_the_project(tmp_path: Path) -> None:
    import tomllib

    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert dozvon("--version", cwd=tmp_path).stdout == f"dozvon {version}\n"


# --- init -------------------------------------------------------------------------------------------------------------


def test_init_writes_what_is_given_for_its_owner_only(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('p"a: #ss\n')
    done = dozvon(
        "init", "--yes", "--trunk-host", "203.0.113.10", "--username", "u", "--password-file", "secret", "--register",
        "--number", "8 (495) 000-00-01", "--number", "+74950000002", "--channels", "7", cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    file = tmp_path / "dozvon.yaml"
    assert file.stat().st_mode & 0o777 == 0o600
    got = load(file, {})
    assert [number.number for number in got.numbers] == ["+74950000001", "+74950000002"]
    trunk = got.trunks["main"]
    assert (trunk.host, trunk.username, trunk.password, trunk.registers, trunk.channels) == (
        "203.0.113.10", "u", 'p"a: #ss', True, 7,
    )  # fmt: skip
    assert got.asterisk.sip.host == "0.0.0.0"  # the provider cannot be reached from the loopback


def test_init_never_writes_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "dozvon.yaml").write_text("mine: 1")
    done = dozvon("init", "--yes", cwd=tmp_path)
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert (tmp_path / "dozvon.yaml").read_text() == "mine: 1"


@pytest.mark.parametrize(
    ("option", "value"), [("--trunk-host", "a b"), ("--trunk-host", "a\n  x: 1"), ("--number", "112")]
)
def test_init_leaves_nothing_behind_when_it_refuses(tmp_path: Path, option: str, value: str) -> None:
    done = dozvon("init", "--yes", option, value, cwd=tmp_path)
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_init_with_nothing_known_still_makes_a_file_that_loads(tmp_path: Path) -> None:
    assert dozvon("init", "--yes", "--number", "+74950000001", cwd=tmp_path).returncode == 0
    got = load(tmp_path / "dozvon.yaml", {})
    assert (got.trunks, got.numbers, got.asterisk.sip.host) == ({}, (), "127.0.0.1")


def test_init_asks_only_at_a_terminal(tmp_path: Path) -> None:
    done = dozvon("init", cwd=tmp_path)
    assert done.returncode == 1
    assert "--yes" in done.stderr


def test_init_asks_and_asks_again(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "engine", "init"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    os.write(
        ours, "\n".join(["10.0.0.1", "5o60", "5070", "", "30", "112", "+74950000001 8(495)000-00-02", ""]).encode()
    )
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert process.wait(TIMEOUT_S) == 0, shown.decode()
    got = load(tmp_path / "dozvon.yaml", {})
    assert (got.trunks["main"].host, got.trunks["main"].port, got.trunks["main"].channels) == ("10.0.0.1", 5070, 30)
    assert [number.number for number in got.numbers] == ["+74950000001", "+74950000002"]
    assert shown.decode().count("once more, please") == 2


def _read(end: int) -> bytes:
    try:
        return os.read(end, 4096)
    except OSError:  # Linux says so when the other end of a terminal has gone
        return b""


# --- check ------------------------------------------------------------------------------------------------------------


@contextmanager
def sip_server(*answers: str | None) -> Iterator[int]:
    """Answers each OPTIONS with the next of `answers` (None: not at all); its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(TIMEOUT_S)

        def serve() -> None:
            for answer in answers:
                asked, who = server.recvfrom(4096)
                if answer is not None:
                    via = next(line for line in asked.decode().split("\r\n") if line.startswith("Via:"))
                    server.sendto(f"{answer}\r\n{via}\r\nContent-Length: 0\r\n\r\n".encode(), who)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join(TIMEOUT_S)


def settings(folder: Path, trunk: int | None, **more: str) -> dict[str, str]:
    http, agi, media, ami, sip = free_ports(5)
    text = (
        f"http: {{port: {http}}}\nasterisk: {{sip: {{port: {sip}}}, agi: {{port: {agi}}}, media: {{port: {media}}}, "
        f"ami: {{port: {ami}}}}}\n"
    )
    if trunk is not None:
        text += f"trunks: {{main: {{host: 127.0.0.1, port: {trunk}}}}}\n"
    (folder / "dozvon.yaml").write_text(text, "utf-8")
    return {f"DOZVON_{key}": value for key, value in more.items()}


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    return {finding["part"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_check_is_content_when_calls_can_be_made(tmp_path: Path) -> None:
    with sip_server("SIP/2.0 200 OK") as port:
        done = dozvon("check", "--json", cwd=tmp_path, **settings(tmp_path, port))
    told = findings(done)
    assert (done.returncode, json.loads(done.stdout)["calls"]) == (0, True), done.stdout
    assert "answers OPTIONS with 200" in told["trunk main"]["text"]
    assert told["recogniser"]["state"] == "warn"  # the demonstration model is no recogniser of people
    assert "models install" in told["recogniser"]["mend"]


def test_check_says_what_keeps_calls_from_being_made(tmp_path: Path) -> None:
    (closed,) = free_ports(1)
    env = settings(tmp_path, closed, DATABASE="postgresql+asyncpg://u:secret@127.0.0.1:1/x")
    busy = load(tmp_path / "dozvon.yaml", {}).http.port
    with socket.socket() as other:
        other.bind(("127.0.0.1", busy))
        other.listen()
        done = dozvon("check", cwd=tmp_path, **env)
    assert done.returncode == 1
    assert f"127.0.0.1:{busy} is in use by another program" in done.stdout
    assert "✗ trunk main" in done.stdout
    assert "✗ database" in done.stdout
    assert "secret" not in done.stdout
    assert done.stdout.splitlines()[-1] == "calls cannot be made: mend what is marked ✗"


def test_check_without_a_trunk(tmp_path: Path) -> None:
    done = dozvon("check", "--json", cwd=tmp_path, **settings(tmp_path, None))
    assert done.returncode == 1
    assert findings(done)["trunk"]["state"] == "fail"


def test_check_knows_that_a_provider_cannot_be_reached_from_the_loopback(tmp_path: Path) -> None:
    env = settings(tmp_path, 5060, TRUNKS__MAIN__HOST="203.0.113.10")
    done = dozvon("check", "--json", cwd=tmp_path, **env)
    assert "set asterisk.sip.host" in findings(done)["trunk main"]["mend"]


async def test_the_probe_asks_again_and_takes_any_answer() -> None:
    with sip_server(None, "SIP/2.0 100 Trying", "SIP/2.0 403 Forbidden") as port:
        assert (await options("127.0.0.1", port)).status == 403


async def test_the_probe_ends_in_time_and_tells_why() -> None:
    with sip_server(None) as port:
        assert (await options("127.0.0.1", port, limit_s=0.1)).detail == "no answer in 0.1 s"
    (closed,) = free_ports(1)
    assert "refused" in (await options("127.0.0.1", closed)).detail.lower()
    assert (await options("no-such-host.invalid", 5060)).status == 0


async def test_the_probe_takes_no_answer_to_somebody_else() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        asking = asyncio.ensure_future(options("127.0.0.1", server.getsockname()[1], limit_s=0.2))
        loop = asyncio.get_running_loop()
        _, who = await loop.sock_recvfrom(server, 4096)
        for junk in (b"SIP/2.0 200 OK\r\n\r\n", b"\xff" * 60000, b"", b"SIP/2.0 999 x"):
            await loop.sock_sendto(server, junk, who)
        assert (await asking).status == 0


# --- programs that setting up brings ----------------------------------------------------------------------------------


def test_an_unpacked_program_gets_a_wrapper_that_starts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOZVON_CACHE", str(tmp_path / "a cache"))
    monkeypatch.setenv("PATH", "")
    prefix = tmp_path / "a cache" / "tools" / "x"
    libs = prefix / "usr/lib/any-linux-gnu"
    libs.mkdir(parents=True)
    program = prefix / "usr/bin/frobnicate"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH|$DATA|$1"\n')
    program.chmod(0o755)
    tool = tools.Tool("frobnicate", "frob", env=(("DATA", "{prefix}/data"),))
    assert tools.find(tool) is None
    tools._wrappers().mkdir()
    tools._wrap(tool, prefix, [libs])
    found = tools.find(tool)
    assert found is not None
    said = subprocess.run(
        [found, "a b"], capture_output=True, text=True, env={"PATH": os.defpath}, timeout=TIMEOUT_S
    ).stdout
    assert said == f"{libs}|{prefix}/data|a b\n"
