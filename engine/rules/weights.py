"""What each piece of evidence weighs when it is judged who has answered, and how long what is waited for.

They were chosen on the generated greetings of the seeds 101 and 102, heard by the two-stage VAD (`bench.amd`), the
waits of `short` with an eye on 1 and 2 too; figures are to be told of other seeds. The waits for people are short for
nothing is done to a person: a machine that pauses, as three in four do, is one only until it goes on. Speech without a
pause is a machine's after 2.35 s: firms that say their name need up to 2.2 s, so that after 2.05 s 1.4 % of people were
machines, and after 1.6 s 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.rules import tones


@dataclass(frozen=True, slots=True)
class Settings:
    """Every threshold. Weights are added up by kind; times are milliseconds."""

    tones: tones.Limits = tones.Limits()

    # speech
    onset_ms: int = 80  # so much voice is speech
    near_db: float = 10.0  # of the loudest so far: what is quieter is somebody, or something, in the background
    forgets_db_s: float = 1.5  # so fast the loudest so far is forgotten
    burst_after_ms: int = 160
    burst_db: float = 9.0  # a voice that comes so much above the noise begins there, not where the noise did
    pause_ms: int = 560  # a pause this long ends an utterance
    early_ms: int = 4000  # an utterance that begins later says nothing by its length
    resumed_ms: int = 1500  # unless it follows the one before so soon

    # a short greeting and then silence: at most so long, after so much silence, weighs so much
    shortest_ms: int = 120  # what is shorter is no word; the VAD believes its first stage for 100 ms
    short: tuple[tuple[int, int, float], ...] = (
        (160, 220, 1.6),
        (900, 200, 2.0),
        (1500, 200, 1.7),
        (2000, 220, 1.5),
        (2700, 400, 1.5),
    )
    greeted_ms: int = 160  # the silence that is enough after words that only people say
    greeted: float = 2.0
    greeted_most_ms: int = 1600
    opening_ms: int = 340  # after words with which people and machines begin alike
    greeting_most: float = 2.2  # its length and its words tell of one and the same greeting
    # a greeting that was short, and then went on for so long after all
    went_on_ms: int = 1100
    went_on_after_ms: int = 1000
    went_on: float = 0.8
    # one utterance that does not end: after so long, weighs so much
    long: tuple[tuple[int, float], ...] = ((1700, 0.8), (2350, 0.8), (2900, 0.8), (4500, 1.0))
    talkative_ms: int = 7000  # by then so much of the time was speech
    talkative_share: float = 0.7
    talkative: float = 1.2

    # phrases: the weight of a decisive one, by kind; all of a kind together weigh at most so much
    phrase_machine: float = 4.5
    phrase_screening: float = 4.5
    phrase_announcement: float = 4.5
    phrase_most: float = 6.0
    # what may be the beginning of another kind's phrase counts after so much time, or silence
    unfinished_ms: int = 1500
    unfinished_silence_ms: int = 500

    # tones
    beep_after_speech: float = 3.0
    beep: float = 2.0
    network: float = 4.0
    fax_calling: float = 1.2
    fax_answering: float = 4.0
    speech_before_beep_ms: int = 500

    key: float = 5.0

    # the verdict
    enough: float = 1.5
    margin: float = 0.4


USUAL = Settings()
