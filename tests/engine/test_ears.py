"""The recognisers as the settings compose them, and what is told of how busy they are."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from asr.fallback import FallbackRecognizer
from asr.sherpa_onnx import SherpaRecognizer
from asr.vosk import VoskRecognizer
from asr.vosk_server import ServerRecognizer
from engine.config import Settings, Speech
from engine.ears import AWAY, open_ears
from engine.errors import ConfigError
from engine.model import Sound
from tests.fakes import FakeRobot
from tests.speech import telephoned
from tests.speech.onnx import spelt, t_one
from tts import espeak
from web.metrics import Metrics


def speech(recognizer: str = "auto", /, **recognizers: object) -> Speech:
    return Speech.model_validate({"recognizer": recognizer, "recognizers": recognizers, "workers": 1})


async def test_with_no_settings_it_is_the_demonstration_by_any_name(tmp_path: Path) -> None:
    async with open_ears(speech(), tmp_path) as ears:
        assert isinstance(ears.default, VoskRecognizer)
        assert ears.of("") is ears.of("default") is ears.of("vosk") is ears.of("nobody knows this") is ears.default
        assert ears.how() == (True, "")
        assert not ears.full()


async def test_a_fallback_is_composed_of_what_it_names(tmp_path: Path) -> None:
    far = {"engine": "vosk_server", "url": "ws://127.0.0.1:9/", "connect_s": 0.2}
    both = {"recognizers": ["far", "vosk"]}
    async with open_ears(speech("fallback", fallback=both, far=far), tmp_path) as ears:
        assert isinstance(ears.default, FallbackRecognizer)
        assert isinstance(ears.of("far"), ServerRecognizer)
        assert [name for name, _ in ears.default.inners] == ["far", "vosk"]
        assert ears.of("vosk") is ears.default.inners[1][1]
        assert set(ears.loads()) == {"far", "vosk"}
        assert ears.how()[0]  # one of the two works
        assert not ears.full()


async def test_cards_may_name_any_that_is_described(tmp_path: Path) -> None:
    tones = {"engine": "sherpa_onnx", "model": str(t_one(tmp_path)), "workers": 1}
    async with open_ears(speech("vosk", tones=tones), tmp_path) as ears:
        assert isinstance(ears.default, VoskRecognizer)
        assert isinstance(ears.of("tones"), SherpaRecognizer)
        hearing = ears.of("tones").listen()
        for frame in spelt("да"):
            hearing.push(frame)
        assert (await hearing.finish()).text == "да"


@pytest.mark.parametrize(
    ("recognizers", "why"),
    [
        ({"fallback": {"recognizers": ["fallback", "vosk"]}}, "cannot stand in for itself"),
        ({"fallback": {"recognizers": ["a", "vosk"]}, "a": {"engine": "fallback", "recognizers": ["vosk", "fallback"]}},
         "cannot stand in for itself"),
        ({"fallback": {"recognizers": ["vosk"]}}, "asr fallback"),
        ({"fallback": {"recognizers": ["vosk", "gone"]}}, "there is no 'gone'"),
        ({"vosk_server": {"url": "http://x"}}, "asr vosk_server"),
        ({"vosk": {"modle": "x"}}, "asr vosk"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused_in_words(tmp_path: Path, recognizers: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        async with open_ears(speech(**recognizers), tmp_path):
            raise AssertionError


async def test_metrics_tell_how_busy_each_is(tmp_path: Path) -> None:
    async with open_ears(speech(), tmp_path) as ears:
        hearing = ears.of("").listen()
        told = generate_latest(Metrics(FakeRobot(), None, ears.gauges).registry).decode()
        for name, value in (("workers", 1), ("workers_ready", 1), ("live", 1), ("queued", 0), ("overloaded", 0)):
            assert f'dozvon_recogniser_{name}{{recogniser="vosk"}} {value}.0' in told
        capacity = next(line for line in told.splitlines() if line.startswith("dozvon_recogniser_capacity{"))
        assert float(capacity.split()[1]) == ears.default.load().capacity > 0
        hearing.drop()


async def test_who_stands_in_is_told_and_counted(tmp_path: Path) -> None:
    far = {"engine": "vosk_server", "url": "ws://127.0.0.1:9/", "connect_s": 0.2}
    both = {"recognizers": ["far", "vosk"]}
    async with open_ears(speech("fallback", fallback=both, far=far), tmp_path) as ears:
        assert ears.how() == (True, f"far: {AWAY}; another recogniser stands in")
        taken = ("recogniser_takeovers", (("recogniser", "fallback"),))
        assert ears.gauges()[taken] == 0
        hearing = ears.of("").listen(phrases=["да"])
        for frame in telephoned(await spoken(tmp_path, "да")):
            hearing.push(frame)
        assert (await hearing.finish()).text == "да"
        assert ears.gauges()[taken] == 1


async def spoken(folder: Path, text: str) -> Sound:
    async with espeak.open(espeak.Settings(), data_dir=folder) as voice:
        return await voice.render(text, voice="ru+m3")


async def test_there_is_no_room_while_every_stream_listens(tmp_path: Path) -> None:
    async with open_ears(speech(vosk={"streams": 2}), tmp_path) as ears:
        one, two = ears.of("").listen(), ears.of("").listen()
        assert ears.full()
        one.drop()
        assert not ears.full()
        two.drop()


async def test_a_recogniser_that_is_down_is_told(tmp_path: Path) -> None:
    async with open_ears(speech(), tmp_path) as ears:
        (pid,) = ears.default.pids
        os.kill(pid, signal.SIGKILL)
        while ears.how()[0]:  # noqa: ASYNC110 - the end of a process is no event here
            await asyncio.sleep(0.005)
        assert ears.how() == (False, AWAY)
        while not ears.how()[0]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        restarts = ("recogniser_restarts", (("recogniser", "vosk"),))
        assert ears.gauges()[restarts] == 1


def test_turns_have_their_settings_and_their_limits() -> None:
    turns = Settings.model_validate({"speech": {"turns": {"end_ms": 500}}}).speech.turns
    assert (turns.end_ms, turns.unfinished_ms, turns.complete_ms) == (500, 1200, 240)
    with pytest.raises(ValueError, match="end_ms"):  # would cut people in the middle of a phrase
        Settings.model_validate({"speech": {"turns": {"end_ms": 300}}})
