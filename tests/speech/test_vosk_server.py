"""A recogniser on another machine on its bad days: away, mute, broken off, speaking nonsense, full."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from asr import vosk_server
from asr._catalogue import demo_model
from engine.errors import Overloaded, SpeechError
from engine.model import SILENCE
from tests.speech import telephoned
from tests.speech.server import Server, serving
from tts import espeak


@pytest.fixture
async def server(tmp_path: Path) -> AsyncGenerator[Server]:
    async with serving(demo_model(tmp_path)) as server:
        yield server


@pytest.fixture
async def yes(tmp_path: Path) -> list[bytes]:
    async with espeak.open(espeak.Settings(), data_dir=tmp_path) as voice:
        return telephoned(await voice.render("да", voice="ru+m3"))


@asynccontextmanager
async def connected(server: Server, **settings: object) -> AsyncGenerator[vosk_server.ServerRecognizer]:
    chosen = vosk_server.Settings.model_validate({"url": server.url, "finish_s": 1.0, **settings})
    async with vosk_server.open(chosen, data_dir=Path()) as recognizer:
        yield recognizer


async def heard(recognizer: vosk_server.ServerRecognizer, frames: list[bytes], *phrases: str) -> str:
    hearing = recognizer.listen(phrases=phrases)
    for frame in frames:
        hearing.push(frame)
    return (await hearing.finish()).text


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to that")


async def test_the_cards_phrases_go_along_as_a_grammar(server: Server, yes: list[bytes]) -> None:
    async with connected(server) as recognizer:
        assert await heard(recognizer, yes, "Да", "не  надо", "да") == "да"
        assert server.configs[-1] == {"sample_rate": 8000, "words": True, "phrase_list": ["да", "не надо", "[unk]"]}
        assert await heard(recognizer, yes, "да", "/не.*/") == "да"
        assert "phrase_list" not in server.configs[-1]
    async with connected(server, grammar=False) as recognizer:
        assert await heard(recognizer, yes, "да") == "да"
        assert "phrase_list" not in server.configs[-1]


async def test_connections_stand_ready_and_none_is_left_behind(server: Server, yes: list[bytes]) -> None:
    async with connected(server, ready=3) as recognizer:
        assert server.live == 3
        for _ in range(4):
            assert await heard(recognizer, yes) == "да"
        await until(lambda: server.live == 3 and recognizer.load().live == 0)
    await until(lambda: server.live == 0)


async def test_dropped_ones_free_the_server(server: Server, yes: list[bytes]) -> None:
    async with connected(server, ready=0) as recognizer:
        hearings = [recognizer.listen() for _ in range(5)]
        for hearing in hearings:
            for frame in yes:
                hearing.push(frame)
        await until(lambda: server.talks == 5)
        for hearing in hearings:
            hearing.drop()
        await until(lambda: server.live == 0 and recognizer.load().live == 0)


@pytest.mark.parametrize(
    ("mood", "why"),
    [("mute", "did not answer"), ("late", "did not answer"), ("break", "broke off"), ("nonsense", "nonsense"),
     ("away", "cannot be reached")],
)  # fmt: skip
async def test_what_goes_wrong_is_told_within_the_limit_and_passes(
    server: Server, yes: list[bytes], mood: str, why: str
) -> None:
    async with connected(server, ready=0, finish_s=0.5) as recognizer:
        server.mood = mood
        began = asyncio.get_running_loop().time()
        with pytest.raises(SpeechError, match=why):
            await heard(recognizer, yes)
        assert asyncio.get_running_loop().time() - began < 1.5
        await until(lambda: recognizer.load().live == 0)
        server.mood = ""
        assert await heard(recognizer, yes) == "да"
        assert recognizer.load().ready == 1


async def test_a_failure_is_known_in_mid_speech(server: Server, yes: list[bytes]) -> None:
    async with connected(server, ready=0) as recognizer:
        server.mood = "break"
        hearing = recognizer.listen()
        for frame in yes:
            hearing.push(frame)
        await until(lambda: hearing.failure is not None)
        hearing.push(SILENCE)
        with pytest.raises(SpeechError, match="broke off"):
            await hearing.finish()


async def test_nobody_there_at_the_start_is_no_reason_not_to_start(yes: list[bytes], tmp_path: Path) -> None:
    settings = vosk_server.Settings(url="ws://127.0.0.1:9/", connect_s=0.5)
    async with vosk_server.open(settings, data_dir=tmp_path) as recognizer:
        assert recognizer.load().capacity == 0
        with pytest.raises(SpeechError, match="cannot be reached"):
            await heard(recognizer, yes)


async def test_a_server_that_comes_back_is_found_though_nobody_speaks(
    server: Server, yes: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vosk_server, "LOOK_S", 0.05)
    async with connected(server, ready=0) as recognizer:
        server.mood = "away"
        with pytest.raises(SpeechError):
            await heard(recognizer, yes)
        assert recognizer.load().capacity == 0
        server.mood = ""
        await until(lambda: recognizer.load().capacity > 0)
        assert await heard(recognizer, yes) == "да"


async def test_who_finds_no_stream_in_time_is_told_and_who_waits_a_little_loses_nothing(
    server: Server, yes: list[bytes]
) -> None:
    async with connected(server, streams=1, queue_s=0.1) as recognizer:
        first = recognizer.listen()
        await until(lambda: recognizer.load().live == 1)
        with pytest.raises(Overloaded):
            await heard(recognizer, yes)
        assert recognizer.load().overloaded == 1
        second = asyncio.ensure_future(heard(recognizer, yes))
        await until(lambda: recognizer.load().queued == 1)
        first.drop()
        assert await second == "да"


async def test_an_utterance_of_several_parts_is_one(server: Server, tmp_path: Path) -> None:
    async with espeak.open(espeak.Settings(), data_dir=tmp_path) as voice:
        parts = [telephoned(await voice.render(text, voice="ru+m3")) for text in ("оператор", "пять")]
    async with connected(server) as recognizer:
        assert await heard(recognizer, [*parts[0], *[SILENCE] * 60, *parts[1]], "оператор", "пять") == "оператор пять"


async def test_shutting_down_ends_what_is_being_said(server: Server, yes: list[bytes]) -> None:
    async with connected(server) as recognizer:
        hearing = recognizer.listen()
        for frame in yes:
            hearing.push(frame)
        await until(lambda: server.talks == 1)
        waiting = asyncio.ensure_future(hearing.finish())
        server.mood = "late"
        await asyncio.sleep(0)
    with pytest.raises(SpeechError):
        await waiting


@pytest.mark.parametrize("url", ["http://asr:2700", "asr:2700", "ws://", "ws://a b"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        vosk_server.Settings(url=url)
