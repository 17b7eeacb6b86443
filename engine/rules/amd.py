"""Who has answered: a person, a machine, a call-screening assistant, an announcement of the network, a fax.

    frame, voiced? ─▶ Tones ─▶ beep, busy, fax … ┐
                   └▶ rhythm: how long the first words last, and what comes after ─┼▶ evidence ─▶ Verdict
    partial text ──▶ greetings: phrases ────────────────────────────────────────────┘

Each piece of evidence speaks for one kind with a weight; the kind that leads by a margin is the verdict. It may change
as long as frames come: a short "hello" and a pause is a person, until a beep says otherwise. Nobody waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.rules import greetings
from engine.rules.greetings import Clue, Kind
from engine.rules.phrases import Phrases
from engine.rules.tones import FRAME_MS, Sign, Signal, Tones
from engine.rules.weights import USUAL, Settings

__all__ = ["USUAL", "Amd", "Evidence", "Kind", "Settings", "Verdict"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """`what` happened at `at_ms` after the beginning, and speaks for `kind` with `weight`."""

    what: str
    kind: Kind
    weight: float
    at_ms: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """`at_ms`: when it was come to. `means`: for an announcement, the API's `status` that it tells of."""

    kind: Kind = Kind.UNKNOWN
    at_ms: int = 0
    evidence: tuple[Evidence, ...] = ()
    means: str = ""


UNDECIDED = Verdict()
MOST_EVIDENCE = 60


@dataclass(slots=True)
class _Speech:
    """The utterances of whoever answered, counted in frames."""

    count: int = 0  # voiced frames that may become speech
    speaking: bool = False
    number: int = 0  # of the utterance that lasts or was the last
    began_ms: int = 0
    voiced_ms: int = 0  # when the last voiced frame ended
    ended_ms: int = 0  # of the utterance before
    length_before_ms: int = 0
    total_ms: int = 0  # of all utterances that have ended
    early: bool = False  # its length says something
    loudest_dbfs: float = -100.0  # of what was heard lately
    quiet_dbfs: float = -100.0  # the loudest when the utterance began

    @property
    def length_ms(self) -> int:
        return self.voiced_ms - self.began_ms

    def silence_ms(self, now_ms: int) -> int:
        return now_ms - self.voiced_ms


@dataclass(slots=True)
class _Scores:
    """What has been found so far."""

    said: Phrases
    evidence: list[Evidence] = field(default_factory=list[Evidence])
    sums: dict[Kind, float] = field(default_factory=dict[Kind, float])
    phrases: dict[Kind, float] = field(default_factory=dict[Kind, float])
    seen: set[str] = field(default_factory=set[str])
    means: str = ""
    short: float = 0.0  # what a short greeting and the silence after it have added


