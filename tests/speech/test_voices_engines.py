"""RHVoice, Piper and services by HTTP: what is asked of them, and their bad days."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from engine import loudness
from engine.errors import ConfigError, Overloaded, SpeechError
from tests.speech import standins
from tts import http, piper, rhvoice

# --- by HTTP --------------------------------------------------------------------------------------------------------


class Service:
    """Answers from a list, the last one for ever; remembers what it was asked."""

    def __init__(self, *answers: web.Response | float) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[web.Request, bytes]] = []
        self.arrived = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request, await request.read()))
        self.arrived.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return web.Response(status=504)
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


def sound(text: str = "привет") -> web.Response:
    return web.Response(body=standins.wav(text), content_type="audio/wav")


@asynccontextmanager
async def speaking(service: Service, path: str = "", **settings: Any) -> AsyncGenerator[http.Http]:
    async with (
        standins.service(service.answer) as url,
        http.open(http.Settings.model_validate({"url": url + path, **settings}), data_dir=Path()) as voice,
    ):
        yield voice


async def test_the_request_is_the_template_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTS_KEY", "s3cret\n")
    service = Service(sound())
    async with speaking(
        service,
        "/say?voice={voice}&q={text}",
        headers={"Authorization": "Api-Key {env.TTS_KEY}"},
        json={"text": "{text}", "audio": {"speed": "{rate}", "lang": "{language}"}, "n": [1, "{voice}"]},
        voices={"anna": "alena"},
        languages={"ru": "ru-RU"},
        rate=1.5,
    ) as voice:
        found = await voice.render('Раз & "два"', voice="Anna")
    ((request, body),) = service.asked
    assert request.path_qs == "/say?voice=alena&q=%D0%A0%D0%B0%D0%B7%20%26%20%22%D0%B4%D0%B2%D0%B0%22"
    assert request.headers["Authorization"] == "Api-Key s3cret"
    assert json.loads(body) == {
        "text": 'Раз & "два"',
        "audio": {"speed": 1.5, "lang": "ru-RU"},
        "n": [1, "alena"],
    }
    assert loudness.loudness(found.pcm) == pytest.approx(-23, abs=0.2)
    assert "s3cret" not in voice.identity


async def test_ssml_is_escaped_and_stress_is_spelled() -> None:
    service = Service(sound())
    body = "<speak><voice name='{voice}'>{text}</voice></speak>"
    async with speaking(service, body=body, escape="xml", voices={"a": "x"}, stress="acute") as voice:
        await voice.render("</voice><break/> & з+амок", voice="nobody'/>")
    assert service.asked[0][1].decode() == (
        "<speak><voice name='x'>&lt;/voice&gt;&lt;break/&gt; &amp; за\u0301мок</voice></speak>"
    )


async def test_nothing_from_a_scenario_becomes_another_header_or_placeholder() -> None:
    service = Service(sound())
    async with speaking(service, headers={"X-Text": "{text}", "X-Lang": "{language}"}, json={"t": "{text}"}) as voice:
        await voice.render("а\r\nX-Evil: 1 {env.HOME} {voice}", language="ru\r\nX-Evil: 2")
    request, body = service.asked[0]
    assert "X-Evil" not in request.headers
    assert request.headers["X-Lang"] == "ru"
    assert json.loads(body) == {"t": "а X-Evil: 1 {env.HOME} {voice}"}


async def test_raw_pcm_and_base64_in_json() -> None:
    pcm = standins.spoken("привет", 24_000)
    packed = web.json_response({"result": {"chunks": [{"data": base64.b64encode(pcm).decode()}]}})
    async with speaking(
        Service(packed), json={"t": "{text}"}, base64_at="result.chunks.0.data", answer="pcm", pcm_hz=24_000
    ) as voice:
        found = await voice.render("привет")
    assert found.seconds == pytest.approx(len(pcm) / 48_000, abs=0.1)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_service_is_asked_again(status: int) -> None:
    service = Service(web.Response(status=status), web.Response(status=status), sound())
    async with speaking(service, json={"t": "{text}"}) as voice:
        assert (await voice.render("привет")).pcm
    assert len(service.asked) == 3


@pytest.mark.parametrize(("status", "kind"), [(429, Overloaded), (502, SpeechError)])
async def test_it_is_given_up_after_some_times(status: int, kind: type[SpeechError]) -> None:
    service = Service(web.Response(status=status))
    async with speaking(service, json={"t": "{text}"}, retries=2) as voice:
        with pytest.raises(kind, match=str(status)):
            await voice.render("привет")
    assert len(service.asked) == 3


async def test_no_longer_than_its_limit() -> None:
    """Neither by a slow answer nor by a Retry-After."""
    for service in (Service(60.0), Service(web.Response(status=429, headers={"Retry-After": "3600"}))):
        async with speaking(service, json={"t": "{text}"}, render_s=0.3) as voice:
            began = time.monotonic()
            with pytest.raises(SpeechError):
                await voice.render("привет")
            assert time.monotonic() - began < 2.0


async def test_too_many_texts_are_refused_at_once() -> None:
    service = Service(60.0)
    async with speaking(service, json={"t": "{text}"}, concurrency=1, queue_s=0.05, render_s=1.0) as voice:
        first = asyncio.ensure_future(voice.render("раз"))
        await service.arrived.wait()
        with pytest.raises(Overloaded):
            await voice.render("два")
        first.cancel()
        await asyncio.wait([first])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (web.Response(status=401), "401"),
        (web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}), "302"),
        (web.Response(body=b"<html>sorry</html>"), "no sound"),
        (web.Response(body=b""), "empty"),
        (web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), "packed"),
    ],
)
async def test_what_is_no_sound_is_refused(answer: web.Response, why: str) -> None:
    service = Service(answer)
    async with speaking(service, json={"t": "{text}"}) as voice:
        with pytest.raises(SpeechError, match=why):
            await voice.render("привет")
    assert len(service.asked) == 1


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"a": "***"}', b'{"a": 5}', b"nonsense", b"[" * 5000])
async def test_json_without_a_sound_is_refused(body: bytes) -> None:
    async with speaking(Service(web.Response(body=body)), json={}, base64_at="a") as voice:
        with pytest.raises(SpeechError, match="no sound"):
            await voice.render("привет")


async def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_BYTES", 1 << 20)
    async with speaking(Service(web.Response(body=bytes(4 << 20))), json={}) as voice:
        with pytest.raises(SpeechError, match="more than 1 MB"):
            await voice.render("привет")


async def test_a_service_that_is_away() -> None:
    async with standins.service(standins.says) as url:
        pass
    async with http.open(http.Settings.model_validate({"url": url, "retries": 1}), data_dir=Path()) as voice:
        with pytest.raises(SpeechError, match="cannot be reached"):
            await voice.render("привет")


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "ftp://host/x"},
        {"url": "http://{text}/x"},
        {"url": "http://host/a b"},
        {"url": "http://host/", "headers": {"Bad Name": "x"}},
        {"url": "http://host/", "json": {}, "body": ""},
        {"url": "http://host/", "speed": 2},
    ],
)
def test_settings_that_cannot_work(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        http.Settings.model_validate(settings)


async def test_a_secret_that_is_not_there_is_named() -> None:
    settings = http.Settings.model_validate({"url": "http://127.0.0.1/", "headers": {"K": "{env.NO_SUCH_KEY}"}})
    with pytest.raises(ConfigError, match="NO_SUCH_KEY"):
        async with http.open(settings, data_dir=Path()):
            pass


# --- RHVoice --------------------------------------------------------------------------------------------------------


async def test_rhvoice_is_given_voice_and_stress(tmp_path: Path) -> None:
    program, log = standins.rhvoice_program(tmp_path)
    settings = rhvoice.Settings(program=str(program), voices={"maria": "elena"}, rate=200)
    async with rhvoice.open(settings, data_dir=tmp_path) as voice:
        found = await voice.render("з+амок", voice="Maria")
        await voice.render("замок", voice="--output=/etc/passwd")
        await voice.render("door", language="en")
    assert log.read_text().splitlines() == ["elena|з+амок", "anna|замок", "slt|door"]
    assert found.seconds == pytest.approx(6 * standins.CHARACTER_S / 2 + 0.0, abs=0.1)
    assert loudness.loudness(found.pcm) == pytest.approx(-23, abs=0.3)


async def test_rhvoice_on_its_bad_days(tmp_path: Path) -> None:
    program, _ = standins.rhvoice_program(tmp_path)
    settings = rhvoice.Settings(program=str(program), render_s=2.0, workers=1)
    async with rhvoice.open(settings, data_dir=tmp_path) as voice:
        with pytest.raises(SpeechError, match="no such voice"):
            await voice.render("fail")
        with pytest.raises(SpeechError, match="within"):
            await voice.render("hang")
        assert (await voice.render("живой")).pcm
    with pytest.raises(ConfigError, match="apt-get install rhvoice"):
        async with rhvoice.open(rhvoice.Settings(program="no-such-program"), data_dir=tmp_path):
            pass
    with pytest.raises(ConfigError, match="no RHVoice voice"):
        async with rhvoice.open(rhvoice.Settings(program=str(program), default_voice="-x"), data_dir=tmp_path):
            pass


# --- Piper ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = standins.piper_package(tmp_path / "packages")
    monkeypatch.setenv("PYTHONPATH", str(folder) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    monkeypatch.syspath_prepend(str(folder))
    return folder


async def test_piper_has_a_voice_for_each_name_and_language(tmp_path: Path, package: Path) -> None:
    settings = piper.Settings.model_validate(
        {
            "voices": {
                "anna": standins.piper_model(tmp_path, "ru.onnx"),
                "kate": {"model": standins.piper_model(tmp_path, "en.onnx", 16_000), "speaker": 3, "language": "en-GB"},
            },
            "rate": 2.0,
        }
    )
    async with piper.open(settings, data_dir=tmp_path) as voice:
        assert voice.voices == ["anna", "kate"]
        anna = await voice.render("Раз. Два.", voice="Anna")
        assert await voice.render("Раз. Два.", voice="nobody") == anna
        assert anna.seconds == pytest.approx(6 * standins.CHARACTER_S / 2, abs=0.1)
        kate = await voice.render("door", voice="kate")
        assert await voice.render("door", language="en-US") == kate != await voice.render("door")


async def test_piper_without_its_parts_says_which(tmp_path: Path, package: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.onnx"):
        async with piper.open(piper.Settings(model="absent.onnx"), data_dir=tmp_path):
            pass
    with pytest.raises(ValidationError, match="name a model"):
        piper.Settings()
    name = standins.piper_model(tmp_path)
    (tmp_path / "models" / f"{name}.json").write_text("not JSON")
    async with piper.open(piper.Settings(model=name), data_dir=tmp_path) as voice:
        with pytest.raises(SpeechError, match=r"voice\.onnx is no Piper model"):
            await voice.render("да")
