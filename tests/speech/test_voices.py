"""espeak and the cache on their bad days, and what they promise beyond the contract."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from engine import audio
from engine.errors import SpeechError
from tests.fakes import FakeSynthesizer
from tts import cached, espeak
from tts._auto import choose


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("prompts/??/*.pcm"))


# --- espeak ---------------------------------------------------------------------------------------------------------


async def test_every_voice_is_equally_loud_and_none_is_another(tmp_path: Path) -> None:
    async with espeak.open(espeak.Settings(), data_dir=tmp_path) as voice:
        sounds = {name: await voice.render("Добрый день, это проверка голоса", voice=name) for name in voice.voices}
    levels = [audio.rms_dbfs(sound.pcm) for sound in sounds.values()]
    assert max(levels) - min(levels) < 3
    assert len({sound.pcm for sound in sounds.values()}) == len(sounds)


async def test_speech_begins_at_once(tmp_path: Path) -> None:
    async with espeak.open(espeak.Settings(), data_dir=tmp_path) as voice:
        wave = abs(audio.samples((await voice.render("Добрый день")).pcm))
    assert wave[: 8000 // 20].max() > 0.01  # within 50 ms


@pytest.mark.parametrize(
    ("voice", "language", "found"),
    [
        ("", "ru", ("ru+f3", True)),
        ("Anna", "ru-RU", ("ru+f3", True)),
        ("ivan", "en", ("en-us+m3", True)),
        ("ru+f4", "en", ("ru+f4", True)),
        ("alyona", "en", ("ru+f1", True)),
        ("nobody", "ru", ("ru+f3", False)),
        ("ru+f4\n-w /tmp/x", "ru", ("ru+f3", False)),
        ("anna", "../etc", ("ru+f3", True)),
    ],
)
def test_voices_have_names_that_people_give(voice: str, language: str, found: tuple[str, bool]) -> None:
    assert espeak.espeak_name(voice, language, {"alyona": "ru+f1"}) == found


async def test_an_unknown_voice_still_speaks(tmp_path: Path) -> None:
    async with espeak.open(espeak.Settings(), data_dir=tmp_path) as voice:
        assert (await voice.render("проверка", voice="nobody")).pcm
        with pytest.raises(SpeechError, match="no voice xx"):
            await voice.render("проверка", language="xx")


async def test_hostile_texts_are_spoken_or_refused(tmp_path: Path) -> None:
    async with espeak.open(espeak.Settings(), data_dir=tmp_path) as voice:
        for text in ("<speak><audio src='/etc/passwd'/></speak>", "[[p'OId_Z]]", "a\0b\x1b[31m", "\ud800 да", "‮да"):
            assert (await voice.render(text)).seconds < 20
        with pytest.raises(SpeechError, match="too long"):
            await voice.render("а" * 5001)


async def worker_pid() -> int:
    """Of the one espeak worker that this process has."""
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():  # noqa: ASYNC240 - /proc does not block
        for pid in (task / "children").read_text().split():
            if b"_espeak_worker" in Path(f"/proc/{pid}/cmdline").read_bytes():  # noqa: ASYNC240 - nor here
                return int(pid)
    raise AssertionError("there is no espeak worker")


async def test_a_killed_worker_costs_one_prompt_at_most(tmp_path: Path) -> None:
    async with espeak.open(espeak.Settings(), data_dir=tmp_path) as voice:
        pid = await worker_pid()
        os.kill(pid, signal.SIGSTOP)
        waiting = asyncio.ensure_future(voice.render("другая проверка"))
        await asyncio.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(SpeechError, match="gone"):
            await waiting
        assert (await voice.render("проверка")).pcm


async def test_a_hung_worker_is_given_up_within_the_limit(tmp_path: Path) -> None:
    async with espeak.open(espeak.Settings(render_s=0.5), data_dir=tmp_path) as voice:
        os.kill(await worker_pid(), signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(SpeechError, match="within"):
            await voice.render("проверка")
        assert time.monotonic() - began < 1.0
    async with espeak.open(espeak.Settings(), data_dir=tmp_path) as voice:
        assert (await voice.render("проверка")).pcm


def test_auto_says_what_it_takes() -> None:
    found = choose("auto", {"espeak": {"rate_wpm": 140}})
    assert (found.name, found.options) == ("espeak", {"rate_wpm": 140})
    assert "espeak" in found.why
    assert choose("rhvoice", {}).name == "rhvoice"


# --- the cache ------------------------------------------------------------------------------------------------------


async def test_a_prompt_is_made_once_and_outlives_the_process(tmp_path: Path) -> None:
    first, second = FakeSynthesizer(takes_s=0), FakeSynthesizer(takes_s=0)
    async with cached.open(cached.Settings(), data_dir=tmp_path, inner=first) as cache:
        sounds = await asyncio.gather(*(cache.render("привет") for _ in range(20)))
    async with cached.open(cached.Settings(), data_dir=tmp_path, inner=second) as cache:
        again = await cache.render("привет")
    assert (first.said, second.said) == (["привет"], [])
    assert {sound.pcm for sound in [*sounds, again]} == {sounds[0].pcm}


async def test_what_makes_another_sound_is_another_prompt(tmp_path: Path) -> None:
    inner = FakeSynthesizer(takes_s=0)
    async with cached.open(cached.Settings(), data_dir=tmp_path, inner=inner) as cache:
        for voice, language in (("a", "ru"), ("b", "ru"), ("a", "en")):
            await cache.render("x", voice=voice, language=language)
    async with cached.open(cached.Settings(), data_dir=tmp_path, inner=inner, identity="faster") as cache:
        await cache.render("x", voice="a")
    assert len(inner.said) == len(kept(tmp_path)) == 4


@pytest.mark.parametrize("damage", [b"", b"short", b"DOZVPCM1" + bytes(40), b"x" * 5000])
async def test_a_damaged_file_is_made_again(tmp_path: Path, damage: bytes) -> None:
    inner = FakeSynthesizer(takes_s=0)
    async with cached.open(cached.Settings(memory_mb=0), data_dir=tmp_path, inner=inner) as cache:
        whole = await cache.render("привет")
        (file,) = kept(tmp_path)
        file.write_bytes(damage)
        assert await cache.render("привет") == whole
        assert await cache.render("привет") == whole
    assert inner.said == ["привет", "привет"]


async def test_the_disk_is_bounded_and_the_longest_unused_go(tmp_path: Path) -> None:
    inner = FakeSynthesizer(takes_s=0)
    settings = cached.Settings(disk_mb=1, memory_mb=0)
    async with cached.open(settings, data_dir=tmp_path, inner=inner) as cache:
        size = len((await cache.render("б" * 100)).pcm)
        first = kept(tmp_path)[0]
        os.utime(first, (1, 1))
        for n in range(2 * (1 << 20) // size):
            await cache.render(f"{n:03}" + "б" * 97)
    assert sum(file.stat().st_size for file in kept(tmp_path)) <= 1 << 20
    assert not first.exists()
    assert len(kept(tmp_path)) > 3


async def test_memory_is_bounded(tmp_path: Path) -> None:
    inner = FakeSynthesizer(takes_s=0)
    async with cached.open(cached.Settings(disk_mb=0, memory_mb=1), data_dir=tmp_path, inner=inner) as cache:
        for n in range(30):
            await cache.render(f"{n:02}" + "б" * 98)
        inner.said.clear()
        await cache.render("29" + "б" * 98)
        assert inner.said == []
        await cache.render("00" + "б" * 98)
        assert len(inner.said) == 1
    assert kept(tmp_path) == []


async def test_a_disk_that_takes_nothing_does_not_silence_the_robot(tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("a file where the folder should be")
    inner = FakeSynthesizer(takes_s=0)
    async with cached.open(cached.Settings(), data_dir=tmp_path, inner=inner) as cache:
        assert (await cache.render("привет")).pcm
        assert str(tmp_path / "prompts") in cache.trouble
        await cache.render("привет")
        assert inner.said == ["привет"]
        (tmp_path / "prompts").unlink()
        await cache.render("снова")
        assert cache.trouble == ""
    assert len(kept(tmp_path)) == 1


async def test_what_a_crash_left_is_swept(tmp_path: Path) -> None:
    folder = tmp_path / "prompts" / "ab"
    folder.mkdir(parents=True)
    old, new = folder / ".old.part", folder / ".new.part"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (1, 1))
    async with cached.open(cached.Settings(), data_dir=tmp_path, inner=FakeSynthesizer()):
        assert (old.exists(), new.exists()) == (False, True)


async def test_a_failure_is_not_kept(tmp_path: Path) -> None:
    inner = FakeSynthesizer(takes_s=0.01, failure=SpeechError("no voice"))
    async with cached.open(cached.Settings(), data_dir=tmp_path, inner=inner) as cache:
        failed = await asyncio.gather(cache.render("а"), cache.render("а"), return_exceptions=True)
        assert [str(error) for error in failed] == ["no voice", "no voice"]
        inner.failure = None
        assert (await cache.render("а")).pcm
