"""Sound files that people send: good ones are brought to the telephone, bad ones are refused with the reason."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import zipfile
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from aiohttp import FormData

from tests.web.conftest import Answer, Client, Shop, World


def sound(rate: int = 22_050, channels: int = 1, seconds: float = 1.0, **how: Any) -> bytes:
    out = io.BytesIO()
    wave = np.sin(np.arange(round(rate * seconds)) / rate * 2 * np.pi * 700) * 0.4
    soundfile.write(out, np.stack([wave] * channels, axis=1), rate, **{"format": "WAV", **how})
    return out.getvalue()


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.wav", sound())
    return out.getvalue()


def header_of_two_gigabytes() -> bytes:
    """A WAV that says of itself that it has 2 GB, and has a second."""
    whole = bytearray(sound(8000))
    at = whole.index(b"data") + 4
    struct.pack_into("<I", whole, at, 2**31 - 1)
    struct.pack_into("<I", whole, 4, 2**31 + 35)
    return bytes(whole)


async def send(client: Client, shop: Shop, data: bytes, name: str = "a.wav", language: str = "en") -> Answer:
    form = FormData({"name": "Jingle", "kind": "audio"})
    form.add_field("file", io.BytesIO(data), filename=name)
    return await client.post(f"/projects/{shop.project}/materials", data=form, headers={"Accept-Language": language})


@pytest.mark.parametrize(
    ("data", "why", "russian"),
    [
        (b"", "is empty (0 bytes)", "файл пуст (0 байт)"),
        (zipped(), "a ZIP archive", "это архив ZIP"),
        (b"%PDF-1.7 ...", "a PDF", "это PDF"),
        (b"hello", "no sound file", "это не звуковой файл"),
        (sound()[:30], "WAV file is broken", "этот файл WAV повреждён"),
        (sound(8000, seconds=0.0), "holds no sound", "в файле нет звука"),
        (sound(3000), "a sample rate of 3000 Hz", "частота 3000 Гц не подходит"),
        (sound(9, channels=12), "sample rate", "частота"),
        (sound(8000, channels=9), "9 channels are too many", "каналов 9"),
        (sound(format="AIFF"), "AIFF", "AIFF"),
        (sound(4000, seconds=601.0), "longer than 600 s", "звук длиннее 600 с"),
    ],
)  # fmt: skip
async def test_what_is_no_sound_is_refused_with_the_reason(
    anna: Client, shop: Shop, world: World, data: bytes, why: str, russian: str
) -> None:
    answer = await send(anna, shop, data)
    assert (answer.status, answer.codes) == (422, {"/file": "bad_file"}), answer.raw
    assert why in answer.json["errors"][0]["message"]
    told = (await send(anna, shop, data, language="ru")).json["errors"][0]["message"]
    assert russian in told and told.startswith("Файл не подходит: ")
    assert not list((world.settings.data_dir / "materials").glob("*"))
    assert not list((world.settings.data_dir / "uploads").glob("*"))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (sound(8000), "a.wav"),
        (sound(44_100, channels=2), "stereo.wav"),
        (sound(48_000, subtype="FLOAT"), "float.wav"),
        (sound(11_025, subtype="PCM_U8"), "old.wav"),
        (sound(8000, subtype="ALAW"), "telephone.wav"),
        (sound(22_050, format="FLAC"), "a.flac"),
        (sound(22_050, format="OGG"), "a.ogg"),
        (sound(22_050, format="MP3"), "a.mp3"),
        (sound(22_050, format="MP3"), "renamed.wav"),
        (header_of_two_gigabytes(), "lies.wav"),
    ],
)
async def test_what_is_a_sound_is_brought_to_the_telephone(anna: Client, shop: Shop, data: bytes, name: str) -> None:
    answer = await send(anna, shop, data, name)
    assert answer.status == 201, answer.raw
    heard = await anna.get(f"/materials/{answer.json['id']}/audio")
    info = soundfile.info(io.BytesIO(heard.raw))
    assert (info.samplerate, info.channels, info.subtype) == (8000, 1, "PCM_16")
    assert abs(answer.json["duration_ms"] - 1000) < 120


@pytest.mark.parametrize(
    ("language", "why"),
    [("en", "The body may have at most 67108864 bytes."), ("ru", "Тело запроса не больше 67108864 байт.")],
)
async def test_two_gigabytes_are_refused_before_they_come(
    anna: Client, shop: Shop, world: World, language: str, why: str
) -> None:
    host, port = world.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [
        f"POST /api/v1/projects/{shop.project}/materials HTTP/1.1",
        f"Host: {host}",
        f"Authorization: {anna.headers['Authorization']}",
        f"Accept-Language: {language}",
        "Content-Type: multipart/form-data; boundary=x",
        f"Content-Length: {2**31}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(10):
        assert b" 413 " in await reader.readline()
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.splitlines() if line.lower().startswith(b"content-length:"))
        assert why in json.loads(await reader.readexactly(int(length.partition(b":")[2])))["detail"]
    writer.close()
    assert not list((world.settings.data_dir / "uploads").glob("*"))
