from __future__ import annotations

import random
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from bench.figures import Figure
from bench.hearing import page, plan, plots, run, studio
from bench.hearing.channel import CLEAN, CODECS, NOISES, Way, around, coded, lossy, murmur, surroundings, through
from bench.hearing.run import Result
from bench.hearing.words import WORDS, said
from engine import audio
from engine.model import FRAME_BYTES, RATE

SPEECH = audio.tone(440, 0.5, dbfs=-18).pcm
BABBLE = murmur([audio.samples(audio.tone(hz, 0.7).pcm) for hz in (200, 310, 420)], random.Random(1), seconds=4)


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_keeps_the_length_and_the_sound(codec: str) -> None:
    heard = audio.samples(coded(SPEECH, codec))
    assert heard.size == len(SPEECH) // 2
    spectrum = np.abs(np.fft.rfft(heard))
    assert spectrum.argmax() * RATE / heard.size == pytest.approx(440, abs=5)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("snr_db", [20, 5])
def test_noise_has_the_level_that_is_asked_for(noise: str, snr_db: float) -> None:
    way = Way(noise=noise, snr_db=snr_db)
    level = audio.rms_dbfs(surroundings(way, 8, "1", BABBLE))
    assert level == pytest.approx(-22 - snr_db, abs=1.5)


def test_babble_needs_voices() -> None:
    with pytest.raises(ValueError, match="voices"):
        around("babble", 100, np.random.default_rng(1))


@pytest.mark.parametrize("way", [CLEAN, Way(codec="gsm", noise="babble", snr_db=10), Way(noise="street", loss=0.05)])
def test_the_same_seed_gives_the_same_sound_in_whole_frames(way: Way) -> None:
    first, again, other = [through(SPEECH, way, seed, lead_ms=200, tail_ms=333, babble=BABBLE) for seed in "112"]
    assert first == again != other
    assert len(first) % FRAME_BYTES == 0
    assert len(first) >= len(SPEECH) + 2 * 533 * RATE // 1000


def test_lost_packets_are_concealed_once_then_silent() -> None:
    pcm = (np.full(160 * 100, 1000, "<i2")).tobytes()
    frames = np.frombuffer(lossy(pcm, 0.3, random.Random(3)), "<i2").reshape(-1, 160)[:, 0].tolist()
    assert set(frames) == {1000, 500, 0}
    assert all(before == 1000 for before, now in zip(frames, frames[1:], strict=False) if now == 500)
    assert all(before in (500, 0) for before, now in zip(frames, frames[1:], strict=False) if now == 0)
    assert sum(frame != 1000 for frame in frames) == pytest.approx(30, abs=12)


async def test_the_built_in_corpora_are_the_same_again_and_kept(tmp_path: Path) -> None:
    async with studio.opened(tmp_path) as made:
        first = await studio.build(made, 5, quick=True)
    async with studio.opened(tmp_path) as made:
        again = await studio.build(made, 5, quick=True)
        other = await studio.build(made, 6, quick=True)
    assert first.commands == again.commands and first.paused == again.paused and first.digits == again.digits
    assert np.array_equal(first.babble, again.babble)
    assert first.digits != other.digits
    assert len({clip.pcm for clip in first.commands["ru"]}) == len(first.commands["ru"]) == 36


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    assert plan.sample(range(100), 5, "1") == plan.sample(range(100), 5, "1") != plan.sample(range(100), 5, "2")
    assert plan.sample([1, 2], 5, "1") == [1, 2]


# --- the page ---------------------------------------------------------------------------------------------------------


class Strict(HTMLParser):
    """Every tag is closed, in turn; nothing is fetched."""

    VOID = frozenset({"meta", "line", "rect", "polyline", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not {"src", "href", "onload", "onclick"} & {name for name, _ in attrs}, tag
        assert tag not in ("script", "link", "img")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.VOID

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def result(name: str) -> Result:
    row = {"language": "ru", "full": True, "speech_s": 1.0}
    return Result(
        name, "because <b>so</b>", True,
        [
            {**row, "kind": "commands", "condition": "<alaw>", "right": 0.9, "wrong": 0.02, "accepted": 0.0,
             "foreign": 3, "confusions": {"да → <нет>": 2}},
            {**row, "kind": "paused", "condition": "alaw", "cut_off": 0.0, "unheard": 0.1},
            {**row, "kind": "prompt", "condition": "alaw", "interrupted": 0.0},
            {**row, "kind": "interruption", "condition": "alaw", "noticed": 1.0, "noticed_in_time": 1.0},
        ],
        [120.0, 230.0, -40.0], [640.0, 700.0],
    )  # fmt: skip


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_page_is_whole_and_says_what_it_was_given_as_text(language: str) -> None:
    evil = "<script>alert(1)</script>"
    amd = {"with_partials": {"confusion": {"person": {"person": 9, "machine": 1}, "<i>": {"person": 1}}}}
    figures = [Figure(evil, 3, "<ms>", at_most=2), Figure("plain", 1)]
    told = page.html([result(evil)], figures, language=language, amd=amd, about={"cpu": "<x>"})
    parser = Strict()
    parser.feed(told)
    parser.close()
    assert parser.open == []
    assert evil in parser.text and "<alaw>" in " ".join(parser.text)
    assert WORDS[language]["miss"] in parser.text
    assert "http://" not in told.replace('xmlns="http://www.w3.org/2000/svg"', "") and "https://" not in told


def test_both_languages_of_the_page_say_the_same_things() -> None:
    assert WORDS["ru"].keys() == WORDS["en"].keys()


def test_every_figure_has_a_russian_name() -> None:
    """Whatever is left in English letters is a name: of a codec, a language, a rule, a recogniser."""
    known = {"ru", "en", "alaw", "ulaw", "gsm", "opus", "vosk", "AMD", "p"}
    row = {"language": "ru", "full": True, "noticed_p95_ms": 5.0}
    rows = [*result("vosk").rows, {**row, "kind": "digits", "condition": "alaw", "numbers_right": 1.0}]
    conditions = [way.name for way in (*plan.ONE_AT_A_TIME, plan.PINK)]
    conditions += [plan.ECHO.name, "alaw, music 10 dB", "alaw, instruments 10 dB"]
    names = [figure.name for figure in run.figures(Result("vosk", "", True, rows, [1.0], [2.0]))]
    names = [name.replace("<alaw>", "alaw") for name in names]
    for name in [*names, *conditions]:
        assert set(re.findall("[A-Za-z]+", said(name, "ru"))) <= known, name
        assert said(name, "en") == name


def test_curves_of_nothing_are_nothing() -> None:
    assert plots.curves({"a": []}) == ""
    assert plots.curves({"a": [5.0], "b": []}).count("<polyline") == 1
