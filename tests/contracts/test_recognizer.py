"""What `Recognizer` and `Hearing` promise, held over every recogniser that needs no download and over the fake.

sherpa-onnx runs tiny models of the forms of T-one, NeMo's CTC (GigaAM), and transducers (zipformers), streaming and
offline, that hear words spelt in tones; NeMo's transducers are the one form that is not made here. pocketsphinx, which
knows no Russian, is held to the same in tests/speech/test_pocketsphinx.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from asr import fallback, sherpa_onnx, vosk, vosk_server
from asr._catalogue import demo_model
from engine.errors import SpeechError
from engine.model import SILENCE
from engine.ports import Recognizer
from tests.fakes import FakeRecognizer, utterance
from tests.speech import telephoned
from tests.speech.full import Full
from tests.speech.onnx import nemo_ctc, spelt, sung, t_one, transducer
from tests.speech.server import serving
from tts import espeak


@dataclass
class Bench:
    recognizer: Recognizer
    speech: dict[str, list[bytes]]  # text -> frames that the recogniser understands


TEXTS = ("да", "нет", "оператор")


@asynccontextmanager
async def fake(_: Path) -> AsyncGenerator[Bench]:
    yield Bench(FakeRecognizer(takes_s=0.01), {text: utterance(text) for text in TEXTS})


async def said(folder: Path) -> dict[str, list[bytes]]:
    async with espeak.open(espeak.Settings(), data_dir=folder) as voice:
        return {text: telephoned(await voice.render(text, voice="ru+m3")) for text in TEXTS}


@asynccontextmanager
async def real(folder: Path) -> AsyncGenerator[Bench]:
    async with vosk.open(vosk.Settings(workers=1), data_dir=folder) as recognizer:
        yield Bench(recognizer, await said(folder))


@asynccontextmanager
async def far(folder: Path) -> AsyncGenerator[Bench]:
    async with serving(demo_model(folder)) as server:
        settings = vosk_server.Settings(url=server.url)
        async with vosk_server.open(settings, data_dir=folder) as recognizer:
            yield Bench(recognizer, await said(folder))


@asynccontextmanager
async def tones(folder: Path) -> AsyncGenerator[Bench]:
    settings = sherpa_onnx.Settings(model=t_one(folder), workers=1)
    async with sherpa_onnx.open(settings, data_dir=folder) as recognizer:
        yield Bench(recognizer, {text: spelt(text) for text in TEXTS})


def wide(make: Callable[[Path], Path], kind: str) -> Callable[[Path], AbstractAsyncContextManager[Bench]]:
    @asynccontextmanager
    async def opened(folder: Path) -> AsyncGenerator[Bench]:
        settings = sherpa_onnx.Settings.model_validate({"model": make(folder), "kind": kind, "workers": 1})
        async with sherpa_onnx.open(settings, data_dir=folder) as recognizer:
            yield Bench(recognizer, {text: sung(text) for text in TEXTS})

    return opened


@asynccontextmanager
async def both(folder: Path) -> AsyncGenerator[Bench]:
    """The first of the two has no room for anybody."""
    async with (
        vosk.open(vosk.Settings(workers=1), data_dir=folder) as second,
        fallback.open(
            fallback.Settings(recognizers=("first", "vosk")),
            data_dir=folder,
            inners=[("first", Full()), ("vosk", second)],
        ) as recognizer,
    ):
        yield Bench(recognizer, await said(folder))


BENCHES: dict[str, Callable[[Path], AbstractAsyncContextManager[Bench]]] = {
    "fake": fake,
    "vosk": real,
    "vosk_server": far,
    "sherpa_onnx": tones,
    "sherpa_onnx nemo_ctc": wide(nemo_ctc, "nemo_ctc"),
    "sherpa_onnx transducer": wide(partial(transducer, streaming=True), "transducer"),
    "sherpa_onnx offline_transducer": wide(partial(transducer, streaming=False), "offline_transducer"),
    "fallback": both,
}


@pytest.fixture(params=sorted(BENCHES))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Bench]:
    async with BENCHES[request.param](tmp_path) as bench:
        yield bench


@pytest.mark.parametrize("text", TEXTS)
async def test_what_is_said_is_heard(bench: Bench, text: str) -> None:
    hearing = bench.recognizer.listen(language="ru", phrases=TEXTS)
    for frame in bench.speech[text]:
        hearing.push(frame)
    heard = await hearing.finish()
    assert heard.text == text
    assert 0 < heard.confidence <= 1


async def test_a_partial_comes_before_the_end_and_becomes_the_text(bench: Bench) -> None:
    hearing = bench.recognizer.listen(phrases=TEXTS)
    assert hearing.partial == ""
    for frame in [*bench.speech["оператор"], *[SILENCE] * 20]:
        hearing.push(frame)
    for _ in range(1000):
        if hearing.partial == "оператор":
            break
        await asyncio.sleep(0.005)
    assert hearing.partial == hearing.partial.lower() == "оператор"
    assert (await hearing.finish()).text == "оператор"


async def test_silence_is_no_text(bench: Bench) -> None:
    hearing = bench.recognizer.listen(phrases=TEXTS)
    for _ in range(50):
        hearing.push(SILENCE)
    heard = await hearing.finish()
    assert (heard.text, heard.confidence) == ("", 0.0)


async def test_nothing_at_all_is_no_text(bench: Bench) -> None:
    assert (await bench.recognizer.listen().finish()).text == ""


async def test_utterances_do_not_mix(bench: Bench) -> None:
    hearings = [(bench.recognizer.listen(phrases=TEXTS), text) for text in TEXTS * 3]
    longest = max(len(spoken) for spoken in bench.speech.values())
    for n in range(longest):
        for hearing, text in hearings:
            if n < len(bench.speech[text]):
                hearing.push(bench.speech[text][n])
    found = await asyncio.gather(*(hearing.finish() for hearing, _ in hearings))
    assert [heard.text for heard in found] == list(TEXTS * 3)


async def test_a_finished_hearing_is_spent(bench: Bench) -> None:
    hearing = bench.recognizer.listen(phrases=TEXTS)
    for frame in bench.speech["да"]:
        hearing.push(frame)
    await hearing.finish()
    hearing.push(SILENCE)
    with pytest.raises(SpeechError):
        await hearing.finish()


async def test_drop_may_come_at_any_time_and_often(bench: Bench) -> None:
    hearing = bench.recognizer.listen(phrases=TEXTS)
    hearing.drop()
    hearing.push(bench.speech["да"][0])
    hearing.drop()
    with pytest.raises(SpeechError):
        await hearing.finish()


async def test_a_finish_may_be_cancelled(bench: Bench) -> None:
    hearing = bench.recognizer.listen(phrases=TEXTS)
    for frame in bench.speech["да"]:
        hearing.push(frame)
    waiting = asyncio.ensure_future(hearing.finish())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    again = bench.recognizer.listen(phrases=TEXTS)
    for frame in bench.speech["нет"]:
        again.push(frame)
    assert (await again.finish()).text == "нет"


async def test_pushing_never_blocks(bench: Bench) -> None:
    hearing = bench.recognizer.listen(phrases=TEXTS)
    began = asyncio.get_running_loop().time()
    for _ in range(3000):  # a minute of sound
        hearing.push(SILENCE)
    assert asyncio.get_running_loop().time() - began < 0.5
    hearing.drop()
