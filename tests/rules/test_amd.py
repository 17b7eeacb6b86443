from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import audio
from engine.model import FRAME_BYTES, FRAME_MS
from engine.rules.amd import Amd, Kind, Settings, Verdict
from engine.rules.greetings import EXPECTED, answers, clues, greets

SILENCE = bytes(FRAME_BYTES)
_NOISE = np.random.default_rng(1).standard_normal((50, FRAME_BYTES // 2)) * 0.05
VOICE = [audio.to_pcm(frame) for frame in _NOISE]  # as loud as speech, and no tone


class Heard:
    """Feeds a detector and remembers its verdicts."""

    def __init__(self) -> None:
        self.amd = Amd()
        self.verdicts: list[Verdict] = []

    def _keep(self, verdict: Verdict | None) -> None:
        if verdict is not None:
            self.verdicts.append(verdict)

    def speech(self, ms: int) -> Heard:
        for n in range(ms // FRAME_MS):
            self._keep(self.amd.push(VOICE[n % len(VOICE)], True))
        return self

    def silence(self, ms: int) -> Heard:
        for _ in range(ms // FRAME_MS):
            self._keep(self.amd.push(SILENCE, False))
        return self

    def tone(self, hz: float, ms: int) -> Heard:
        pcm = audio.padded(audio.tone(hz, ms / 1000).pcm)
        for at in range(0, len(pcm), FRAME_BYTES):
            self._keep(self.amd.push(pcm[at : at + FRAME_BYTES], True))  # a detector of voice takes tones for one
        return self

    def text(self, text: str) -> Heard:
        self._keep(self.amd.text(text))
        return self

    @property
    def kinds(self) -> list[Kind]:
        return [verdict.kind for verdict in self.verdicts]


def test_a_short_greeting_and_then_silence_is_a_person() -> None:
    heard = Heard().silence(600).speech(500).silence(1000)
    assert heard.kinds == [Kind.PERSON]
    assert heard.amd.verdict.at_ms <= 600 + 500 + 500
    assert [e.what for e in heard.amd.verdict.evidence] == ["short_greeting_500_ms"]


def test_speech_that_does_not_end_is_a_machine() -> None:
    heard = Heard().silence(400).speech(4000)
    assert heard.kinds == [Kind.MACHINE]
    assert heard.verdicts[0].at_ms <= 400 + 2400


def test_pauses_between_words_do_not_make_a_person() -> None:
    heard = Heard().silence(400)
    for _ in range(6):
        heard.speech(700).silence(180)
    assert heard.kinds == [Kind.MACHINE]


def test_a_greeting_that_goes_on_after_a_pause_changes_its_mind() -> None:
    heard = Heard().silence(400).speech(600).silence(700).speech(4000)
    assert heard.kinds == [Kind.PERSON, Kind.MACHINE]


def test_a_person_who_answers_the_robot_at_length_stays_a_person() -> None:
    heard = Heard().silence(400).speech(500).silence(4500).speech(3500).silence(1000)
    assert heard.kinds == [Kind.PERSON]


def test_silence_decides_nothing() -> None:
    assert Heard().silence(20_000).kinds == []


def test_words_with_which_machines_begin_too_are_waited_after() -> None:
    heard = Heard().silence(400).speech(600).silence(100).text("здравствуйте").silence(220)
    assert heard.kinds == []
    assert heard.silence(100).kinds == [Kind.PERSON]
    heard = Heard().silence(400).speech(600).silence(100).text("здравствуйте").silence(200).speech(1500)
    assert heard.text("здравствуйте вы позвонили").kinds == [Kind.MACHINE]


def test_a_greeting_counts_once_whatever_tells_of_it() -> None:
    heard = Heard().silence(400).speech(500).text("алло").silence(700)
    assert heard.kinds == [Kind.PERSON]
    assert sum(each.weight for each in heard.amd.verdict.evidence) <= 2.2
    assert heard.speech(1000).text("алло вы позвонили").kinds == [Kind.PERSON, Kind.MACHINE]


def test_a_greeting_that_was_not_over_counts_no_more() -> None:
    heard = Heard().silence(400).speech(500).silence(300)
    assert heard.kinds == [Kind.PERSON]
    heard.speech(1000)
    assert [(e.what, e.weight) for e in heard.amd.verdict.evidence] == [("short_greeting_500_ms", 2.0)]
    heard.speech(600)
    assert heard.kinds == [Kind.PERSON, Kind.MACHINE]  # 2.35 s in all, not more because it paused
    assert ("spoke_on", -2.0) in [(e.what, e.weight) for e in heard.amd.verdict.evidence]


def test_a_word_may_be_shorter_than_any_sound_that_counts() -> None:
    assert Heard().silence(400).speech(100).silence(200).text("да").silence(400).kinds == [Kind.PERSON]


def test_a_click_that_the_first_stage_lets_through_is_nobody() -> None:
    assert Heard().silence(400).speech(100).silence(2000).kinds == []


@pytest.mark.parametrize("text", ["алло вас не слышно", "да я слушаю вас", "автосервис слушаю", "hello who is this"])
def test_what_only_people_say_needs_no_silence(text: str) -> None:
    heard = Heard().silence(200).speech(900).text(text)
    assert heard.kinds == [Kind.PERSON]
    assert heard.speech(1200).kinds == [Kind.PERSON]  # and outweighs that they say it at length


@pytest.mark.parametrize("text", ["здравствуйте", "алло оставьте сообщение", "да", "вы позвонили"])
def test_what_machines_say_too_does(text: str) -> None:
    assert not answers(text)


def test_words_that_only_people_say_decide_sooner() -> None:
    heard = Heard().silence(200).speech(1000)
    heard.silence(200).text("алло, слушаю").silence(140)
    assert heard.kinds == [Kind.PERSON]


@pytest.mark.parametrize(
    ("text", "kind", "means"),
    [
        ("вы позвонили Ивану, оставьте, пожалуйста, сообщение", Kind.MACHINE, ""),
        ("Вас приветствует автоответчик", Kind.MACHINE, ""),
        ("please leave your message after the tone", Kind.MACHINE, ""),
        ("это виртуальный секретарь Олег", Kind.SCREENING, ""),
        ("вас приветствует ассистент", Kind.SCREENING, ""),
        ("скажите кто звонит и зачем", Kind.SCREENING, ""),
        ("представьтесь, пожалуйста", Kind.SCREENING, ""),
        ("please state your name and the reason for calling", Kind.SCREENING, ""),
        ("абонент временно недоступен", Kind.ANNOUNCEMENT, "unreachable"),
        ("аппарат абонента выключен или находится вне зоны действия сети", Kind.ANNOUNCEMENT, "unreachable"),
        ("набранный вами номер не существует", Kind.ANNOUNCEMENT, "invalid_number"),
        ("неправильно набран номер", Kind.ANNOUNCEMENT, "invalid_number"),
        ("вызываемый абонент занят", Kind.ANNOUNCEMENT, "busy"),
        ("the number you have dialed is not in service", Kind.ANNOUNCEMENT, "invalid_number"),
        ("the subscriber is temporarily unavailable", Kind.ANNOUNCEMENT, "unreachable"),
    ],
)
def test_phrases_decide_by_a_partial(text: str, kind: Kind, means: str) -> None:
    heard = Heard().silence(200).speech(800).text(text)
    assert (heard.amd.verdict.kind, heard.amd.verdict.means) == (kind, means)


def test_special_information_and_then_words_say_what_it_is() -> None:
    heard = Heard()
    for hz in (950, 1400, 1800):
        heard.tone(hz, 330)
    heard.silence(300)
    assert [verdict.means for verdict in heard.verdicts] == ["unreachable"]
    assert heard.amd.means == ""  # it is only supposed
    heard.speech(1500).text("неправильно набран номер")
    assert [verdict.means for verdict in heard.verdicts] == ["unreachable", "invalid_number"]
    assert heard.amd.means == "invalid_number"


@pytest.mark.parametrize("text", ["алло", "да, слушаю", "Алло! Здравствуйте", "hello", "кто это?"])
def test_what_people_say(text: str) -> None:
    assert greets(text)
    assert clues(text) == []


@pytest.mark.parametrize("text", ["", "здравствуйте вы позвонили в компанию", "да да да оставьте", "нет"])
def test_what_people_do_not_say_first(text: str) -> None:
    assert not greets(text)


def test_a_voicemail_that_says_unavailable_first_is_a_machine() -> None:
    heard = Heard().speech(1000).text("абонент недоступен").speech(1000)
    heard.text("абонент недоступен оставьте сообщение после сигнала")
    assert heard.kinds == [Kind.ANNOUNCEMENT, Kind.MACHINE]


def test_a_beep_after_the_greeting_makes_a_machine_of_a_person() -> None:
    heard = Heard().silence(300).speech(900).silence(900).tone(1000, 400).silence(500)
    assert heard.kinds == [Kind.PERSON, Kind.MACHINE]
    assert abs(heard.amd.beeped_ms - 2500) <= 40


def test_a_tone_is_no_speech() -> None:
    heard = Heard().silence(300).tone(1000, 1200).silence(1000)
    assert heard.kinds[-1] is Kind.MACHINE
    assert all("short_greeting" not in e.what for e in heard.amd.verdict.evidence)


def test_busy_tones_are_an_announcement() -> None:
    heard = Heard()
    for _ in range(3):
        heard.tone(425, 350).silence(350)
    assert (heard.amd.verdict.kind, heard.amd.verdict.means) == (Kind.ANNOUNCEMENT, "busy")


def test_a_fax_is_a_fax() -> None:
    assert Heard().silence(500).tone(2100, 3000).kinds == [Kind.FAX]


def test_somebody_else_comes_to_the_telephone() -> None:
    heard = Heard().speech(1000).text("что передать").silence(800)
    assert heard.kinds == [Kind.SCREENING]
    heard.amd.afresh()
    assert heard.amd.verdict.kind is Kind.UNKNOWN
    heard.silence(3000).speech(500).silence(800)
    assert heard.kinds == [Kind.SCREENING, Kind.PERSON]
    assert heard.amd.verdict.evidence[0].kind is Kind.SCREENING  # what was found stays to be shown


def test_no_expected_phrase_is_two_others() -> None:
    """A recogniser that hears the same words in two ways is half as sure of each."""
    both = {f"{one} {other}" for one in EXPECTED for other in EXPECTED}
    assert both.isdisjoint(EXPECTED)


def test_every_expected_phrase_is_known() -> None:
    assert all(clues(phrase) or greets(phrase) for phrase in EXPECTED)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["voice", "silence", "tone"]), st.booleans()), max_size=400), st.text())
def test_verdicts_are_in_order_and_have_reasons(frames: list[tuple[str, bool]], text: str) -> None:
    amd, last = Amd(Settings()), 0
    tone = audio.tone(1000, 0.02).pcm
    for n, (kind, voiced) in enumerate(frames):
        sound = {"voice": VOICE[n % 50], "silence": SILENCE, "tone": tone}[kind]
        for verdict in (amd.push(sound, voiced), amd.text(text) if n == 30 else None):
            if verdict is not None:
                assert verdict.at_ms >= last
                assert verdict.evidence
                last = verdict.at_ms
