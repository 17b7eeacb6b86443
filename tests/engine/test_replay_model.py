"""`dozvon replay` on a recording made here, through the embedded model and real voice detection."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
import yaml

from engine import audio, cli
from engine.config import Settings, Speech
from engine.model import RATE, CallEnd, Result, Spoken, Status, StepLog, TalkLog
from engine.store import migrate, open_store
from engine.voices import open_voice
from tests.engine.test_replay import GRAPH

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ANSWER_S = 2.5


async def _sounds(folder: Path) -> tuple[Any, Any]:
    async with open_voice(Speech(synthesizer="espeak"), folder) as voice:
        robot = await voice.render("Придёте?", voice="anna")
        subscriber = await voice.render("нет", voice="ivan")
    return np.frombuffer(robot.pcm, audio.PCM), np.frombuffer(subscriber.pcm, audio.PCM)


def _recorded(folder: Path, robot: Any, subscriber: Any) -> str:
    both = np.zeros((RATE * 6, 2), np.int16)
    both[:, 0] = np.random.default_rng(1).normal(0, 12, len(both)).astype(np.int16)  # a line is never quite silent
    both[: robot.size, 1] = robot
    at = round(ANSWER_S * RATE)
    both[at : at + subscriber.size, 0] += subscriber
    (folder / "recordings").mkdir()
    soundfile.write(folder / "recordings" / "one.wav", both, RATE)
    return "recordings/one.wav"


async def _kept(settings: Settings) -> None:
    """A call whose subscriber said "нет", which was not understood then."""
    robot, subscriber = await _sounds(settings.data_dir)
    path = _recorded(settings.data_dir, robot, subscriber)
    asked_ms = round(robot.size * 1000 / RATE)
    steps = (
        StepLog(0, "hello", "play", asked_ms, "next"),
        StepLog(asked_ms, "ask", "recognize", 3000, "again", "other", "", 0.0),
        StepLog(asked_ms + 3000, "again", "play", 500, "left"),
    )
    talk = TalkLog("left", "subscriber", Result.NON_TARGET, steps=steps, transcript=(Spoken(0, "robot", "Придёте?"),))
    end = CallEnd(
        Status.ANSWERED, 16, NOW, answered_at=NOW, talk=talk, scenario_id=1, scenario_version=1, recording=path
    )
    await migrate(settings.database_url)
    async with open_store(settings.database_url) as store:
        user = await store.users.add("anna@example.com", "", now=NOW)
        project = await store.projects.add(user.id, "Shop", now=NOW)
        scenario = await store.scenarios.add(project.id, name="S", graph=GRAPH, now=NOW, user=None)
        call = await store.calls.add_single(
            project.id, phone="+79001234567", scenario_id=scenario.id, now=NOW, user=user.id
        )
        await store.calls.end(call.id, end)


def test_a_call_heard_again_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(data_dir=tmp_path / "var")
    settings.data_dir.mkdir()
    asyncio.run(_kept(settings))
    config = tmp_path / "dozvon.yaml"
    speech = {"recognizer": "vosk", "synthesizer": "espeak", "workers": 1}
    config.write_text(yaml.safe_dump({"data_dir": "var", "speech": speech}), "utf-8")
    common = ["--config", str(config), "replay", "1", "--json"]

    assert cli.main(common) == 1
    (got,) = json.loads(capsys.readouterr().out)
    (ask,) = got["cards"]
    assert (ask["difference"], ask["now"]["text"], ask["now"]["to"]) == ("arrow", "нет", "bye")
    assert ask["was"]["to"] == "again" and got["differs"] and not got["failed"]

    other = {**GRAPH["nodes"]["ask"], "filters": [{"voice": ["нет"], "goto": "again"}, {"other": True, "goto": "bye"}]}
    version = tmp_path / "version.yaml"
    version.write_text(yaml.safe_dump({**GRAPH, "nodes": {**GRAPH["nodes"], "ask": other}}), "utf-8")
    assert cli.main([*common, "--scenario", str(version), "--recognizer", "vosk-demo"]) == 0
    (got,) = json.loads(capsys.readouterr().out)
    assert got["cards"][0]["difference"] == "text"

    assert cli.main([*common, "--recognizer", "nobody"]) == 2 and "nobody" in capsys.readouterr().err
    assert cli.main([*common[:3], "2"]) == 2 and "call 2: there is no such call" in capsys.readouterr().err
