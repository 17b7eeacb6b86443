"""Machine or person is measured with what a call has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr._silero import installed
from asr.vad import TwoStageVad
from bench import amd, greetings
from bench.greetings import Clip
from engine import audio
from engine.rules.amd import Kind


@pytest.fixture
async def clips(tmp_path: Path) -> list[Clip]:
    return await greetings.corpus(7, each=4, folder=tmp_path)


async def test_the_vad_is_the_one_of_calls(clips: list[Clip]) -> None:
    assert isinstance(amd.detector(), TwoStageVad) is installed()
    for clip in clips[:3]:
        known = amd.listen(clip, partials=True, voiced=amd.voices(clip))
        assert known.kinds == amd.listen(clip, partials=True).kinds


async def test_every_class_has_its_times(clips: list[Clip]) -> None:
    told = amd.figures([amd.listen(clip, partials=True) for clip in clips])
    assert sum(sum(row.values()) for row in told["confusion"].values()) == len(clips)
    for name in ("person", "machine"):
        assert 0 < told[f"decision_{name}_from_first_sound_s"]["p50"] <= told[f"decision_{name}_s"]["p50"]
    assert told["vad"] == ("two stages" if installed() else "one stage")


def test_a_person_who_was_a_machine_for_a_moment_counts_as_one() -> None:
    noise = np.random.default_rng(1).standard_normal(8 * 8000).astype(np.float32) * 0.05
    noise[: 8000 // 2] = noise[3 * 8000 :] = 0.0
    clip = Clip(Kind.PERSON, "talks long", audio.padded(audio.to_pcm(noise)), ((2000, "оставьте сообщение"),))
    heard = amd.listen(clip, partials=True, voiced=[25 <= n < 150 for n in range(400)])
    assert (heard.taken_for, heard.first) == (Kind.MACHINE, Kind.MACHINE)
    assert amd.figures([heard])["person_to_machine"] == 1.0
