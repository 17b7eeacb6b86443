"""A small sample of the measuring for real: embedded model, real ear, real time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from rich.console import Console

from bench.hearing import command
from bench.hearing.calls import Came, ClipMedia, Order
from bench.hearing.channel import Echo
from bench.hearing.talks import menu
from bench.rig import children
from engine import audio, cli
from engine.errors import ConfigError, InputError
from engine.model import FRAME_BYTES


def asked(folder: Path, **more: object) -> command.Asked:
    usual: dict[str, object] = {
        "quick": True,
        "out": folder / "out",
        "data_dir": folder / "var",
        "cache": folder / "kept",
    }
    return command.Asked(**(usual | more))  # type: ignore[arg-type]


async def test_a_quick_measuring_goes_from_voice_to_page(tmp_path: Path) -> None:
    console = Console(quiet=True)
    figures = await command.measure(asked(tmp_path, language="en"), console)
    told = json.loads((tmp_path / "out" / "hearing.json").read_text("utf-8"))
    (found,) = told["recognizers"]
    assert told["corpus"] == "built-in" and told["quick"] and found["demonstration"]
    rows = {(row["kind"], row["condition"]): row for row in found["rows"]}
    assert rows["commands", "alaw"]["commands"] == 12
    assert rows["commands", "alaw"]["right"] > 0.5  # any model that is worth its name
    assert rows["prompt", "alaw"]["interrupted"] == rows["prompt", "echo -26 dB, 120 ms"]["interrupted"] == 0
    assert rows["paused", "alaw"]["cut_off"] == 0
    assert rows["interruption", "alaw"]["noticed"] > 0.8
    assert sum(row["troubles"] + row["overloaded"] for row in found["rows"]) == 0
    assert 0 < found["used"]["recogniser_cpu_per_speech_s"] < 1
    assert rows["digits", "alaw"]["numbers"] == 2
    assert {"person", "machine", "announcement"} <= set(told["amd"]["with_partials"]["confusion"])
    assert {figure.passes for figure in figures} == {None}  # a sample is no measurement
    assert "How well the robot hears" in (tmp_path / "out" / "hearing.html").read_text("utf-8")
    assert children(os.getpid()) == []


async def test_recordings_of_ones_own_are_measured(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    lines = []
    for name, text, label in (("a", "да", "да"), ("b", "алло", ""), ("c", "алло", "amd:person")):
        soundfile.write(folder / f"{name}.wav", np.column_stack([audio.samples(audio.tone(300, 0.5).pcm)] * 2), 16_000)
        lines.append(json.dumps({"audio": f"{name}.wav", "text": text, "label": label}))
    (folder / "manifest.jsonl").write_text("\n".join(lines), "utf-8")
    figures = await command.measure(asked(tmp_path, corpus=folder), Console(quiet=True))
    told = json.loads((tmp_path / "out" / "hearing.json").read_text("utf-8"))
    assert told["corpus"] == "mine"
    assert [row["commands"] + row["foreign"] for row in told["recognizers"][0]["rows"]] == [2]
    assert sum(map(sum, (row.values() for row in told["amd"]["own_greetings"]["confusion"].values()))) == 1
    assert {figure.passes for figure in figures} == {None}


async def test_a_recogniser_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'oracle'"):
        await command.measure(asked(tmp_path, recognizers=("oracle",)), Console(quiet=True))


def test_options_of_hearing_are_for_hearing_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["bench", "calls", "--quick"]) == 1
    assert "dozvon bench hearing --corpus" in capsys.readouterr().err
    assert cli.main(["bench", "hearing", "--corpus", str(tmp_path)]) == 1
    assert "holds no corpus" in capsys.readouterr().err
    with pytest.raises(InputError, match="no part humming"):
        __import__("bench.__main__").__main__.main(["humming"])


# --- the media of a clip ----------------------------------------------------------------------------------------------


async def test_an_echo_comes_back_fainter_and_later() -> None:
    came = Came()
    order = Order(bytes(40 * FRAME_BYTES), menu("ru", ["да"]), echo=Echo(-20, 100))
    media = ClipMedia(order, came)
    await media.write(audio.tone(400, 0.2, dbfs=-6).pcm)
    for tick in range(40):
        assert media.tick(tick * 0.02)
    assert not media.tick(1.0)
    heard = audio.samples(b"".join([frame async for frame in media if isinstance(frame, bytes)]))
    loud = np.flatnonzero(np.abs(heard) > 0.01)
    assert loud[0] / 8 == pytest.approx(100, abs=3)
    assert loud[-1] / 8 == pytest.approx(300, abs=8)
    assert 20 * np.log10(np.abs(heard).max()) == pytest.approx(-26, abs=1)
    assert (came.said_ms, came.hushed_ms) == (200, None)


async def test_a_prompt_that_is_cut_is_told_with_its_moment() -> None:
    came = Came()
    media = ClipMedia(Order(bytes(40 * FRAME_BYTES), menu("ru", ["да"])), came)
    await media.write(bytes(20 * FRAME_BYTES))
    for tick in range(5):
        media.tick(tick * 0.02)
    media.flush()
    media.flush()
    await media.drain()
    assert (came.hushed_ms, came.said_ms) == (100, 100)


async def test_a_prompt_that_was_said_to_its_end_was_not_cut() -> None:
    came = Came()
    media = ClipMedia(Order(bytes(40 * FRAME_BYTES), menu("ru", ["да"])), came)
    await media.write(bytes(3 * FRAME_BYTES))
    for tick in range(4):
        media.tick(tick * 0.02)
    await media.drain()
    media.flush()
    assert (came.hushed_ms, came.said_ms) == (None, 60)
