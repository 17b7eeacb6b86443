"""A decoding graph for given words, written as Kaldi and vosk read it: no OpenFst, some milliseconds for a card's.

    0 ─▶ (blank ⟲) ─▶ 1                             silence
    1 ─▶ s₁ ⟲ ─▶ (blank ⟲) ─▶ s₂ ⟲ ─▶ … ─▶ 0      one path for each pronunciation, the word said at its last sound
    1 ─▶ any sound, any number of them ─▶ 0         [unk]: what is none of the words

The topology is CTC's: a sound may be repeated, and blanks may stand between sounds. After silence comes no other
silence: one that could be parted at every frame has so many ways through it that a lattice of them takes seconds.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

SILENCE, BLANK = 1, 2  # both are CTC's blank: between words, inside a word
POSITIONS = {"B": "begin", "I": "internal", "E": "end", "S": "singleton"}
UNKNOWN = "[unk]"
MAGIC, LOOK_AHEAD_MAGIC = 2125659606, 446681434
CONST_PROPERTIES, VECTOR_PROPERTIES, LOOK_AHEAD_PROPERTIES = 1, 3, 0x6595656A0001
ARC = np.dtype([("in", "<i4"), ("out", "<i4"), ("weight", "<f4"), ("to", "<i4")])

Pronunciation = tuple[str, ...]


class Phones:
    """The numbers of phones (a sound at a place in a word), of their transitions and of the network's outputs."""

    def __init__(self, sounds: Sequence[str]) -> None:
        self.sounds = tuple(sounds)
        self._first = {sound: BLANK + 1 + len(POSITIONS) * at for at, sound in enumerate(self.sounds)}
        self.count = BLANK + len(POSITIONS) * len(self.sounds)

    def number(self, sound: str, position: str) -> int:
        return self._first[sound] + list(POSITIONS).index(position)

    def output(self, phone: int) -> int:
        """Of the network; 0 is CTC's blank."""
        return 0 if phone <= BLANK else 1 + (phone - BLANK - 1) // len(POSITIONS)

    def boundaries(self) -> str:
        """word_boundary.int: which phone begins or ends a word."""
        rows = ["1 nonword", "2 internal"]
        rows += [f"{self.number(sound, at)} {name}" for sound in self.sounds for at, name in POSITIONS.items()]
        return "\n".join(rows) + "\n"

    def __contains__(self, sound: str) -> bool:
        return sound in self._first


def entering(phone: int) -> int:
    """The number of the transition into a phone."""
    return 2 * phone


def staying(phone: int) -> int:
    """The number of the transition from a phone to itself."""
    return 2 * phone - 1


class Arc(NamedTuple):
    sound: int  # a transition; 0: none
    word: int  # 0: none
    weight: float
    to: int


@dataclass(frozen=True, slots=True)
class Costs:
    """Negative logarithms. A dear `unknown` takes foreign speech for a phrase, a cheap one phrases for foreign."""

    word: float = 1.0
    unknown: float = 3.5
    unknown_sound: float = 1.05


class Graph:
    """State 0 is the first; the last one is the first too, if nothing else is said."""

    def __init__(self) -> None:
        self.arcs: list[list[Arc]] = [[]]
        self.last = 0

    def state(self) -> int:
        self.arcs.append([])
        return len(self.arcs) - 1

    def arc(self, start: int, to: int, sound: int = 0, word: int = 0, weight: float = 0.0) -> None:
        self.arcs[start].append(Arc(sound, word, weight, to))

    def stay(self, phone: int) -> int:
        """A state in which a phone goes on."""
        at = self.state()
        self.arc(at, at, staying(phone))
        return at

    # --- as bytes -------------------------------------------------------------------------------------------------

    def const(self) -> bytes:
        """OpenFst's ConstFst of StdArc: HCLG.fst."""
        return _header("const", 2, CONST_PROPERTIES, 0, *self._size()) + self._const_body()

    def vector(self) -> bytes:
        """OpenFst's VectorFst of StdArc: Gr.fst."""
        parts = [_header("vector", 2, VECTOR_PROPERTIES, 0, *self._size())]
        for at, arcs in enumerate(self.arcs):
            parts += [struct.pack("<fq", self._final(at), len(arcs)), _packed(arcs)]
        return b"".join(parts)

    def look_ahead(self, words: int) -> bytes:
        """OpenFst's olabel_lookahead: HCLr.fst. Every state must reach every word, numbered from 1 to `words`, through
        arcs without a word; so they do in a loop of words."""
        for arcs in self.arcs:
            arcs.sort(key=lambda arc: (arc.word, arc.sound))
        states, arcs_ = self._size()
        reach = struct.pack("<qiii", 1, 1, words + 2, words + 1) * states
        return b"".join(
            (
                _header("olabel_lookahead", 1, LOOK_AHEAD_PROPERTIES, -1, 0, 0),
                struct.pack("<i", LOOK_AHEAD_MAGIC),
                _header("const", 2, LOOK_AHEAD_PROPERTIES, 0, states, arcs_),
                self._const_body(),
                b"\1\0\1\0\0" + struct.pack("<iq", words + 1, states) + reach,
            )
        )

    def _final(self, state: int) -> float:
        return 0.0 if state == self.last else math.inf

    def _size(self) -> tuple[int, int]:
        return len(self.arcs), sum(map(len, self.arcs))

    def _const_body(self) -> bytes:
        states, place = [], 0
        for at, arcs in enumerate(self.arcs):
            silent, wordless = sum(not arc.sound for arc in arcs), sum(not arc.word for arc in arcs)
            states.append(struct.pack("<fIIII", self._final(at), place, len(arcs), silent, wordless))
            place += len(arcs)
        return b"".join(states) + _packed([arc for arcs in self.arcs for arc in arcs])