class Amd:
    """One answered (or not yet answered) call. Frames and partial texts in; a Verdict where it changes."""

    __slots__ = (
        "_greeted",
        "_last_text",
        "_now_ms",
        "_opening",
        "_rules",
        "_scores",
        "_since",
        "_speech",
        "_tones",
        "beeped_ms",
        "verdict",
    )

    def __init__(self, rules: Settings = USUAL) -> None:
        self._rules = rules
        self._tones = Tones(rules.tones)
        self._speech = _Speech()
        self._scores = _Scores(self._phrases())
        self._now_ms = 0
        self._since = 0  # the score began anew then
        self._last_text = ""
        self._greeted = self._opening = False
        self.beeped_ms = -1  # when the last beep ended; negative: none yet
        self.verdict = UNDECIDED

    @property
    def now_ms(self) -> int:
        """So much has been heard."""
        return self._now_ms

    @property
    def silence_ms(self) -> int:
        """Since the last sound of speech; since the beginning if there was none."""
        return self._speech.silence_ms(self._now_ms)

    @property
    def speaking(self) -> bool:
        return self._speech.speaking

    @property
    def spoke(self) -> bool:
        """Somebody, or something, has spoken."""
        return self._speech.number > 0

    def push(self, frame: bytes, voiced: bool) -> Verdict | None:
        """The next 20 ms of 16-bit PCM at 8 kHz, and whether there is a voice in it. The new verdict, if it changed."""
        self._now_ms += FRAME_MS
        signal = self._tones.push(frame)
        if signal is not None:
            self._toned(signal)
        self._listen(voiced and not self._tones.tonal and self._near())
        for clue in self._scores.said.ripe(self._now_ms, self.silence_ms):
            self._said(clue)
        return self._judge()

    def text(self, text: str) -> Verdict | None:
        """What has been understood of the utterance that lasts, or was the last. The new verdict, if it changed."""
        if not text or text == self._last_text:
            return None
        self._last_text = text
        for clue in self._scores.said.heard(text, self._now_ms):
            self._said(clue)
        self._greeted, self._opening = greetings.greets(text), greetings.opens(text)
        if self._speech.number == 1 and greetings.answers(text):
            self._greeting("greeted", "said_what_people_say", self._rules.greeted)
        return self._judge()

    def pressed(self) -> Verdict | None:
        """A key was pressed: machines do not. The new verdict, if it changed."""
        self._once("key", "pressed_a_key", Kind.PERSON, self._rules.key)
        return self._judge()

    @property
    def means(self) -> str:
        """What an announcement tells of, as an API `status`; empty: it has not said so."""
        return self._scores.means

    def afresh(self) -> None:
        """Somebody else may speak now (a screening assistant passes the call on): judge anew, keep the evidence."""
        self._scores = _Scores(self._phrases(), evidence=self._scores.evidence)
        self._speech = _Speech(voiced_ms=self._now_ms, ended_ms=self._now_ms, number=0)
        self._since, self._last_text = self._now_ms, ""
        self._greeted = self._opening = False
        self.verdict = Verdict(at_ms=self._now_ms, evidence=tuple(self._scores.evidence))

    def _phrases(self) -> Phrases:
        return Phrases(self._rules.unfinished_ms, self._rules.unfinished_silence_ms)

    def _near(self) -> bool:
        """Is this frame about as loud as the voice on this line?"""
        speech, rules, dbfs = self._speech, self._rules, self._tones.dbfs
        speech.loudest_dbfs -= rules.forgets_db_s * FRAME_MS / 1000
        if dbfs > speech.loudest_dbfs:
            speech.loudest_dbfs += (dbfs - speech.loudest_dbfs) * 0.5
        return dbfs >= speech.loudest_dbfs - rules.near_db

    # --- what is heard -----------------------------------------------------------------------------------------------

    def _listen(self, voiced: bool) -> None:
        speech, now_ms = self._speech, self._now_ms
        if not speech.speaking:
            speech.count = speech.count + 1 if voiced else max(0, speech.count - 1)
            if speech.count * FRAME_MS >= self._rules.onset_ms:
                self._begin()
            else:
                self._after()
            return
        if voiced:
            speech.voiced_ms = now_ms
            if speech.length_ms <= self._rules.burst_after_ms:
                speech.quiet_dbfs = speech.loudest_dbfs
            elif speech.loudest_dbfs >= speech.quiet_dbfs + self._rules.burst_db:
                speech.began_ms, speech.quiet_dbfs = now_ms - FRAME_MS, speech.loudest_dbfs
            self._during()
            return
        self._after()
        if speech.silence_ms(now_ms) >= self._rules.pause_ms:
            speech.speaking, speech.count = False, 0
            speech.ended_ms = speech.voiced_ms
            speech.total_ms += speech.length_ms

    def _begin(self) -> None:
        speech, rules = self._speech, self._rules
        speech.speaking, speech.length_before_ms = True, speech.length_ms
        speech.began_ms, speech.voiced_ms = self._now_ms - speech.count * FRAME_MS, self._now_ms
        speech.quiet_dbfs = speech.loudest_dbfs
        before = speech.number
        speech.number += int(not before or speech.length_before_ms >= self._rules.shortest_ms)  # else it was no word
        since = speech.began_ms - self._since
        resumed = bool(before) and speech.began_ms - speech.ended_ms <= rules.resumed_ms
        speech.early = since <= rules.early_ms or (resumed and since <= 3 * rules.early_ms)
        self._greeted = self._opening = False
        for at_ms, _ in rules.long:
            self._scores.seen.discard(f"long_{at_ms}")

    def _during(self) -> None:
        """Somebody speaks, and goes on speaking."""
        speech, rules = self._speech, self._rules
        if speech.number == 1 and self._scores.short:
            self._add("spoke_on", Kind.PERSON, -self._scores.short)  # it was not over
            self._scores.short = 0.0
            self._scores.seen.discard("short")
        if speech.early:
            soon = speech.began_ms - speech.ended_ms <= rules.went_on_after_ms and "short" in self._scores.seen
            if soon and speech.number == 2 and speech.length_ms >= rules.went_on_ms:
                self._once("went_on", "went_on_speaking", Kind.MACHINE, rules.went_on)
            for at_ms, weight in rules.long:
                if speech.length_ms >= at_ms:
                    self._once(f"long_{at_ms}", f"speech_{at_ms}_ms", Kind.MACHINE, weight)
        heard_ms = self._now_ms - self._since
        if rules.talkative_ms <= heard_ms < rules.talkative_ms + 2000:
            spoken_ms = speech.total_ms + speech.length_ms
            if spoken_ms >= rules.talkative_share * heard_ms:
                self._once("talkative", "talkative", Kind.MACHINE, rules.talkative)

    def _after(self) -> None:
        """Nobody speaks (any more)."""
        speech, rules = self._speech, self._rules
        if speech.number != 1:
            return
        silence_ms = speech.silence_ms(self._now_ms)
        if speech.length_ms < rules.shortest_ms and not self._greeted:
            return
        if self._opening and silence_ms < rules.opening_ms:
            return
        if self._greeted and speech.length_ms <= rules.greeted_most_ms and silence_ms >= rules.greeted_ms:
            self._greeting("greeted", "said_what_people_say", rules.greeted)
        for most_ms, wait_ms, weight in rules.short:
            if speech.length_ms <= most_ms:
                if silence_ms >= wait_ms:
                    self._scores.short += self._greeting("short", f"short_greeting_{speech.length_ms}_ms", weight)
                return

    def _greeting(self, key: str, what: str, weight: float) -> float:
        """What it adds to what is known of this greeting."""
        if key in self._scores.seen:
            return 0.0
        adds = max(0.0, min(weight, self._rules.greeting_most - self._scores.sums.get(Kind.PERSON, 0.0)))
        self._once(key, what, Kind.PERSON, adds)
        return adds

    def _toned(self, signal: Signal) -> None:
        rules, speech = self._rules, self._speech
        spoken_ms = speech.total_ms + (speech.length_ms if speech.speaking else 0)
        after_speech = spoken_ms >= rules.speech_before_beep_ms
        match signal.sign:
            case Sign.BEEP:
                self._beeped(signal, after_speech)
            case Sign.CNG if after_speech:
                self._beeped(signal, after_speech)
            case Sign.CNG:
                self._add("fax_calling", Kind.FAX, rules.fax_calling)
            case Sign.CED:
                self._add("fax_answering", Kind.FAX, rules.fax_answering)
            case Sign.BUSY | Sign.CONGESTION as sign:
                self._scores.means = self._scores.means or sign.value
                self._once(sign.value, f"{sign.value}_tone", Kind.ANNOUNCEMENT, rules.network)
            case Sign.SIT:
                self._once("sit", "special_information", Kind.ANNOUNCEMENT, rules.network)
            case Sign.RINGBACK:
                self._once("ringback", "ringback", Kind.UNKNOWN, 0.0)

    def _beeped(self, signal: Signal, after_speech: bool) -> None:
        self.beeped_ms = signal.at_ms
        weight = self._rules.beep_after_speech if after_speech else self._rules.beep
        self._once("beep", f"beep_{round(signal.hz)}_hz", Kind.MACHINE, weight)

    def _said(self, clue: Clue) -> None:
        rules = self._rules
        full = {
            Kind.MACHINE: rules.phrase_machine,
            Kind.SCREENING: rules.phrase_screening,
            Kind.ANNOUNCEMENT: rules.phrase_announcement,
        }[clue.kind]
        had = self._scores.phrases.get(clue.kind, 0.0)
        weight = min(clue.strength * full, rules.phrase_most - had)
        self._scores.phrases[clue.kind] = had + weight
        if clue.means:
            self._scores.means = self._scores.means or clue.means
        if weight > 0:
            self._add(f"phrase: {clue.phrase}", clue.kind, weight)

    # --- the verdict -------------------------------------------------------------------------------------------------

    def _once(self, key: str, what: str, kind: Kind, weight: float) -> None:
        if key not in self._scores.seen:
            self._scores.seen.add(key)
            self._add(what, kind, weight)

    def _add(self, what: str, kind: Kind, weight: float) -> None:
        scores = self._scores
        scores.sums[kind] = scores.sums.get(kind, 0.0) + weight
        if len(scores.evidence) < MOST_EVIDENCE:
            scores.evidence.append(Evidence(what, kind, round(weight, 2), self._now_ms))

    def _judge(self) -> Verdict | None:
        sums = self._scores.sums
        if not sums:
            return None
        standing = self.verdict.kind
        best = max(sums, key=lambda kind: sums[kind])
        if best is standing is Kind.ANNOUNCEMENT and self._scores.means not in ("", self.verdict.means):
            return self._found(best)
        if best is standing or best is Kind.UNKNOWN or sums[best] < self._rules.enough:
            return None
        if self._scores.said.waiting and not self._scores.phrases.get(best):
            return None  # who speaks so will tell: the rhythm does not know better
        others = max((score for kind, score in sums.items() if kind is not best), default=0.0)
        if sums[best] < others + self._rules.margin:
            return None
        return self._found(best)

    def _found(self, kind: Kind) -> Verdict:
        means = (self._scores.means or "unreachable") if kind is Kind.ANNOUNCEMENT else ""
        self.verdict = Verdict(kind, self._now_ms, tuple(self._scores.evidence), means)
        return self.verdict
