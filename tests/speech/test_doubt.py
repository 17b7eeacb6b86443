"""What of vosk's results is told: pure with a scripted recogniser, and the embedded model on a stranger's phrase."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from asr._catalogue import demo_model
from asr._doubt import AGAIN, AT_FIRST, CERTAIN, EACH, FALLEN, FORESEEN, Doubt, Sure, heard, words
from asr._vosk import VoskModel
from bench.hearing.corpus import span
from engine.model import FRAME_MS
from tests.speech import telephoned
from tts import espeak

LEAST = Sure(alone=0.75, beside_foreign=0.9)


def result(*said: tuple[str, float]) -> str:
    return json.dumps({"result": [{"word": word, "conf": sure} for word, sure in said]})


class Script:
    """Recognisers that end with the given results, one after the other; each keeps what it was given."""

    def __init__(self, *results: str) -> None:
        self.results = list(results)
        self.given: list[bytes] = []

    def __call__(self) -> Script:
        return self

    def AcceptWaveform(self, pcm: bytes) -> bool:  # noqa: N802 - vosk's name
        self.given.append(pcm)
        return False

    def FinalResult(self) -> str:  # noqa: N802 - vosk's name
        return self.results.pop(0)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([("да", 0.75)], [["да"]]),
        ([("да", 0.74)], []),
        ([("[unk]", 1.0), ("да", 0.89)], []),
        ([("да", 0.9), ("[unk]", 0.3)], [["да"]]),
        ([("не_интересно", 0.8), ("да", 0.5)], [["не", "интересно"]]),
        ([("[unk]", 1.0)], []),
        ([], []),
    ],
)
def test_beside_foreign_speech_a_phrase_must_be_surer(said: list[tuple[str, float]], told: list[list[str]]) -> None:
    assert [one for one, _ in heard(result(*said), LEAST)] == told


def test_a_model_that_is_certain_tells_everything() -> None:
    assert [one for one, _ in heard(result(("[unk]", 1.0), ("да", 0.01)), CERTAIN)] == [["да"]]
    assert heard(json.dumps({"text": ""}), LEAST) == []


def test_words_leave_marks_out() -> None:
    assert words("[unk] НЕ_интересно <eps> да") == ["не", "интересно", "да"]


def test_a_partial_is_told_when_the_sound_so_far_ends_as_it() -> None:
    script = Script(result(("да", 0.9)))
    doubt = Doubt(script, LEAST)
    doubt.take(b"\1\0" * 160)
    doubt.take(b"\2\0" * 160)
    assert doubt.held("да") == ["да"]
    assert doubt.held("да") == ["да"]
    assert script.given == [b"\1\0" * 160 + b"\2\0" * 160]


def test_a_partial_that_stands_is_doubted_once_more() -> None:
    script = Script(result(("да", 0.9)), result(("[unk]", 1.0), ("да", 0.8)))
    doubt = Doubt(script, LEAST)
    assert doubt.held("да") == ["да"]
    doubt.take(bytes(AGAIN - 2))
    assert doubt.held("да") == ["да"]
    doubt.take(bytes(2))
    assert doubt.held("да") == []
    doubt.take(bytes(10 * AGAIN))
    assert doubt.held("да") == []
    assert not script.results


def test_one_that_was_not_sure_at_once_may_become_so() -> None:
    doubt = Doubt(Script(result(("да", 0.5)), result(("да", 0.9))), LEAST)
    assert doubt.held("да") == []
    doubt.take(bytes(AGAIN))
    assert doubt.held("да") == ["да"]


def test_another_partial_is_doubted_anew_and_nothing_needs_no_doubt() -> None:
    script = Script(result(("да", 0.9)), result(("да", 0.9), ("нет", 0.9)))
    doubt = Doubt(script, LEAST)
    assert doubt.held("") == []
    assert doubt.held("[unk]") == []
    assert doubt.held("да") == ["да"]
    assert doubt.held("да нет") == ["да", "нет"]


def test_what_was_recognised_is_not_doubted_with_what_comes_after() -> None:
    script = Script(result(("да", 0.9)), result(("да", 0.9)))
    doubt = Doubt(script, LEAST)
    doubt.take(b"\1\0")
    doubt.held("да")
    doubt.begin()
    doubt.take(b"\2\0")
    assert doubt.held("да") == ["да"]
    assert script.given == [b"\1\0", b"\2\0"]


def test_no_more_is_recognised_aside_than_a_few_times_what_was_said() -> None:
    script = Script(*[result(("да", 0.9))] * 100)
    doubt = Doubt(script, LEAST)
    taken = 0
    for number in range(100):
        doubt.take(bytes(3200))
        taken += 3200
        doubt.held("да" if number % 2 else "да [unk]")
    assert 2 < len(script.given) < 100
    assert sum(map(len, script.given)) <= AT_FIRST + EACH * taken
    assert doubt.held("[unk] да") == []


LOUD, SILENT = b"\x00\x10" * 160, bytes(320)  # 20 ms each
FALLEN_FRAMES = FALLEN // len(SILENT)


def fell_silent(doubt: Doubt, frames: int = FALLEN_FRAMES) -> list[list[str]]:
    """What is told with each frame after a word, while the recogniser has no partial yet."""
    told = []
    for frame in (LOUD, *[SILENT] * frames):
        doubt.take(frame)
        told.append(doubt.held(""))
    return told


def test_a_word_after_which_there_is_silence_is_told_before_its_partial_comes() -> None:
    script = Script(result(("да", 0.9)))
    doubt = Doubt(script, LEAST)
    assert fell_silent(doubt) == [[]] * FALLEN_FRAMES + [["да"]]
    assert doubt.held("да") == ["да"]  # asked once already
    assert script.given == [LOUD + SILENT * FALLEN_FRAMES]


def test_what_was_foreseen_is_doubted_once_more_too() -> None:
    doubt = Doubt(Script(result(("да", 0.9)), result(("да", 0.3))), LEAST)
    fell_silent(doubt)
    assert doubt.held("да") == ["да"]
    doubt.take(bytes(AGAIN))
    assert doubt.held("да") == []


def test_what_no_partial_bears_out_is_taken_back() -> None:
    doubt = Doubt(Script(result(("да", 0.9))), LEAST)
    told = fell_silent(doubt, FALLEN_FRAMES + FORESEEN // len(SILENT))
    assert told[FALLEN_FRAMES:] == [["да"]] * (FORESEEN // len(SILENT)) + [[]]
    assert doubt.held("[unk]") == []


@pytest.mark.parametrize("partial", ["[unk]", "нет"])
def test_another_partial_takes_it_back_at_once(partial: str) -> None:
    doubt = Doubt(Script(result(("да", 0.9)), result(("да", 0.9))), LEAST)
    fell_silent(doubt)
    assert doubt.held(partial) == []


def test_a_silence_is_asked_about_once_and_foreign_speech_never() -> None:
    script = Script(result(("[unk]", 0.9)), result(("да", 0.9)))
    doubt = Doubt(script, LEAST)
    assert fell_silent(doubt, 50) == [[]] * 51
    assert len(script.given) == 1
    doubt.held("[unk]")
    doubt.take(LOUD)
    for _ in range(50):
        doubt.take(SILENT)
        assert doubt.held("[unk]") == []
    assert len(script.given) == 1


def partials(model: VoskModel, frames: Sequence[bytes], *phrases: str) -> set[str]:
    utterance = model.begin("ru", phrases)
    return {utterance.push(frame) for frame in frames}


async def test_a_piece_of_foreign_speech_is_no_partial(tmp_path: Path) -> None:
    model = VoskModel(demo_model(tmp_path))
    told = []
    async with espeak.open(espeak.Settings(rate_wpm=140), data_dir=tmp_path) as voice:
        for who in ("m7", "f4", "Alex", "Annie"):
            for foreign in ("вас приветствует ассистент абонента", "до свидания", "чемодан"):
                frames = telephoned(await voice.render(foreign, voice=f"ru+{who}"))
                assert partials(model, frames, "да", "нет") == {""}, (who, foreign)
            for answer in ("да", "нет"):
                frames = telephoned(await voice.render(answer, voice=f"ru+{who}"))
                told.append(answer in partials(model, frames, "да", "нет"))
    model.close()
    assert sum(told) >= 6


async def test_words_are_told_before_the_network_has_seen_the_silence_that_it_looks_at(tmp_path: Path) -> None:
    """It looks 120 ms ahead, in chunks of 60 ms; half of all words are told within 120 ms of their last sound."""
    model, late = VoskModel(demo_model(tmp_path)), []
    said = ("да", "нет", "позже", "оператор", "перезвоните", "один", "четыре", "семь")
    async with espeak.open(espeak.Settings(rate_wpm=140), data_dir=tmp_path) as voice:
        for word in said:
            for who in ("m7", "f4", "Alex"):
                frames = telephoned(await voice.render(word, voice=f"ru+{who}"))
                utterance = model.begin("ru", said)
                told = (at for at, frame in enumerate(frames) if utterance.push(frame) == word)
                late.append(next(told, len(frames)) + 1 - span(b"".join(frames)).end_ms // FRAME_MS)
    model.close()
    assert sorted(late)[len(late) // 2] * FRAME_MS <= 120
