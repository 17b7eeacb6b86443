"""A real Asterisk: kept running, reloaded with nothing dropped, taken over from a crashed engine, ended at last."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import sys
from pathlib import Path

import pytest

from channels.voice.install import Asterisk
from channels.voice.render import render
from channels.voice.supervise import running
from engine.errors import ChannelDown, ConfigError
from tests.asterisk import installed, live_asterisk, live_settings

pytestmark = pytest.mark.live

_ENGINE = """
import asyncio, pickle, sys
from channels.voice.render import render
from channels.voice.supervise import running

async def main():
    settings, asterisk = pickle.load(sys.stdin.buffer)
    async with running(asterisk, render(settings, asterisk)) as supervised:
        print(supervised.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def _alive(pid: int) -> bool:
    try:
        return b"asterisk" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


async def test_it_runs_inside_the_block_and_its_output_is_kept(tmp_path: Path) -> None:
    said: list[tuple[bool, str]] = []
    async with live_asterisk(tmp_path, state=lambda works, words: said.append((works, words))) as (_, asterisk):
        pid = asterisk.pid
        assert "Asterisk 2" in await asterisk.cli("core show version")
        assert said == [(True, "")]
    assert not _alive(pid)
    assert said[-1][0] is False
    output = asterisk.folders.output.read_text("utf-8")
    assert "Asterisk Ready." in output
    assert " ERROR[" not in output, output
    assert " WARNING[" not in output, output


async def test_every_module_that_is_rendered_is_loaded(tmp_path: Path) -> None:
    async with live_asterisk(tmp_path) as (_, asterisk):
        wished = (asterisk.folders.etc / "modules.conf").read_text("utf-8").splitlines()
        shown = await asterisk.cli("module show")
    running_ = {line.split()[0] for line in shown.splitlines() if " Running " in line}
    assert {line.removeprefix("load = ") for line in wished if line.startswith("load = ")} <= running_
    for dangerous in ("app_system.so", "func_shell.so", "func_curl.so", "app_originate.so", "res_config_curl.so"):
        assert dangerous not in running_


async def test_killed_it_comes_back(tmp_path: Path) -> None:
    said = asyncio.Queue[bool]()
    async with live_asterisk(tmp_path, state=lambda works, _: said.put_nowait(works)) as (_, asterisk):
        first = asterisk.pid
        await asterisk.restart()
        second = asterisk.pid
        assert [await said.get() for _ in range(3)] == [True, False, True]
        os.killpg(second, signal.SIGKILL)
        assert [await said.get() for _ in range(2)] == [False, True]
        assert len({first, second, asterisk.pid}) == 3
        assert asterisk.restarts == 2
        assert "Asterisk" in await asterisk.cli("core show version")


async def test_a_change_is_reloaded_in_the_same_process(tmp_path: Path) -> None:
    async with live_asterisk(tmp_path) as (settings, asterisk):
        pid = asterisk.pid
        assert "beeline" not in await asterisk.cli("pjsip show endpoints")
        trunks = {"beeline": {"host": "127.0.0.9"}}
        changed = settings.model_validate({**settings.model_dump(by_alias=True), "trunks": trunks})
        assert await asterisk.reload(render(changed, asterisk.asterisk))
        assert "beeline" in await asterisk.cli("pjsip show endpoints")
        assert asterisk.pid == pid


async def test_the_asterisk_of_a_killed_engine_is_taken_over(tmp_path: Path) -> None:
    settings, asterisk = live_settings(tmp_path), installed()
    pid = await _crashed_engine((settings, asterisk))
    assert _alive(pid)
    changed = settings.model_validate({**settings.model_dump(by_alias=True), "trunks": {"mts": {"host": "127.0.0.8"}}})
    said = asyncio.Queue[bool]()
    async with running(asterisk, render(changed, asterisk), lambda works, _: said.put_nowait(works)) as supervised:
        assert supervised.pid == pid
        assert "mts" in await supervised.cli("pjsip show endpoints")
        os.killpg(pid, signal.SIGKILL)
        assert [await said.get() for _ in range(3)] == [True, False, True]
        assert _alive(supervised.pid)
    assert not _alive(supervised.pid)


async def test_one_that_cannot_be_reloaded_is_ended_before_another_starts(tmp_path: Path) -> None:
    settings, asterisk = live_settings(tmp_path), installed()
    pid = await _crashed_engine((settings, asterisk))
    conf = settings.data_dir / "asterisk" / "etc" / "modules.conf"
    conf.write_text(conf.read_text("utf-8") + "; of an older release\n", "utf-8")
    async with running(asterisk, render(settings, asterisk)) as supervised:
        assert supervised.pid != pid
        assert not _alive(pid)


async def test_two_engines_do_not_share_one_folder(tmp_path: Path) -> None:
    async with live_asterisk(tmp_path) as (settings, asterisk):
        with pytest.raises(ConfigError, match="another dozvon"):
            async with running(asterisk.asterisk, render(settings, asterisk.asterisk)):
                pass
        assert _alive(asterisk.pid)


async def test_one_that_cannot_start_says_why(tmp_path: Path) -> None:
    settings, asterisk = live_settings(tmp_path), installed()
    rendered = render(settings, asterisk)
    (rendered.folder / "modules.conf").write_text("[modules]\nautoload = no\nrequire = no_such.so\n", "utf-8")
    with pytest.raises(ChannelDown, match=r"no_such\.so.*asterisk\.log"):
        async with running(asterisk, rendered):
            pass


async def test_an_error_of_the_body_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with live_asterisk(tmp_path):
            raise LookupError("mine")


async def _crashed_engine(work: tuple[object, Asterisk]) -> int:
    """The Asterisk of an engine that was killed when it was up."""
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _ENGINE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert engine.stdin is not None and engine.stdout is not None
    engine.stdin.write(pickle.dumps(work))
    engine.stdin.close()
    pid = int(await engine.stdout.readline())
    with contextlib.suppress(ProcessLookupError):
        engine.kill()
    await engine.wait()
    return pid
