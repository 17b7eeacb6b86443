"""`dozvon demo`: its subscribers telephoned over SIP, every outcome right, both sides in the recordings."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile  # type: ignore[import-untyped]

from channels.voice import pstn
from engine.demo.run import SUBSCRIBERS
from tests.processes import dozvon

pytestmark = pytest.mark.live

LOUD = 200.0  # RMS of 16-bit samples; silence has 0, a voice on a telephone line some thousand
TALK = ("yes", "no", "interrupts", "other", "wants_operator", "wants_busy_operator", "voicemail", "screening", "street")
VOCAL = {pstn.SUBSCRIBERS[who] for who in TALK}


async def test_all_outcomes_are_right_and_both_sides_are_heard(tmp_path: Path) -> None:
    code, said, complained = await dozvon(tmp_path, "demo", "--once", "--port", "0", within_s=170)
    assert code == 0, said + complained
    assert said.count("✓") == len(SUBSCRIBERS) >= 16
    assert "✗" not in said
    assert complained == ""
    folder = tmp_path / "var" / "demo"
    with sqlite3.connect(folder / "dozvon.db") as db:
        rows = db.execute("SELECT phone, status, result, recording FROM calls ORDER BY id").fetchall()
    assert len(rows) == len(SUBSCRIBERS)
    answered = [row for row in rows if row[1] == "answered"]
    assert len(answered) == sum(who.expect["status"] == "answered" for who in SUBSCRIBERS)
    sides = {row[0][-2:]: loudness(folder / row[3]) for row in answered}
    assert all(robot > LOUD for _, robot in sides.values()), sides
    assert {code for code, (subscriber, _) in sides.items() if subscriber > LOUD} == VOCAL, sides


def loudness(file: Path) -> tuple[float, float]:
    """RMS of the subscriber's and the robot's side over their loudest second."""
    sound, rate = soundfile.read(file, dtype="int16", always_2d=True)
    assert sound.shape[1] == 2
    left, right = (loudest(sound[:, side].astype(np.float64), rate) for side in (0, 1))
    return left, right


def loudest(samples: npt.NDArray[np.float64], rate: int) -> float:
    seconds = [samples[at : at + rate] for at in range(0, len(samples), rate)]
    return max(float(np.sqrt(np.mean(second**2))) for second in seconds if len(second))
