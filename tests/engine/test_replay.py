"""Recorded calls heard again: card by card, by the rules; and one through the embedded model, from the command line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from channels.voice.recorder import Files, Recorder
from engine import audio
from engine.errors import InputError, SpeechError
from engine.model import FRAME_BYTES, FRAME_MS, RATE, SILENCE, Sound, StepLog
from engine.recordings import join
from engine.replay import Hearers, Recorded, Replay, replay, two_sides
from engine.replays import Wish, steps
from engine.store.tables import CallDetail
from scenarios.document import Scenario, parse
from tests.fakes import FakeRecognizer, FakeVad, utterance
from tests.virtual_time import virtually

GRAPH: dict[str, Any] = {
    "dozvon": 1,
    "name": "Replay",
    "language": "ru",
    "start": "hello",
    "nodes": {
        "hello": {"kind": "play", "say": "Придёте?", "next": "ask"},
        "ask": {
            "kind": "recognize",
            "filters": [
                {"voice": ["да", "приду"], "goto": "code"},
                {"voice": ["нет"], "goto": "bye"},
                {"dtmf": "1", "goto": "code"},
                {"silence": True, "goto": "bye"},
                {"other": True, "goto": "again"},
            ],
        },
        "again": {"kind": "play", "say": "Да или нет?", "max_visits": 2, "next": "ask", "exhausted": "bye"},
        "code": {"kind": "collect", "say": "Код?", "save": "code", "min": 2, "max": 2, "ok": "bye", "silence": "bye"},
        "bye": {"kind": "hangup"},
    },
}
HELLO = StepLog(0, "hello", "play", 1000, "next")


def graph(**nodes: Any) -> Scenario:
    return parse({**GRAPH, "nodes": {**GRAPH["nodes"], **nodes}})


def side(seconds: float, *said: tuple[float, str]) -> bytes:
    """A side of a call on which this is said at these moments."""
    frames = [SILENCE] * round(seconds * 1000 / FRAME_MS)
    for at_s, text in said:
        for n, frame in enumerate(utterance(text)):
            frames[round(at_s * 1000 / FRAME_MS) + n] = frame
    return b"".join(frames)


def heard(call: Recorded, now: Scenario | None = None, recognizer: FakeRecognizer | None = None) -> Replay:
    was = graph()
    ears = recognizer or FakeRecognizer(takes_s=0)

    async def work() -> Replay:
        return await replay(call, was, now or was, Hearers(FakeVad, lambda _: ears))

    return virtually(work)


def asked(port: str = "code", by: str = "voice", text: str = "да", ms: int = 1600, **more: Any) -> StepLog:
    return StepLog(1000, "ask", "recognize", ms, port, by, text, 0.9, **more)


def kinds(got: Replay) -> list[str]:
    return [card.difference for card in got.cards]


def test_the_same_words_go_the_same_way() -> None:
    got = heard(Recorded([HELLO, asked()], side(4, (1.5, "да"))))
    assert kinds(got) == ["same"] and not got.differs
    (card,) = got.cards
    assert card.now is not None and (card.now.text, card.now.to, card.was.to) == ("да", "code", "code")
    assert 500 <= card.now.ms <= 1600


def test_another_word_is_another_arrow_and_what_follows_is_hypothetical() -> None:
    code = StepLog(3000, "code", "collect", 2000, "ok", "voice", "один два", 0.9)
    got = heard(Recorded([HELLO, asked(), code], side(7, (1.5, "нет"), (3.4, "один два"))))
    assert kinds(got) == ["arrow", "same"] and got.differs
    assert [card.hypothetical for card in got.cards] == [False, True]
    assert got.cards[0].now is not None and got.cards[0].now.to == "bye"


def test_other_words_with_the_same_arrow() -> None:
    got = heard(Recorded([HELLO, asked()], side(4, (1.5, "ну да"))))
    assert kinds(got) == ["text"] and not got.differs


def test_another_version_of_the_scenario_sorts_the_same_words() -> None:
    ask = {**GRAPH["nodes"]["ask"], "filters": [{"voice": ["да"], "goto": "bye"}, {"other": True, "goto": "bye"}]}
    call = Recorded([HELLO, asked()], side(4, (1.5, "да")))
    assert kinds(heard(call, graph(ask=ask))) == ["arrow"]
    renamed = {**GRAPH["nodes"], "question": GRAPH["nodes"]["ask"]}
    renamed["hello"] = {**renamed["hello"], "next": "question"}
    renamed["again"] = {**renamed["again"], "next": "question"}
    del renamed["ask"]
    assert kinds(heard(call, parse({**GRAPH, "nodes": renamed}))) == ["absent"]


def test_keys_are_taken_from_what_was_kept() -> None:
    call = Recorded([HELLO, asked(by="dtmf", text="1", ms=800)], side(3))
    assert kinds(heard(call)) == ["same"]
    ask = {**GRAPH["nodes"]["ask"], "filters": [{"dtmf": "1", "goto": "bye"}, {"other": True, "goto": "bye"}]}
    assert kinds(heard(call, graph(ask=ask))) == ["arrow"]


def test_silence_stays_silence() -> None:
    call = Recorded([HELLO, asked("bye", "silence", "", 7000)], side(9))
    assert kinds(heard(call)) == ["same"]


def test_words_that_were_not_heard_then_are_an_answer_now() -> None:
    call = Recorded([HELLO, asked("again", "other", "", 1600)], side(4, (1.5, "приду")))
    got = heard(call)
    assert kinds(got) == ["arrow"] and got.cards[0].now is not None and got.cards[0].now.text == "приду"


def test_whoever_left_without_a_word_leaves_again() -> None:
    assert kinds(heard(Recorded([HELLO, asked("left", "", "", 500)], side(1.5)))) == ["same"]


def test_an_interruption_is_heard_from_its_beginning() -> None:
    barged = StepLog(0, "hello", "play", 620, "next", "barge_in")
    ask = StepLog(620, "ask", "recognize", 1400, "code", "voice", "да", 0.9)
    got = heard(Recorded([barged, ask], side(3, (0.5, "да")), side(3, (0, "Придёте или нет"))))
    assert kinds(got) == ["same"]


def test_what_was_said_before_the_card_stood_is_nobodys() -> None:
    call = Recorded([HELLO, asked("bye", "silence", "", 2000)], side(4, (0.6, "да")))
    assert kinds(heard(call)) == ["same"]


def test_a_recogniser_that_fails_is_told_and_the_rest_goes_on() -> None:
    call = Recorded([HELLO, asked("again", "other", "что")], side(4, (1.5, "что")))  # no partial decides
    got = heard(call, recognizer=FakeRecognizer(takes_s=0, failure=SpeechError("the worker is gone")))
    assert kinds(got) == ["unheard"] and got.failed and not got.differs
    assert got.cards[0].trouble == "the worker is gone"


def test_digits_over_several_utterances() -> None:
    code = StepLog(1000, "code", "collect", 4500, "ok", "voice", "два", 0.9)
    got = heard(Recorded([HELLO, code], side(8, (1.5, "один"), (3.6, "два"))))
    assert kinds(got) == ["same"]
    assert got.plain()["cards"][0]["now"]["by"] == "voice"


def test_what_is_kept_of_steps_that_this_version_does_not_know() -> None:
    detail = CallDetail(steps=[{"at_ms": 1, "node": "a", "kind": "play", "ms": 2, "port": "next", "mood": "good"}])
    assert steps(detail) == (StepLog(1, "a", "play", 2, "next"),)
    assert Wish.of({"call_id": 5, "recognizer": None, "version": 3}) == Wish(5, "", None, 3)


# --- the engine's own recordings --------------------------------------------------------------------------------------

TRANSFER_S = 2.6  # the operator is there from then on


async def _recorded(folder: Path) -> Path:
    """The subscriber says yes, talks to an operator for two seconds, and then says no."""
    async with Files(folder).running() as files:
        ours = Recorder(files, "dz-1")
        ours.begin(100.0)
        _hears(ours, side(TRANSFER_S, (1.5, "да")))
        ours.said(101.0, audio.tone(500, 1.0).pcm)
        _with_operator(ours.beside(100.0 + TRANSFER_S))
        ours.begin(100.0 + TRANSFER_S + 2.0)
        _hears(ours, side(3, (1.5, "нет")))
        await ours.close()
        subscriber, robot = map(Path, ours.paths)
        return folder / await asyncio.to_thread(join, folder, "dz-1", subscriber, robot)


def _with_operator(base: str) -> None:
    """As Asterisk leaves it."""
    for which, hz in (("in", 700), ("out", 900)):
        Path(f"{base}-{which}.wav").write_bytes(audio.to_wav(audio.tone(hz, 2.0)))


def _hears(ours: Recorder, sound: bytes) -> None:
    for at in range(0, len(sound), FRAME_BYTES):
        ours.heard(sound[at : at + FRAME_BYTES])


def test_a_recording_of_the_engine_is_heard_again_with_the_time_with_an_operator_in_it(tmp_path: Path) -> None:
    subscriber, robot = two_sides(asyncio.run(_recorded(tmp_path)))
    operator = slice(round(2 * RATE * TRANSFER_S), round(2 * RATE * (TRANSFER_S + 2.0)))
    assert (subscriber[operator], robot[operator]) == (audio.tone(700, 2.0).pcm, audio.tone(900, 2.0).pcm)
    after = StepLog(5600, "ask", "recognize", 1200, "bye", "voice", "нет", 0.9)
    got = heard(Recorded([HELLO, asked(), after], subscriber, robot))
    assert kinds(got) == ["same", "same"]
    assert [card.now.to for card in got.cards if card.now is not None] == ["code", "bye"]


@pytest.mark.parametrize("data", [audio.to_wav(Sound(SILENCE)), b"", b"PK\x03\x04", b"RIFF"])
def test_what_is_no_recording_of_a_call_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "one.wav").write_bytes(data)
    with pytest.raises(InputError, match="recording"):
        two_sides(tmp_path / "one.wav")
