from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.rules.endpointing import Endpointer, Endpointing, Turn


def turns(pattern: str, **rules: int) -> list[tuple[int, Turn]]:
    """`#` voiced, anything else not; the frame number and the turn that each gave."""
    endpointer = Endpointer(Endpointing(**rules))
    found = ((n, endpointer.push(frame == "#")) for n, frame in enumerate(pattern))
    return [(n, turn) for n, turn in found if turn is not None]


def test_speech_starts_at_its_sixth_voiced_frame_and_ends_after_600_ms_of_silence() -> None:
    assert turns("....######" + "#" * 10 + "." * 40) == [(9, Turn.STARTED), (19 + 30, Turn.ENDED)]


def test_clicks_and_coughs_shorter_than_120_ms_are_no_speech() -> None:
    assert turns("##....###....#####......" * 5) == []


def test_a_drop_out_inside_a_word_does_not_begin_the_count_anew() -> None:
    assert turns("####.###") == [(7, Turn.STARTED)]


def test_a_pause_shorter_than_the_end_belongs_to_the_utterance() -> None:
    assert turns("#" * 6 + "." * 29 + "#" + "." * 30) == [(5, Turn.STARTED), (6 + 29 + 30, Turn.ENDED)]


def test_an_utterance_without_end_is_closed_at_its_longest() -> None:
    endpointer = Endpointer()
    endpointer.longest = 100
    found = [n for n in range(300) if endpointer.push(True) is Turn.ENDED]
    assert found[0] == 99


@given(st.lists(st.booleans(), max_size=2000))
def test_starts_and_ends_alternate(frames: list[bool]) -> None:
    endpointer = Endpointer()
    found = [turn for frame in frames if (turn := endpointer.push(frame)) is not None]
    assert found == [Turn.STARTED, Turn.ENDED] * (len(found) // 2) + [Turn.STARTED] * (len(found) % 2)


def test_an_onset_that_was_none_is_asked_again_soon() -> None:
    """Somebody who speaks into the robot's echo must not wait for as long as it takes to begin anew."""
    endpointer = Endpointer()
    endpointer.started_after = 6
    assert [endpointer.push(True) for _ in range(6)][-1] is Turn.STARTED
    endpointer.recant()
    assert not endpointer.speaking
    assert [endpointer.push(True) for _ in range(2)] == [None, Turn.STARTED]
    endpointer.recant(tone=True)
    assert [endpointer.push(True) for _ in range(3)] == [None, None, Turn.STARTED]


CONSONANTS = "##....#.."  # of "кто": what silence there is between takes them back


def test_a_certain_voice_is_noticed_with_the_consonants_before_it() -> None:
    def started(certain: bool) -> int:
        endpointer = Endpointer()
        frames = CONSONANTS + "#" * 8
        return next(n for n, f in enumerate(frames) if endpointer.push(f == "#", certain and n > 8) is Turn.STARTED)

    assert started(certain=False) == len(CONSONANTS) + 5
    assert started(certain=True) == len(CONSONANTS) + 2


def test_a_certain_voice_counts_nothing_from_before_300_ms() -> None:
    endpointer = Endpointer()
    for frame in "#####" + "." * 12 + "#":
        assert endpointer.push(frame == "#", frame == "#") is None


def test_what_was_recanted_is_not_counted_again() -> None:
    """A certain voice that is an echo is asked about every 40 ms, not with every frame."""
    endpointer = Endpointer()
    asked = []
    for n in range(60):
        if endpointer.push(True, True) is Turn.STARTED:
            asked.append(n)
            endpointer.recant()
    assert asked == list(range(5, 60, 2))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=400), st.integers(1, 30))
def test_nothing_starts_before_it_has_sounded_for_as_long_as_asked(frames: list[tuple[bool, bool]], least: int) -> None:
    endpointer = Endpointer()
    endpointer.started_after = least
    since = 0  # voiced frames since the last utterance
    for voiced, certain in frames:
        speaking = endpointer.speaking
        turn = endpointer.push(voiced, certain)
        since = 0 if speaking else since + voiced
        if turn is Turn.STARTED:
            assert since >= least
            assert voiced


@given(st.lists(st.booleans(), max_size=400))
def test_certainty_is_never_later(frames: list[bool]) -> None:
    def first(certain: bool) -> int:
        endpointer = Endpointer()
        return next((n for n, v in enumerate(frames) if endpointer.push(v, certain) is Turn.STARTED), len(frames))

    assert first(certain=True) <= first(certain=False)