def _packed(arcs: Sequence[Arc]) -> bytes:
    return np.array([tuple(arc) for arc in arcs], ARC).tobytes()


def _header(kind: str, version: int, properties: int, start: int, states: int, arcs: int) -> bytes:
    name, arc = kind.encode(), b"standard"
    texts = struct.pack("<i", len(name)) + name + struct.pack("<i", len(arc)) + arc
    return struct.pack("<i", MAGIC) + texts + struct.pack("<iiQqqq", version, 0, properties, start, states, arcs)


# --- the graph of words -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words with their pronunciations; a phrase is a word with blanks in it."""

    words: Mapping[str, Sequence[Pronunciation]]
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.numbers.update({word: at for at, word in enumerate([*self.words, UNKNOWN], 1)})

    def table(self) -> str:
        """words.txt; a phrase's blanks are `_` in it."""
        rows = [f"{word.replace(' ', '_')} {number}\n" for word, number in self.numbers.items()]
        return "".join(["<eps> 0\n", *rows])


def loop(phones: Phones, vocabulary: Vocabulary, costs: Costs, foreign: Sequence[str], *, late: bool = True) -> Graph:
    """Any words in any order. `foreign` are the sounds that [unk] is made of; `late`: a word is said at its last sound,
    so that a partial tells of no more than was heard."""
    graph = Graph()
    graph.last = begin = graph.state()
    silent = graph.stay(SILENCE)
    graph.arc(0, silent, entering(SILENCE))
    graph.arc(0, begin)
    graph.arc(silent, begin)
    for word, pronunciations in vocabulary.words.items():
        for sounds in dict.fromkeys(pronunciations):
            _word(graph, phones, sounds, vocabulary.numbers[word], costs.word, late=late)
    _unknown(graph, phones, foreign, vocabulary.numbers[UNKNOWN], costs)
    return graph


def unigram(words: int, cost: float) -> Graph:
    """Gr.fst: each word as likely as any other."""
    graph = Graph()
    for number in range(1, words + 1):
        graph.arc(0, 0, number, number, cost)
    return graph


def _word(graph: Graph, phones: Phones, sounds: Pronunciation, number: int, cost: float, *, late: bool) -> None:
    at, blank = graph.last, -1
    last = len(sounds) - 1
    for place, sound in enumerate(sounds):
        position = "S" if last == 0 else "B" if place == 0 else "E" if place == last else "I"
        phone = phones.number(sound, position)
        said = number if place == (last if late else 0) else 0
        state = graph.stay(phone)
        graph.arc(at, state, entering(phone), said, cost if place == 0 else 0.0)
        if blank >= 0:
            graph.arc(blank, state, entering(phone), said)
        at = state
        if place < last:
            blank = graph.stay(BLANK)
            graph.arc(at, blank, entering(BLANK))
    graph.arc(at, 0)


def _unknown(graph: Graph, phones: Phones, sounds: Sequence[str], number: int, costs: Costs) -> None:
    after, blank, before = graph.state(), graph.stay(BLANK), graph.state()
    graph.arc(after, blank, entering(BLANK))
    graph.arc(blank, before)
    graph.arc(after, before)
    for sound in sounds:
        for position, start, to in (("B", graph.last, after), ("I", before, after), ("E", before, 0)):
            phone = phones.number(sound, position)
            state = graph.stay(phone)
            begins = position == "B"
            weight = costs.unknown_sound + (costs.unknown if begins else 0.0)
            graph.arc(start, state, entering(phone), number if begins else 0, weight)
            graph.arc(state, to)
