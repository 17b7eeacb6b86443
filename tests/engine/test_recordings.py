"""Recordings: two files become one, whatever state Asterisk left them in."""

from __future__ import annotations

import asyncio
import os
import resource
import time
import wave
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from engine import audio
from engine.errors import RecordingLost
from engine.model import RATE
from engine.recordings import CLOSING_S, Recordings, join, still_open

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC).timestamp()


def side(folder: Path, name: str, seconds: float, hz: float = 440.0) -> Path:
    file = folder / f"{name}.wav"
    file.write_bytes(audio.to_wav(audio.tone(hz, seconds)))
    os.utime(file, (NOON, NOON))
    return file


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def unclosed(file: Path) -> Path:
    """As Asterisk leaves it when it is killed: the lengths in the header are still 0."""
    data = bytearray(file.read_bytes())
    data[4:8] = data[40:44] = bytes(4)
    file.write_bytes(data)
    os.utime(file, (NOON, NOON))
    return file


def stereo(data_dir: Path, path: str) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """By Python's own reader, which takes nothing but plain PCM."""
    with wave.open(str(data_dir / path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


async def test_both_sides_stay_apart(tmp_path: Path) -> None:
    subscriber, robot = side(tmp_path, "a-in", 1.0, 400), side(tmp_path, "a-out", 1.0, 900)
    expected = [np.frombuffer(audio.tone(hz, 1.0).pcm, "<i2") for hz in (400, 900)]
    async with Recordings(tmp_path).running() as recordings:
        path = await recordings.keep("a", (str(subscriber), str(robot)))
        assert (recordings.kept, recordings.lost, recordings.trouble) == (1, 0, "")
    assert path == "recordings/2026/03/02/a.wav"
    both = stereo(tmp_path, path)
    assert (both[:, 0] == expected[0]).all()
    assert (both[:, 1] == expected[1]).all()
    assert files(tmp_path) == [path]


@pytest.mark.parametrize(("one", "other"), [(1.0, 2.5), (9.0, 0.5)])
def test_the_shorter_side_ends_in_silence(tmp_path: Path, one: float, other: float) -> None:
    path = join(tmp_path, "a", side(tmp_path, "in", one), side(tmp_path, "out", other))
    both = stereo(tmp_path, path)
    assert len(both) == max(one, other) * RATE
    for column, seconds in ((0, one), (1, other)):
        assert both[: round(seconds * RATE), column].any()
        assert not both[round(seconds * RATE) :, column].any()


def test_a_side_that_is_missing_is_silent(tmp_path: Path) -> None:
    both = stereo(tmp_path, join(tmp_path, "a", tmp_path / "gone.wav", side(tmp_path, "out", 1.0)))
    assert not both[:, 0].any()
    assert both[:, 1].any()


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"no sound at all" * 9, bytes(44)])
def test_a_side_that_is_no_sound_is_silent(tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "in.wav"
    broken.write_bytes(content)
    both = stereo(tmp_path, join(tmp_path, "a", broken, side(tmp_path, "out", 1.0)))
    assert not both[:, 0].any()
    assert both[:, 1].any()


def test_what_a_killed_asterisk_left_is_kept(tmp_path: Path) -> None:
    subscriber, robot = (unclosed(side(tmp_path, name, 1.0)) for name in ("in", "out"))
    both = stereo(tmp_path, join(tmp_path, "a", subscriber, robot))
    assert len(both) == RATE
    assert both[:, 0].any()


def test_a_header_that_lies_is_not_believed(tmp_path: Path) -> None:
    file = side(tmp_path, "in", 1.0)
    data = bytearray(file.read_bytes())
    data[40:44] = (2**31).to_bytes(4, "little")
    file.write_bytes(data + b"\0")  # and half a sample at the end
    assert len(stereo(tmp_path, join(tmp_path, "a", file, tmp_path / "gone"))) == RATE


async def test_a_file_that_is_still_open_is_waited_for(tmp_path: Path) -> None:
    closed = side(tmp_path, "in", 1.0).read_bytes()
    file = unclosed(side(tmp_path, "in", 0.5))
    assert still_open(file)
    async with Recordings(tmp_path).running() as recordings:
        keeping = asyncio.ensure_future(recordings.keep("a", (str(file), str(side(tmp_path, "out", 1.0)))))
        await asyncio.sleep(0.05)
        assert not keeping.done()
        file.write_bytes(closed)
        began = time.monotonic()
        path = await keeping
    assert time.monotonic() - began < CLOSING_S / 2
    assert stereo(tmp_path, path)[-RATE // 4 :, 0].any()


async def test_nothing_recorded_is_told(tmp_path: Path) -> None:
    async with Recordings(tmp_path).running() as recordings:
        with pytest.raises(RecordingLost, match="nothing was recorded"):
            await recordings.keep("a", (str(tmp_path / "x"), str(tmp_path / "y")))
        assert (recordings.kept, recordings.lost) == (0, 1)
        assert "nothing was recorded" in recordings.trouble


@pytest.mark.parametrize("uid", ["", "../a", "a/b", "a\nb", ".hidden", "x" * 200])
def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path, uid: str) -> None:
    with pytest.raises(RecordingLost, match="file name"):
        join(tmp_path, uid, side(tmp_path, "in", 0.1), side(tmp_path, "out", 0.1))


async def test_a_folder_that_cannot_be_written_loses_no_original(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("a file where the folder should be")
    both = (str(side(tmp_path, "in", 1.0)), str(side(tmp_path, "out", 1.0)))
    async with Recordings(tmp_path).running() as recordings:
        with pytest.raises(RecordingLost, match="cannot be written"):
            await recordings.keep("a", both)
        (tmp_path / "recordings").unlink()
        assert await recordings.keep("a", both)
        assert recordings.trouble == ""


def test_a_disk_that_is_full_in_the_middle_leaves_nothing_half(tmp_path: Path) -> None:
    both = side(tmp_path, "in", 5.0), side(tmp_path, "out", 5.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(RecordingLost, match="cannot be written"):
            join(tmp_path, "a", *both)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(tmp_path) == ["in.wav", "out.wav"]
    assert join(tmp_path, "a", *both)


async def test_many_calls_end_at_once(tmp_path: Path) -> None:
    async with Recordings(tmp_path).running() as recordings:
        paths = await asyncio.gather(
            *(
                recordings.keep(f"c{n}", (str(side(tmp_path, f"{n}-in", 0.2)), str(side(tmp_path, f"{n}-out", 0.2))))
                for n in range(40)
            )
        )
    assert len({*paths}) == 40
    assert all((tmp_path / path).is_file() for path in paths)


async def test_a_recording_that_ends_before_its_call_is_kept_and_told(tmp_path: Path) -> None:
    both = (str(side(tmp_path, "in", 2.0)), str(side(tmp_path, "out", 2.0)))
    async with Recordings(tmp_path).running() as recordings:
        with pytest.raises(RecordingLost, match="disk") as caught:
            await recordings.keep("a", both, 10.0)
        assert recordings.seconds(caught.value.kept) == 2.0
        assert recordings.health()[0] is False
        both = (str(side(tmp_path, "in", 2.0)), str(side(tmp_path, "out", 2.0)))
        assert await recordings.keep("b", both, 4.0)
        assert recordings.health() == (True, "")


async def test_a_call_too_short_to_be_recorded_is_no_loss(tmp_path: Path) -> None:
    absent = (str(tmp_path / "x"), str(tmp_path / "y"))
    async with Recordings(tmp_path).running() as recordings:
        assert await recordings.keep("a", absent, 0.2) == ""
        assert recordings.health() == (True, "")
        with pytest.raises(RecordingLost):
            await recordings.keep("a", absent, 20.0)


async def test_what_a_crash_left_is_joined_and_finds_its_call(tmp_path: Path) -> None:
    left = tmp_path / "asterisk" / "recordings"
    left.mkdir(parents=True)
    for uid in ("dz-1", "dz-2", "dz-3", "dz-live"):
        for name in ("in", "out"):
            unclosed(side(left, f"{uid}-{name}", 1.0))
    fresh = left / "dz-2-in.wav"
    os.utime(fresh)
    (left / "dz-old-in.wav").write_bytes(b"no sound")
    os.utime(left / "dz-old-in.wav", (NOON, NOON))
    attached: dict[str, str] = {}

    async def attach(uid: str, path: str) -> bool:
        attached[uid] = path
        return uid != "dz-3"

    async with Recordings(tmp_path).running() as recordings:
        assert await recordings.salvage("dz-none") == ""
        assert await recordings.salvage("../dz-1") == ""
        await recordings.tidy(attach, lambda uid: uid == "dz-live")
    assert set(attached) == {"dz-1", "dz-3"}
    assert len(stereo(tmp_path, attached["dz-1"])) == RATE
    assert files(left) == ["dz-2-in.wav", "dz-2-out.wav", "dz-live-in.wav", "dz-live-out.wav"]


def test_what_was_said_to_an_operator_stands_at_its_time(tmp_path: Path) -> None:
    subscriber, robot = side(tmp_path, "a-in", 3.0), side(tmp_path, "a-out", 0.5)
    side(tmp_path, "a+1000-out", 1.0, 900)
    side(tmp_path, "ab+1000-out", 9.0)
    assert still_open(robot) is False
    both = stereo(tmp_path, join(tmp_path, "a", subscriber, robot))
    assert len(both) == 3 * RATE
    assert not both[RATE // 2 : RATE, 1].any()
    assert (both[RATE : 2 * RATE, 1] == np.frombuffer(audio.tone(900, 1.0).pcm, "<i2")).all()
    assert not both[2 * RATE :, 1].any()
    assert sorted(file.name for file in tmp_path.glob("*.wav")) == ["ab+1000-out.wav"]


def test_only_an_operator_was_recorded(tmp_path: Path) -> None:
    side(tmp_path, "a+500-in", 1.0)
    both = stereo(tmp_path, join(tmp_path, "a", tmp_path / "a-in.wav", tmp_path / "a-out.wav"))
    assert not both[: RATE // 2, 0].any()
    assert both[RATE // 2 :, 0].any()
